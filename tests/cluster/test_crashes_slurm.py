"""The same on a SLURM cluster: jobs killed, sent back, out of time, on a node that is lost; Snakemake killed while they run."""

import contextlib
import math
import random
import re
import signal
import subprocess
import time

import psutil
import pytest

from tests.workflow.crash import PATIENCE_S, History, Running, content, durations, leftovers, table
from tests.workflow.project import tiny_config

pytestmark = [pytest.mark.slow, pytest.mark.soak]
PROFILE = ["--profile", "slurm", "--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "10", "--jobs", "2"]
CONFIG = tiny_config(
    blocks=["encoder_s0_b0", "encoder_s1_b5", "decoder_s2_b5"],
    cams__train={"start": "2022-06-01", "end": "2022-06-03"},
    cams__held_out={"start": "2022-06-20", "end": "2022-06-20"},
)
SAES = [f"results/saes/sae_{block}.pt" for block in CONFIG["blocks"]]
# Of a short training, whose speed says how many epochs a long one needs; and seconds of the long one.
EPOCHS, LONG_S = 10_000, 120
PLAN = (
    ("dump_activations", "scancel --signal=KILL of a job"),
    ("dump_activations", "scancel --signal=TERM of a job"),
    ("dump_activations", "requeue of a job"),
    ("dump_activations", "kill -9 of Snakemake, end jobs"),
    ("dump_activations", "SIGTERM to Snakemake"),
    ("dump_activations", "kill -9 of Snakemake, wait"),
    ("train_sae", "node lost under a job"),
    ("train_sae", "scancel --signal=KILL of a job"),
    ("train_sae", "kill -9 of Snakemake, end jobs"),
    ("train_sae", "slurmd killed under a job"),
    ("train_sae", "kill -9 of Snakemake, wait"),
    ("evaluate_sae", "scancel --signal=TERM of a job"),
    ("evaluate_sae", "kill -9 of Snakemake, end jobs"),
    ("evaluate_sae", "Ctrl-C"),
    ("draw_feature", "scancel --signal=KILL of a job"),
    ("draw_feature", "kill -9 of Snakemake, wait"),
)


def slurm(*words: str) -> str:
    """What a command of SLURM says."""
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


class ClusterRunning(Running):
    """A `snakemake --profile slurm`, whose jobs run on whether it does or not."""

    def own(self) -> list[str]:
        """Ids of this project's jobs in the queue."""
        pairs = [line.split(maxsplit=1) for line in slurm("squeue", "--noheader", "--format=%i %Z").splitlines()]
        return [job for job, folder in pairs if folder == str(self.project.path)]

    def wait_jobs(self) -> None:
        """Wait until the queue holds none of ours."""
        super().wait_jobs()
        deadline = time.monotonic() + PATIENCE_S
        while self.own():
            assert time.monotonic() < deadline
            time.sleep(0.5)

    def end_jobs(self) -> None:
        """Cancel ours."""
        if own := self.own():
            slurm("scancel", *own)
        super().end_jobs()

    def strike_job(self, kind: str, job: psutil.Process) -> bool:
        """Do to a job, or to the node under it, what the kind says; False where it is over, or runs here."""
        try:
            number = job.environ().get("SLURM_JOB_ID")
            if number is None:
                return False
            if kind.startswith("scancel"):
                slurm(*kind.split()[:2], number)
            elif kind.startswith("requeue"):
                slurm("scontrol", "requeue", number)
            else:
                return self._strike_node(kind)
        except (psutil.Error, subprocess.CalledProcessError):
            return False
        return True

    def _strike_node(self, kind: str) -> bool:
        # Another test's jobs are not ours to lose.
        if len(slurm("squeue", "--noheader").splitlines()) > len(self.own()):
            return False
        if kind.startswith("slurmd"):
            (daemon,) = (process for process in psutil.process_iter() if process.name() == "slurmd")
            daemon.send_signal(signal.SIGKILL)
            daemon.wait(PATIENCE_S)
            slurm("slurmd")
            return True
        node = slurm("sinfo", "--noheader", "--partition=cpu", "--format=%N").strip()
        slurm("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        time.sleep(2)
        # It may have come back by itself.
        with contextlib.suppress(subprocess.CalledProcessError):
            slurm("scontrol", "update", f"nodename={node}", "state=resume")
        return True


@pytest.fixture
def undisturbed(checkpoint_project, tmp_path):
    """A project with nothing but the trained checkpoint, and a copy of it that was finished locally, without a disturbance."""
    start = checkpoint_project.copy(tmp_path / "start")
    start.configure(CONFIG)
    (finished := start.copy(tmp_path / "undisturbed")).make()
    return start, finished


def test_kills_on_a_cluster(cluster, undisturbed, tmp_path):
    """At least a dozen kills, after which the same command ends with the bytes of the undisturbed run."""
    start, reference = undisturbed
    project = start.copy(tmp_path / "project")
    history = History(project, PROFILE, {}, random.Random(1), durations(reference), ClusterRunning)
    try:
        history.live(PLAN)
    finally:
        print(table(history.kills))
        # What srun leaves waiting of jobs whose node was declared lost while it went on living.
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.cwd() == str(project.path):
                    process.kill()
    assert content(project) == content(reference)
    assert leftovers(project) == leftovers(reference)
    assert not project.planned()
    assert len(history.kills) >= 12


def epochs_of(project, seconds):
    """How many epochs take so long here, by the fastest of a project's trainings."""
    logs = "".join(project.result(f"logs/train_sae/{block}.log").read_text() for block in CONFIG["blocks"])
    speeds = [int(n) / float(took) for n, took in re.findall(r"Training \w+: (\d+) steps in ([\d.]+) s", logs)]
    return math.ceil(seconds * max(speeds) * EPOCHS / project.record(f"saes/sae_{CONFIG['blocks'][0]}.json")["training"]["n_steps"])


def test_trainings_that_run_out_of_time(cluster, checkpoint_project, tmp_path):
    """Three trainings of two minutes with a minute each: they stop with a checkpoint, are sent again, and go on."""
    project = checkpoint_project.copy(tmp_path / "project")
    project.configure({**CONFIG, "sae": {"epochs": EPOCHS}})
    project.make(*SAES)
    project.configure({**CONFIG, "sae": {"epochs": epochs_of(project, LONG_S)}})
    reference = project.copy(tmp_path / "reference")
    reference.make(*SAES)
    running = ClusterRunning(project, [*SAES, *PROFILE, "--set-resources", "train_sae:runtime=1", "--retries", "20"], {})
    try:
        assert running.head.wait(2 * PATIENCE_S) == 0, running.text()[-3000:]
    finally:
        running.end_jobs()
    n_timeouts = running.text().count("status is: 'TIMEOUT'")
    print(f"{n_timeouts} jobs ran out of time")
    assert n_timeouts >= 3
    for block in CONFIG["blocks"]:
        assert "going on after step" in project.result(f"logs/train_sae/{block}.log").read_text()
    assert project.hashes() == reference.hashes()
