"""Plays a scenario: the stand-in with its faults, the rule's own command in processes of their own, what came of it.

`python -m tests.cams.ads_play > docs/ads-scenarios.md` plays them all and writes the table of the documentation.
"""

import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.cams.ads_run import AdsRun
from tests.cams.ads_scenarios import DAY, SCENARIOS
from tests.cams.ads_server import AdsServer


@dataclass(frozen=True)
class Played:
    """What one call led to.

    Attributes:
        status: exit status.
        line: the last line on stderr.
        log: its log.
        jobs: jobs at the store so far.
        calls: calls that it sent.
        record: the day's record, or None.
        names: what lies in the folder of the days.
    """

    status: int
    line: str
    log: str
    jobs: int
    calls: int
    record: dict | None
    names: list[str]


def prepare(scenario, server, folder):
    """The scenario's server, configuration and rc file."""
    for name, value in scenario.server.items():
        if name == "prepare":
            value(server)
        else:
            setattr(server, name, value)
    for place, action, *options in scenario.faults:
        server.fault(place, action, **(options[0] if options else {}))
    run = AdsRun(folder, server, **{f"cams__{key}": value for key, value in scenario.cams.items()})
    if scenario.rc is not None:
        run.write_rc(scenario.rc)
        if not scenario.rc:
            run.rc.unlink()
    return run


@dataclass(frozen=True)
class Story:
    """A scenario that was played.

    Attributes:
        played: what each call of the command led to.
        downloads: transfers of the file.
        leaks: files that hold the key.
    """

    played: list[Played]
    downloads: int
    leaks: list[str]


def play_by_name(name, folder):
    """Play the scenario of that name; for processes, which cannot be given the scenario itself."""
    return play(next(scenario for scenario in SCENARIOS if scenario.name == name), folder)


def play(scenario, folder):
    """Play a scenario in a folder."""
    with AdsServer() as server:
        run = prepare(scenario, server, folder)
        played = []
        for step in scenario.runs:
            if step.before is not None:
                step.before(server, run)
            before = len(server.calls)
            done = run.download(DAY, attempt=step.attempt)
            calls = len(server.calls) - before
            played.append(
                Played(done.status, done.last, done.log, len(server.jobs), calls, run.record(DAY), run.names())
            )
        return Story(played, len(server.downloads_of(DAY)), run.says(server.key))


_OUTCOME = {0: "done", 1: "failed", 75: "later", 78: "all days stop"}


def _cell(text, folder):
    text = text.replace(str(folder), "…").replace("|", "\\|")
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "…", text)
    text = re.sub(r"0x[0-9a-f]+", "…", text)
    return text.removeprefix("download_day: ")


def _table():
    print("# What the data store can do, and what you read\n")
    print("Made by `python -m tests.cams.ads_play`: the real client against a stand-in of the store, one process for every attempt.\n")
    print("- *Outcomes* are in order of the attempts: *done*; *later* (exit status 75: the same command may succeed later);")
    print("  *failed* (1); *all days stop* (78: every day would be refused alike).")
    print("- *Jobs* are those made at the store, over all attempts.")
    print("- *What you read* is the last line of the first attempt that failed.\n")
    print("| what happens | outcome | jobs | what you read |\n|---|---|---|---|")
    for scenario in SCENARIOS:
        with tempfile.TemporaryDirectory() as folder:
            played = play(scenario, Path(folder)).played
            line = next((_cell(p.line, folder) for p in played if p.status), "")
            print(f"| {scenario.name} | {', '.join(_OUTCOME[p.status] for p in played)} | {played[-1].jobs} | {line} |")
            sys.stdout.flush()


if __name__ == "__main__":
    _table()
