"""What the configuration tells of an outcome before anything is made. Nothing heavy is imported here."""

from collections.abc import Iterable
from pathlib import Path

from aurorascope.attribution.outcome_file import naming
from aurorascope.config.model import Config
from aurorascope.errors import UserError, nearest
from aurorascope.files import find_record
from aurorascope.records import KINDS
from aurorascope.studies.planned import check_label, check_linear
from aurorascope.studies.written import AskedFile


def check_planned(file: AskedFile, config: Config) -> None:
    """Refuse what the configuration says that there will not be; forms are for `target.read_target`.

    Args:
        file: of the outcome, of which `needs.needs_of` was content.
        config: the configuration.

    Raises:
        UserError: an unknown label, or a variable or level that Aurora does not forecast.
    """
    with naming(file.path):
        check_label("the outcome, region", file.asked.get("region"), config)
        check_linear("the outcome", file.asked, config)


def check_blocks(where: object, blocks: Iterable[str], config: Config, results: Path) -> None:
    """Refuse blocks that have no SAE and that the configuration asks none for.

    Args:
        where: what asks for them.
        blocks: ids of blocks.
        config: the configuration.
        results: the results folder.

    Raises:
        UserError: naming the first of them.
    """
    for block in blocks:
        if block not in config.block_ids and find_record(KINDS["sae"].where(results, block=block), "sae") is None:
            fix = f"{nearest(block, config.block_ids)}, or add it to blocks of the configuration"
            raise UserError(where, "blocks with an SAE, those of the configuration", block, fix)
