# What boosts are made from besides: labels, where the configuration names one whose tokens count more.
from aurorascope.boosting.settings import check_boost


def boost_labels(split):
    """Labels of a split's dates, where the configuration names one; a target that there cannot be ends the planning."""

    def inputs(wildcards):
        try:
            check_boost(CONFIG, BY_ID[wildcards.block])
        except UserError as error:
            _stop(error.one_line())
        days = sorted({s.time[:10] for s in snapshots(CONFIG.cams, split)})
        wanted = CONFIG.sae.boost.label is not None
        return expand("results/scratch/labels/{day}.json", day=days) if wanted else []

    return inputs
