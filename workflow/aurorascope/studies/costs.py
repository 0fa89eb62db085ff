"""What the studies in `studies/` cost, for the plan, from their files alone. Nothing heavy is imported here.

A forecast of an arm of an edit goes on from the edited block in the first edited step, and is whole in later ones; what comes before the block
runs twice a date, for the survey and for the arms, and once a quiet date. Steps before the first edited one are made once a date, and
those from there to the last edited one once more, for the survey. Aurora's decoder of the atmosphere, which is not counted in the plan's
forwards either, is left out. A forecast from changed inputs is a whole forward, and each date has two more for the reach of the change over
blocks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aurorascope.blocks import BLOCKS
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.costs.flops import forward_flops
from aurorascope.costs.hours import stage
from aurorascope.costs.rows import FileCost, OtherCost, count_files, is_there, there
from aurorascope.records import KINDS
from aurorascope.studies.needs import Needs, needs_of
from aurorascope.studies.planned import check_planned
from aurorascope.studies.study_file import FOLDER, read_study_file, study_names
from aurorascope.studies.written import AskedFile
from aurorascope.units import duration, figure

N_CONTROLS, N_DOSES = 20, 4
"""As `studies.study` has them, where a file says nothing; a test compares."""
N_INPUT_DOSES, N_MOVED, N_EMISSIONS, N_REACH = 6, 3, 4, 2
"""Of changed inputs, as `studies.input_arms` has them: doses with their reverse, places further east, emissions that there are, and
forwards for the reach of one date. A test compares."""


@dataclass(frozen=True)
class StudyCost:
    """One study.

    Attributes:
        n_forwards: steps of all arms on all dates, and those before the last edited one, once a date; of changed inputs those of the
            reach, too.
        whole: what they and all else take, in whole forwards.
    """

    n_forwards: int
    whole: float


def arms_at_most(asked: AskedFile) -> int:
    """Arms of one date, all controls and both placebo and difference of means being there."""
    n = _integer(asked, "n_controls", N_CONTROLS)
    if "perturb" in asked.asked:
        # Clean and clean again; all doses; places further east, other variables and red noise.
        return 2 + N_INPUT_DOSES + N_MOVED + _n_others(asked.asked) + n
    # Clean, clean again and reconstruction; feature and reverse; controls and directions; difference of means and placebo.
    return 3 + 2 * N_DOSES + 2 * n + 2


def _integer(file: AskedFile, key: str, default: int) -> int:
    """A number of the file, the default where it is none: files that are wrong are refused when they run."""
    found = file.asked.get(key)
    return found if isinstance(found, int) else default


def _n_others(asked: Mapping[str, Any]) -> int:
    """Variables, or of a change of emissions alone emissions, that are changed as much instead."""
    if isinstance(asked.get("others"), list):
        return len(dict.fromkeys(map(str, asked["others"])))
    changes = [each for each in asked["perturb"] if isinstance(each, Mapping)] if isinstance(asked["perturb"], list) else []
    emissions = [each["scale_emission"] for each in changes if isinstance(each.get("scale_emission"), Mapping)]
    return N_EMISSIONS - len({str(each.get("emission")) for each in emissions}) if len(emissions) == len(changes) else 1


def study_cost(file: AskedFile, needs: Needs, share: float) -> StudyCost:
    """What a study costs.

    Args:
        file: its file.
        needs: what it reads.
        share: of a whole forward that is over once the edited block has run; 0 where inputs are changed.
    """
    n_steps, edited, n_dates = max(1, _integer(file, "steps", 1)), file.asked.get("edit_steps"), len(needs.dates)
    if needs.edited_block is None:
        n_forwards = n_dates * (arms_at_most(file) * n_steps + N_REACH)
        return StudyCost(n_forwards, float(n_forwards))
    is_read = isinstance(edited, list) and edited and all(isinstance(each, int) for each in edited)
    arms, (first, last) = arms_at_most(file), (min(edited), max(edited)) if is_read else (0, 0)
    later = n_steps - first
    whole = n_dates * (last + 2 * share + arms * (later - share)) + len(needs.quiet_dates) * share
    return StudyCost(n_dates * (last + arms * later), whole)


def studies_cost(config: Config, grid: tuple[int, int], results: Path | None, folder: Path = FOLDER) -> list[OtherCost]:
    """The plan's section on studies; none where there is no file.

    Args:
        config: the configuration.
        grid: rows and columns of the states.
        results: the results folder, whose studies are counted as there; None where it holds another run.
        folder: of studies' files.
    """
    names = study_names(folder)
    if not names:
        return []
    forward = forward_flops(grid, len(config.cams.levels), config.aurora.embed_dim)
    last = forward[BLOCKS[-1].id]

    def count(name: str) -> FileCost:
        file = read_study_file(name, folder)
        needs = needs_of(file, config.cams)
        check_planned(file, config)
        cost = study_cost(file, needs, forward[needs.edited_block] / last if needs.edited_block else 0.0)
        is_done = results is not None and _is_there(config, file, needs, results)
        dates = f"{len(needs.dates)} date{'s' if len(needs.dates) > 1 else ''}"
        note = "; already there" if is_done else ""
        share = f"{max(0, 1 - cost.whole / cost.n_forwards):.0%}"
        saved = f"{share} of them saved by going on from {needs.edited_block}" if needs.edited_block else "all of them whole"
        basis = f"derived; {dates}, with all controls; {saved}{note}"
        return FileCost(f"{cost.n_forwards:,} forwards", basis, int(is_done), 0.0 if is_done else cost.whole * last)

    rows, found = count_files(names, count)
    left, n_done = sum(each.left for each in found), sum(each.n_done for each in found)
    basis = f"{figure(left / last)} whole forwards at {config.plan.tflops:g} TFLOP/s (plan.tflops), without loading and comparing"
    rows.append(("time left", duration(stage(left, 0, config.plan).compute), basis))
    title = f"Studies, with the target `studies` alone (not counted above or below); {there(n_done, 'studies')}"
    return [OtherCost(title, tuple(rows))]


def _is_there(config: Config, file: AskedFile, needs: Needs, results: Path) -> bool:
    return is_there(KINDS["study"], KINDS["study"].where(results, study=file.name), {
        "asked": dict(file.asked), "hour": needs.hour, "quiet_dates": list(needs.quiet_dates),
        "config_sha256": stage_digest(config, "run_study"),
    })
