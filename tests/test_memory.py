"""What a process may still take is bounded by the machine, by its control groups and by its SLURM job."""

import psutil
import pytest
from aurorascope.memory import available_bytes

GIB = 1 << 30


@pytest.fixture
def machine(monkeypatch):
    """100 GiB are free, and this process holds 1."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 100 * GIB}))
    monkeypatch.setattr(psutil.Process, "memory_info", lambda _self: type("Info", (), {"rss": GIB}))


def group(folder, version, limit, used, inactive):
    """A control group's files, as Linux writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    for name, value in zip(names, (limit, used), strict=True):
        (folder / name).write_text(f"{value}\n")
    within = f"total_inactive_file {inactive}\n" if version == 1 else ""
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {inactive if version == 2 else 7}\n{within}")


def member(root, line):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(f"1:name=systemd:/elsewhere\n5:cpu,cpuacct:/job\n{line}\n")


def test_without_limits_it_is_what_is_free(machine, tmp_path):
    """No control groups, as on another system, or none with a limit."""
    assert available_bytes({}, tmp_path) == 100 * GIB
    member(tmp_path, "0::/job")
    group(tmp_path / "sys/fs/cgroup/job", 2, "max", 30 * GIB, 0)
    assert available_bytes({}, tmp_path) == 100 * GIB


@pytest.mark.parametrize(("version", "mount", "line"), [(2, "", "0::/job/step"), (1, "memory", "4:memory:/job/step")])
def test_a_control_group_leaves_its_limit_less_what_it_uses(machine, tmp_path, version, mount, line):
    """Files that it can drop do not count as used; nor does a group above bind less than the process's own."""
    member(tmp_path, line)
    job = tmp_path / "sys/fs/cgroup" / mount / "job"
    group(job / "step", version, 40 * GIB, 25 * GIB, 5 * GIB)
    assert available_bytes({}, tmp_path) == 20 * GIB
    group(job, version, 32 * GIB, 30 * GIB, 6 * GIB)
    assert available_bytes({}, tmp_path) == 8 * GIB
    group(job, version, 32 * GIB, 33 * GIB, 0)
    assert available_bytes({}, tmp_path) == 0


def test_in_a_container_the_root_is_the_group(machine, tmp_path):
    """The path is the host's, and what is mounted is the container's own group."""
    member(tmp_path, "4:memory:/docker/0123abcd")
    group(tmp_path / "sys/fs/cgroup/memory", 1, 16 * GIB, 4 * GIB, GIB)
    assert available_bytes({}, tmp_path) == 13 * GIB


@pytest.mark.parametrize(("given", "left"), [("8192", 7), ("512", 0), ("0", 100), ("", 100), ("204800", 100)])
def test_slurm_gives_less_than_the_node_has(machine, tmp_path, given, left):
    """MiB of the job, less what this process holds; 0 stands for the whole node."""
    assert available_bytes({"SLURM_MEM_PER_NODE": given}, tmp_path) == left * GIB


def test_this_machine_has_some():
    """The real files of this system can be read."""
    assert 0 < available_bytes({}) <= psutil.virtual_memory().total
