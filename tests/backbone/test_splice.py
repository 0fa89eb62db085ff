"""A splice changes what it says and nothing else; a replayed forecast is the whole forward's, bit for bit."""

import pytest
import torch
from aurorascope.backbone.replay import Replay
from aurorascope.backbone.splice import ablation, reconstruction, splice
from aurorascope.blocks import BLOCKS, BY_ID
from aurorascope.sae.aurora_sae import AuroraSAE

pytestmark = pytest.mark.slow
# The first and last block of the stage that feeds the skip, one inside each other kind of stage, and the very last.
SITES = [BY_ID[name] for name in ("encoder_s0_b0", "encoder_s0_b5", "encoder_s1_b4", "encoder_s2_b7", "decoder_s0_b0",
                                  "decoder_s1_b9", "decoder_s2_b5")]


def fields(forecast):
    return torch.cat([v[0, 0].reshape(-1) for v in (*forecast.surf_vars.values(), *forecast.atmos_vars.values())])


def whole(model, batch, block=None, replace=lambda x: x):
    """The forecast of a whole forward, spliced at a block if one is given."""
    with torch.inference_mode():
        if block is None:
            return fields(model(batch))
        with splice(model, block, replace):
            return fields(model(batch))


def output(model, batch, block):
    """A block's clean output, (n_tokens, d), taken with a plain hook."""
    found = []
    handle = block.module(model).register_forward_hook(lambda _m, _a, out: found.append(out[0].clone()))
    whole(model, batch)
    handle.remove()
    return found[0]


@pytest.fixture(scope="module")
def clean(model, batch):
    return whole(model, batch)


@pytest.mark.parametrize("block", SITES[1:3], ids=lambda block: block.id)
def test_no_change_is_bit_exact_and_a_small_one_is_seen(model, batch, clean, block):
    """x_hat == x gives the clean forecast to the bit; 1 % of x does not, and no hook stays."""
    assert torch.equal(whole(model, batch, block), clean)
    changed = whole(model, batch, block, lambda x: 1.01 * x)
    assert 0 < (changed - clean).abs().max() < torch.inf and changed.isfinite().all()
    with pytest.raises(RuntimeError, match="mine"):
        whole(model, batch, block, lambda _: (_ for _ in ()).throw(RuntimeError("mine")))
    assert torch.equal(whole(model, batch), clean)


def test_what_takes_the_place_of_x_reaches_the_next_block(model, batch):
    """The next block reads the ablation's values: zero, one for all tokens, or one for each position."""
    block, following = BY_ID["encoder_s1_b4"], BY_ID["encoder_s1_b5"]
    x = output(model, batch, block)
    values = {"zero": torch.zeros(1), "mean": x.mean(0), "position": x.flip(0)}
    for name, value in values.items():
        read = []
        handle = following.module(model).register_forward_pre_hook(lambda _m, args, read=read: read.append(args[0][0]))
        whole(model, batch, block, ablation(value))
        handle.remove()
        assert torch.allclose(read[0], value.expand_as(x), atol=1e-5), name


def test_a_zero_sae_with_the_mean_as_bias_is_the_mean_ablation(model, batch):
    """Bit for bit: both put the same values through the same form."""
    block = BY_ID["decoder_s0_b0"]
    mean = output(model, batch, block).mean(0)
    sae = AuroraSAE(64, 2)
    with torch.no_grad():
        sae.b_dec.copy_(mean)
    assert not sae.W_dec.any()
    assert torch.equal(whole(model, batch, block, reconstruction(sae)), whole(model, batch, block, ablation(mean)))


def test_editing_features_moves_x_along_their_rows_and_no_edit_is_bit_exact(model, batch, clean):
    """x + (h' - h) @ W_dec: the same features give the clean forecast; one more of feature 3 adds its row everywhere."""
    block = BY_ID["encoder_s0_b5"]
    x, sae = output(model, batch, block), AuroraSAE(16, 2)
    for parameter in sae.parameters():
        torch.nn.init.normal_(parameter)

    def edited(change):
        def replace(x_nd):
            _, h_nh = sae(x_nd)
            return x_nd + (change(h_nh) - h_nh) @ sae.W_dec

        return replace

    assert torch.equal(whole(model, batch, block, edited(lambda h_nh: h_nh)), clean)
    more = torch.nn.functional.one_hot(torch.tensor(3), 32)
    with torch.inference_mode():
        assert torch.allclose(edited(lambda h_nh: h_nh + more)(x) - x, sae.W_dec[3], atol=1e-5)
    assert not torch.equal(whole(model, batch, block, edited(lambda h_nh: h_nh + more)), clean)


def test_another_shape_is_refused(model, batch):
    with pytest.raises(ValueError, match="in place of x"):
        whole(model, batch, SITES[0], lambda x: x[:-1])


def test_a_replayed_forecast_is_the_whole_forwards(model, batch, clean):
    """At sites in every stage, clean and spliced; what comes before the block is not computed again."""
    replay, ran = Replay(model, batch), []
    handles = [b.attn.register_forward_pre_hook(lambda *_, n=block.id: ran.append(n)) for block in BLOCKS
               for b in [block.module(model)]]
    for block in SITES:
        replay.advance(block)
        ran.clear()
        assert torch.equal(fields(replay.forecast()), clean), block.id
        assert ran == [later.id for later in BLOCKS if later.depth_index > block.depth_index]
        with splice(model, block, lambda x: 0.5 * x):
            replayed = fields(replay.forecast())
        assert torch.equal(replayed, whole(model, batch, block, lambda x: 0.5 * x)), block.id
        assert not torch.equal(replayed, clean)
    for handle in handles:
        handle.remove()
    assert all("forward" not in vars(module) for module in model.modules())


def test_each_block_is_computed_once_on_the_way(model, batch):
    """Advancing through all 48 blocks runs each once; an error on the way leaves the model as it was."""
    replay, ran = Replay(model, batch), []
    handles = [block.module(model).attn.register_forward_pre_hook(lambda *_, n=block.id: ran.append(n)) for block in BLOCKS]
    for block in BLOCKS:
        replay.advance(block)
    for handle in handles:
        handle.remove()
    assert ran == [block.id for block in BLOCKS]
    handle = BLOCKS[9].module(model).register_forward_hook(lambda *_: (_ for _ in ()).throw(RuntimeError("mine")))
    with pytest.raises(RuntimeError, match="mine"):
        Replay(model, batch).advance(BLOCKS[20])
    handle.remove()
    assert all("forward" not in vars(module) for module in model.modules())
