"""The files around the weights: model card, stand-alone module, schema, table, and the digests of everything uploaded."""

import json
from pathlib import Path

from aurorascope.files import check_file, read_record, sha256_file, write_bytes, write_table, write_text
from aurorascope.measures.all import RELEASED_KINDS
from aurorascope.records import KINDS
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
        for kind, entry in (("sae", sae), ("boost", sae.get("boost"))):
            if entry is not None:
                record = KINDS[kind].where(results, block=sae["id"])
                check_file(results / entry["filename"], entry["sha256"], record)
                for file, digest in KINDS[kind].digests(record, read_record(record, kind)).items():
                    check_file(file, digest, record)
    lines = [f"{sha256_file(results / path)}  {path}\n" for path in release_files(results)]
    write_text(results / "SHA256SUMS", "".join(lines))
