"""The demo's Aurora: its start, and what a short training leaves of it."""

import itertools

import pytest
import torch
from aurorascope.backbone.demo_start import begin, fixed_inputs, haar
from aurorascope.backbone.demo_training import _fit, _Forecasts, train_demo
from aurorascope.backbone.hooks import run_to_blocks
from aurorascope.backbone.model import build_model, head_arguments
from aurorascope.backbone.replay import Replay
from aurorascope.backbone.splice import ablation, splice
from aurorascope.blocks import BLOCKS, BY_ID
from aurorascope.config.calendar import parse
from aurorascope.config.model import DemoTraining
from aurorascope.errors import UserError

GRID = (19, 36)
DATES = [parse(f"2022-06-{day:02d}T12:00:00Z") for day in (1, 4, 7, 10, 13)]
# One of each stage but the first.
INNER = [BY_ID[name] for name in ("encoder_s1_b4", "encoder_s2_b7", "decoder_s0_b3", "decoder_s1_b9", "decoder_s2_b2")]


def _begun(seed=0):
    torch.manual_seed(seed)
    model = build_model(head_arguments(16)).eval().requires_grad_(False)
    forecasts = _Forecasts(model, GRID)
    begin(model, forecasts.batch(DATES[0]).normalise(surf_stats=model.surf_stats).static_vars)
    return forecasts


def _outputs(forecasts, blocks):
    """Each block's output on every date, (dates, tokens, width)."""
    found = {block: [] for block in blocks}
    for date in DATES:
        run_to_blocks(forecasts.model, forecasts.batch(date), blocks, lambda block, x_nd: found[block].append(x_nd))
    return {block: torch.stack(rows) for block, rows in found.items()}


def _moved(forecasts, blocks):
    """What position means of the first dates in place of each block move the last date's forecast by, of its tendency."""
    outputs, batch = _outputs(forecasts, blocks), forecasts.batch(DATES[-1])
    replay, now, found = Replay(forecasts.model, batch), forecasts.normalised(batch, 1), {}
    for block in blocks:
        replay.advance(block)
        clean = forecasts.normalised(replay.forecast(), 0)
        with splice(forecasts.model, block, ablation(outputs[block][:-1].mean(0))):
            other = forecasts.normalised(replay.forecast(), 0)
        shares = [((other[name] - clean[name]).square().mean() / (clean[name] - now[name]).square().mean()).sqrt() for name in now]
        found[block.id] = float(torch.stack(shares).median())
    return found


@pytest.mark.parametrize("width", [2, 16])
def test_what_was_merged_and_split_again_is_the_same_where_neighbours_are(width):
    """Rows of unit length at right angles, and the four tokens' mean among them, whatever the order of the channels."""
    weights = haar(width)
    torch.testing.assert_close(weights @ weights.T, torch.eye(2 * width))
    equal = torch.randn(5, width, generator=torch.Generator().manual_seed(0)).repeat(1, 4)
    torch.testing.assert_close(equal @ weights.T @ weights, equal)
    torch.testing.assert_close((equal @ weights.T)[:, width:], torch.zeros(5, width))


def test_differences_are_kept_by_turns():
    """Even channels keep east against west, odd ones north against south, in the order in which Aurora stacks four tokens."""
    west, north = torch.tensor([1.0, -1, 1, -1]), torch.tensor([1.0, 1, -1, -1])
    for channel, kept, lost in ((0, west, north), (1, north, west)):
        for pattern, expected in ((kept, 2.0), (lost, 0.0)):
            tokens = torch.zeros(4, 2)
            tokens[:, channel] = pattern
            assert float((haar(2) @ tokens.reshape(-1)).square().sum()) == expected**2


def test_no_block_begins_as_the_identity_and_all_tell_dates_apart():
    """At least a tenth of every block's output differs between dates; Aurora's own start leaves less than that."""
    forecasts = _begun()
    outputs = _outputs(forecasts, BLOCKS)
    for block, x in outputs.items():
        assert float((x - x.mean(0)).square().mean().sqrt() / x.square().mean().sqrt()) > 0.1, block.id
    for before, after in itertools.pairwise(BLOCKS):
        if before.component == after.component and before.stage == after.stage:
            change = (outputs[after] - outputs[before]).square().mean() / outputs[before].square().mean()
            assert float(change.sqrt()) > 0.03, after.id


def test_a_constant_input_of_any_size_adds_nothing_but_its_pattern():
    """At its mean an emissions' logarithm moves no token, and a thousandfold one is embedded as if it were not."""
    static = {"static_co_log": torch.linspace(-14.0, -10.0, 12).reshape(3, 4)}
    patterns, constants = [], []
    for factor in (1, 1000):
        torch.manual_seed(0)
        model = build_model(head_arguments(16)).requires_grad_(False)
        fresh = {id(embedding): embedding.bias.clone() for _, embedding, _ in fixed_inputs(model)}
        field = static["static_co_log"] * factor
        begin(model, {"static_co_log": field})
        found = [row[1:] for row in fixed_inputs(model) if row[0] == "static_co_log"]
        assert len(found) == 14
        patterns.append(torch.stack([weights * field.std() for _, weights in found]))
        sums = [weights.sum((1, 2, 3, 4)) * field.mean() + embedding.bias - fresh[id(embedding)] for embedding, weights in found]
        constants.append(torch.stack(sums))
    torch.testing.assert_close(*patterns)
    assert all(float(constant.abs().max()) < 1e-4 for constant in constants)


@pytest.fixture(scope="module")
def trained():
    """A few steps; whether the forecast beats persistence after as few is not asked."""
    torch.manual_seed(1)
    forecasts = _Forecasts(build_model(head_arguments(16)), GRID)
    _fit(forecasts, DemoTraining(grid=GRID, steps=10, seed=1))
    forecasts.model.eval().requires_grad_(False)
    return forecasts


def test_blocks_below_the_skip_reach_a_trained_forecast(trained):
    """In units of the tendency, median over variables: at least twice what fidelity needs to be defined."""
    moved = _moved(trained, INNER)
    assert min(moved.values()) > 0.02, moved


def test_a_trained_model_is_microsofts(trained):
    """The same class, the same keys and shapes, nothing hooked on."""
    model, fresh = trained.model, build_model(head_arguments(16))
    assert type(model) is type(fresh) and not model.training
    shapes = [{name: tensor.shape for name, tensor in one.state_dict().items()} for one in (model, fresh)]
    assert shapes[0] == shapes[1]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_forecast_that_does_not_beat_persistence_is_refused():
    with pytest.raises(UserError, match="raise aurora.demo.steps"):
        train_demo(DemoTraining(grid=GRID, steps=1, seed=0), head_arguments(16))
