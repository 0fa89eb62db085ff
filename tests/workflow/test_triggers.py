"""Every config key that a verb reads is a parameter of its rule, or known to change no number."""

import argparse
import dataclasses
import importlib
import json
import os
import shutil
import subprocess
import sys
from itertools import pairwise

import pytest
import torch
from aurorascope.attribution.make import make_attributions
from aurorascope.blocks import BY_ID
from aurorascope.boosting.train import boost_sae
from aurorascope.circuits.make import make_circuit
from aurorascope.config import from_mapping
from aurorascope.config.calendar import day_snapshots
from aurorascope.config.stages import KEYS, NO_NUMBERS, RECIPES_OF_KEPT
from aurorascope.errors import UserError
from aurorascope.figures.depth import draw_depth
from aurorascope.labels.make import make_reference
from aurorascope.labels.together import adopt_label_day, make_label_days
from aurorascope.matching.make import make_match
from aurorascope.matching.pair import Pair
from aurorascope.measures.atlas.claim import KIND, make_claim
from aurorascope.measures.atlas.together import score_together
from aurorascope.stage_saes.claim import configured_stage
from aurorascope.stage_saes.train import train_stage_sae
from aurorascope.studies.make import make_study
from aurorascope.waiting import Waiting
from matplotlib.figure import Figure

from tests.workflow.project import ROOT

pytestmark = pytest.mark.slow
BLOCK, STAGE = "encoder_s1_b5", "encoder_s1"
STORE = f"results/scratch/activations/{BLOCK}"
VERBS = {
    "download_day": "--date 2022-06-01 --record results/scratch/cams/2022-06-01.json",
    "select_states": "--split train --days results/scratch/cams --record results/scratch/states/train.json",
    "make_static": "--record results/scratch/static/static.json",
    "label_reference": "--results results",
    "label_day": "--date 2022-06-20 --results results",
    "make_checkpoint": "--record other/checkpoint.json",
    "train_stage_sae": f"--stage {STAGE} --results results",
    "evaluate_stage_sae": f"--stage {STAGE} --results results",
    "dump_activations": f"--block {BLOCK} --split held_out --scratch results/scratch",
    "train_sae": f"--block {BLOCK} --manifest {STORE}/train/manifest.json --results results",
    "evaluate_sae": f"--sae results/saes/sae_{BLOCK}.json --train {STORE}/train/manifest.json"
    f" --held-out {STORE}/held_out/manifest.json --states results/scratch/states/held_out.json"
    f" --record results/evaluation/{BLOCK}.json",
    "boost_sae": f"--block {BLOCK} --results results",
    "evaluate_boost": f"--block {BLOCK} --results results",
    "write_features": f"--day 2022-06-20 --sae results/saes/sae_{BLOCK}.json --manifest {STORE}/held_out/manifest.json"
    " --states results/scratch/states/held_out.json --netcdf other/features.nc",
    "measure_fidelity": f"--block {BLOCK} --results results",
    "measure_stability": f"--sae results/saes/sae_{BLOCK}.json --train {STORE}/train/manifest.json"
    f" --held-out {STORE}/held_out/manifest.json --scratch results/scratch --record other/summary.json",
    "score_features": f"--block {BLOCK} --results results",
    "reproduce_sae": f"--block {BLOCK} --manifest {STORE}/train/manifest.json --results results",
    "build_index": "--results results",
    "draw_suite": "--index results/sae_index.json --png other/suite.png",
    "draw_levels": "--results results --png other/levels.png",
    "draw_curves": "--results results --png other/curves.png",
    "draw_blocks": "--results results --folder other/blocks",
    "draw_feature": f"--sae results/saes/sae_{BLOCK}.json --held-out {STORE}/held_out/manifest.json"
    " --states results/scratch/states/held_out.json --static results/scratch/static/static.json --png other/f.png",
    "draw_storyline": "--results results",
    "draw_atlas": "--results results",
    "run_study": "--study small --results results",
    "draw_study": "--study small --results results",
    "draw_attribution": "--outcome small --results results",
    "attribute": f"--outcome small --block {BLOCK} --results results",
    "trace_circuit": "--circuit small --results results",
    "draw_circuit": "--circuit small --results results",
    "match_features": f"--a encoder_s0_b0 --b {BLOCK} --results results",
    "chain_features": "--results results",
}
STUDY = f"""
block: {BLOCK}
features: [1, 2]
edit: {{clamp: 0.1}}
dates: [2022-06-20]
n_controls: 1
outcomes: [{{kind: msl_min, name: low, region: {{band: [-60, 60]}}}}]
"""
OUTCOME = "{{variable: 2t, date: 2022-06-20, exact: 1, blocks: [{}]}}"
CIRCUIT = "{{outcome: small, blocks: [{}], most: 1, n_sets: 1, n_partitions: 1}}"


_READERS = ("train_sae", "reproduce_sae", "evaluate_sae", "measure_stability", "score_features", "write_features", "draw_feature", "match_features",
            "boost_sae", "evaluate_boost", "train_stage_sae", "evaluate_stage_sae")
CPU = torch.device("cpu")


def _attributed(config):
    """The block of the verbs, and the first two, of which a circuit is."""
    return list(dict.fromkeys([BLOCK, *config.block_ids[:2]]))


def _label_days(config, results):
    make_label_days(config, list(day_snapshots(config.cams)), results)
    for day in day_snapshots(config.cams):
        adopt_label_day(config, day, results)


def _make_atlases(config, results):
    score_together(config, config.block_ids, results, CPU)
    for block in config.block_ids:
        Waiting(KIND, results, block).adopt(make_claim(config, block, results))


def _match_all(config, results):
    for a, b in pairwise(config.block_ids):
        make_match(config, Pair(a, b), results, CPU)


# What makes what verbs read and the finished suite lacks, by name.
MAKERS = {
    "reference": make_reference,
    "labels": _label_days,
    "atlases": _make_atlases,
    "levels": draw_depth,
    "study": lambda config, results: make_study(config, "small", results, CPU),
    "attributions": lambda config, results: make_attributions(config, "small", _attributed(config), results, CPU),
    "circuit": lambda config, results: make_circuit(config, "small", results, CPU),
    "boost": lambda config, results: boost_sae(config, BY_ID[BLOCK], results, CPU),
    "stage_sae": lambda config, results: train_stage_sae(config, configured_stage(config, STAGE), results),
    "matches": _match_all,
}
_SCORED = ("reference", "labels")
NEEDS = {
    "label_day": ("reference",),
    "score_features": _SCORED,
    "draw_storyline": (*_SCORED, "atlases"),
    "draw_atlas": (*_SCORED, "atlases", "levels"),
    "draw_study": ("study",),
    "draw_attribution": ("attributions",),
    "trace_circuit": ("attributions",),
    "draw_circuit": ("attributions", "circuit"),
    "evaluate_boost": ("boost",),
    "evaluate_stage_sae": ("stage_sae",),
    "chain_features": ("matches",),
}


class Recorder:
    """A configuration that notes the dotted name of every value read from it."""

    def __init__(self, target, read, prefix=""):
        self.__dict__.update(_target=target, _read=read, _prefix=prefix)

    def __getattr__(self, name):
        value = getattr(self._target, name)
        if name.startswith("__"):
            return value
        if hasattr(value, "__dataclass_fields__"):
            return Recorder(value, self._read, f"{self._prefix}{name}.")
        self._read.add(f"{self._prefix}{name}".replace("block_ids", "blocks"))
        return value


def recording_replace(target, *, _replace=dataclasses.replace, **changes):
    """`dataclasses.replace`, where a changed copy of a recorder records, too."""
    if not isinstance(target, Recorder):
        return _replace(target, **changes)
    plain = {name: value._target if isinstance(value, Recorder) else value for name, value in changes.items()}
    return Recorder(_replace(target._target, **plain), target._read, target._prefix)


@pytest.fixture(scope="module")
def scratch_copy(suite, tmp_path_factory):
    """One copy of the finished suite for all verbs, with its resolved configuration, and names of what was made in it besides."""
    project = suite.copy(tmp_path_factory.mktemp("triggers") / "project")
    resolved = max((project.path / ".snakemake/aurorascope").glob("config-*.json"), key=os.path.getmtime)
    mapping = json.loads(resolved.read_text())
    mapping["aurora"]["demo"]["steps"] = 2
    config = from_mapping(mapping)
    outcome, circuit = OUTCOME.format(", ".join(_attributed(config))), CIRCUIT.format(", ".join(config.block_ids[:2]))
    for folder, content in (("studies", STUDY), ("outcomes", outcome), ("circuits", circuit)):
        (project.path / folder).mkdir()
        (project.path / folder / "small.yaml").write_text(content)
    return project, mapping, set()


@pytest.mark.parametrize("verb", VERBS)
def test_keys_that_a_verb_reads_are_its_parameters(scratch_copy, verb, monkeypatch):
    """Run the verb with a recording configuration; nothing unlisted is read."""
    project, mapping, made = scratch_copy
    monkeypatch.chdir(project.path)
    monkeypatch.setattr(dataclasses, "replace", recording_replace)
    # Pictures are put together, but not rendered: seconds each, in which no key is read.
    monkeypatch.setattr(Figure, "savefig", lambda figure, file, **how: file.write(b"a picture"))
    for name in NEEDS.get(verb, ()):
        if name not in made:
            MAKERS[name](from_mapping(mapping), project.result(""))
            made.add(name)
    if verb == "dump_activations":
        shutil.rmtree(project.result(f"scratch/activations/{BLOCK}/held_out"))
    module, read = importlib.import_module(f"aurorascope.cli.{verb}"), set()
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    try:
        module.run(parser.parse_args(VERBS[verb].split()), Recorder(from_mapping(mapping), read))
    except UserError as error:
        assert "persistence" in str(error)
    # Whoever opens a store compares it with its claim; a change of these keys remakes the manifest, an input of theirs.
    compared = KEYS["dump_activations"] if verb in _READERS else ()
    # What a recipe's version follows from is a parameter by way of that version; the index states all versions.
    versioned = ("sae.architecture", "aurora.checkpoint_kind") if verb in {*RECIPES_OF_KEPT, "build_index"} else ()
    listed = {*KEYS[verb], *NO_NUMBERS, *compared, *versioned}
    unlisted = {key for key in read if not any(key == name or key.startswith(f"{name}.") for name in listed)}
    assert not unlisted
    assert read or verb in ("draw_suite", "draw_study", "draw_circuit")


def test_every_rule_with_numbers_is_covered():
    """The table above misses no stage but card and table, which read the index alone."""
    assert set(VERBS) == set(KEYS) - {"write_card", "write_table"}


def test_a_dump_that_only_verifies_imports_neither_torch_nor_aurora(suite, tmp_path):
    """With both made impossible to import, the verb still publishes the manifest."""
    project = suite.copy(tmp_path / "project")
    manifest = project.path / STORE / "train" / "manifest.json"
    content = manifest.read_bytes()
    manifest.unlink()
    resolved = max((project.path / ".snakemake/aurorascope").glob("config-*.json"), key=os.path.getmtime)
    code = (
        "import sys\nfor name in ('torch', 'aurora', 'numpy', 'zarr', 'xarray'): sys.modules[name] = None\n"
        "from aurorascope.__main__ import main\n"
        f"sys.exit(main('dump_activations --block {BLOCK} --split train --scratch results/scratch'.split()))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "AURORASCOPE_CONFIG": str(resolved)}
    done = subprocess.run([sys.executable, "-c", code], cwd=project.path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert manifest.read_bytes() == content


def test_what_snakemake_records_holds_no_path_of_this_machine(suite):
    """Parameters and inputs are recorded without absolute paths, hosts or keys."""
    metadata = suite.path / ".snakemake" / "metadata"
    texts = [path.read_text() for path in metadata.rglob("*") if path.is_file()]
    assert texts
    for text in texts:
        record = json.loads(text)
        assert str(suite.path) not in json.dumps([record["params"], record["input"], record["shellcmd"]])
