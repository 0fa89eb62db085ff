"""Compare all that lies under results with the digests of its records: stores, SAEs, tables, checkpoint, statics, states, labels;
and the files of the release with `SHA256SUMS`; and whether boosts and what was measured are of the SAEs that are there. Words and
numbers of studies, attributions, circuits, matches and chains are judged again from their tables.

Only looks, at whichever run the folder holds. Prints a line for each thing that is not in order and a summary; where something
is damaged, the error that it ends with names the commands that make it again.
"""

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aurorascope.activations.scrub import STATES, Finding, Store, find_stores, scrub
from aurorascope.cams.local.verify import verify_sources
from aurorascope.config import Config
from aurorascope.errors import UserError, remake
from aurorascope.files import check_file, read_record
from aurorascope.measures.all import ALL_KINDS
from aurorascope.progress import Progress, tell
from aurorascope.records import Kind
from aurorascope.release.agreement import compare_index
from aurorascope.release.belonging import check_belongs, distance
from aurorascope.release.checksums import Vouched, check_sums, count
from aurorascope.units import size

_MOST_THREADS = 4
# Stores are scrubbed, and a split stands for no files of its own.
_KINDS = [kind for kind in ALL_KINDS.values() if kind.name not in ("activations", "states")]
_SHOWN = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    start, damage = time.monotonic(), []
    stores = find_stores(args.results / "scratch")
    damage += _verify_stores(stores, start)
    # What others are made from first, so that the commands mend everything in the order in which they are said.
    records = [(kind, path) for kind in sorted(_KINDS, key=distance) for path in kind.found(args.results)]
    sums = args.results / "SHA256SUMS"
    of_records, of_release = _verify_records(records, sums)
    damage += of_records + of_release
    if config.cams.source == "local":
        damage += verify_sources(args.results / "scratch" / "cams", config.cams.directory or "")
    if damage:
        fixes = list(dict.fromkeys(error.fix for error in damage))
        fixes = [fix for fix in fixes if fix != remake(sums)] or fixes
        more = f" … and {len(fixes) - _SHOWN} more commands, in the lines above" if len(fixes) > _SHOWN else ""
        # Whether a file or its digest is wrong, nobody knows; digests of what is still damaged would vouch for it.
        last = f"; and when all others are mended, {remake(sums)}" if of_release and sums.is_file() and fixes != [remake(sums)] else ""
        raise UserError(
            args.results, "files that are what their records say", f"{len(damage)} damaged, named above",
            "; then ".join(fixes[:_SHOWN]) + more + last,
        )


def _verify_stores(stores: list[Store], start: float) -> list[UserError]:
    """Scrub and report; returns one error a damaged store."""
    progress = Progress("Verifying activations", sum(len(store.todo) for store in stores), "file")
    states, damage, n_bytes = Counter(), [], 0

    def step(n: int) -> None:
        nonlocal n_bytes
        n_bytes += n
        progress.step(f"{size(n_bytes)} read")

    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as threads:
        for store in stores:
            finding = scrub(store, threads, step)
            states[finding.state] += 1
            damage += finding.errors[:1]
            for line in _lines(finding):
                tell(line)
    progress.close()
    tell(f"{len(stores)} stores: {', '.join(f'{states[state]} {state}' for state in STATES)}; "
         f"{size(n_bytes)} read in {time.monotonic() - start:.1f} s.")
    return damage


def _lines(finding: Finding) -> Iterator[str]:
    """What to say of one store; nothing where it is in order."""
    if finding.state == "damaged":
        n = len(finding.errors)
        yield f"{finding.folder}: damaged, {n} file{'s' if n > 1 else ''}: {finding.errors[0].one_line()}"
    elif finding.state == "unfinished":
        yield f"{finding.folder}: unfinished, it has no manifest.json yet."
    if finding.extra:
        more = f" and {len(finding.extra) - _SHOWN} more" if len(finding.extra) > _SHOWN else ""
        yield f"{finding.folder}: also holds {', '.join(finding.extra[:_SHOWN])}{more}, no part of the store."


def _verify_records(records: list[tuple[Kind, Path]], sums: Path) -> tuple[list[UserError], list[UserError]]:
    """Check and report what each record stands for, and the release; returns the errors of records and those of the release."""
    n_files = count(sums)
    progress, vouched, damage = Progress("Verifying records", len(records) + n_files, "record"), [], []
    damaged: set[Path] = set()
    for kind, path in records:
        found, errors = _compared(kind, path, damaged)
        vouched.append(found)
        damaged |= {path} if errors else set()
        damage += _told(errors)
        progress.step()
    # Without digests, numbers that were changed by hand are known by the index alone.
    of_index = [] if sums.is_file() else compare_index(sums.with_name("sae_index.json"))
    of_release = _told([*of_index, *check_sums(sums, vouched, progress.step)])
    progress.close()
    n_of = Counter(kind.name for kind, _ in records)
    counts = [*(f"{n_of[kind.name]} {kind.words}" for kind in _KINDS), f"{n_files} files of the release"]
    tell(f"{', '.join(counts)}: {len(damage) + len(of_release)} damaged.")
    return damage, of_release


def _told(errors: list[UserError]) -> list[UserError]:
    for error in errors:
        tell(error.one_line())
    return errors


def _compared(kind: Kind, path: Path, damaged: set[Path]) -> tuple[Vouched, list[UserError]]:
    """A record after its files have been compared with it, and what is wrong; whether it is of those that are `damaged` cannot be told."""
    files: dict[Path, str] = {}
    try:
        record = read_record(path, kind.name)
        if kind.name == "cams_day":
            # Imported only where there are states: xarray costs a second.
            from aurorascope.cams.states import verify_states

            verify_states(path.with_suffix(".zarr"), record["states"])
        if kind.name == "labels":
            from aurorascope.labels.read import verify_day

            verify_day(path.parent, path.stem)
        if kind.name == "study":
            # Imported only where there are studies: torch costs seconds.
            from aurorascope.studies.finished import read_finished

            read_finished(path.parents[2], path.parent.name)
        if kind.name == "circuit":
            # The same of circuits.
            from aurorascope.circuits import finished

            finished.read_finished(path.parents[2], path.parent.name)
        if kind.name == "attribution":
            from aurorascope.attribution import judged

            judged.check_attribution(path)
        if kind.name == "match":
            from aurorascope.matching.read import check_match

            check_match(path)
        if kind.name == "chains":
            from aurorascope.matching.read import check_chains

            check_chains(path)
        files = kind.digests(path, record)
        for file, digest in files.items():
            check_file(file, digest, path)
        check_belongs(kind, path, record, damaged)
    except KeyError as error:
        # A flipped bit in the name of an entry.
        return Vouched(path, files, False), [UserError.stale(path, f"a record of kind {kind.name}", f"no entry {error}")]
    except UserError as error:
        return Vouched(path, files, False), [error]
    return Vouched(path, files, True), []
