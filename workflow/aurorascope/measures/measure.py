"""What is measured of each SAE in a job of its own: its records, and all that index, card, figure, table and plan show of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aurorascope.blocks import Block
from aurorascope.config.model import Config
from aurorascope.costs.estimate import Estimate
from aurorascope.costs.rows import MeasureCost
from aurorascope.errors import UserError, snakemake
from aurorascope.files import sha256_json
from aurorascope.records import Kind
from aurorascope.waiting import Waiting

_SHOWN = 3


@dataclass(frozen=True)
class Panel:
    """How one metric is drawn in the suite's figure.

    Attributes:
        metric: its name in the index.
        title: what it is, with its unit.
        factor: from the index' unit to the drawn one.
        cmap: colour map.
        low: lowest value of the colour scale; None: of the data, but not below 0.
        high: highest value; None: of the data.
        is_log: colours follow the logarithm.
    """

    metric: str
    title: str
    factor: float = 100.0
    cmap: str = "viridis"
    low: float | None = 0.0
    high: float | None = None
    is_log: bool = False


@dataclass(frozen=True)
class Column:
    """A column of a printed suite.

    Attributes:
        heading: its heading.
        metric: name of the metric in the index.
        form: format of its values.
    """

    heading: str
    metric: str
    form: str


@dataclass(frozen=True, eq=False)
class Measure:
    """One measure of SAEs.

    Attributes:
        kind: the kind of its records, each with `block` and `metrics`.
        formulas: id and definition of each metric, by name.
        blocks: ids of the configured blocks that are measured.
        alike: entries that are the same in all blocks of a suite.
        cost: what it adds to the plan; None where no configured block is measured.
        reads_stores: whether it reads chunks of activations, which stay until its record is there.
        is_waiting: whether a job of many blocks left the block's result beside its place, given the results folder.
        section: the card's text on it, of the index's entries of SAEs; empty where nothing was measured.
        panels: its metrics in the suite's figure.
        columns: its columns where a suite is printed and an SAE has it.

    Raises:
        ValueError: its records are not released, or something is shown that is none of its metrics.
    """

    kind: Kind
    formulas: Mapping[str, tuple[str, str]]
    blocks: Callable[[Config], Sequence[str]]
    alike: tuple[str, ...]
    cost: Callable[[Config, Estimate], MeasureCost | None]
    reads_stores: bool
    is_waiting: Callable[[Config, Block, Path], bool] = lambda config, block, results: False
    section: Callable[[Sequence[Mapping[str, Any]]], str] = lambda saes: ""
    panels: tuple[Panel, ...] = ()
    columns: tuple[Column, ...] = ()

    def __post_init__(self) -> None:
        is_of_sae = any(other == "sae" for other, _ in self.kind.of.values())
        if self.kind.index_key is None or not self.kind.files or self.kind.stage is None or not is_of_sae:
            raise ValueError(f"measure {self.kind.name}: its kind needs an index_key, a table, a stage and an entry of the SAE's")
        shown = {drawn.metric for drawn in (*self.panels, *self.columns)}
        if strange := shown - set(self.formulas):
            raise ValueError(f"measure {self.kind.name}: {', '.join(sorted(strange))} have no formula")

    def read(self, results: Path, saes: Sequence[Mapping[str, Any]], config: Config) -> list[dict[str, Any] | None]:
        """The record of each SAE of a suite, None where its block is not measured and no record is looked for.

        Raises:
            UserError: a record is missing, is of another SAE or other inputs than its SAE's, or differs from the others in
                what must be alike in a suite.
        """
        chosen = self.blocks(config)
        found = [self._of(results, sae) if sae["block"] in chosen else None for sae in saes]
        refuse_mixture([record for record in found if record], self.alike, self.kind, results)
        return found

    def entry(self, record: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the index says of one SAE: its `metrics`, null where it is not measured, and the name of its first table."""
        if record is None:
            return {"metrics": dict.fromkeys(self.formulas), self.kind.index_key: None}
        table = next(iter(self.kind.files))
        return {"metrics": record["metrics"], self.kind.index_key: table.format(block=record["block"])}

    def is_in(self, sae: Mapping[str, Any]) -> bool:
        """Whether an SAE of the index was measured; an index that is older than the measure does not name it."""
        return sae.get(self.kind.index_key) is not None

    def _of(self, results: Path, sae: Mapping[str, Any]) -> dict[str, Any]:
        path = self.kind.where(results, block=sae["block"])
        record = self.kind.read(results, block=sae["block"])
        self.kind.check_of(path, record, "sae", sae)
        return record


def waits(kind: Kind, claim: Callable[[Config, Block, Path], Mapping[str, Any]]) -> Callable[[Config, Block, Path], bool]:
    """The `is_waiting` of a measure whose records are of a kind and answer to a claim; what cannot be claimed yet does not wait."""

    def is_waiting(config: Config, block: Block, results: Path) -> bool:
        try:
            return Waiting(kind, results, block.id).is_made(claim(config, block, results))
        except UserError:
            return False

    return is_waiting


def refuse_mixture(records: Sequence[Mapping[str, Any]], keys: Sequence[str], kind: Kind, results: Path) -> None:
    """Refuse records of one kind that were made by two configurations, naming the blocks of the smaller part.

    Raises:
        UserError: an entry that differs.
    """
    for key in keys:
        groups: dict[str, list[str]] = {}
        for record in records:
            groups.setdefault(sha256_json(record[key]), []).append(record["block"])
        if len(groups) > 1:
            few = min(groups.values(), key=len)
            files = " ".join(str(kind.where(results, block=block)) for block in few[:_SHOWN])
            raise UserError(
                f"the suite's {key} of {kind.words}", "one value in all blocks", f"{len(groups)}, with another in {', '.join(few)}",
                f"rm -f {files}{' …' if len(few) > _SHOWN else ''}, then {snakemake('--cores N')} makes them again with the present "
                "configuration",
            )
