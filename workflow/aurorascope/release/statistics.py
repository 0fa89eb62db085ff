"""What the features of a suite's SAE usually are: the table that its evaluation wrote, compared with its record."""

import json
from typing import TYPE_CHECKING

from aurorascope.errors import UserError
from aurorascope.files import sha256_file
from aurorascope.measures.held_out.claim import KIND, STATISTICS
from aurorascope.release.atlas import Files

if TYPE_CHECKING:
    import pandas as pd


def read_statistics(suite: Files, block_id: str) -> "pd.DataFrame":
    """See `Suite.statistics`."""
    entry = suite.entry(block_id)
    name, of_record = (path.format(block=block_id) for path in (STATISTICS, KIND.path))
    record = suite.file(of_record) if suite.has_file(of_record) else None
    try:
        content = json.loads(record.read_text()) if record else {}
        expected, of_sae = content.get("statistics_sha256"), content.get("sae_sha256")
    except ValueError as error:
        raise UserError(record, "a JSON record", f"unreadable JSON ({error})", suite.again(of_record)) from None
    if expected is None or not suite.has_file(name):
        fix = f"{suite.again(of_record)}; or give edits reference="
        raise UserError(f"{suite.place()}, {name}", f"what features of {block_id} usually are", "none; older results lack it", fix)
    if of_sae != entry["sha256"]:
        found = f"of {str(of_sae)[:12]}"
        raise UserError(record, f"an evaluation of the SAE {entry['sha256'][:12]}, as the index has it", found, suite.again("sae_index.json"))
    path = suite.file(name)
    if (found := sha256_file(path)) != expected:
        raise UserError(path, f"sha256 {expected}", f"sha256 {found}", suite.again(of_record))
    # Imported only where a table is read: pandas costs a second.
    import pandas as pd

    return pd.read_parquet(path)
