"""A copy of the repository in a temporary folder, and the commands that users type in it."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.workflow.server import SNAKEMAKE, snakemake
from tests.workflow.verbs import with_forked_verbs

__all__ = ["BLOCKS", "ROOT", "SNAKEMAKE", "Project", "tiny_config"]
ROOT = Path(__file__).parents[2]
BLOCKS = ("encoder_s0_b0", "encoder_s1_b5", "decoder_s0_b7", "decoder_s2_b5")


def tiny_config(**changes):
    """The demo, small: 16 channels on a 19 x 36 grid, four blocks, four training snapshots, two held-out."""
    config = {
        "cams": {
            "source": "demo",
            "train": {"start": "2022-06-01", "end": "2022-06-04"},
            "held_out": {"start": "2022-06-20", "end": "2022-06-21"},
            "demo_grid": [19, 36],
        },
        "aurora": {"checkpoint": "demo", "embed_dim": 16, "device": "cpu", "demo": {"grid": [19, 36], "steps": 60}},
        "blocks": list(BLOCKS),
        "sae": {"epochs": 5},
        # Measured in tests of their own: Aurora runs 17 times a block, and every other seed is a training.
        "evaluation": {"fidelity": {"enabled": False, "snapshots": 2}, "stability": {"blocks": [], "seeds": 2}},
        # Needs labels of every date.
        "atlas": {"enabled": False},
    }
    for dotted, value in changes.items():
        section = config
        *parents, last = dotted.split("__")
        for name in parents:
            section = section.setdefault(name, {})
        section[last] = value
    return config


@dataclass
class Project:
    """One working copy.

    Attributes:
        path: its folder.
    """

    path: Path

    @classmethod
    def create(cls, path, config):
        """Copy what a clone holds and put a configuration in place."""
        path.mkdir(parents=True)
        for name in ("Snakefile", "requirements.lock"):
            shutil.copy2(ROOT / name, path / name)
        # With what is compiled, which Python takes for what it is, since times of change are copied; not what others just write, which goes.
        shutil.copytree(ROOT / "workflow", path / "workflow", ignore=shutil.ignore_patterns("*.pyc.*"))
        for name in ("envs", "slurm"):
            shutil.copytree(ROOT / name, path / name)
        (path / "results").mkdir()
        project = cls(path)
        project.configure(config)
        return project

    def configure(self, config):
        """Replace config.yaml."""
        (self.path / "config.yaml").write_text(yaml.safe_dump(config))

    def copy(self, path):
        """A second copy with its results, Snakemake's memory and all times of change."""
        # A third less work than shutil's, for thousands of files in each of a hundred copies.
        assert not path.exists(), path
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", str(self.path), str(path)], check=True)
        return Project(path)

    def run(self, *words, **environment):
        """Run snakemake here; returns the finished process with its output as text."""
        return snakemake(words, self.path, self.surroundings(environment))

    def surroundings(self, changes):
        """The environment of commands here."""
        # A project compiles its copy of the library once, whatever this process does with its own.
        kept = {"HF_HUB_OFFLINE": "1", "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": ""}
        return with_forked_verbs({**os.environ, **kept, **changes}, not changes)

    def make(self, *words, cores=2, **environment):
        """Run snakemake and insist that it succeeds."""
        done = self.run(*words, "--cores", str(cores), **environment)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
        return done

    def fail(self, *words, **environment):
        """Run snakemake, insist that it fails, and return the last line that a user reads."""
        done = self.run(*words, "--cores", "2", **environment)
        assert done.returncode != 0, done.stderr[-3000:]
        return done.stderr.strip().splitlines()[-1]

    def planned(self, *words, **environment):
        """Rules that a dry run would execute, with their numbers of jobs."""
        done = self.run("--dry-run", "--cores", "1", *words, **environment)
        assert done.returncode == 0, done.stderr[-3000:]
        lines = (done.stdout + done.stderr).splitlines()
        jobs = {}
        for line in lines:
            parts = line.split()
            # Not `jobid: 3` of a job's own lines.
            if len(parts) == 2 and parts[1].isdigit() and parts[0] != "total" and not parts[0].endswith(":"):
                jobs[parts[0]] = int(parts[1])
        return jobs

    def ran(self, done):
        """Rules that a finished run executed."""
        text = done.stdout + done.stderr
        return sorted(line.split()[1].rstrip(":") for line in text.splitlines() if line.startswith(("rule ", "localrule ", "checkpoint ", "localcheckpoint ")))

    def result(self, name):
        """A path under results."""
        return self.path / "results" / name

    def record(self, name):
        """A JSON file under results."""
        return json.loads(self.result(name).read_text())

    def hashes(self):
        """sha256 of every SAE that is there, by block."""
        return {
            path.stem.removeprefix("sae_"): json.loads(path.read_text())["sha256"]
            for path in sorted(self.result("saes").glob("sae_*.json"))
        }
