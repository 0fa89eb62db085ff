"""Gradients at blocks are autograd's own, once a block, with and without activation checkpointing, and nothing stays behind."""

import copy
import dataclasses
import weakref

import pytest
import torch
from aurorascope.backbone.gradients import between, graph_from, hear_gradients, pull_back
from aurorascope.backbone.replay import Replay
from aurorascope.backbone.splice import ablation, splice
from aurorascope.blocks import BLOCKS, BY_ID

pytestmark = pytest.mark.slow
# One in each stage, and those beside merges, splits and the skip.
SITES = [BY_ID[name] for name in ("encoder_s0_b0", "encoder_s0_b5", "encoder_s1_b4", "encoder_s2_b7", "decoder_s0_b0", "decoder_s1_b9",
                                  "decoder_s2_b0", "decoder_s2_b5")]


@pytest.fixture(scope="module")
def checkpointing(model):
    """The same model, its activations computed again for a backward."""
    again = copy.deepcopy(model)
    again.configure_activation_checkpointing()
    return again


@pytest.fixture(params=["kept", "again"])
def each_way(request, model, checkpointing):
    return model if request.param == "kept" else checkpointing


def y_of(forecast):
    """Some number of all fields, none of which is like another."""
    scaled = forecast.normalise(surf_stats={})
    fields = [*scaled.surf_vars.values(), *scaled.atmos_vars.values()]
    return sum((at + 1) * field.double().pow(2).mean() for at, field in enumerate(fields))


def heard(model, batch, blocks=BLOCKS, forecast=None, replace=None):
    """y, and output and gradient of each block in the order of arrival; the gradient at the first block comes as the result, too."""
    found = {}

    def receive(block, x_nd, g_nd):
        assert block.id not in found
        found[block.id] = x_nd.clone(), g_nd.clone()

    with graph_from(model, blocks[0], replace) as start, hear_gradients(model, blocks, receive):
        y = y_of((forecast or (lambda: model(batch)))())
        g_nd = pull_back(y, start)
    assert torch.equal(g_nd, found[blocks[0].id][1])
    return y.detach(), found


@pytest.fixture(scope="module")
def own(model, batch):
    """The same from torch alone: hooks that begin a graph at the first block and retain gradients."""
    outputs, handles = {}, []

    def fired(block):
        def hook(_module, _args, output):
            if block is BLOCKS[0]:
                output = output.requires_grad_()
            output.retain_grad()
            outputs[block.id] = output
            return output

        return hook

    handles = [block.module(model).register_forward_hook(fired(block)) for block in BLOCKS]
    y = y_of(model(batch))
    y.backward()
    for handle in handles:
        handle.remove()
    return y.detach(), {name: (output.detach()[0], output.grad[0]) for name, output in outputs.items()}


def close(found, expected):
    assert (found - expected).abs().max() <= 1e-6 * expected.abs().max()


def test_one_backward_gives_the_gradients_at_all_blocks(each_way, batch, own):
    """The last block's comes first; y and outputs have the bits of torch's own pass, gradients are the same."""
    y, found = heard(each_way, batch)
    assert torch.equal(y, own[0])
    assert list(found) == [block.id for block in reversed(BLOCKS)]
    for name, (x_nd, g_nd) in found.items():
        assert g_nd.abs().max() > 0
        assert torch.equal(x_nd, own[1][name][0])
        close(g_nd, own[1][name][1])


def test_hooks_that_fire_again_change_nothing(model, batch, own):
    """Where stages and the backbone are checkpointed and blocks are not, all blocks run again with their hooks, some of them twice."""
    stages = copy.deepcopy(model)
    stages.configure_activation_checkpointing(("Basic3DDecoderLayer", "Basic3DEncoderLayer", "Swin3DTransformerBackbone"))
    fired = []
    for block in BLOCKS:
        block.module(stages).register_forward_hook(lambda *_, n=block.id: fired.append(n))
    _, found = heard(stages, batch)
    assert list(found) == [block.id for block in reversed(BLOCKS)] and len(fired) > 2 * len(BLOCKS)
    for name, (x_nd, g_nd) in found.items():
        assert torch.equal(x_nd, own[1][name][0])
        close(g_nd, own[1][name][1])


def test_a_block_that_runs_twice_is_heard_the_first_time(each_way, batch, own):
    """Both outputs of a block come into y and have gradients, and under checkpoints each is computed again; only the first is handed on."""
    found, warmer = [], dataclasses.replace(batch, surf_vars={**batch.surf_vars, "2t": batch.surf_vars["2t"] + 1})
    with graph_from(each_way, SITES[0]) as start, hear_gradients(each_way, SITES, lambda block, *both: found.append((block, *both))):
        (y_of(each_way(batch)) + 2 * y_of(each_way(warmer))).backward()
        close(start.output.grad[0], own[1][SITES[0].id][1])
    assert [block for block, *_ in found] == SITES[::-1]
    for block, x_nd, g_nd in found:
        assert torch.equal(x_nd, own[1][block.id][0])
        close(g_nd, own[1][block.id][1])


def test_the_graph_begins_at_the_first_block_that_is_asked_for(each_way, batch, own):
    """Blocks before it are not heard; those asked for have the gradients that they have in the whole pass."""
    _, found = heard(each_way, batch, SITES[3:])
    assert set(found) == {block.id for block in SITES[3:]}
    with graph_from(each_way, SITES[3]) as start, hear_gradients(each_way, SITES, lambda block, *_: got.append(block)):
        got = []
        pull_back(y_of(each_way(batch)), start)
    assert got == SITES[3:][::-1]
    for name, (_, g_nd) in found.items():
        close(g_nd, own[1][name][1])


@pytest.mark.parametrize("block", SITES[1::2], ids=lambda block: block.id)
def test_a_replay_gives_the_same_gradient(each_way, batch, own, block):
    """Nothing before the block is computed."""
    replay, ran = Replay(each_way, batch), []
    replay.advance(block)
    handles = [each.module(each_way).norm1.register_forward_pre_hook(lambda *_, n=each: ran.append(n)) for each in BLOCKS]
    with replay.known():
        _, found = heard(each_way, batch, [block])
    for handle in handles:
        handle.remove()
    close(found[block.id][1], own[1][block.id][1])
    assert all(each.depth_index > block.depth_index for each in ran)


def test_another_value_in_the_place_of_the_output(checkpointing, model, batch):
    """The forecast is the splice's, and the gradient is the slope of y there, by central differences."""
    block = BY_ID["decoder_s1_b9"]
    shape = heard(model, batch, [block])[1][block.id][0].shape
    value_nd = torch.linspace(-1, 1, shape[0] * shape[1]).reshape(shape)
    y, found = heard(checkpointing, batch, [block], replace=ablation(value_nd))
    assert torch.equal(found[block.id][0], value_nd)

    def spliced(values_nd):
        with torch.no_grad(), splice(model, block, ablation(values_nd)):
            return y_of(model(batch)).double()

    assert y == pytest.approx(float(spliced(value_nd)), rel=1e-5)
    along_nd, step = found[block.id][1] / found[block.id][1].norm(), 0.1
    slope = (spliced(value_nd + step * along_nd) - spliced(value_nd - step * along_nd)) / (2 * step)
    assert float(slope) == pytest.approx(float(found[block.id][1].norm()), rel=0.02)


@pytest.mark.parametrize("names", [("encoder_s0_b0", "encoder_s0_b5"), ("encoder_s0_b5", "decoder_s0_b0"),
                                   ("encoder_s1_b4", "decoder_s2_b5")], ids="-".join)
def test_products_between_two_blocks(each_way, model, batch, own, names):
    """Chained they are the gradient of y where every path goes through the later block; 3 backwards cost no forward."""
    first, last = (BY_ID[name] for name in names)
    ran = []
    handles = [each.module(each_way).register_forward_hook(lambda *_, n=each: ran.append(n)) for each in BLOCKS]
    with between(each_way, lambda: each_way(batch), first, last) as stretch:
        assert ran == list(BLOCKS[: last.depth_index + 1])
        assert torch.equal(stretch.x_start_nd, own[1][first.id][0]) and torch.equal(stretch.x_end_nd, own[1][last.id][0])
        v_nd = own[1][last.id][1]
        pulled, twice, other = stretch.pull(v_nd), stretch.pull(2 * v_nd), stretch.pull(v_nd.flip(0))
    for handle in handles:
        handle.remove()
    close(twice, 2 * pulled)
    assert not torch.allclose(other, pulled)
    if (first, last) != (BY_ID["encoder_s0_b5"], BY_ID["decoder_s0_b0"]):
        close(pulled, own[1][first.id][1])
    else:
        # Of the skip nothing comes back.
        assert (pulled - own[1][first.id][1]).norm() > 0.01 * pulled.norm()
    with between(model, lambda: model(batch), first, last) as plain:
        close(pulled, plain.pull(v_nd))


def test_products_from_what_a_replay_knows(model, batch, own):
    first, last = SITES[1], SITES[3]
    replay = Replay(model, batch)
    replay.advance(first)
    with replay.known(), between(model, lambda: model(batch), first, last) as stretch:
        found = stretch.pull(own[1][last.id][1])
    with between(model, lambda: model(batch), first, last) as stretch:
        assert torch.equal(found, stretch.pull(own[1][last.id][1]))


def test_a_later_block_that_is_not_later_is_refused(model, batch):
    with pytest.raises(ValueError, match="is not later"), between(model, lambda: model(batch), SITES[1], SITES[1]):
        pass


def test_a_number_from_elsewhere_is_refused(model, batch):
    with graph_from(model, SITES[-1]) as start:
        model(batch)
        with pytest.raises(ValueError, match="does not depend"):
            pull_back(torch.zeros(()), start)
    with graph_from(model, SITES[-1]) as start, pytest.raises(ValueError, match="no forward"):
        _ = start.output


def test_parameters_have_no_gradients_and_their_flags_come_back(checkpointing, batch):
    """Even where they are those of training; and y is no other."""
    trained = copy.deepcopy(checkpointing)
    flags = [at % 2 == 0 for at, _ in enumerate(trained.parameters())]
    for parameter, flag in zip(trained.parameters(), flags, strict=True):
        parameter.requires_grad_(flag)
    heard(trained, batch, SITES[-2:])
    assert [parameter.requires_grad for parameter in trained.parameters()] == flags
    assert all(parameter.grad is None for parameter in trained.parameters())


@pytest.mark.parametrize("place", ["forward", "y", "receive"])
def test_nothing_stays_after_an_error(checkpointing, batch, place):
    """Hooks, checkpoints and flags are as before, and the forecast, too."""
    with torch.inference_mode():
        before = y_of(checkpointing(batch))
    functions = [each.checkpoint_fn for each in checkpointing.modules() if hasattr(each, "checkpoint_fn")]
    for parameter in checkpointing.parameters():
        parameter.requires_grad_(True)

    def fail(*_):
        raise RuntimeError("mine")

    if place == "forward":
        handle = SITES[5].module(checkpointing).register_forward_hook(fail)
    receive = fail if place == "receive" else lambda *_: None
    hearing = hear_gradients(checkpointing, SITES, receive)
    with pytest.raises(RuntimeError, match="mine"), graph_from(checkpointing, SITES[3]) as start, hearing:
        forecast = checkpointing(batch)
        if place == "y":
            fail()
        pull_back(y_of(forecast), start)
    if place == "forward":
        handle.remove()
    assert all(parameter.requires_grad for parameter in checkpointing.parameters())
    checkpointing.requires_grad_(False)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in checkpointing.modules())
    assert [each.checkpoint_fn for each in checkpointing.modules() if hasattr(each, "checkpoint_fn")] == functions
    with torch.inference_mode():
        assert torch.equal(y_of(checkpointing(batch)), before)


def test_an_output_is_let_go_once_its_gradient_has_come(checkpointing, batch):
    """When a block's gradient comes, no output of a block two further on is left."""
    alive = {}

    def receive(block, x_nd, _g_nd):
        alive[block] = weakref.ref(x_nd.untyped_storage())
        gone = [other for other, reference in alive.items() if reference() is None]
        assert {other for other in alive if other.depth_index > block.depth_index + 2} <= set(gone)

    with graph_from(checkpointing, BLOCKS[0]) as start, hear_gradients(checkpointing, BLOCKS, receive):
        pull_back(y_of(checkpointing(batch)), start)
    assert len(alive) == len(BLOCKS)
