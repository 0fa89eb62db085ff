# The configuration, checked once when Snakemake parses; what all jobs share. Nothing heavy is imported here: a
# cluster job parses this file twice.
import atexit
import importlib.metadata
import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod

WORKFLOW = Path(workflow.basedir) / "workflow"
# Inputs are recorded by name: relative, so that a folder may be moved without anything looking changed.
SOURCES = os.path.relpath(WORKFLOW)
sys.path.insert(0, str(WORKFLOW))

from aurorascope.blocks import BLOCK_IDS, BY_ID
from aurorascope.boosting.settings import check_label, unused_label
from aurorascope.config import from_mapping
from aurorascope.config.calendar import (
    SPLITS,
    day_hours,
    day_snapshots,
    snapshots,
    split_days,
    split_of_day,
)
from aurorascope.config.given import given_words
from aurorascope.config.identity import (
    check_identity,
    link_scratch,
    save_config,
    scratch_folder,
)
from aurorascope.config.paths import expanded
from aurorascope.config.resolve import resolve
from aurorascope.config.shares import PATTERN as SHARE_PATTERN
from aurorascope.config.shares import share_of, shares
from aurorascope.config.stages import stage_params
from aurorascope.config.surroundings import check_place, check_words
from aurorascope.config.targets import check_target_of
from aurorascope.errors import GIVEN, UserError
from aurorascope.files import sha256_file, sha256_json
from aurorascope.gpus import gpu_bound
from aurorascope.measures.all import ALL_KINDS, MEASURES, RELEASED_KINDS
from aurorascope.notices import collected
from aurorascope.portable.recorded import check_interpreter
from aurorascope.portable.switches import check_platform, told, with_switches
from aurorascope.reproduction.published import Published

RESULTS = Path("results")
SCRATCH = RESULTS / "scratch"
PRIVATE = Path(".snakemake/aurorascope")
ERRORS = PRIVATE / "errors.txt"
NOTICES = PRIVATE / "notices.txt"
FATAL = SCRATCH / "cams" / "FATAL.json"

# Snakemake knows only after parsing whether it will run anything.
_LOOKS_ONLY = {"--dry-run", "--dryrun", "--lint", "--dag", "--rulegraph", "--filegraph"}
_LOOKS_ONLY |= {"--summary", "--list", "--list-rules", "-l", "--unlock", "--report"}
DRY_RUN = any(
    word in _LOOKS_ONLY or re.fullmatch("-[pqkrwF]*n.*", word) for word in sys.argv
)
# These targets only look, too; that there is no other is known, and checked, when the run starts.
LOOKERS = {"check_access", "plan", "verify"}
MAY_LOOK = bool(LOOKERS & set(sys.argv[1:]))


# Rules then have an interpreter of their own.
WITH_CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method


def _stop(line):
    """End parsing or planning with one line, the last that is printed. As an exception Snakemake would print it among places in
    rules files, where nothing is wrong.
    """
    atexit.register(lambda: print(line, file=sys.stderr))
    raise SystemExit(1)


def _checked_config():
    """The typed configuration and the file that verbs read it from; the first fault ends the parsing."""
    try:
        check_place((WORKFLOW, Path(sys.executable).parent), RESULTS, PRIVATE.parent)
        check_words(sys.argv[1:], RESULTS)
        mapping, warnings = resolve(config)
        typed = from_mapping(mapping)
        check_label(typed)
        warnings += unused_label(typed)
        if typed.compute.portable and workflow.is_main_process:
            check_platform(typed.aurora.device)
            warnings += told(with_switches(os.environ))
            if not WITH_CONDA:
                check_interpreter()
        warnings.append(check_identity(typed, RESULTS / "run.json", True))
        if warnings[-1] and not (DRY_RUN or MAY_LOOK):
            _stop(warnings[-1])
        if workflow.is_main_process:
            # Read even where nothing is linked: a variable that is not set is better said before a dry run than after.
            wanted = scratch_folder(typed.storage.scratch)
            if not (DRY_RUN or MAY_LOOK):
                link_scratch(wanted, SCRATCH)
            for warning in filter(None, warnings):
                logger.warning(warning)
        return typed, save_config(mapping, PRIVATE)
    except UserError as error:
        _stop(error.one_line())


# What errors tell a user to type has the configuration that was given here: those of planning, and by `_exports` those of verbs.
os.environ[GIVEN] = given_words(
    workflow.config_settings.configfiles, workflow.config_settings.config, Path.cwd()
)
CONFIG, CONFIG_PATH = _checked_config()


def _exports():
    """Verbs find the library, their configuration and, without --sdm conda, the interpreter that runs Snakemake."""
    variables = {
        "PYTHONPATH": WORKFLOW,
        "AURORASCOPE_CONFIG": CONFIG_PATH,
        "AURORASCOPE_ERRORS": ERRORS,
        "AURORASCOPE_NOTICES": NOTICES,
        GIVEN: os.environ[GIVEN],
        "AURORASCOPE_SNAKEMAKE": importlib.metadata.version("snakemake"),
        "HF_HUB_OFFLINE": 1,
    }
    words = [f"{name}={shlex.quote(str(value))}" for name, value in variables.items()]
    if not WITH_CONDA:
        words.append(f'PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"')
    return " ".join(words)


shell.executable("bash")
# Snakemake takes single braces, of `--config`, for names of its own.
_PREFIX = f"set -euo pipefail; export {_exports()}; "
shell.prefix(_PREFIX.replace("{", "{{").replace("}", "}}"))

# Without a bound, --cores 8 would start 8 GPU jobs on one GPU. Which job gets which is settled when it starts.
workflow.global_resources.setdefault("gpu", gpu_bound(CONFIG.aurora.device))
workflow.global_resources.setdefault("ads", 2)


def _print_lines():
    for line in collected(NOTICES):
        print(line, file=sys.stderr)
    if ERRORS.exists():
        lines = dict.fromkeys(ERRORS.read_text().splitlines())
        print("\n".join(lines), file=sys.stderr)
        ERRORS.unlink()


class KeepGoing:
    """True until the data store has refused all days alike, which stops the run at once."""

    def __bool__(self):
        return not FATAL.exists()


def _claim_folder():
    """Make this folder the run's, unless all that is asked for only looks, for whichever run."""
    if workflow.dag_settings.targets and LOOKERS.issuperset(
        workflow.dag_settings.targets
    ):
        return
    try:
        check_identity(CONFIG, RESULTS / "run.json", False)
        link_scratch(scratch_folder(CONFIG.storage.scratch), SCRATCH)
    except UserError as error:
        _stop(error.one_line())


onstart:
    _claim_folder()
    ERRORS.unlink(missing_ok=True)
    NOTICES.unlink(missing_ok=True)
    # Printed after Snakemake's own last words: what a user reads last says what to do.
    atexit.register(_print_lines)
    # One bad day or block must not keep the other jobs from being started.
    workflow.scheduler.keepgoing = KeepGoing()


wildcard_constraints:
    block="|".join(BLOCK_IDS),
    split="|".join(SPLITS),
    day=r"\d{4}-\d{2}-\d{2}",
    share=SHARE_PATTERN,


def for_blocks(pattern):
    """The pattern's files for the configured blocks, in forward order."""
    return expand(pattern, block=CONFIG.block_ids)


def compared_with_seeds(wildcards):
    """Digests of the comparisons of seeds that are there, so that pages are drawn again when one came or changed. They are no
    inputs: whoever wants pages has not asked for trainings.
    """
    records = {
        block: ALL_KINDS["stability"].where(RESULTS, block=block)
        for block in CONFIG.block_ids
    }
    return {
        block: sha256_file(path) for block, path in records.items() if path.is_file()
    }


def for_share(pattern, wildcards, **more):
    """The pattern's files for the blocks of a share."""
    return expand(pattern, block=share_of(CONFIG.block_ids, wildcards.share), **more)


def records_of(kind):
    """Records of a kind, of all blocks that have one."""
    return [str(ALL_KINDS[kind].where(RESULTS, block=block)) for block in MADE[kind]]


def stage_name(block_id):
    """Heading of a block's figures in the report."""
    block = BY_ID[block_id]
    return f"{block.component.capitalize()}, stage {block.stage}"


def shown(path, caption, labels, **place):
    """A figure and its table, as they stand in the report."""
    caption = f"../report/{caption}.rst"
    return {
        kind: report(f"{path}.{kind}", caption, labels=labels | {"as": word}, **place)
        for kind, word in {"png": "figure", "csv": "table"}.items()
    }


def consumers_of(wildcards):
    """Records of all that reads a block's stores: once they are there, the chunks may go."""
    block = wildcards.block
    readers = [
        "sae",
        *(measure.kind.name for measure in MEASURES if measure.reads_stores),
    ]
    kinds = [ALL_KINDS[name] for name in readers if block in MADE[name]]
    made = [str(kind.where(RESULTS, block=block)) for kind in kinds]
    if block in REPRESENTATIVES:
        made.append(f"results/figures/feature_{block}.png")
    stage = BY_ID[block].stage_id
    if stage in STAGES_MADE:
        made += [str(kind.where(RESULTS, stage=stage)) for kind in RELEASED_OF_STAGES]
    return made


def dropped():
    """Records of the deleted chunks of the configured blocks, where nobody is to keep them."""
    is_dump = CONFIG.activations.mode == "dump"
    wanted = is_dump and not CONFIG.activations.keep
    return for_blocks("results/dropped/{block}.json") if wanted else []


def split_of(wildcards):
    """The split that holds a date; a date of neither ends the planning."""
    try:
        return split_of_day(CONFIG.cams, wildcards.day)
    except UserError as error:
        _stop(error.one_line())


def store_of_day(wildcards):
    """Manifest of the store that holds a block's activations on a date."""
    split = split_of(wildcards)
    return f"results/scratch/activations/{wildcards.block}/{split}/manifest.json"


def user_path(path, key):
    """A path of the configuration with `~` and variables expanded; one that is not set ends the parsing."""
    try:
        return expanded(path, key)
    except UserError as error:
        _stop(error.one_line())


def named_file(kind, path, key):
    """The file that the user names in the config, as an input, so that a changed file is noticed."""
    path = user_path(path, key) if kind == "file" and path else None
    return [path] if path and Path(path).is_file() else []


def published_sae(wildcards):
    """The SAE that is to be reproduced; a missing one, or one of another configuration, ends the planning."""
    try:
        published = Published.of(
            Path(
                expanded(CONFIG.reproduce.against or str(RESULTS), "reproduce.against")
            ),
            wildcards.block,
        )
        published.check_config(CONFIG)
        published.check_data(CONFIG, SCRATCH)
        return published
    except UserError as error:
        _stop(error.one_line())


def data_to_train_on(wildcards):
    """Manifest of the activations that an SAE is trained on; a target out of reach ends the planning, before Snakemake deletes an
    SAE that is to be made again.
    """
    try:
        check_target_of(CONFIG, BY_ID[wildcards.block])
    except UserError as error:
        _stop(error.one_line())
    return f"results/scratch/activations/{wildcards.block}/train/manifest.json"


def data_to_reproduce(wildcards):
    """Manifest of the activations that an SAE is trained on again, once there is something to compare it with."""
    published_sae(wildcards)
    return f"results/scratch/activations/{wildcards.block}/train/manifest.json"
