"""Whether a record was made with the present settings, as far as it says with which."""

import base64
from collections.abc import Collection, Iterable
from pathlib import Path

from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.errors import UserError
from aurorascope.files import find_record
from aurorascope.records import Kind

_SHOWN = 3


def blocks_made(config: Config, results: Path, kind: Kind, blocks: Collection[str]) -> frozenset[str]:
    """Those of the blocks that have a record of a kind, made with the present settings."""
    stage, key = kind.stage
    expected = stage_digest(config, stage)
    records = {block: find_record(kind.where(results, block=block), kind.name) for block in blocks}
    return frozenset(block for block, record in records.items() if record is not None and record.get(key) == expected)


def refuse_forgotten(config: Config, results: Path, made: Iterable[tuple[Kind, Collection[str]]], memory: Path) -> None:
    """Refuse records of other settings that Snakemake does not notice.

    Snakemake compares settings with what it remembers of each job, and takes what it remembers nothing of as it is: results
    that were copied without its folder. Then the records alone say how they were made.

    Args:
        config: the configuration.
        results: the results folder, as rules name it.
        made: kinds of records, each with the blocks that should have one.
        memory: the folder in which Snakemake keeps a file for each output, named by the path's base64.

    Raises:
        UserError: naming the records, and the command that has them made again.
    """
    known = {path.name for path in memory.iterdir()} if memory.is_dir() else set()
    for kind, blocks in made:
        paths = {block: kind.where(results, block=block) for block in blocks}
        forgotten = [block for block, path in paths.items() if path.is_file() and _name(path) not in known]
        current = blocks_made(config, results, kind, forgotten)
        if stale := [str(paths[block]) for block in forgotten if block not in current]:
            more = f" and {len(stale) - _SHOWN} more" if len(stale) > _SHOWN else ""
            raise UserError(
                f"{', '.join(stale[:_SHOWN])}{more}", f"{kind.words} of the present configuration",
                "those of another, and no memory of Snakemake's (.snakemake) that would have them made again",
                f"give the configuration that they were made with, or rm -f {results / kind.path.format(block='*')} and run the same "
                "command again",
            )


def _name(path: Path) -> str:
    return base64.b64encode(str(path).encode()).decode()
