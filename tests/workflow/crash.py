"""Runs of Snakemake that are cut off, how and during what, and the recovery that the README documents."""

import contextlib
import os
import random
import signal
import statistics
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import psutil

from tests.workflow.project import SNAKEMAKE, Project

PATIENCE_S = 900
# Between the start of a job and a kill aimed at it: jobs spend about this long on importing torch on a busy machine.
LONGEST_S = 10
# Rules in the order in which their first jobs come.
STAGES = (
    "download_day", "make_static", "select_states", "make_checkpoint", "dump_activations", "train_sae", "evaluate_sae",
    "draw_feature", "build_index", "write_card", "draw_blocks", "write_digests",
)
# What a command that was given too early says of a job that runs on.
LOCKED = "another process holds the lock"


@dataclass(frozen=True)
class Kill:
    """One cut.

    Attributes:
        kind: how.
        stage: the rule that it met.
        during: the jobs that were running.
        seconds: after the command was given.
    """

    kind: str
    stage: str
    during: tuple[str, ...]
    seconds: float


class Running:
    """One `snakemake` command on this machine, in a session of its own.

    Args:
        project: where.
        words: the command's words.
        environment: variables to be set.
    """

    KINDS = ("kill -9 of all", "kill -9 of Snakemake, wait", "kill -9 of Snakemake, end jobs", "kill -9 of a job",
             "SIGTERM to Snakemake", "SIGTERM to a job", "Ctrl-C", "kill -9 of Snakemake, at once")

    def __init__(self, project: Project, words: Iterable[str], environment: Mapping[str, str]) -> None:
        self.project, self.output = project, project.path / "output.txt"
        self.started, self.n_killed_jobs = time.monotonic(), 0
        with open(self.output, "wb") as file:
            self.head = subprocess.Popen(
                [str(SNAKEMAKE), *words], cwd=project.path, start_new_session=True, stdout=file, stderr=file,
                env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": "", **environment},
                # A shell that runs tests in the background has them ignore Ctrl-C, which is inherited.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def jobs(self) -> dict[psutil.Process, str]:
        """Processes of the project's verbs, whoever started them, with rule and wildcards."""
        found = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                words = process.cmdline()
                if words[1:3] == ["-m", "aurorascope"] and process.cwd() == str(self.project.path):
                    # results/logs/RULE.log or results/logs/RULE/WILDCARDS.log
                    log = words[words.index("--log") + 1].removesuffix(".log")
                    found[process] = " ".join(log.split("/")[2:])
        return found

    def wait_for(self, stage: str) -> bool:
        """Wait until a job of a rule, or of one that comes later, runs; False where the command ends before."""
        wanted = STAGES[STAGES.index(stage) :] if stage in STAGES else ()
        while self.head.poll() is None:
            if any(name.split()[0] in wanted for name in self.jobs().values()):
                return True
            assert time.monotonic() - self.started < PATIENCE_S, f"no {stage}: {self.text()[-3000:]}"
            time.sleep(0.1)
        return False

    def text(self) -> str:
        """What the command has said so far."""
        return self.output.read_text(errors="replace")

    def wait_jobs(self) -> None:
        """Wait for the jobs that run on, as the README says."""
        psutil.wait_procs(list(self._session()), PATIENCE_S)

    def end_jobs(self) -> None:
        """End the jobs that run on."""
        for process in self._session():
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.wait_jobs()

    def _session(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            with contextlib.suppress(ProcessLookupError, psutil.Error):
                if os.getsid(process.pid) == self.head.pid and process.status() != psutil.STATUS_ZOMBIE:
                    yield process

    def strike(self, kind: str, stage: str, rng: random.Random) -> Kill | None:
        """Cut the run off, best in a job of a rule, and what outlives it as far as the kind says so.

        Returns:
            What was done; None where the job, or the whole command, was over by then.
        """
        jobs = self.jobs()
        # The stage may be over by now.
        names = sorted(jobs.values(), key=lambda name: (name.split()[0] != stage, name))
        met = names[0].split()[0] if names else "between jobs"
        kill = Kill(kind, met, tuple(names), round(time.monotonic() - self.started, 1))
        aimed = [job for job, name in jobs.items() if name.split()[0] == met]
        if kind.endswith("a job"):
            is_struck = bool(aimed) and self.strike_job(kind, rng.choice(aimed))
            self.n_killed_jobs += is_struck
            return kill if is_struck else None
        self._strike(kind)
        self.head.wait(PATIENCE_S)
        if kind.endswith("end jobs"):
            self.end_jobs()
        elif not kind.endswith("at once"):
            self.wait_jobs()
        # 0: it came to its end before it noticed.
        return kill if self.head.returncode else None

    def _strike(self, kind: str) -> None:
        sign = signal.SIGKILL if "-9" in kind else signal.SIGINT if kind == "Ctrl-C" else signal.SIGTERM
        if "Snakemake" in kind:
            self.head.send_signal(sign)
        else:
            os.killpg(self.head.pid, sign)

    def strike_job(self, kind: str, job: psutil.Process) -> bool:
        """Kill a job's process or ask it to end; False where it was over by then."""
        try:
            job.send_signal(signal.SIGKILL if "-9" in kind else signal.SIGTERM)
        except psutil.Error:
            return False
        return True


class History:
    """One project's run, cut off many times and each time taken up again by the same command.

    Args:
        project: the project.
        words: the command.
        environment: variables of the command.
        rng: chance.
        durations: seconds that a job of each rule takes undisturbed.
        kind: how the command runs.
    """

    def __init__(
        self, project: Project, words: Iterable[str], environment: Mapping[str, str], rng: random.Random,
        durations: Mapping[str, float], kind: type[Running] = Running,
    ) -> None:
        self.project, self.words, self.environment = project, list(words), dict(environment)
        self.rng, self.durations, self.kind = rng, durations, kind
        self.kills: list[Kill] = []
        self._runs: list[Running] = []
        self._is_early = False

    def live(self, plan: Iterable[tuple[str, str]]) -> None:
        """Meet each (stage, kind of kill) of a plan, as far as the stage comes, then let the run come to its end."""
        try:
            running = self._start()
            for stage, kind in plan:
                running = self._at(stage, running)
                if running is None:
                    return
                time.sleep(self.rng.uniform(0, min(self.durations.get(stage, 1), LONGEST_S)))
                if running.head.poll() is not None or (kill := running.strike(kind, stage, self.rng)) is None:
                    continue
                self.kills.append(kill)
                if not kind.endswith("a job"):
                    self._is_early = kind.endswith("at once")
                    self._unlock()
                    running = self._start()
            # No job has this name: the run comes to its end, taken up again where a killed job has ended it.
            assert self._at("the end", running) is None
        finally:
            for run in self._runs:
                run.end_jobs()
                run.head.wait(PATIENCE_S)

    def _start(self) -> Running:
        again = ["--rerun-incomplete"] if self._runs else []
        running = self.kind(self.project, [*self.words, *again], self.environment)
        self._runs.append(running)
        return running

    def _at(self, stage: str, running: Running) -> Running | None:
        """The run, perhaps another one by now, while a job of a stage goes on; None where all is done."""
        while not running.wait_for(stage):
            # A command may fail where one of its jobs was killed, or where it was given too early; never otherwise.
            is_excused = running.n_killed_jobs or (self._is_early and LOCKED in running.text())
            assert not running.head.returncode or is_excused, running.text()[-6000:]
            for run in self._runs:
                run.wait_jobs()
            if running.head.returncode == 0:
                return None
            self._is_early = False
            running = self._start()
        return running

    def _unlock(self) -> None:
        done = self.project.run("--unlock", **self.environment)
        assert done.returncode == 0, done.stderr[-3000:]


def durations(project: Project) -> dict[str, float]:
    """Median seconds of a rule's jobs in a finished project, as Snakemake measured them."""
    seconds: dict[str, list[float]] = {}
    folder = project.result("benchmarks")
    for path in folder.rglob("*.tsv"):
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        seconds.setdefault(rule, []).append(float(path.read_text().splitlines()[1].split("\t")[0]))
    return {rule: statistics.median(values) for rule, values in seconds.items()}


def content(project: Project) -> dict[str, bytes]:
    """What a run made: every record and every list of digests under results, byte for byte."""
    found = {}
    for path in project.result("").rglob("*"):
        is_record = path.name == "SHA256SUMS" or (path.suffix == ".json" and "provenance" not in path.name)
        if is_record and path.is_file():
            found[str(path.relative_to(project.path))] = path.read_bytes()
    return found


def leftovers(project: Project) -> list[str]:
    """What kills have left under the names of work in progress."""
    return sorted(str(path.relative_to(project.path)) for path in project.result("").rglob(".*"))


def table(kills: Iterable[Kill]) -> str:
    """One line a kill: how, when, in which rule, and what was running."""
    return "\n".join(
        f"{k.kind:32} {k.seconds:6.1f} s  {k.stage:17} {', '.join(k.during) or 'Snakemake alone'}" for k in kills
    )
