"""What stands where a test's `python -m aurorascope VERB` would: hands the command on to tests/workflow/verbs.py and waits."""

import json
import os
import socket
import sys

with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
    channel.connect(os.environ["VERBS_SOCKET"])
    server = {"server": ["tests.workflow.verbs"], "often": int(os.environ["VERBS_OFTEN"])}
    request = {**server, "words": sys.argv[1:], "cwd": os.getcwd(), "environment": dict(os.environ)}
    socket.send_fds(channel, [json.dumps(request).encode()], [0, 1, 2])
    answer = channel.recv(64)
if not answer:
    # Nothing has been imported in this environment, or it could not be.
    os.execvp("python", ["python", *sys.argv[1:]])
status = int(answer)
if status < 0:
    os.kill(os.getpid(), -status)
sys.exit(status)
