"""What the Snakefile checks before it plans: where it is run, with which words, and by whom.

Each would otherwise end with a traceback of Snakemake's, or with a line that hides the cause. Imports nothing heavy.
"""

import itertools
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from aurorascope.blocks import BLOCK_IDS, STAGE_IDS, similar_ids
from aurorascope.errors import UserError

_BLOCK = re.compile(r"(?:en|de)coder_?s\d+_?b\d+", re.IGNORECASE)
_STAGE = re.compile(r"(?:en|de)coder_?s\d+(?![\d_]*b?\d)", re.IGNORECASE)
_OF_SAE = (".pt", ".json")


def check_place(paths: Sequence[Path], results: Path, memory: Path) -> None:
    """Check the folder of the run.

    Args:
        paths: paths that go into the commands of jobs.
        results: the results folder.
        memory: Snakemake's own folder, `.snakemake`.

    Raises:
        UserError: `results` is a link to nowhere, a folder cannot be written in, or a path has braces, which Snakemake takes
            for its own.
    """
    if results.is_symlink() and not results.exists():
        raise UserError(
            results, "a folder", f"a link to {os.readlink(results)}, which is not there", "make that folder, or remove the link"
        )
    for folder in (memory if memory.exists() else memory.absolute().parent, memory / "aurorascope", results):
        if folder.exists() and not os.access(folder, os.W_OK):
            raise UserError(
                folder.absolute(),
                "a folder that you may write in, since Snakemake keeps its locks beside what it makes even where it only looks",
                "one that you may not", "work in a clone of your own, or have its owner share it (chmod -R g+w)",
            )
    for path in paths:
        if "{" in str(path) or "}" in str(path):
            raise UserError(path, "a path without braces, which Snakemake takes for names", "some", "move that folder")


def check_words(words: Sequence[str], results: Path) -> None:
    """Check the words of the command.

    Raises:
        UserError: a target names no block or stage, or no file of an SAE, or the profile for SLURM is used where there is none.
    """
    for word in words:
        for form, ids, what in ((_BLOCK, BLOCK_IDS, "48 blocks"), (_STAGE, STAGE_IDS, "six stages")):
            for name in form.findall(word):
                if word.startswith(str(results / "boosts")) and name in STAGE_IDS:
                    fix = f"name one of its blocks, {', '.join(block for block in BLOCK_IDS if block.startswith(f'{name}_'))}"
                    raise UserError(word, "a boost of one of the 48 blocks", f"the stage {name}", fix)
                if word.startswith(str(results)) and name not in ids:
                    near = ", ".join(similar_ids(name.lower(), ids))
                    raise UserError(word, f"a file of one of the {what}", name, f"did you mean {near}?")
        path = Path(word)
        if path.parent == results / "saes" and path.name.startswith("sae_") and path.suffix not in _OF_SAE:
            found = f"the ending {path.suffix}" if path.suffix else "no ending"
            raise UserError(word, "weights, .pt, or their record, .json", found, f"did you mean {path.with_suffix('.pt')}?")
    if _wants_slurm(words) and shutil.which("sbatch") is None:
        raise UserError(
            "the profile slurm", "the program sbatch", "none on PATH",
            "log in to the cluster, or load its module; on this machine alone, --cores N does without the profile",
        )


def _wants_slurm(words: Sequence[str]) -> bool:
    pairs = [*itertools.pairwise(words), *(word.split("=", 1) for word in words if "=" in word)]
    return any(option in ("--profile", "--executor", "-e") and Path(value).name == "slurm" for option, value in pairs)
