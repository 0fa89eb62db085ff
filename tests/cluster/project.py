"""A working copy whose jobs run on the test cluster, and what SLURM says of them."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

from tests.workflow.project import ROOT, SNAKEMAKE, Project

# Patience is for real clusters: a status is asked for at once, and a file that is not there is missing.
IMPATIENT = ("--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "5")

ALIVE = ("PENDING", "RUNNING", "SUSPENDED")


class ClusterProject(Project):
    """One working copy on the cluster."""

    def words(self, *words):
        """The command line of a run on the cluster, targets first."""
        return [str(SNAKEMAKE), *words, "--profile", "slurm", *IMPATIENT]

    def submit(self, *words, ok=True, **environment):
        """Run it to its end; returns all that it printed."""
        done = self.run(*words, "--profile", "slurm", *IMPATIENT, **environment)
        assert (done.returncode == 0) is ok, done.stdout[-3000:] + done.stderr[-6000:]
        return done.stdout + done.stderr

    def surroundings(self, changes):
        """The environment of commands here, without forks: a job's processes must be the node's own."""
        return {**os.environ, "PYTHONPATH": "", **changes}

    def start(self, *words):
        """Run it in the background, as the leader of a process group."""
        log = open(self.path / "head.txt", "wb")  # noqa: SIM115
        where = {"cwd": self.path, "env": self.surroundings({}), "stdout": log, "stderr": log}
        # A shell that runs tests in the background has them ignore Ctrl-C, which is inherited.
        where["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
        return subprocess.Popen(self.words(*words), start_new_session=True, **where)

    def jobs(self):
        """Jobs of this folder that SLURM remembers: rule and wildcards, and what `scontrol show job` says, by job id."""
        text = subprocess.run(["scontrol", "show", "job", "-o"], capture_output=True, text=True, check=True).stdout
        found = {}
        for line in text.splitlines():
            fields = dict(re.findall(r"(\S+?)=(\S+)", line))
            if fields.get("WorkDir") == str(self.path):
                found[fields["JobId"]] = fields
        return found

    def cancel(self):
        """End whatever still runs or waits here."""
        alive = [key for key, job in self.jobs().items() if job["JobState"] in ALIVE]
        if alive:
            subprocess.run(["scancel", *alive], check=True)

    def job(self, comment, **fields):
        """The one job of a rule (`rule_train_sae_wildcards_…`) with these fields."""
        (found,) = [
            job for job in self.jobs().values()
            if job["Comment"] == comment and all(job.get(key) == value for key, value in fields.items())
        ]
        return found

    def devices(self, verb):
        """CUDA_VISIBLE_DEVICES of each process in this folder that runs a verb, None where it is not set."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
                if verb.encode() in words and b"aurorascope" in words and (process / "cwd").resolve() == self.path:
                    variables = dict(word.partition("=")[::2] for word in (process / "environ").read_text().split("\0"))
                    found.append(variables.get("CUDA_VISIBLE_DEVICES"))
            except OSError:
                # It has ended meanwhile.
                continue
        return found


def wait_for(condition, seconds=300):
    """Wait until something holds, and return it."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def scontrol(*words):
    """Tell the controller something."""
    subprocess.run(["scontrol", *words], check=True, capture_output=True, text=True)


def recovery():
    """The commands of the recipe in docs/slurm.md, as it writes them."""
    section = (ROOT / "docs" / "slurm.md").read_text().split("## When a run on the cluster was cut off")[1]
    return section.split("```")[1].strip()
