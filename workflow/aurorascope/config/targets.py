"""What a number of features on may be: told from the configuration before anything is trained or deleted, and by trainings again."""

from aurorascope.blocks import Block, Stage
from aurorascope.config.model import Config
from aurorascope.config.sae import Sae
from aurorascope.errors import UserError


def check_target(target_l0: float | None, n_latents: int, what: str, section: str = "sae") -> None:
    """Refuse more latents on than half of those that there are.

    Args:
        target_l0: the target; None for none.
        n_latents: d_hidden.
        what: whose they are, for the error.
        section: of the configuration, whose keys are named.

    Raises:
        UserError: naming the key.
    """
    if target_l0 is not None and target_l0 > n_latents / 2:
        raise UserError(
            f"config key {section}.target_l0", f"at most half of the {n_latents} latents of {what}", f"{target_l0:g}",
            f"lower it, or raise {section}.expansion",
        )


def check_target_of(config: Config, place: Block | Stage, sae: Sae | None = None, section: str = "sae") -> None:
    """`check_target` for the SAE of a block or stage, as the configuration has it, or with other settings of another section."""
    sae = config.sae if sae is None else sae
    what = place.id if section == "sae" else f"the second SAE of {place.id}"
    check_target(sae.target_l0, place.width(config.aurora.embed_dim) * sae.expansion, what, section)
