"""A published SAE, and whether what its record says it was made from is what is here.

Nothing heavy is imported: Snakemake asks when it plans a reproduction, so that another configuration is named before any
activation is made for it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aurorascope.activations.manifest import KIND as ACTIVATIONS
from aurorascope.activations.manifest import states_digest
from aurorascope.activations.paths import StorePaths
from aurorascope.config.calendar import snapshots
from aurorascope.config.model import Config
from aurorascope.config.stages import AS_BEFORE, stage_params
from aurorascope.errors import UserError, snakemake
from aurorascope.files import find_record, sha256_file, sha256_json

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
        fix = f"make it first ({snakemake(f'results/saes/{path.name} --cores 1')}), or name another folder in reproduce.against"
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
                expected, found = (json.dumps(values.get(key, AS_BEFORE.get(key))) for values in (theirs, mine))
                if found == expected:
                    continue
                if key == "recipe":
                    where, fix = f"the recipe version of {stage}", "use the code that it was made with"
                else:
                    where, fix = f"config key {key}", "set it so, or give the --configfile that the SAE was made with"
                raise UserError(where, f"{expected}, with which {self.path} was made", found, fix)

    def check_data(self, config: Config, scratch: Path) -> None:
        """Compare the settings of data and model with records that are here, where these are what the SAE was made from.

        Its own record has only digests of them, and a setting that differs would be noticed when days, checkpoint and the
        block's store have been replaced. What is not here is not compared, nor what no record has: how long and on what
        the demo's Aurora is trained.

        Raises:
            UserError: the first setting that differs.
        """
        for keys, theirs, mine in self._settings(config, scratch):
            if theirs != mine:
                where = f"config key{'s' if ' ' in keys else ''} {keys}"
                fix = "set it so, or give the --configfile that the SAE was made with"
                raise UserError(where, f"{theirs}, with which {self.path} was made", mine, fix)

    def _settings(self, config: Config, scratch: Path) -> list[tuple[str, str, str]]:
        """Keys, with what records here say of them and what is configured."""
        try:
            states, store = (
                content if content and states_digest({"snapshots": _states(content)}) == self.record["states_sha256"] else None
                for content in (
                    find_record(scratch / "states" / "train.json", "states"),
                    find_record(StorePaths.of(scratch, self.block_id, "train").manifest, ACTIVATIONS),
                )
            )
            found = [_snapshots(content, config) for content in (states, store) if content]
            found += _grid(states, config) if states else []
            checkpoint = find_record(scratch / "checkpoint" / "checkpoint.json", "checkpoint")
            is_same = checkpoint and checkpoint["sha256"] == self.record["checkpoint_sha256"]
            return found + (_model(checkpoint, config) if is_same else [])
        except (KeyError, TypeError):
            # As with one that cannot be read, which is for the job that reads it to refuse.
            return []

    def check_inputs(self, manifest: dict[str, Any]) -> None:
        """Compare what the activations were made from with what those here, of this manifest, are made from.

        Raises:
            UserError: the first of CAMS states, statics, checkpoint and configuration that differs.
        """
        here = {**manifest, "states_sha256": states_digest(manifest), "dump_config_sha256": manifest["config_sha256"]}
        for key, what in _INPUTS.items():
            if here[key] != self.record[key]:
                raise UserError(
                    f"{what}, for {self.block_id}", f"{key} {self.record[key]}, with which {self.path} was made", here[key],
                    "reproduce it where its data are, or with the configuration that it was made with",
                )


def _states(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Snapshots of a manifest, or of a split's record, which keeps the digests of the states apart."""
    states = content.get("states")
    if states is None:
        return content["snapshots"]
    return [{**s, "inputs": [states[s[name]]["sha256"] for name in ("previous", "time")]} for s in content["snapshots"]]


def _snapshots(content: dict[str, Any], config: Config) -> tuple[str, str, str]:
    theirs = [(s["previous"], s["time"]) for s in content["snapshots"]]
    mine = [(s.previous, s.time) for s in snapshots(config.cams, "train")]
    return "cams.train, cams.init_hours, cams.missing_dates", _told(theirs, mine), _told(mine, theirs)


def _grid(states: dict[str, Any], config: Config) -> list[tuple[str, str, str]]:
    found = [("cams.levels", str(states["levels"]), str(sorted(set(config.cams.levels))))]
    if config.cams.source == "demo":
        grid = [len(states["latitude"]), len(states["longitude"])]
        found.append(("cams.demo_grid", str(grid), str(list(config.cams.demo_grid))))
    return found


def _model(checkpoint: dict[str, Any], config: Config) -> list[tuple[str, str, str]]:
    pairs = [("aurora.revision", "revision", config.aurora.revision), ("aurora.demo.seed", "seed", config.aurora.demo.seed)]
    return [(key, str(checkpoint[name]), str(mine)) for key, name, mine in pairs if checkpoint[name] is not None]


def _told(these: list[tuple[str, str]], others: list[tuple[str, str]]) -> str:
    """Snapshots in words that differ where the snapshots do."""
    extra = sorted(set(these) - set(others))
    more = f", {len(extra)} of them, such as {extra[0][1]}, not in the other" if extra else ""
    return f"{len(these)} training snapshots from {these[0][1]} to {these[-1][1]}{more}"
