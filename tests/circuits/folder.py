"""A results folder with everything that a circuit reads: a small Aurora, two SAEs, an outcome and its attributions."""

import json
from pathlib import Path

import torch
import yaml
from aurorascope.attribution.make import make_attributions
from aurorascope.circuits.make import make_circuit

from tests.studies import folder

BLOCKS = (folder.BLOCK, folder.LATER)
OUTCOME = {
    "variable": "10u", "region": {"disk": [30.0, 100.0, 3000.0]}, "dates": ["2022-06-02", "2022-06-20"],
    "quiet_dates": ["2022-06-01", "2022-07-05"], "exact": 0,
}
CIRCUIT = {"outcome": "wind", "blocks": list(BLOCKS), "most": 3, "n_sets": 1, "n_partitions": 1}


def make_folder(tmp_path_factory, path):
    """Make `results`, the outcome's file and its attributions; the working folder is `path`."""
    folder.copy_folder(tmp_path_factory, path)
    write("outcomes", "wind", OUTCOME)
    make_attributions(folder.config(), "wind", BLOCKS, Path("results"), torch.device("cpu"))


def write(kind, name, content):
    """Put a file into `outcomes/` or `circuits/` of the working folder; None leaves a key out."""
    Path(kind).mkdir(exist_ok=True)
    kept = {key: value for key, value in content.items() if value is not None} if isinstance(content, dict) else content
    Path(kind, f"{name}.yaml").write_text(kept if isinstance(kept, str) else yaml.safe_dump(kept))


def run(name):
    """Trace a circuit."""
    make_circuit(folder.config(), name, Path("results"), torch.device("cpu"))


def contents(name):
    """Bytes of a circuit's files by their names."""
    return {path.name: path.read_bytes() for path in sorted(Path("results/circuits", name).iterdir())}


def record(name):
    """The record of a circuit."""
    return json.loads(Path("results/circuits", name, "record.json").read_text())
