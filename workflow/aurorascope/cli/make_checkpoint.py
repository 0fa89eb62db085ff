"""Put Aurora's weights in place: train the demo, fetch the official file, or copy a named one."""

import argparse
from pathlib import Path

from aurorascope.backbone.checkpoint import make_checkpoint
from aurorascope.backbone.device import make_repeatable
from aurorascope.backbone.model import checkpoint_path
from aurorascope.config import Config
from aurorascope.files import sweep
from aurorascope.locks import folder_lock


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--record", required=True, type=Path, help="record to write")


def run(args: argparse.Namespace, config: Config) -> None:
    make_repeatable(config.compute)
    with folder_lock(args.record.parent):
        sweep(checkpoint_path(args.record))
        make_checkpoint(config.aurora, args.record)
