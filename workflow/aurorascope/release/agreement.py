"""Whether index and records say the same of each SAE, for a release whose digests are gone: new ones would vouch for what was changed."""

from pathlib import Path

from aurorascope.errors import UserError, remake
from aurorascope.files import find_record
from aurorascope.measures.all import MEASURES
from aurorascope.release.schema import read_index


def compare_index(index: Path) -> list[UserError]:
    """What is wrong with the index, or with records beside it: one error a record whose metrics are not those of its SAE's entry.

    Records that are no records are passed over, which is said of them elsewhere, and so are those that the index does not name.
    """
    if not index.is_file():
        return []
    try:
        saes = {sae["id"]: sae for sae in read_index(index, remake(index))["saes"]}
    except UserError as error:
        return [error]
    faults = []
    for measure in MEASURES:
        for path in measure.kind.found(index.parent):
            record = find_record(path, measure.kind.name)
            sae = saes.get(measure.kind.names_in(path)["block"])
            if record is None or sae is None or not measure.is_in(sae):
                continue
            found = record.get("metrics", {})
            differing = [name for name, value in sae["metrics"].items() if name in measure.formulas and found.get(name) != value]
            if differing:
                name = differing[0]
                more = f" (and {len(differing) - 1} more)" if differing[1:] else ""
                expected = f"{name} {sae['metrics'][name]}, as {index} has it, since one of the two was changed"
                faults.append(UserError.stale(path, expected, f"{found.get(name)}{more}"))
    return faults
