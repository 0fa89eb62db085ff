"""What a circuit reads, from its file, its outcome's file and the configuration alone, for planning. Nothing heavy is imported here."""

from dataclasses import dataclass
from pathlib import Path

from aurorascope.attribution.needs import Needs as OutcomeNeeds
from aurorascope.attribution.needs import needs_of as outcome_needs_of
from aurorascope.attribution.outcome_file import FOLDER as OUTCOMES
from aurorascope.attribution.outcome_file import outcome_names, read_outcome_file
from aurorascope.circuits.circuit_file import CircuitFile, Halves, naming
from aurorascope.config.model import Cams
from aurorascope.errors import UserError, nearest
from aurorascope.studies.written import AskedFile


@dataclass(frozen=True)
class CircuitNeeds:
    """What a circuit reads.

    Attributes:
        outcome: file of its outcome.
        of_outcome: what attributions of the outcome read, its dates and quiet dates among it.
        halves: two sets of dates whose edges are compared; None where there is one date alone.
    """

    outcome: AskedFile
    of_outcome: OutcomeNeeds
    halves: Halves | None


def needs_of(file: CircuitFile, cams: Cams, outcomes: Path = OUTCOMES) -> CircuitNeeds:
    """What the circuit of a file reads.

    Args:
        file: the file.
        cams: configured dates and hours.
        outcomes: folder of outcomes' files.

    Raises:
        UserError: its outcome has no file, that one is wrong, or a half has a date that is none of the outcome's.
    """
    with naming(file.path):
        if file.outcome not in (names := outcome_names(outcomes)):
            found = f"{file.outcome!r}, which has none"
            fix = nearest(file.outcome, names) if names else f"write {outcomes}/{file.outcome}.yaml as docs/attribution.md says"
            raise UserError("the circuit, outcome", f"the name of a file in {outcomes}/", found, fix)
        outcome = read_outcome_file(file.outcome, outcomes)
        needs = outcome_needs_of(outcome, cams)
        for each in (date for half in file.halves or () for date in half):
            if each not in needs.dates:
                expected = f"dates of the outcome, {', '.join(needs.dates)}"
                raise UserError("the circuit, halves", expected, each, nearest(each, needs.dates))
    return CircuitNeeds(outcome, needs, file.halves or alternating(needs.dates))


def alternating(dates: tuple[str, ...]) -> Halves | None:
    """Every other date, and the rest; None of fewer than two."""
    return (dates[::2], dates[1::2]) if len(dates) > 1 else None
