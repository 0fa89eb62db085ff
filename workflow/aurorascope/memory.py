"""How much memory this process may still take: on a machine that is shared, less than what is free.

Linux ends a process whose control group (a container, a job of SLURM) goes beyond its limit, however much the machine has.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import psutil

_MIB = 1 << 20
# Limit and use of a control group of version 2 and of version 1, and where version 1 mounts its memory controller.
_V2 = ("", "memory.max", "memory.current")
_V1 = ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes")


def machine_bytes() -> int:
    """Bytes that the machine has free, for whoever takes them first."""
    return psutil.virtual_memory().available


def available_bytes(environ: Mapping[str, str] = os.environ, root: Path = Path("/")) -> int:
    """The least of what the machine has free, what control groups leave, and what is left of what SLURM gave.

    Args:
        environ: where SLURM says what it gave, in MiB.
        root: where `proc` and `sys` lie.

    Returns:
        Bytes; 0 where more is taken than given.
    """
    found = [machine_bytes(), *_left_by_groups(root)]
    given = environ.get("SLURM_MEM_PER_NODE", "")
    # `--mem=0` asks for all that the node has.
    if given.isdecimal() and int(given):
        found.append(int(given) * _MIB - psutil.Process().memory_info().rss)
    return max(0, min(found))


def _left_by_groups(root: Path) -> Iterator[int]:
    """Bytes that each control group above this process leaves it, of those that have a limit."""
    groups = root / "proc/self/cgroup"
    # Only Linux has them.
    lines = groups.read_text().splitlines() if groups.is_file() else []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        mount, limit, used = _V1 if controllers else _V2
        place = PurePosixPath(path.lstrip("/"))
        # A group's limit holds for all groups in it. In a container the path may be the host's, and only its root is there.
        for group in (place, *place.parents):
            folder = root / "sys/fs/cgroup" / mount / group
            if (folder / limit).is_file() and (most := (folder / limit).read_text().strip()) != "max":
                yield int(most) - int((folder / used).read_text()) + _reclaimable(folder)


def _reclaimable(folder: Path) -> int:
    """Bytes of files in a group's page cache that nobody used lately, which it gives back when it needs memory."""
    stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    # Version 1 counts the groups within separately.
    return int(stat.get("total_inactive_file", stat.get("inactive_file", 0)))
