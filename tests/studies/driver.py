"""Runs the verb in processes of its own without seconds of imports each: words on standard input, number and end of each on output.

Nothing but imports has happened in this process when it forks.
"""

import os
import sys

from aurorascope.__main__ import main
from aurorascope.cli import run_study  # noqa: F401 - imported before a fork
from aurorascope.studies import make  # noqa: F401 - the same

for line in sys.stdin:
    child = os.fork()
    if not child:
        os._exit(main(line.split()))
    print("started", child, flush=True)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
