"""The rule's own command against the stand-in of the Atmosphere Data Store, in a process of its own."""

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from aurorascope.config.identity import save_config
from aurorascope.config.resolve import resolve

from tests.cams.ads_forks import begin_verb, run_verb

ROOT = Path(__file__).parents[2]
LEVELS = (500, 850)
# Four training days; the first needs the evening before, so the run has the days 10 to 14 and 20, 21.
_RAW = {
    "cams": {
        "source": "ads",
        "levels": list(LEVELS),
        "train": {"start": "2022-06-11", "end": "2022-06-14"},
        "held_out": {"start": "2022-06-20", "end": "2022-06-21"},
        "init_hours": [12],
        "ads": {"wait_hours": 0.005, "tries": 3, "retry_s": 0.05, "poll_s": 0.2, "timeout_s": 1.0},
    },
    "static": {"source": "official"},
}


@dataclass(frozen=True)
class Done:
    """A finished run: exit status, what it wrote to its two outputs, and its log."""

    status: int
    stdout: str
    stderr: str
    log: str

    @property
    def last(self):
        """The last line that a user reads."""
        return (self.stderr.strip().splitlines() or [""])[-1]


class AdsRun:
    """A folder in which days are downloaded.

    Args:
        folder: the working folder; made if absent.
        server: the stand-in; its address and key go into the rc file.
        config: changes to the configuration, `cams__ads__tries=5`.

    Attributes:
        folder, server: as given.
        rc: the rc file.
        days: folder of the records.
        config: file of the resolved configuration.
    """

    def __init__(self, folder, server, **config):
        self.folder, self.server = Path(folder), server
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rc, self.days = self.folder / "adsapirc", self.folder / "results" / "scratch" / "cams"
        self.write_rc()
        self.configure(**config)

    def write_rc(self, text=None, mode=0o600):
        """Replace the rc file; by default it holds the server's address and key."""
        self.rc.write_text(f"url: {self.server.url}\nkey: {self.server.key}\n" if text is None else text)
        self.rc.chmod(mode)

    def configure(self, **config):
        """Resolve the configuration anew."""
        raw = json.loads(json.dumps(_RAW))
        for dotted, value in config.items():
            section = raw
            *parents, last = dotted.split("__")
            for name in parents:
                section = section.setdefault(name, {})
            section[last] = value
        mapping, _ = resolve(raw)
        self.config = save_config(mapping, self.folder / ".snakemake" / "aurorascope")

    def environment(self, **changes):
        """Variables of a run; a change to None removes one."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("CDSAPI_", "ECMWF_DATASTORES_"))}
        wanted = {
            **kept, "PYTHONPATH": str(ROOT / "workflow"), "AURORASCOPE_CONFIG": str(self.config),
            "AURORASCOPE_ERRORS": str(self.folder / "errors.txt"), "CDSAPI_RC": str(self.rc),
            "HOME": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1", "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1",
            **changes,
        }
        return {key: value for key, value in wanted.items() if value is not None}

    def words(self, date, attempt=None):
        """The rule's command for a day."""
        words = ["download_day", "--date", date, "--record", f"results/scratch/cams/{date}.json"]
        words += ["--log", f"results/logs/download_day/{date}.log"]
        return words + (["--attempt", str(attempt)] if attempt is not None else [])

    def run(self, *words, **environment):
        """Run one verb to its end."""
        done = run_verb(words, self.folder, self.environment(**environment))
        log = words[words.index("--log") + 1] if "--log" in words else None
        return Done(*done, self._text(self.folder / log) if log else "")

    def download(self, date, attempt=None, **environment):
        """Make one day, as the rule does."""
        return self.run(*self.words(date, attempt), **environment)

    def start(self, date, attempt=None, **environment):
        """Begin to make one day, in a process group of its own; end it with `kill`."""
        errors = self.folder / f"stderr-{date}.txt"
        return begin_verb(self.words(date, attempt), self.folder, self.environment(**environment), errors)

    def kill(self, process, how=signal.SIGKILL):
        """Send a signal to a started run and all its children, and wait for its end; returns its status."""
        if process.poll() is None:
            os.killpg(process.pid, how)
        return process.wait(60)

    def files(self):
        """Names of all files and empty folders below the folder of the records."""
        found = [path for path in self.days.rglob("*") if not path.is_dir() or not any(path.iterdir())]
        return sorted(str(path.relative_to(self.days)) for path in found)

    def names(self):
        """Names in the folder of the records itself, hidden ones too."""
        return sorted(path.name for path in self.days.iterdir()) if self.days.is_dir() else []

    def record(self, date):
        """A day's record; None if there is none."""
        path = self.days / f"{date}.json"
        return json.loads(path.read_text()) if path.is_file() else None

    def log(self, date):
        """A day's log."""
        return self._text(self.folder / "results" / "logs" / "download_day" / f"{date}.log")

    def errors(self):
        """What has been collected for the end of the whole run."""
        return self._text(self.folder / "errors.txt")

    def says(self, text):
        """Files below the folder, other than the rc file, that hold a text: none may hold the key."""
        files = [path for path in self.folder.rglob("*") if path.is_file() and path != self.rc]
        return [str(path.relative_to(self.folder)) for path in files if text.encode() in path.read_bytes()]

    @staticmethod
    def _text(path):
        return path.read_text() if path.is_file() else ""
