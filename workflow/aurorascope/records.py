"""Kinds of records that stand for files: where each lies, which files, their digests, and what of them is released.

Rules name the same paths in their outputs, since those are what a user reads; a test compares. From here and from the measures,
which bring kinds of their own (`measures/all.py`), come what `verify` looks at, what `plan` counts as there, which files a
release has, and the table in docs/formats.md.

Example:
    >>> KINDS["sae"].where(Path("results"), block="encoder_s0_b0")
    PosixPath('results/saes/sae_encoder_s0_b0.json')
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aurorascope.errors import UserError
from aurorascope.files import read_record

# Under this key a record names the sha256 of several files by their path under results.
_SEVERAL = "files"


@dataclass(frozen=True)
class Kind:
    """One kind of record.

    Attributes:
        name: what the record's entry `kind` says.
        path: the record's path under results, with {block}, {split}, {day} or the like.
        words: what several of them are called.
        files: paths under results of the files that it stands for, and the record's key that holds each one's sha256.
        index_key: entry of an SAE in the index that names its file of this kind, and is null where there is none; None for
            records that are not released.
        unreleased: those of its files that are not uploaded.
        stage: the stage whose settings it was made with, and the record's entry with their digest.
        of: its entries that must equal one of another record, each with that record's kind and entry: what it was made from.

    Raises:
        ValueError: a name in a file's path that the record's path lacks.
    """

    name: str
    path: str
    words: str
    files: Mapping[str, str] = field(default_factory=dict)
    index_key: str | None = None
    unreleased: tuple[str, ...] = ()
    stage: tuple[str, str] | None = None
    of: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in (*self.files, *self.unreleased):
            if _names(path) - _names(self.path):
                raise ValueError(f"kind {self.name}: {path} has names that {self.path} lacks")
        if set(self.unreleased) - set(self.files):
            raise ValueError(f"kind {self.name}: {self.unreleased} are not among its files")

    def where(self, results: Path, **names: str) -> Path:
        """The record's path under the results folder."""
        return results / self.path.format(**names)

    def read(self, results: Path, **names: str) -> dict[str, Any]:
        """The record.

        Raises:
            UserError: it is missing, no JSON, or of another kind.
        """
        return read_record(self.where(results, **names), self.name)

    def found(self, results: Path) -> list[Path]:
        """Paths of all records of this kind that are there, sorted."""
        return sorted(path for path in results.glob(self.pattern()) if path.is_file())

    def pattern(self) -> str:
        """The records' path under results as a shell's pattern."""
        return self.path.format_map(_Stars())

    def names_in(self, path: Path) -> dict[str, str]:
        """What stands for {block}, {split} or {day} in a record's path."""
        form = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.path))
        match = re.fullmatch(form, "/".join(path.parts[-1 - self.path.count("/") :]))
        return match.groupdict() if match else {}

    def digests(self, path: Path, record: Mapping[str, Any]) -> dict[Path, str]:
        """The files that the record at `path` stands for, each with the sha256 that it names; of several, all that it names.

        Raises:
            KeyError: the record lacks an entry.
        """
        results, names, named = path.parents[self.path.count("/")], self.names_in(path), {}
        for pattern, key in self.files.items():
            file = pattern.format(**names)
            named[results / file] = record[key][file] if key == _SEVERAL else record[key]
        several = record[_SEVERAL] if _SEVERAL in self.files.values() else {}
        return named | {results / file: digest for file, digest in several.items()}

    def check_of(self, path: Path, record: Mapping[str, Any], other: str, theirs: Mapping[str, Any]) -> None:
        """Refuse a record that was made from another one of a kind than is there.

        Args:
            path: where it lies.
            record: its content.
            other: that kind's name.
            theirs: the record of that kind that is there, or what the index says of it.

        Raises:
            UserError: it was, with the command that makes it again.
            KeyError: either lacks an entry.
        """
        for mine, (kind, its) in self.of.items():
            if kind == other and record[mine] != theirs[its]:
                expected = f"'{mine}' {theirs[its][:12]}, as the record of kind {other} says"
                raise UserError.stale(path, expected, record[mine][:12])

    def released(self, **names: str) -> list[str]:
        """Paths under results of the record and those of its files that are uploaded."""
        return [path.format(**names) for path in (self.path, *self.files) if path not in self.unreleased]


# Of names whose records lie beside others.
_FORMS = {"day": "????-??-??", "block": "*_s?_b*", "stage": "*_s?"}


class _Stars(dict):
    def __missing__(self, name: str) -> str:
        return _FORMS.get(name, "*")


def _names(path: str) -> set[str]:
    return {part.partition("}")[0] for part in path.split("{")[1:]}


KINDS = {kind.name: kind for kind in (
    Kind(
        "sae", "saes/sae_{block}.json", "SAEs",
        {
            "saes/sae_{block}.pt": "sha256",
            "saes/golden/{block}.safetensors": _SEVERAL,
            "saelens/{block}/cfg.json": _SEVERAL,
            "saelens/{block}/sae_weights.safetensors": _SEVERAL,
            "training/{block}.parquet": _SEVERAL,
        },
        "filename", ("training/{block}.parquet",), ("train_sae", "train_config_sha256"),
    ),
    Kind(
        "stage_sae", "saes/sae_{stage}.json", "SAEs of stages",
        {"saes/sae_{stage}.pt": "sha256", "saes/golden/{stage}.safetensors": _SEVERAL, "training/{stage}.parquet": _SEVERAL},
        "filename", ("training/{stage}.parquet",), ("train_stage_sae", "train_config_sha256"),
    ),
    Kind(
        "stage_evaluation", "evaluation/{stage}.json", "evaluations of stages", {"evaluation/{stage}.parquet": "table_sha256"},
        "metrics_file", stage=("evaluate_stage_sae", "evaluate_config_sha256"), of={"sae_sha256": ("stage_sae", "sha256")},
    ),
    Kind(
        "boost", "boosts/sae_{block}.json", "boosts",
        {
            "boosts/sae_{block}.pt": "sha256",
            "boosts/golden/{block}.safetensors": _SEVERAL,
            "boosts/training/{block}.parquet": _SEVERAL,
        },
        "boost", ("boosts/training/{block}.parquet",), ("boost_sae", "boost_config_sha256"), {"of": ("sae", "sha256")},
    ),
    Kind("checkpoint", "scratch/checkpoint/checkpoint.json", "checkpoint", {"scratch/checkpoint/aurora.ckpt": "sha256"}),
    Kind("static", "scratch/static/static.json", "static fields", {"scratch/static/static.nc": "sha256"}),
    Kind("cams_day", "scratch/cams/{day}.json", "days of states"),
    Kind("states", "scratch/states/{split}.json", "splits"),
    Kind(
        "label_reference", "scratch/labels/reference.json", "references of labels", {"scratch/labels/reference.nc": "sha256"},
        stage=("label_reference", "config_sha256"),
    ),
    Kind("labels", "scratch/labels/{day}.json", "days of labels", stage=("label_day", "config_sha256")),
    Kind(
        "study", "studies/{study}/record.json", "studies",
        # Its kind of study may bring further tables.
        {"studies/{study}/effects.parquet": _SEVERAL, "studies/{study}/fields.nc": _SEVERAL},
        stage=("run_study", "config_sha256"),
    ),
    Kind(
        "attribution", "attribution/{outcome}/{block}.json", "attributions", {"attribution/{outcome}/{block}.parquet": _SEVERAL},
        stage=("attribute", "config_sha256"),
    ),
    Kind(
        "circuit", "circuits/{circuit}/record.json", "circuits",
        {f"circuits/{{circuit}}/{name}.parquet": _SEVERAL for name in ("nodes", "edges", "values")}, stage=("trace_circuit", "config_sha256"),
    ),
    Kind(
        "match", "matches/{a}__{b}.json", "pairs of matched blocks", {"matches/{a}__{b}.parquet": "table_sha256"},
        stage=("match_features", "config_sha256"),
    ),
    Kind("chains", "matches/chains.json", "chains of features", {"matches/chains.parquet": "table_sha256"}),
    Kind("activations", "scratch/activations/{block}/{split}/manifest.json", "stores"),
)}
