# What circuits are made from: their files, and those of their outcomes, read when a circuit is asked for.
import functools

from aurorascope.circuits.circuit_file import circuit_names, read_circuit_file
from aurorascope.circuits.needs import needs_of as circuit_needs_of


@functools.cache
def _circuit(name):
    """What a circuit's file needs; a wrong file, or a wrong one of its outcome, ends the planning."""
    try:
        file = read_circuit_file(name)
        needs = circuit_needs_of(file, CONFIG.cams)
    except UserError as error:
        _stop(error.one_line())
    # The rest of what can be said of the outcome's file before any job.
    _outcome(file.outcome)
    return file, needs


def circuit_inputs(wildcards):
    """What a circuit is made from."""
    file, needs = _circuit(wildcards.circuit)
    dated = needs.of_outcome
    labels = dated.dates if dated.has_labels else []
    attribution = f"results/attribution/{file.outcome}/{{block}}"
    return {
        "circuit": str(file.path),
        "outcome": str(needs.outcome.path),
        "attributions": expand(f"{attribution}.json", block=file.blocks),
        "tables": expand(f"{attribution}.parquet", block=file.blocks),
        "saes": expand("results/saes/sae_{block}.json", block=file.blocks),
        "days": days_read([*dated.dates, *dated.quiet_dates]),
        "labels": expand("results/scratch/labels/{day}.json", day=labels),
    }


def circuit_dates(wildcards):
    """Hour of its dates' snapshots and its quiet dates, which the configuration decides where the outcome's file does not."""
    dated = _circuit(wildcards.circuit)[1].of_outcome
    return [dated.hour, list(dated.quiet_dates)]


def circuit_atlas(wildcards):
    """Digests of the atlases of its blocks that are there, and which pages its page can lead to."""
    blocks = _circuit(wildcards.circuit)[0].blocks
    pages = [
        name
        for name in ("index", *blocks)
        if Path(f"results/atlas/{name}.html").is_file()
    ]
    return [{block: atlas_digest(RESULTS, block) for block in blocks}, pages]
