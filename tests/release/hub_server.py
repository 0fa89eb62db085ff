"""A stand-in for the hub's server: repositories that are folders, and a list of what was asked for."""

import contextlib
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


class Hub:
    """Answers `resolve` requests on a port of this machine.

    Attributes:
        commits: folder of each commit of `user/suite`.
        branches: commit of each branch.
        asked: (method, revision, file) of each request for a file, in order.
    """

    name = "user/suite"

    def __init__(self) -> None:
        self.commits: dict[str, Path] = {}
        self.branches: dict[str, str] = {}
        self.asked: list[tuple[str, str, str]] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self):
                hub._answer(self)

            def do_GET(self):
                hub._answer(self)

            def log_message(self, *words):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @contextlib.contextmanager
    def serving(self):
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def downloads(self) -> list[str]:
        """Files whose content was sent."""
        return [file for method, _, file in self.asked if method == "GET"]

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        name, resolve, rest = unquote(request.path.split("?")[0]).strip("/").partition("/resolve/")
        revision, _, file = rest.partition("/")
        if resolve:
            # The client asks for other pages, too, and does without an answer.
            self.asked.append((request.command, revision, file))
        commit = self.branches.get(revision, revision)
        data = b""
        if name != self.name:
            status, headers = 404, {"X-Error-Code": "RepoNotFound"}
        elif commit not in self.commits:
            status, headers = 404, {"X-Error-Code": "RevisionNotFound"}
        elif not (self.commits[commit] / file).is_file():
            status, headers = 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}
        else:
            status, data = 200, (self.commits[commit] / file).read_bytes()
            headers = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
        request.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            request.send_header(key, value)
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(data)
