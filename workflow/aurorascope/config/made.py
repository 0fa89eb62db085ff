"""Whether a record was made with the present settings, as far as it says with which."""

import base64
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.errors import UserError
from aurorascope.files import find_record
from aurorascope.records import Kind

_SHOWN = 3


def blocks_made(config: Config, results: Path, kind: Kind, blocks: Collection[str]) -> frozenset[str]:
    """Those of the blocks that have a record of a kind, made with the present settings."""
    return frozenset(block for block in blocks if is_current(config, kind, kind.where(results, block=block)))


def is_current(config: Config, kind: Kind, path: Path) -> bool:
    """Whether a record is there and was made with the present settings."""
    stage, key = kind.stage
    record = find_record(path, kind.name)
    return record is not None and record.get(key) == stage_digest(config, stage)


def refuse_forgotten(
    config: Config, results: Path, made: Iterable[tuple[Kind, Sequence[Mapping[str, str]]]], memory: Path
) -> None:
    """Refuse records of other settings that Snakemake does not notice.

    Snakemake compares settings with what it remembers of each job, and takes what it remembers nothing of as it is: results
    that were copied without its folder. Then the records alone say how they were made.

    Args:
        config: the configuration.
        results: the results folder, as rules name it.
        made: kinds of records, each with what stands for the names in its path (block or day) in every record that should be there.
        memory: the folder in which Snakemake keeps a file for each output, named by the path's base64.

    Raises:
        UserError: naming the records, and the command that has them made again.
    """
    known = {path.name for path in memory.iterdir()} if memory.is_dir() else set()
    for kind, every in made:
        paths = [kind.where(results, **names) for names in every]
        forgotten = [path for path in paths if path.is_file() and _name(path) not in known]
        if stale := [str(path) for path in forgotten if not is_current(config, kind, path)]:
            more = f" and {len(stale) - _SHOWN} more" if len(stale) > _SHOWN else ""
            raise UserError(
                f"{', '.join(stale[:_SHOWN])}{more}", f"{kind.words} of the present configuration",
                "those of another, and no memory of Snakemake's (.snakemake) that would have them made again",
                f"give the configuration that they were made with, or rm -f {results / kind.pattern()} and run the same "
                "command again",
            )


def _name(path: Path) -> str:
    return base64.b64encode(str(path).encode()).decode()
