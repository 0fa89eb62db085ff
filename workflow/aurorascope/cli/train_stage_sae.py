"""Train the SAE that the blocks of a stage share and write its weights, golden vectors, log and record."""

import argparse
from pathlib import Path

from aurorascope.blocks import STAGE_IDS
from aurorascope.config import Config
from aurorascope.stage_saes.claim import configured_stage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stage", required=True, choices=STAGE_IDS, metavar="STAGE")
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    from aurorascope.backbone.device import make_repeatable
    from aurorascope.stage_saes.train import train_stage_sae

    make_repeatable(config.compute)
    train_stage_sae(config, configured_stage(config, args.stage), args.results)
