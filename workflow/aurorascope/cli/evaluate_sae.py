"""Measure one SAE on its block's held-out activations, or adopt what `evaluate_together` has measured."""

import argparse
import logging
from pathlib import Path

from aurorascope.config import Config
from aurorascope.measures.held_out.claim import KIND, make_claim
from aurorascope.waiting import Waiting

_LOG = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sae", required=True, type=Path, help="record of the SAE")
    parser.add_argument("--train", required=True, type=Path, help="manifest of the training activations")
    parser.add_argument("--held-out", required=True, type=Path, help="manifest of the held-out activations")
    parser.add_argument("--states", required=True, type=Path, help="record of the held-out split")
    parser.add_argument("--record", required=True, type=Path, help="record to write; a table lies beside it, the features' statistics under saes/")


def run(args: argparse.Namespace, config: Config) -> None:
    claim = make_claim(config, args.sae, args.train, args.held_out)
    if Waiting(KIND, args.record.parents[1], claim["block"]).adopt(claim):
        _LOG.info("What evaluate_together left for %s is in its place.", claim["block"])
        return
    # Imported only where something must be computed: torch costs 2 s.
    from aurorascope.backbone.device import make_repeatable, pick_device
    from aurorascope.measures.held_out.evaluate import evaluate

    make_repeatable(config.compute)
    device = pick_device(config.aurora.device)
    evaluate(config, args.sae, args.train, args.held_out, args.states, args.record, device)
