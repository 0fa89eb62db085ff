"""Which blocks are edited, with whose autoencoders."""

from collections.abc import Mapping

from aurora import AuroraAirPollution

from aurorascope.blocks import BY_ID, Block, nearest_block
from aurorascope.errors import UserError
from aurorascope.interventions.values import on_device
from aurorascope.sae.aurora_sae import AuroraSAE


def find_block(where: str, block_id: object) -> Block:
    """The block of an id.

    Raises:
        UserError: there is none.
    """
    if not isinstance(block_id, str) or block_id not in BY_ID:
        raise UserError(where, "a block of Aurora", repr(block_id), nearest_block(block_id))
    return BY_ID[block_id]


def check_saes(model: AuroraAirPollution, saes: Mapping[str, AuroraSAE]) -> dict[Block, AuroraSAE]:
    """SAEs by block, in forward order, on the model's device.

    Raises:
        UserError: there is none, no such block, or an SAE is of another block or width.
    """
    if not isinstance(saes, Mapping) or not saes:
        raise UserError("the SAEs", 'a dictionary such as {"encoder_s1_b5": sae}', repr(saes)[:80], "name the block of each SAE")
    found = {find_block("the SAEs", name): sae for name, sae in saes.items()}
    for block, sae in found.items():
        width = block.width(model.backbone.embed_dim)
        if not isinstance(sae, AuroraSAE):
            raise UserError(f"the SAE of {block.id}", "an AuroraSAE", type(sae).__name__, "open it with aurorascope.Suite")
        if sae.block_id not in (None, block.id):
            raise UserError(
                f"the SAE of {block.id}", "one that was trained on this block", f"that of {sae.block_id}",
                f'take suite["{block.id}"]; another block\'s on purpose is what AuroraSAE.from_file opens',
            )
        if sae.d_model != width:
            raise UserError(
                f"the SAE of {block.id}", f"one of {width} channels, as this block has in this model", f"one of {sae.d_model}",
                "take the SAE of this block, and the model that it was trained on",
            )
    device = next(model.parameters()).device
    return {block: on_device(found[block], device) for block in sorted(found, key=lambda block: block.depth_index)}
