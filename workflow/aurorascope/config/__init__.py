"""The configuration: read once when Snakemake parses, checked whole, then handed to every verb as one frozen object.

`resolve` turns what YAML and the command line gave into a complete, checked mapping; `model` gives it types;
`calendar` says which snapshots, states and days it means; `stages` which keys change the numbers of which stage;
`identity` keeps one folder to one run. Nothing here imports numpy, since every cluster job parses the Snakefile twice.
"""

import json
import os
from pathlib import Path

from aurorascope.config.model import Config, from_mapping
from aurorascope.errors import UserError

__all__ = ["Config", "from_mapping", "load_config"]


def load_config() -> Config:
    """The configuration of the running workflow, from the file that AURORASCOPE_CONFIG names.

    Raises:
        UserError: the variable is not set, or names no file.
    """
    path = os.environ.get("AURORASCOPE_CONFIG")
    if not path or not Path(path).is_file():
        raise UserError(
            "AURORASCOPE_CONFIG",
            "the path of a resolved configuration (.snakemake/aurorascope/config-<sha256>.json)",
            path or "nothing",
            "run the verb through snakemake, or set the variable to the file that the last run wrote",
        )
    return from_mapping(json.loads(Path(path).read_text()))
