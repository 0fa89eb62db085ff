"""Hooks read what a block outputs, in forward order, and stopping early changes no bit."""

import pytest
import torch
from aurorascope.backbone.hooks import run_to_blocks
from aurorascope.blocks import BLOCKS, BY_ID
from aurorascope.tokens import token_grid

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def full(model, batch):
    """Outputs of all 48 blocks, taken by plain torch hooks during an undisturbed forward."""
    outputs, handles = {}, []
    for block in BLOCKS:

        def keep(_module, _args, output, name=block.id):
            outputs[name] = output.clone()

        handles.append(block.module(model).register_forward_hook(keep))
    with torch.no_grad():
        prediction = model(batch)
    for handle in handles:
        handle.remove()
    return outputs, prediction


def read(model, batch, blocks):
    """Outputs of some blocks through `run_to_blocks`, in the order received."""
    received = {}
    run_to_blocks(model, batch, blocks, lambda block, tokens: received.setdefault(block.id, tokens.clone()))
    return received


def test_all_blocks_are_read_in_forward_order_and_equal_a_manual_forward(model, batch, full):
    """48 outputs, the order of `BLOCKS`, the bits of a plain forward."""
    received = read(model, batch, reversed(BLOCKS))
    assert list(received) == [block.id for block in BLOCKS]
    for name, tokens in received.items():
        assert torch.equal(tokens, full[0][name][0])


@pytest.mark.parametrize("name", ["encoder_s0_b0", "encoder_s1_b9", "decoder_s0_b0", "decoder_s2_b5"])
def test_early_stop_is_bit_equal_and_later_blocks_do_not_run(model, batch, full, name):
    """The forward ends right after the block, with the same tensor."""
    later = [block for block in BLOCKS if block.depth_index > BY_ID[name].depth_index]
    ran = []
    handles = [b.module(model).register_forward_hook(lambda *_, n=b.id: ran.append(n)) for b in later]
    received = read(model, batch, [BY_ID[name]])
    for handle in handles:
        handle.remove()
    assert torch.equal(received[name], full[0][name][0]) and not ran


def test_token_counts_match_the_token_grid(full, states):
    """Aurora's own token counts and widths are those of `token_grid` and `Block.width`."""
    current = states[0][1]
    for block in BLOCKS:
        grid = token_grid(block, current["latitude"].values, current["longitude"].values)
        assert full[0][block.id].shape == (1, grid.n_tokens, block.width(16))


def test_no_two_blocks_are_the_same_function(full):
    """A model whose residual norms are not zero gives 48 different tensors."""
    flat = {name: tensor.numpy().tobytes() for name, tensor in full[0].items()}
    assert len(set(flat.values())) == len(BLOCKS)


def test_no_hook_stays_behind(model, batch, full):
    """After reading, even after an error inside a hook, the model runs through as before."""
    read(model, batch, BLOCKS[:1])
    with pytest.raises(RuntimeError, match="mine"):
        run_to_blocks(model, batch, BLOCKS[:2], lambda *_: (_ for _ in ()).throw(RuntimeError("mine")))
    with torch.no_grad():
        again = model(batch)
    assert torch.equal(again.surf_vars["2t"], full[1].surf_vars["2t"])


def test_token_order_is_level_then_latitude_then_longitude(model, states):
    """A change of the input at one place moves most the tokens that `token_grid` puts there."""
    import numpy as np
    from aurorascope.backbone.batch import make_batch

    (previous, current), static = states
    changed = current.copy(deep=True)
    row, col = 7, 22
    for name in ("t2m", "u10", "v10"):
        changed[name].values[row - 1 : row + 2, col - 1 : col + 2] += 8 * float(current[name].std())
    block = BY_ID["encoder_s0_b0"]
    grid = token_grid(block, current["latitude"].values, current["longitude"].values)
    outputs = [
        read(model, make_batch(previous, state, time="2022-06-01T12:00:00Z", static=static), [block])[block.id]
        for state in (current, changed)
    ]
    moved = (outputs[1] - outputs[0]).norm(dim=1).numpy().reshape(grid.shape)
    level, y, x = np.unravel_index(moved.argmax(), moved.shape)
    assert level == 0
    assert abs(grid.lat[y] - float(current["latitude"][row])) <= 30 / 2
    assert abs(grid.lon[x] - float(current["longitude"][col])) <= 30 / 2
