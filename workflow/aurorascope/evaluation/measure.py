"""What is measured of each SAE in a job of its own: which records it makes, and how they come into the index and the card."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aurorascope.config.model import Config
from aurorascope.errors import UserError
from aurorascope.files import sha256_json
from aurorascope.records import Kind

_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Measure:
    """One measure of SAEs.

    Attributes:
        kind: the kind of its records, each with `block` and `metrics`.
        formulas: id and definition of each metric, by name.
        blocks: ids of the configured blocks that are measured.
        made_from: entries of its record and the entries of the SAE's record that they must equal.
        alike: entries that are the same in all blocks of a suite.
        section: the card's text on it, of the index's entries of SAEs; empty where nothing was measured.

    Raises:
        ValueError: its records are not released.
    """

    kind: Kind
    formulas: Mapping[str, tuple[str, str]]
    blocks: Callable[[Config], Sequence[str]]
    made_from: Mapping[str, str]
    alike: tuple[str, ...]
    section: Callable[[Sequence[Mapping[str, Any]]], str] = lambda saes: ""

    def __post_init__(self) -> None:
        if self.kind.index_key is None or len(self.kind.files) != 1:
            raise ValueError(f"measure {self.kind.name}: its kind needs an index_key and one table")

    def read(self, results: Path, saes: Sequence[Mapping[str, Any]], config: Config) -> list[dict[str, Any] | None]:
        """The record of each SAE, None where its block is not measured and no record is looked for.

        Args:
            results: the results folder.
            saes: records of the suite's SAEs.
            config: the configuration.

        Raises:
            UserError: a record is missing, is of another SAE or other inputs than its SAE's, or differs from the others in
                what must be alike in a suite.
        """
        chosen = self.blocks(config)
        found = [self._of(results, sae) if sae["block"] in chosen else None for sae in saes]
        refuse_mixture([record for record in found if record], self.alike, self.kind, results)
        return found

    def entry(self, record: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the index says of one SAE: its `metrics`, null where it is not measured, and the name of its table."""
        if record is None:
            return {"metrics": dict.fromkeys(self.formulas), self.kind.index_key: None}
        (table,) = self.kind.files
        return {"metrics": record["metrics"], self.kind.index_key: table.format(block=record["block"])}

    def _of(self, results: Path, sae: Mapping[str, Any]) -> dict[str, Any]:
        path = self.kind.where(results, block=sae["block"])
        record = self.kind.read(results, block=sae["block"])
        for mine, of_sae in self.made_from.items():
            if record[mine] != sae[of_sae]:
                raise UserError.stale(path, f"{mine} {sae[of_sae][:12]}, as in the SAE's record", record[mine][:12])
        return record


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
                f"rm -f {files}{' …' if len(few) > _SHOWN else ''}, then snakemake --cores N makes them again with the present configuration",
            )
