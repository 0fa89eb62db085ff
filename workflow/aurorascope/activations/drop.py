"""Delete the chunks of a store that nobody needs any more, and nothing else: manifest, moments and labels stay.

A marker says first that they are absent on purpose, so that a kill half way leaves a store whose readers compute its
snapshots again instead of one that looks damaged. Nothing that Snakemake compares changes.
"""

import logging
from pathlib import Path

from aurorascope.activations.manifest import is_chunk, read_manifest
from aurorascope.activations.paths import StorePaths
from aurorascope.config.calendar import SPLITS
from aurorascope.files import write_json

_LOG = logging.getLogger(__name__)


def drop_chunks(block_id: str, scratch: Path, record: Path) -> None:
    """Delete the chunks of both splits of a block and write the record, which is of content alone.

    Doing it again gives the same record.

    Raises:
        UserError: a manifest is missing or altered, or a store is being written.
    """
    dropped = {}
    for split in SPLITS:
        paths = StorePaths.of(scratch, block_id, split)
        with paths.locked():
            manifest = read_manifest(paths.manifest)
            chunks = {name: file["size"] for name, file in manifest["files"].items() if is_chunk(name)}
            if not paths.absent.is_file():
                write_json(paths.absent, {"kind": "absent", "why": "dropped"})
            for name in chunks:
                (paths.folder / name).unlink(missing_ok=True)
        n_bytes = sum(chunks.values())
        dropped[split] = {"manifest_sha256": manifest["sha256"], "chunks": len(chunks), "bytes": n_bytes}
        _LOG.info("%s, %s: %d chunks of %.3f GB in all are gone.", block_id, split, len(chunks), n_bytes / 1e9)
    write_json(record, {"kind": "dropped", "format": 1, "block": block_id, "splits": dropped})
