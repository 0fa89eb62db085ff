"""A whole small suite of one block in this process, from the demo's days to an SAE, as the rules' verbs make it."""

import argparse
import importlib
import shutil

from aurorascope.backbone.checkpoint import save_weights
from aurorascope.config.calendar import day_hours, day_snapshots
from aurorascope.records import KINDS

from tests.backbone.small import small_model
from tests.config.raw import put, typed

BLOCK = "encoder_s0_b3"
# Four runs, two of which choose and two test.
TRAIN = tuple(f"2022-{day}" for day in ("01-10", "03-20", "03-21", "06-01", "06-02", "09-10"))
CHANGES = {
    "cams.train": {"start": None, "end": None, "dates": list(TRAIN)},
    "cams.held_out": {"start": None, "end": None, "dates": ["2022-11-20"]},
    "cams.init_hours": [12], "cams.demo_grid": [19, 36], "aurora.embed_dim": 16, "aurora.device": "cpu",
    "sae.shuffle": "snapshots", "sae.epochs": 2, "atlas.least_objects": 1, "atlas.least_label_blocks": 1,
    "atlas.rotations": 5, "atlas.date_shifts": 3, "atlas.held_out_nulls": 1, "atlas.alpha": 0.25,
}


def verb(name, config, *words):
    """Run a verb of the command line."""
    module, parser = importlib.import_module(f"aurorascope.cli.{name}"), argparse.ArgumentParser()
    module.add_arguments(parser)
    module.run(parser.parse_args([str(word) for word in words]), config)


def config_of(raw, checkpoint, mode="dump"):
    """The demo's configuration, small."""
    for key, value in {**CHANGES, "aurora.checkpoint": str(checkpoint), "activations.mode": mode}.items():
        put(raw, key, value)
    return typed(raw)


def make_inputs(config, results, checkpoint):
    """All that stores and labels are made from; an Aurora with weights that were drawn, not trained."""
    scratch = results / "scratch"
    save_weights(small_model(), checkpoint)
    for day in day_hours(config.cams):
        verb("download_day", config, "--date", day, "--record", KINDS["cams_day"].where(results, day=day))
    for split in ("train", "held_out"):
        verb("select_states", config, "--split", split, "--days", scratch / "cams", "--record", KINDS["states"].where(results, split=split))
    verb("make_static", config, "--record", KINDS["static"].where(results))
    verb("make_checkpoint", config, "--record", KINDS["checkpoint"].where(results))
    verb("label_reference", config, "--results", results)
    for day in day_snapshots(config.cams):
        verb("label_day", config, "--date", day, "--results", results)


def fill_stores(config, results):
    """Both splits of the block."""
    for split in ("train", "held_out"):
        verb("dump_activations", config, "--block", BLOCK, "--split", split, "--scratch", results / "scratch")


def copy_without_stores(results, to):
    """The same suite before any activation was computed."""
    shutil.copytree(results, to, ignore=shutil.ignore_patterns("activations"))
