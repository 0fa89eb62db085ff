# What studies are made from: their files, read when a study is asked for.
import functools

from aurorascope.studies.claim import atlas_digest, was_read
from aurorascope.studies.needs import needs_of
from aurorascope.studies.planned import check_planned, grid_shape
from aurorascope.studies.study_file import naming, read_study_file, study_names


@functools.cache
def _study(name):
    """What a study's file needs; a wrong file ends the planning, since a job that fails on it would have waited for all inputs."""
    try:
        file = read_study_file(name)
        needs = needs_of(file, CONFIG.cams)
        check_planned(file, CONFIG)
        # The whole of it takes torch and Aurora to read, which with an interpreter of their own only rules may have.
        if workflow.is_main_process and not WITH_CONDA and not was_read(file, RESULTS):
            from aurorascope.studies.kinds import kind_of
            from aurorascope.studies.on_grid import check_on_grid

            with naming(file.path):
                study = kind_of(file).read(file)
                check_on_grid(study, grid_shape(CONFIG), CONFIG.cams.levels)
        return file, needs
    except UserError as error:
        _stop(error.one_line())


def study_labels(wildcards):
    """Labels of its dates, where a region has one."""
    needs = _study(wildcards.study)[1]
    return (
        expand("results/scratch/labels/{day}.json", day=needs.dates)
        if needs.has_labels
        else []
    )


def study_links(wildcards):
    """Which pages of the atlas its page can lead to: the first, and those of its blocks."""
    names = ["index", *_study(wildcards.study)[1].blocks]
    return [name for name in names if Path(f"results/atlas/{name}.html").is_file()]


def study_inputs(wildcards):
    """What a study is made from."""
    file, needs = _study(wildcards.study)
    return {
        "study": str(file.path),
        "saes": expand("results/saes/sae_{block}.json", block=needs.blocks),
        "days": days_read([*needs.dates, *needs.quiet_dates]),
        "labels": study_labels(wildcards),
    }


def study_hour(wildcards):
    """Hour of its dates' snapshots and its quiet dates, which the configuration decides where the file does not."""
    needs = _study(wildcards.study)[1]
    return [needs.hour, list(needs.quiet_dates)]


def study_atlas(wildcards):
    """Digest of the record of the edited block's atlas, if there is one; studies of changed inputs read none."""
    block = _study(wildcards.study)[1].edited_block
    return atlas_digest(RESULTS, block) if block else None
