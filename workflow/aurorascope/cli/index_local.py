"""Look once into each new or changed file of the user's folder of CAMS days."""

import argparse
from pathlib import Path

from aurorascope.cams.local.index import listing_digest
from aurorascope.cams.local.listing import list_files
from aurorascope.config import Config
from aurorascope.files import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--record", required=True, type=Path, help="record to write, beside the notes")
    parser.add_argument("--no-record", action="store_true", help="bring the notes up to date and write no record")


def run(args: argparse.Namespace, config: Config) -> None:
    from aurorascope.cams.local.notes import refresh

    folder, files = args.record.parent, list_files(config.cams.directory or "")
    refresh(files, folder, folder / ".work")
    if args.no_record:
        return
    write_json(args.record, {"kind": "local_listing", "format": 1, "n_files": len(files), "sha256": listing_digest(files)})
