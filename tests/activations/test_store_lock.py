import os
import subprocess
import sys

import pytest
from aurorascope.activations.paths import StorePaths

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
