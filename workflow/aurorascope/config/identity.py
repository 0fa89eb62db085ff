"""One folder, one run: `results/run.json` keeps a demo from replacing a year.

The command that regenerates one block's SAE, typed without `--configfile` in the folder of a year's run, would
otherwise replace that SAE by a demo SAE. So the identity (what is downloaded, which model, which statics) is written
by the first run and compared by every later one, before anything is planned or deleted.
"""

from pathlib import Path
from typing import Any

from aurorascope.config.model import Config
from aurorascope.config.paths import expanded
from aurorascope.errors import UserError
from aurorascope.files import disk_errors, read_record, sha256_json, write_json


def identity(config: Config) -> dict[str, Any]:
    """The keys that make a run another run."""
    return {
        "kind": "run",
        "cams.source": config.cams.source,
        "aurora.checkpoint": config.aurora.checkpoint,
        "aurora.embed_dim": config.aurora.embed_dim,
        "static.source": config.static.source,
    }


def _recorded(path: Path) -> dict[str, Any]:
    try:
        return read_record(path, "run")
    except UserError as error:
        raise UserError(path, "this folder's run", error.found, f"rm -f {path}; the next run writes it again") from None


def is_of_run(config: Config, path: Path) -> bool:
    """Whether a folder's run, recorded at `path`, is that of a configuration; a folder without a run is anyone's.

    Raises:
        UserError: the record is damaged.
    """
    return not path.exists() or _recorded(path) == identity(config)


def check_identity(config: Config, path: Path, dry_run: bool) -> str | None:
    """Compare a configuration with the folder's run, and record it when the folder has none.

    Args:
        config: the configuration.
        path: `results/run.json`.
        dry_run: write nothing and refuse nothing.

    Returns:
        A warning, for a dry run with another identity; else None.

    Raises:
        UserError: the folder holds another run and `replace_results` is not set.
    """
    mine = identity(config)
    theirs = _recorded(path) if path.exists() else mine
    if theirs != mine and not config.replace_results:
        keys = [key for key in mine if mine[key] != theirs.get(key)]
        error = UserError(
            path,
            "this folder's run, " + ", ".join(f"{key}: {theirs.get(key)}" for key in keys),
            ", ".join(f"{key}: {mine[key]}" for key in keys),
            "add the --configfile that this folder was made with, or work in another clone, "
            "or append --config replace_results=true to replace these results",
        )
        if not dry_run:
            raise error
        return error.one_line()
    if not dry_run and (theirs != mine or not path.exists()):
        write_json(path, mine)
    return None


def save_config(mapping: dict[str, Any], folder: Path) -> Path:
    """Write the resolved configuration under its digest and return its path; idempotent."""
    path = folder / f"config-{sha256_json(mapping)}.json"
    if not path.exists():
        write_json(path, mapping)
    return path


def scratch_folder(target: str | None) -> Path | None:
    """The folder that `storage.scratch` names, variables and `~` expanded; None where it is null.

    Raises:
        UserError: a variable in it is not set, or empty.
    """
    fix = "export {variable}=/path/on/a/large/disk, or append --config 'storage={scratch: null}'"
    return None if target is None else Path(expanded(target, "storage.scratch", fix)).absolute()


def link_scratch(wanted: Path | None, link: Path) -> None:
    """Make `results/scratch` a link to the configured folder, creating it; a plain folder without one.

    Raises:
        UserError: a real, non-empty folder or a link elsewhere is in the way, or the folder cannot be made.
    """
    if wanted is None:
        if not link.is_symlink():
            with disk_errors(link, every=True):
                link.mkdir(parents=True, exist_ok=True)
        return
    with disk_errors(wanted, every=True):
        wanted.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() and link.resolve() == wanted.resolve():
        return
    if link.is_symlink() or (link.exists() and (not link.is_dir() or any(link.iterdir()))):
        found = f"a link to {link.resolve()}" if link.is_symlink() else "a folder with files of its own"
        raise UserError(
            link, f"a link to storage.scratch ({wanted})", found, f"move its contents to {wanted} and remove {link}"
        )
    with disk_errors(link, every=True):
        if link.exists():
            link.rmdir()
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(wanted)
