"""The words that give Snakemake its configuration, as they stand in a command that a user is told to type."""

import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from yaml.emitter import Emitter
from yaml.representer import SafeRepresenter
from yaml.resolver import BaseResolver
from yaml.serializer import Serializer


class _Dumper(Emitter, Serializer, SafeRepresenter, BaseResolver):
    """Writes text as it is, whatever it could be taken for: Snakemake reads all of `--config` as text."""

    def __init__(self, stream: Any, **settings: Any) -> None:
        Emitter.__init__(self, stream, width=float("inf"), allow_unicode=True)
        Serializer.__init__(self)
        SafeRepresenter.__init__(self, default_flow_style=True, sort_keys=False)
        BaseResolver.__init__(self)


def given_words(configfiles: Iterable[Path], config: Mapping[str, Any], folder: Path) -> str:
    """Words for a shell that give a configuration, such as `--configfile mine.yaml --config 'labels={own: my_labels}'`.

    Args:
        configfiles: as Snakemake was given them.
        config: keys and values of `--config`, as Snakemake read them.
        folder: where the command is typed; files in it are named from there.

    Returns:
        The words, empty where nothing was given.
    """
    files = [os.path.relpath(path, folder) if Path(path).is_relative_to(folder) else str(path) for path in configfiles]
    pairs = [f"{key}={_text(value)}" for key, value in config.items()]
    words = ["--configfile", *files] * bool(files) + ["--config", *pairs] * bool(pairs)
    return " ".join(map(shlex.quote, words))


def _text(value: Any) -> str:
    if not isinstance(value, dict | list):
        return "" if value is None else str(value)
    return yaml.dump(_as_text(value), Dumper=_Dumper).strip()


def _as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _as_text(item) for key, item in value.items()}
    return [_as_text(item) for item in value] if isinstance(value, list) else "null" if value is None else str(value)
