"""From one block's activations on one date, stored or computed again, to the file of its features."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from aurorascope.activations.opening import open_reader
from aurorascope.activations.reader import StoreReader
from aurorascope.blocks import BY_ID
from aurorascope.config.model import Config
from aurorascope.errors import UserError
from aurorascope.features.dataset import chosen_dataset, strongest_dataset
from aurorascope.features.forward import Features, encode, of_chosen
from aurorascope.features.strongest import strongest
from aurorascope.files import read_record, write_bytes
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.opening import open_sae
from aurorascope.tokens import token_grid

# Rows encoded at once: 4,096 x 16,384 float32 are 268 MB, and the sort takes three times that.
_ROWS = 4096


def _check_belongs(record: dict[str, Any], manifest: dict[str, Any], where: Path) -> None:
    """Refuse an SAE of another block, another checkpoint or other dump settings than the activations."""
    keys = {"block": "block", "checkpoint_sha256": "checkpoint_sha256", "dump_config_sha256": "config_sha256"}
    for of_sae, of_store in keys.items():
        if record[of_sae] != manifest[of_store]:
            raise UserError.stale(where, f"an SAE of the activations' {of_store} {manifest[of_store]}", record[of_sae])


def _on_day(manifest: dict[str, Any], day: str, path: Path) -> list[int]:
    """Places of a date's snapshots in a store."""
    times = [snapshot["time"] for snapshot in manifest["snapshots"]]
    found = [place for place, time in enumerate(times) if time[:10] == day]
    if not found:
        raise UserError.stale(path, f"a snapshot on {day}", f"{len(times)} from {times[0]} to {times[-1]}")
    return found


def _chosen(config: Config, d_hidden: int) -> list[int]:
    """The configured features, once an SAE of that many has them all."""
    beyond = [feature for feature in config.features.chosen if feature >= d_hidden]
    if beyond:
        raise UserError(
            "config key features.chosen", f"features of this SAE, 0 to {d_hidden - 1}", str(beyond)[1:-1], "leave them out"
        )
    return list(config.features.chosen)


def _encoded(sae: AuroraSAE, reader: StoreReader, place: int) -> Iterator[Features]:
    """Features of one snapshot's tokens, a few thousand tokens at a time."""
    x_nd = torch.from_numpy(reader.read([place])[0])
    for x_rd in x_nd.split(_ROWS):
        yield encode(sae, x_rd)


def _attributes(record: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    block = BY_ID[record["block"]]
    return {
        "title": f"Features of the sparse autoencoder of {block.id}, a block of Aurora Air Pollution",
        "block": block.id,
        "hook": block.hook,
        "split": manifest["split"],
        "architecture": record["released_as"],
        "d_hidden": np.int32(record["d_hidden"]),
        "sae_sha256": record["sha256"],
        "checkpoint_sha256": manifest["checkpoint_sha256"],
        "activations_manifest_sha256": manifest["sha256"],
    }


def features_of(config: Config, day: str, sae_record: Path, manifest_path: Path, states: Path) -> xr.Dataset:
    """Features of one block's SAE on one date, as `config.features` asks for them.

    Args:
        config: the configuration; `features.chosen` beats `features.top_k`.
        day: YYYY-MM-DD, UTC.
        sae_record: `saes/sae_<block>.json`.
        manifest_path: the manifest of the store whose split has the date.
        states: the record of that split.

    Returns:
        `strongest_dataset` or `chosen_dataset` of all snapshots of the date.

    Raises:
        UserError: SAE and store do not belong together, a file is altered, or the SAE has no such feature.
    """
    sae, record = open_sae(sae_record)
    reader = open_reader(manifest_path, config)
    _check_belongs(record, reader.manifest, sae_record)
    places = _on_day(reader.manifest, day, manifest_path)
    chosen, k = _chosen(config, record["d_hidden"]), min(config.features.top_k, record["d_hidden"])
    split = read_record(states, "states")
    grid = token_grid(BY_ID[record["block"]], split["latitude"], split["longitude"])
    times, attrs = [reader.manifest["snapshots"][place]["time"] for place in places], _attributes(record, reader.manifest)
    with torch.inference_mode():
        if chosen:
            parts = [[of_chosen(h, chosen) for h in _encoded(sae, reader, place)] for place in places]
            h_tnf = np.stack([np.concatenate(pieces) for pieces in parts])
            return chosen_dataset(h_tnf, chosen, times, grid, attrs)
        ranked = [[strongest(h, k) for h in _encoded(sae, reader, place)] for place in places]
    index_tnk, value_tnk = (np.stack([np.concatenate([piece[i] for piece in pieces]) for pieces in ranked]) for i in (0, 1))
    return strongest_dataset(index_tnk, value_tnk, times, grid, attrs)


def write_features(config: Config, day: str, sae_record: Path, manifest_path: Path, states: Path, out: Path) -> None:
    """Write `features_of` as NetCDF, whole or not at all."""
    data = features_of(config, day, sae_record, manifest_path, states)
    # NetCDF 3 (64-bit offset), whose bytes follow from the content alone; HDF5 writes the version of its library into a file.
    write_bytes(out, data.to_netcdf(format="NETCDF3_64BIT", engine="scipy"))
