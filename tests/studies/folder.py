"""A results folder with everything that a study reads: demo weather on a small grid, a small Aurora, two SAEs."""

import argparse
import json
import shutil

import torch
import yaml
from aurorascope.backbone.checkpoint import save_weights
from aurorascope.backbone.model import checkpoint_path, head_arguments
from aurorascope.backbone.static import make_static
from aurorascope.blocks import BY_ID
from aurorascope.cams.day import make_day
from aurorascope.cli import run_study
from aurorascope.config import from_mapping
from aurorascope.config.calendar import day_hours
from aurorascope.config.resolve import resolve
from aurorascope.files import sha256_file, write_json
from aurorascope.records import KINDS

from tests.backbone import small
from tests.interventions.linear import features_of, output_of, sae_of
from tests.once import made_once
from tests.workflow.project import tiny_config

BLOCK, LATER = "encoder_s1_b4", "decoder_s1_b9"
DATES = ("2022-06-02", "2022-06-20")
REGION = {"band": [-60, 60], "levels": ["surface", "atmos_1"]}
OUTCOMES = [
    {"kind": "linear", "name": "warmth", "variable": "t", "level": 850, "region": {"band": [-60, 60]}},
    {"kind": "msl_min", "name": "low", "region": {"disk": [30.0, 200.0, 4000.0]}},
]

DISK = {"disk": [30.0, 100.0, 4000.0], "taper_km": 2000.0}
# Of changed inputs; a feature of a later block is among them.
INPUT_OUTCOMES = [
    {"kind": "linear", "name": "smoke", "variable": "no2", "level": 1000, "region": {"disk": [30.0, 100.0, 5000.0]}},
    {"kind": "msl_min", "name": "low", "region": {"disk": [30.0, 200.0, 4000.0]}},
    {"kind": "feature", "name": "later", "block": LATER, "feature": 3},
]


def mapping():
    """The configuration as verbs read it: snapshots of two training and two held-out dates."""
    dates = {"cams__train": {"dates": ["2022-06-01", "2022-06-02"]}, "cams__held_out": {"dates": ["2022-06-20", "2022-07-05"]}}
    return resolve(tiny_config(**dates, cams__init_hours=[12]))[0]


def config():
    """The same, typed."""
    return from_mapping(mapping())


def given(feature, **changes):
    """What stands in the file of a study of one feature; None leaves a key out."""
    found = {
        "block": BLOCK, "features": [feature], "edit": {"clamp": 0.5}, "region": REGION, "dates": list(DATES), "outcomes": OUTCOMES,
        "n_controls": 2, **changes,
    }
    return {key: value for key, value in found.items() if value is not None}


def given_inputs(**changes):
    """What stands in the file of a study of twice the nitrogen dioxide; None leaves a key out."""
    found = {
        "perturb": [{"scale": {"variables": ["no2"], "factor": 2, "region": DISK}}], "dates": list(DATES), "outcomes": INPUT_OUTCOMES,
        "blocks": [BLOCK, LATER], "n_controls": 1, **changes,
    }
    return {key: value for key, value in found.items() if value is not None}


def write_file(folder, name, content):
    """Put a study's file into `studies/`."""
    path = folder / "studies" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def make_folder(folder):
    """Make `results` of a folder; returns the number of the feature that is on at the most tokens of the first date."""
    results, made = folder / "results", config()
    for day, hours in day_hours(made.cams).items():
        make_day(day, KINDS["cams_day"].where(results, day=day), made.cams, hours)
    make_static(made.static, made.cams, made.aurora.revision, KINDS["static"].where(results))
    model, record = small.small_model(), KINDS["checkpoint"].where(results)
    save_weights(model, checkpoint_path(record))
    content = {"kind": "checkpoint", "format": 1, "embed_dim": 16, "arguments": head_arguments(16)}
    write_json(record, content | {"sha256": sha256_file(checkpoint_path(record))})
    for block in (BLOCK, LATER):
        write_sae(results, block, sae_of("jumprelu" if block == BLOCK else "relu", width=BY_ID[block].width(16)))
    write_json(folder / "config.json", mapping())
    batch = small.small_batch(small.small_states())
    h_nf = features_of(sae_of("jumprelu", width=BY_ID[BLOCK].width(16)), output_of(model, batch, BLOCK).float())
    return int((h_nf > 0).sum(0).argmax())


def copy_folder(tmp_path_factory, path):
    """Such a folder of one's own, whose like is made once for all test processes; returns the number of the feature."""

    def make(template):
        template.mkdir()
        (template / "feature.json").write_text(json.dumps(make_folder(template)))

    template = made_once(tmp_path_factory, "small-folder", make)
    shutil.copytree(template, path, dirs_exist_ok=True)
    return json.loads((template / "feature.json").read_text())


def write_sae(results, block, sae):
    """An SAE and as much of its record as a study reads."""
    path = KINDS["sae"].where(results, block=block)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({name: tensor.detach().clone() for name, tensor in sae.state_dict().items()}, path.with_suffix(".pt"))
    checkpoint = KINDS["checkpoint"].read(results)["sha256"]
    write_json(path, {
        "kind": "sae", "block": block, "released_as": sae.architecture, "sha256": sha256_file(path.with_suffix(".pt")),
        "checkpoint_sha256": checkpoint,
    })


def run(name):
    """Run the verb in this process, in the working folder."""
    parser = argparse.ArgumentParser()
    run_study.add_arguments(parser)
    run_study.run(parser.parse_args(["--study", name, "--results", "results"]), config())


def record(folder, name):
    """The record of a study."""
    return json.loads((folder / "results" / "studies" / name / "record.json").read_text())


def contents(folder, name):
    """Bytes of a study's files by their names."""
    return {path.name: path.read_bytes() for path in sorted((folder / "results" / "studies" / name).iterdir())}
