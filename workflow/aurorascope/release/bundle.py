"""The files around the weights: model card, stand-alone module, schema, table, and the digests of everything uploaded."""

import json
from pathlib import Path
from typing import Any

from aurorascope.files import check_file, read_record, sha256_file, write_bytes, write_table, write_text
from aurorascope.measures.all import RELEASED_KINDS, RELEASED_OF_STAGES
from aurorascope.records import KINDS, Kind
from aurorascope.release.card import model_card
from aurorascope.release.schema import INDEX_SCHEMA
from aurorascope.release.suite import Suite

_MODULE = Path(__file__).parents[1] / "sae" / "aurora_sae.py"


def release_files(results: Path) -> list[Path]:
    """Files of a release, relative to the results folder, sorted: what `SHA256SUMS` covers and what is uploaded.

    Taken from the index, never from what happens to lie in the folder.
    """
    index = json.loads((results / "sae_index.json").read_text())
    names = ["README.md", "aurora_sae.py", "sae_index.json", "sae_index.schema.json", "evaluation/suite.parquet"]
    names += [f"figures/{name}.{kind}" for name in ("suite", "levels") for kind in ("png", "csv")]
    for sae in index["saes"]:
        for kind in RELEASED_KINDS:
            if sae.get(kind.index_key) is not None:
                names += kind.released(block=sae["id"])
    for sae in index.get("stage_saes", []):
        names += [name for kind in RELEASED_OF_STAGES for name in kind.released(stage=sae["id"])]
    return sorted(Path(name) for name in names)


def write_card(results: Path) -> None:
    """Write the model card from the index."""
    write_text(results / "README.md", model_card(json.loads((results / "sae_index.json").read_text())))


def copy_module(results: Path) -> None:
    """Put the torch-only loader beside the weights."""
    write_bytes(results / "aurora_sae.py", _MODULE.read_bytes())


def copy_schema(results: Path) -> None:
    """Put the index's schema beside the index."""
    write_bytes(results / "sae_index.schema.json", INDEX_SCHEMA.read_bytes())


def write_suite_table(results: Path) -> None:
    """Write the metrics of all SAEs as one table, a row an SAE (`Suite.table`), for those who read no JSON."""
    write_table(results / "evaluation" / "suite.parquet", Suite.open(results).table().reset_index())


def write_digests(results: Path) -> None:
    """Write `SHA256SUMS` (as `sha256sum -c` reads it) over every file of the release.

    Raises:
        UserError: a file is missing or is not the one that its record names.
    """
    index = json.loads((results / "sae_index.json").read_text())
    for sae in index["saes"]:
        _check_files(sae, KINDS["sae"], results, block=sae["id"])
        if "boost" in sae:
            _check_files(sae["boost"], KINDS["boost"], results, block=sae["id"])
    for sae in index.get("stage_saes", []):
        _check_files(sae, KINDS["stage_sae"], results, stage=sae["id"])
    lines = [f"{sha256_file(results / path)}  {path}\n" for path in release_files(results)]
    write_text(results / "SHA256SUMS", "".join(lines))


def _check_files(sae: dict[str, Any], kind: Kind, results: Path, **names: str) -> None:
    record = kind.where(results, **names)
    check_file(results / sae["filename"], sae["sha256"], record)
    for file, digest in kind.digests(record, read_record(record, kind.name)).items():
        check_file(file, digest, record)
