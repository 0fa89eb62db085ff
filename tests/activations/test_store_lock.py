import errno
import fcntl
import os
import subprocess
import sys

import pytest
from aurorascope.activations.paths import StorePaths
from aurorascope.errors import DiskError, TryAgainError, UserError

TRY = """
import sys
from pathlib import Path
from aurorascope.activations.paths import StorePaths
from aurorascope.errors import UserError
try:
    with StorePaths(Path(sys.argv[1])).locked():
        print("got it")
except UserError as error:
    print(error.one_line())
"""


def test_lock_keeps_a_second_process_out(tmp_path):
    """While one process writes, another is told so; afterwards it may."""
    env = {"PYTHONPATH": os.pathsep.join(sys.path)}

    def other():
        run = subprocess.run([sys.executable, "-c", TRY, str(tmp_path)], capture_output=True, text=True, env=env)
        assert run.returncode == 0, run.stderr
        return run.stdout

    with StorePaths(tmp_path).locked():
        assert "another process holds the lock" in other()
    assert other() == "got it\n"


def test_lock_is_freed_by_an_error(tmp_path):
    """A failed dump leaves no lock behind."""
    paths = StorePaths(tmp_path)
    with pytest.raises(ZeroDivisionError), paths.locked():
        raise ZeroDivisionError
    with paths.locked():
        pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_flock_is_refused(tmp_path, monkeypatch, number):
    """The message names the folder, what the system said and the way out, and no handle stays open."""

    def refuse(_handle, _how):
        raise OSError(number, os.strerror(number))

    before = sorted(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UserError, match="with flock.*Lustre.*storage.scratch") as caught, StorePaths(tmp_path).locked():
        pass
    assert not isinstance(caught.value, TryAgainError | DiskError)
    assert (caught.value.where, caught.value.found) == (str(tmp_path), os.strerror(number))
    assert sorted(os.listdir("/proc/self/fd")) == before
