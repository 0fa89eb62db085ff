"""What a second SAE is trained with, told from the configuration. Nothing heavy is imported here."""

import dataclasses

from aurorascope.blocks import Block
from aurorascope.config.model import Config
from aurorascope.config.sae import Sae
from aurorascope.config.targets import check_target_of
from aurorascope.errors import UserError, nearest
from aurorascope.labels.levels import LEVELS_OF


def boosted_sae(config: Config) -> Sae:
    """The section `sae` of the second SAE: as the first's but for what `sae.boost` says."""
    boost = config.sae.boost
    given = {name: getattr(boost, name) for name in ("target_l0", "expansion", "epochs")}
    return dataclasses.replace(config.sae, **{name: value for name, value in given.items() if value is not None})


def check_boost(config: Config, block: Block) -> None:
    """Refuse a target that there cannot be.

    Raises:
        UserError: naming the key.
    """
    check_target_of(config, block, boosted_sae(config), "sae.boost")


def check_label(config: Config) -> None:
    """Refuse a label that there will not be, as far as names tell.

    Raises:
        UserError: none of that name, or cams.levels lacks a level that it is made from.
    """
    label, there = config.sae.boost.label, set(config.cams.levels)
    levels = LEVELS_OF.get(label)
    if levels is not None and not set(levels) <= there:
        missing = ", ".join(str(each) for each in levels if each not in there)
        expected = f"a label for which cams.levels has the levels; {label} needs {', '.join(map(str, levels))} hPa"
        raise UserError("config key sae.boost.label", expected, f"no {missing}", "add them to cams.levels")
    # Of the user's own labels names are known once they have been read.
    if label is not None and levels is None and config.labels.own is None:
        known = [name for name, needed in LEVELS_OF.items() if set(needed) <= there]
        raise UserError("config key sae.boost.label", f"null or one of {', '.join(known)}", repr(label), nearest(label, known))


def unused_label(config: Config) -> list[str]:
    """A sentence for the log where a label is named and no plain run makes what it is for."""
    boost = config.sae.boost
    if boost.enabled or boost.label is None:
        return []
    return [f"sae.boost.label: {boost.label} changes nothing but boosts, which no plain run makes without sae.boost.enabled: true."]
