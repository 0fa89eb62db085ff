"""A published SAE, and whether what its record says it was made from is what is here.

Nothing heavy is imported: Snakemake asks when it plans a reproduction, so that another configuration is named before any
activation is made for it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aurorascope.activations.verify import states_digest
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_params
from aurorascope.errors import UserError
from aurorascope.files import sha256_file, sha256_json

FORMAT = 2
_INPUTS = {
    "states_sha256": "the CAMS states of the training split",
    "static_sha256": "Aurora's static fields",
    "checkpoint_sha256": "Aurora's checkpoint",
    "dump_config_sha256": "the configuration of the activations",
}


@dataclass(frozen=True)
class Published:
    """One SAE of a results folder or of a copied release.

    Attributes:
        folder: the folder.
        block_id: the block.
        record: content of `saes/sae_<block>.json`.
    """

    folder: Path
    block_id: str
    record: dict[str, Any]

    @classmethod
    def of(cls, folder: Path, block_id: str) -> "Published":
        """The published SAE of a block.

        Raises:
            UserError: its record or its weights are missing, or the record is not one of the present format.
        """
        path = folder / "saes" / f"sae_{block_id}.json"
        fix = f"make it first (snakemake results/saes/{path.name} --cores 1), or name another folder in reproduce.against"
        for file in (path, path.with_suffix(".pt")):
            if not file.is_file():
                raise UserError(file, "a published SAE", "no such file", fix)
        try:
            record = json.loads(path.read_text())
        except ValueError as error:
            raise UserError(path, "the JSON record of an SAE", f"unreadable JSON ({error})", fix) from None
        kind = [record.get(key) for key in ("kind", "format", "block")] if isinstance(record, dict) else None
        if kind != ["sae", FORMAT, block_id]:
            expected = f"the record of {block_id}'s SAE, format {FORMAT}"
            raise UserError(path, expected, f"kind, format and block {kind}", "use the code that it was made with")
        return cls(folder, block_id, record)

    @property
    def path(self) -> Path:
        """Its record."""
        return self.folder / "saes" / f"sae_{self.block_id}.json"

    @property
    def weights(self) -> Path:
        """Its weights."""
        return self.path.with_suffix(".pt")

    def digest(self) -> str:
        """sha256 over the bytes of record and weights."""
        return sha256_json([sha256_file(self.path), sha256_file(self.weights)])

    def check_config(self, config: Config) -> None:
        """Compare the settings that the SAE was made with to the present ones.

        Raises:
            UserError: the first key that differs, or the recipe version of a stage.
        """
        for stage, theirs in self.record["config"].items():
            mine = stage_params(config, stage)
            for key in [*theirs, *(key for key in mine if key not in theirs)]:
                expected, found = (json.dumps(values.get(key)) for values in (theirs, mine))
                if found == expected:
                    continue
                if key == "recipe":
                    where, fix = f"the recipe version of {stage}", "use the code that it was made with"
                else:
                    where, fix = f"config key {key}", "set it so, or give the --configfile that the SAE was made with"
                raise UserError(where, f"{expected}, with which {self.path} was made", found, fix)

    def check_inputs(self, manifest: dict[str, Any]) -> None:
        """Compare what the activations were made from with what they are made from here.

        Args:
            manifest: of the training activations that are here.

        Raises:
            UserError: the first of CAMS states, statics, checkpoint and configuration that differs.
        """
        here = {**manifest, "states_sha256": states_digest(manifest), "dump_config_sha256": manifest["config_sha256"]}
        for key, what in _INPUTS.items():
            if here[key] != self.record[key]:
                raise UserError(
                    f"{what}, for {self.block_id}", f"{key} {self.record[key]}, with which {self.path} was made", here[key],
                    "reproduce it where its data are, or with the configuration that it was made with",
                )  # fmt: skip
