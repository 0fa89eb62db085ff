# What attributions are made from: outcomes' files, read when an attribution is asked for.
import functools

from aurorascope.attribution.claim import KIND as ATTRIBUTION
from aurorascope.attribution.claim import make_claim as make_attribution_claim
from aurorascope.attribution.claim import was_read as outcome_was_read
from aurorascope.attribution.needs import needs_of as outcome_needs_of
from aurorascope.attribution.outcome_file import outcome_names, read_outcome_file
from aurorascope.attribution.planned import check_blocks
from aurorascope.attribution.planned import check_planned as check_planned_outcome
from aurorascope.studies.planned import grid_shape
from aurorascope.waiting import Waiting


@functools.cache
def _outcome(name):
    """What an outcome's file needs; a wrong file ends the planning, since a job that fails on it would have waited for all inputs."""
    try:
        file = read_outcome_file(name)
        needs = outcome_needs_of(file, CONFIG.cams)
        check_planned_outcome(file, CONFIG)
        check_blocks(f"{file.path}, blocks", needs.blocks or (), CONFIG, RESULTS)
        # The whole of it takes torch and Aurora to read, which with an interpreter of their own only rules may have.
        if (
            workflow.is_main_process
            and not WITH_CONDA
            and not outcome_was_read(file, RESULTS)
        ):
            from aurorascope.attribution.target import read_target

            read_target(file, grid_shape(CONFIG))
        return file, needs
    except UserError as error:
        _stop(error.one_line())


def blocks_of_outcome(name):
    """Blocks that an outcome is attributed to where none is named: those of its file, or else all that are configured."""
    return _outcome(name)[1].blocks or CONFIG.block_ids


def outcome_inputs(wildcards):
    """What attributions of an outcome are made from, beside SAEs."""
    file, needs = _outcome(wildcards.outcome)
    labels = needs.dates if needs.has_labels else []
    return {
        "outcome": str(file.path),
        "days": days_read([*needs.dates, *needs.quiet_dates]),
        "labels": expand("results/scratch/labels/{day}.json", day=labels),
    }


def attributed_sae(wildcards):
    """The SAE of one block; a block that will have none ends the planning."""
    target = f"results/attribution/{wildcards.outcome}/{wildcards.block}.json"
    try:
        check_blocks(target, [wildcards.block], CONFIG, RESULTS)
    except UserError as error:
        _stop(error.one_line())
    return f"results/saes/sae_{wildcards.block}.json"


def outcome_saes(wildcards):
    """SAEs of all blocks of an outcome."""
    return expand(
        "results/saes/sae_{block}.json", block=blocks_of_outcome(wildcards.outcome)
    )


def outcome_dates(wildcards):
    """Hour of its dates' snapshots and its quiet dates, which the configuration decides where the file does not."""
    needs = _outcome(wildcards.outcome)[1]
    return [needs.hour, list(needs.quiet_dates)]


def attribution_gpu(wildcards):
    """GPUs of a job of one block: none where a job of many left what is wanted, so that this one only moves it."""
    file, needs = _outcome(wildcards.outcome)
    try:
        claim = make_attribution_claim(CONFIG, file, needs, wildcards.block, RESULTS)
    except UserError:
        return GPU
    waiting = Waiting(ATTRIBUTION, RESULTS, wildcards.block, outcome=wildcards.outcome)
    return 0 if waiting.is_waiting(claim) else GPU


def attributions_of(name, kind):
    """Records or tables of an outcome's blocks."""
    return expand(
        "results/attribution/{outcome}/{block}.{kind}",
        outcome=name,
        block=blocks_of_outcome(name),
        kind=kind,
    )


def outcome_atlas(wildcards):
    """What its page shows of atlases: pages that it can lead to, and digests of the records of its blocks' atlases."""
    blocks = blocks_of_outcome(wildcards.outcome)
    names = ["index", *blocks]
    pages = [name for name in names if Path(f"results/atlas/{name}.html").is_file()]
    return [pages, [atlas_digest(RESULTS, block) for block in blocks]]


def all_attributions(wildcards):
    """Records, tables and pages of all outcomes that have a file."""
    names = outcome_names()
    found = [
        path
        for name in names
        for kind in ("json", "parquet")
        for path in attributions_of(name, kind)
    ]
    return found + expand("results/attribution/{outcome}/index.html", outcome=names)
