"""The operations that a plan counts, against torch's own counter on a real forward."""

import pytest
from aurorascope.backbone.hooks import run_to_blocks
from aurorascope.backbone.model import build_model, head_arguments
from aurorascope.blocks import BY_ID
from aurorascope.costs.flops import aurora_parameters, forward_flops
from torch.utils.flop_counter import FlopCounterMode


@pytest.mark.parametrize(
    "name", ["encoder_s0_b0", "encoder_s1_b0", "encoder_s2_b7", "decoder_s0_b7", "decoder_s1_b0", "decoder_s2_b5"]
)
def test_a_forward_up_to_a_block_costs_what_is_counted(model, batch, name):
    """Within 2 %, which the small layers take that are left out, on either side of each merge and split."""
    with FlopCounterMode(display=False) as counter:
        run_to_blocks(model, batch, [BY_ID[name]], lambda block, tokens: None)
    assert forward_flops((19, 36), 13, 16)[name] == pytest.approx(counter.get_total_flops(), rel=0.02)


def test_parameters_follow_the_width(model):
    """The polynomial is exact at a width it was read off and at one it was not."""
    assert sum(p.numel() for p in model.parameters()) == aurora_parameters(16)
    assert sum(p.numel() for p in build_model(head_arguments(48)).parameters()) == aurora_parameters(48)
