"""GPUs of one machine, pretended by files: counted, bounded, and handed out to one process each."""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from aurorascope import gpus
from aurorascope.errors import UserError

# Takes a GPU, notes when it has it and when it gives it up, and holds it for a while in between.
HOLDER = """
import os, sys, time
from pathlib import Path
from aurorascope.gpus import claim_gpu

folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
journal = os.open(folder / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
gpu = claim_gpu(devices=folder / "dev", locks=folder)
assert os.environ["CUDA_VISIBLE_DEVICES"] == gpu
os.write(journal, f"{os.getpid()} {gpu} takes {time.monotonic_ns()}\\n".encode())
time.sleep(seconds)
os.write(journal, f"{os.getpid()} {gpu} gives {time.monotonic_ns()}\\n".encode())
"""


@pytest.fixture(autouse=True)
def _nothing_held(monkeypatch):
    monkeypatch.setattr(gpus, "_HELD", [])
    monkeypatch.setattr(gpus, "_POLL_S", 0.02)
    yield
    gpus.release_gpu()


@pytest.fixture
def machine(tmp_path):
    """A folder with the device files of four GPUs, and of what else a driver puts there."""
    (tmp_path / "dev").mkdir()
    for name in ("nvidia0", "nvidia1", "nvidia3", "nvidia10", "nvidiactl", "nvidia-uvm"):
        (tmp_path / "dev" / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("named", "found"),
    [
        (None, ["0", "1", "2", "3"]), ("2,3", ["2", "3"]), (" 1 ", ["1"]), ("", []), ("-1", []), ("0,-1,2", ["0"]), ("1,1", ["1"]),
        ("GPU-8932f937-d72c,MIG-1/2/0", ["GPU-8932f937-d72c", "MIG-1/2/0"]),
    ],
)
def test_visible_gpus_are_those_that_cuda_would_see(machine, named, found):
    """Device files, or what CUDA_VISIBLE_DEVICES names up to the first word that names none."""
    environ = {} if named is None else {"CUDA_VISIBLE_DEVICES": named}
    assert gpus.visible_gpus(environ, machine / "dev") == found
    assert gpus.gpu_bound("auto", environ, machine / "dev") == (len(found) or 10_000)
    assert gpus.gpu_bound("cuda:1", environ, machine / "dev") == 1


def claim(machine, **environ):
    """What a new process would get, and what it would then see."""
    gpus._HELD, held = [], gpus._HELD
    gpu = gpus.claim_gpu(environ, machine / "dev", machine)
    held += gpus._HELD
    gpus._HELD = held
    return gpu, environ.get("CUDA_VISIBLE_DEVICES")


def test_each_process_gets_one_of_the_visible_gpus(machine):
    """One after another, from all or from those that the user names; what one holds, no other gets."""
    assert [claim(machine) for _ in range(2)] == [("0", "0"), ("1", "1")]
    assert claim(machine, CUDA_VISIBLE_DEVICES="1,3,2") == ("3", "3")
    assert claim(machine) == ("2", "2")
    gpus.release_gpu()
    assert claim(machine) == ("0", "0")


def test_a_gpu_that_was_chosen_stays_chosen(machine):
    """One named by SLURM or the user, or none, is left alone and locks nothing; so is a machine without GPUs."""
    for named in ("1", "GPU-8932f937", "", "-1"):
        assert claim(machine, CUDA_VISIBLE_DEVICES=named, SLURM_JOB_ID="7") == (None, named)
    (machine / "none").mkdir()
    assert gpus.claim_gpu({}, machine / "none", machine) is None
    assert not list(machine.glob("aurorascope-*"))


def test_gpus_of_a_slurm_job_are_its_own(machine):
    """Two jobs that each see their GPUs as 0 and 1 do not wait for one another; within a job, each process has its own."""
    found = [claim(machine, CUDA_VISIBLE_DEVICES="0,1", SLURM_JOB_ID=job)[0] for job in ("7", "7", "8", "8")]
    assert found == ["0", "1", "0", "1"]


def test_a_second_look_takes_no_second_gpu(machine):
    """A process that has one keeps it."""
    environ = {}
    assert gpus.claim_gpu(environ, machine / "dev", machine) == "0"
    assert gpus.claim_gpu(environ, machine / "dev", machine) is None and environ == {"CUDA_VISIBLE_DEVICES": "0"}


def test_another_users_folder_is_refused(machine, monkeypatch):
    """Whoever owns the folder could hold every lock for ever."""
    claim(machine)
    owner = os.getuid()
    (machine / f"aurorascope-gpus-{owner}").rename(machine / f"aurorascope-gpus-{owner + 1}")
    monkeypatch.setattr(gpus.os, "getuid", lambda: owner + 1)
    with pytest.raises(UserError, match="one of another user"):
        claim(machine)


def start(machine, root, seconds):
    environment = {k: v for k, v in os.environ.items() if k not in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID")}
    words = [sys.executable, "-c", HOLDER, str(machine), str(seconds)]
    return subprocess.Popen(words, env={**environment, "PYTHONPATH": str(root / "workflow")})


def journal(machine):
    path = machine / "journal"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(pid), gpu, what, int(ns)) for pid, gpu, what, ns in map(str.split, lines)]


def wait_for(condition):
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("nothing happened for 60 s")


@pytest.mark.slow
def test_many_processes_never_share_a_gpu_whoever_is_killed(machine, root):
    """Twenty processes for four GPUs, seven of them killed while they hold one: all the others get one, none with another."""
    rng, killed = random.Random(3), {}
    running = [start(machine, root, 1) for _ in range(20)]
    while len(killed) < 7:
        assert any(process.poll() is None for process in running), "all ended before seven were killed"
        wait_for(lambda: {pid for pid, _, what, _ in journal(machine) if what == "takes"} - set(killed))
        gone = {pid for pid, _, what, _ in journal(machine) if what == "gives"} | set(killed)
        holders = [pid for pid, _, what, _ in journal(machine) if what == "takes" and pid not in gone]
        if holders:
            victim = rng.choice(holders)
            killed[victim] = time.monotonic_ns()
            os.kill(victim, rng.choice([signal.SIGKILL, signal.SIGTERM]))
    codes = {process.pid: process.wait(timeout=60) for process in running}
    held = {}
    for pid, gpu, what, ns in journal(machine):
        held.setdefault(gpu, {}).setdefault(pid, {})[what] = ns
    survivors = {pid for pid, code in codes.items() if code == 0}
    assert {pid for pid, code in codes.items() if code not in (0, -signal.SIGKILL, -signal.SIGTERM)} == set()
    assert len(survivors) >= 13 and survivors | set(killed) == set(codes)
    assert set(held) == {"0", "1", "2", "3"}
    for gpu, of in held.items():
        spans = sorted((times["takes"], times.get("gives") or killed[pid]) for pid, times in of.items())
        assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans)), json.dumps([gpu, spans])


@pytest.mark.slow
def test_a_killed_process_frees_its_gpu_for_the_one_that_waits(machine, root):
    """With one GPU, the second process has it as soon as the first is killed, and not before."""
    for name in ("nvidia1", "nvidia3", "nvidia10"):
        (machine / "dev" / name).unlink()
    first = start(machine, root, 600)
    wait_for(lambda: journal(machine))
    second = start(machine, root, 0)
    time.sleep(0.3)
    assert [pid for pid, *_ in journal(machine)] == [first.pid]
    first.kill()
    first.wait()
    assert second.wait(timeout=30) == 0
    assert [(pid, gpu) for pid, gpu, what, _ in journal(machine) if what == "takes"] == [(first.pid, "0"), (second.pid, "0")]
