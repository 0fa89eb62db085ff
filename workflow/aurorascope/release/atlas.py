"""Features of a suite by their labels: what `Suite.find` and `Suite.feature` read of its atlases."""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from aurorascope.atlas.own_names import OwnName, OwnNames, read_own_names
from aurorascope.errors import UserError, as_then, nearest, snakemake
from aurorascope.files import sha256_file
from aurorascope.measures.stability.found import table_of, with_seeds
from aurorascope.notices import shortened
from aurorascope.release import asked

if TYPE_CHECKING:
    import pandas as pd

_SEEDS = "stability/{}/summary.json"
LABELS_CSV = "atlas/labels.csv"
_LOG = logging.getLogger("aurorascope")


@dataclass(frozen=True)
class Feature:
    """A feature and one label.

    Attributes:
        block: id of its block.
        feature: column of `W_enc`, row of `W_dec`.
        sign: 1, or -1 for the negative values of a feature that has both.
        label: the label; empty where a feature that was asked for by its number is shown with none.
        f1_test: F1 on the dates that test; NaN where it was not scored.
        f1_select: F1 on the dates that chose threshold, level and label; NaN where it was not scored.
        f1_held_out: F1 on held-out dates; NaN where the label is nowhere on them, or it was not scored.
        verdict: "event", "place", "zonal/season", "unlabelled", or why there is none.
        is_shown: whether the feature is shown with this label: it is the feature's best, and nothing speaks against it.
        reason: "labelled", or why the feature is shown without this label: what speaks against it, or that another is its best.
        badges: what else is known of it, such as "geo" or "dense".
        name: what you called it in `atlas/labels.csv`, else empty.
        note: what you noted there, else empty.
    """

    block: str
    feature: int
    sign: int
    label: str
    f1_test: float
    f1_select: float
    f1_held_out: float
    verdict: str
    is_shown: bool
    reason: str
    badges: tuple[str, ...]
    name: str = ""
    note: str = ""


@dataclass(frozen=True, eq=False)
class FeaturePage:
    """All that an atlas says of one feature.

    Attributes:
        feature: the feature and the label it is shown with.
        columns: its row of `features.parquet`, and what the block's comparison of seeds says of it; NaN where there is none.
        labels: its rows of `labels.parquet`, best first.
        examples: its rows of `examples.parquet`, strongest first.
    """

    feature: Feature
    columns: Mapping[str, Any]
    labels: "pd.DataFrame"
    examples: "pd.DataFrame"


class Files(Protocol):
    """What is asked of a suite: its blocks, and its files, from a folder or from the hub.

    Attributes:
        ids: block ids in forward order.
    """

    ids: tuple[str, ...]

    def entry(self, block_id: str) -> dict[str, Any]:
        """What the index says of a block."""

    def place(self) -> str:
        """Where it is."""

    def has_file(self, name: str) -> bool:
        """Whether the release has a file."""

    def file(self, name: str) -> Path:
        """A file of the release."""

    def again(self, name: str, record: str | None = None) -> str:
        """How a record of the release comes back, or a file of it with its record."""


class Atlases:
    """The atlases of a suite, each read when it is asked for.

    Args:
        suite: the suite.
    """

    def __init__(self, suite: Files) -> None:
        self._suite = suite
        self.ids = [block for block in suite.ids if suite.has_file(self._file(block, "summary.json"))]
        if not self.ids:
            raise UserError(
                f"the suite in {suite.place()}", "an atlas of at least one block", "none",
                f"where it was made: {snakemake('--cores 2 atlas')}{as_then()}; in a release: take one that was made with atlas: {{enabled: true}}",
            )

    def find(self, label: str, min_f1: float, blocks: Iterable[str] | None) -> list[Feature]:
        """See `Suite.find`."""
        label, min_f1, blocks = asked.label(label), asked.least(min_f1), asked.block_list(blocks)
        found, known, notes, settings = [], set(), self._notes(), set()
        for block in self.ids if blocks is None else [self._checked(block) for block in blocks]:
            summary = self._summary(block)
            known |= {entry["id"] for entry in summary.get("labels", ())}
            settings.add((summary.get("atlas_config_sha256"), summary.get("label_days_sha256")))
            pairs = self._table(block, "labels", summary)
            pairs = pairs[(pairs["label"] == label) & (pairs["f1_test"] >= min_f1)]
            features = self._features(block, summary).set_index(["feature", "sign"])
            for row in pairs.itertuples():
                of = features.loc[(row.feature, row.sign)]
                found.append(_feature(block, row, of, label, _own(notes, block, row)))
        if label not in known:
            if not known:
                raise UserError("Suite.find", "a label that the atlas scores", "none: there are too few dates", "take an atlas of more dates")
            raise UserError("Suite.find", f"a label that the atlas scores: {', '.join(sorted(known))}", repr(label), nearest(label, sorted(known)))
        if blocks is None and (missing := [block for block in self._suite.ids if block not in self.ids]):
            _LOG.warning("Suite.find: %d of %d blocks have no atlas: %s.", len(missing), len(self._suite.ids), ", ".join(shortened(missing, "blocks")))
        if len(settings) > 1:
            _LOG.warning("Suite.find: atlases of %d different settings or labels are compared.", len(settings))
        # By the dates that chose: the best of many on the dates that test would owe some of that to chance. Python's sort keeps the order
        # of blocks and features among equals.
        return sorted(found, key=lambda each: -each.f1_select)

    def page(self, block: str, feature: int, sign: int) -> FeaturePage:
        """See `Suite.feature`."""
        block, feature, sign = asked.block(block), asked.number(feature), asked.sign(sign)
        summary = self._summary(self._checked(block))
        tables = {"features": self._features(block, summary)}
        tables |= {name: self._table(block, name, summary) for name in ("labels", "examples")}
        mine = {name: table[(table["feature"] == feature) & (table["sign"] == sign)] for name, table in tables.items()}
        if mine["features"].empty:
            n = int(tables["features"]["feature"].max()) + 1
            raise UserError(f"the atlas of {block}", f"a feature from 0 to {n - 1}, sign {_signs(tables['features'])}", f"{feature}, {sign}",
                            "take one of these")
        of = next(mine["features"].itertuples(index=False))
        labels = mine["labels"].sort_values("f1_select", ascending=False, kind="stable").reset_index(drop=True)
        found = _feature(block, of, of._asdict(), of.label, _own(self._notes(), block, of))
        return FeaturePage(found, of._asdict(), labels, mine["examples"].reset_index(drop=True))

    def _checked(self, block: str) -> str:
        self._suite.entry(block)
        if block not in self.ids:
            raise UserError(
                f"the suite in {self._suite.place()}", f"an atlas of {block}", f"those of {len(self.ids)} other blocks",
                f"where it was made: {snakemake(f'--cores 2 results/atlas/{block}/summary.json')}{as_then()}",
            )
        return block

    def _file(self, block: str, name: str) -> str:
        return f"atlas/{block}/{name}"

    def _summary(self, block: str) -> dict[str, Any]:
        return self._record(self._file(block, "summary.json"))

    def _table(self, block: str, name: str, summary: Mapping[str, Any]) -> "pd.DataFrame":
        return self._parquet(self._file(block, f"{name}.parquet"), summary.get(f"{name}_sha256"), self._file(block, "summary.json"))

    def _features(self, block: str, summary: Mapping[str, Any]) -> "pd.DataFrame":
        """The table of features, and what other seeds say of them where they were compared with the same SAE."""
        table, name, comparison = self._table(block, "features", summary), _SEEDS.format(block), None
        if self._suite.has_file(name):
            record = self._record(name)
            if record.get("sae_sha256") == summary.get("sae_sha256"):
                comparison = record, self._parquet(table_of(name), record.get("table_sha256"), name)
        return with_seeds(table, comparison)

    def _record(self, name: str) -> dict[str, Any]:
        path = self._suite.file(name)
        try:
            return json.loads(path.read_text())
        except ValueError as error:
            raise UserError(path, "a JSON record", f"unreadable JSON ({error})", self._suite.again(name)) from None

    def _parquet(self, name: str, expected: str | None, record: str) -> "pd.DataFrame":
        import pandas as pd

        path = self._suite.file(name)
        found = sha256_file(path) if path.is_file() else "no such file"
        if found != expected:
            raise UserError(path, f"sha256 {expected}", found, self._suite.again(record))
        return pd.read_parquet(path)

    def _notes(self) -> dict[str, OwnNames]:
        """What the user called features; no rule writes this file."""
        return read_own_names(self._suite.file(LABELS_CSV)) if self._suite.has_file(LABELS_CSV) else {}


def _feature(block: str, pair: Any, of: Mapping[str, Any], label: str, own: OwnName) -> Feature:
    """From a row that has F1 and verdict, and the feature's row."""
    f1 = [float(getattr(pair, f"f1_{name}", float("nan"))) for name in ("test", "select", "held_out")]
    badges = tuple(filter(None, str(of["badges"]).split(",")))
    is_shown = bool(label) and of["label"] == label
    top = str(of.get("top_label", "") or "")
    reason = str(of["reason"]) if not label or label == top else f"its best label is {top}"
    return Feature(block, int(pair.feature), int(pair.sign), label, *f1, str(pair.verdict), is_shown, reason, badges, own.name, own.note)


def _own(names: Mapping[str, OwnNames], block: str, row: Any) -> OwnName:
    return names.get(block, {}).get((row.feature, row.sign), OwnName(""))


def _signs(features: "pd.DataFrame") -> str:
    return " or ".join(str(sign) for sign in sorted(set(features["sign"].tolist()), reverse=True))
