"""From two labelled CAMS states and the static fields to the batch that Aurora takes."""

from pathlib import Path

import numpy as np
import torch
import xarray as xr
from aurora import Batch, Metadata

from aurorascope.backbone.static import load_static
from aurorascope.cams.states import open_states
from aurorascope.cams.variables import ATMOS, STATIC, SURFACE
from aurorascope.config.calendar import STEP, iso, moment_of, parse
from aurorascope.errors import UserError
from aurorascope.files import results_folder


def make_batch(previous: xr.Dataset, current: xr.Dataset, *, time: str, static: dict[str, np.ndarray]) -> Batch:
    """Aurora's input for one snapshot.

    Args:
        previous: state at t - 12 h, CAMS NetCDF names, dims (level,) latitude, longitude.
        current: state at t, on the same grid and levels.
        time: t, ISO, UTC. Aurora turns it into a time stamp, which only an aware datetime makes host-independent.
        static: the 11 static variables, each (lat, lon).

    Returns:
        The batch, float32 on the CPU, batch size 1.

    Raises:
        UserError: the static fields are on another grid than the states.
    """
    history = {
        v.netcdf: np.stack([np.asarray(state[v.netcdf].values, np.float32) for state in (previous, current)])
        for v in SURFACE + ATMOS
    }
    return _batch(history, current, time, static)


def _batch(history: dict[str, np.ndarray], axes: xr.Dataset, time: str, static: dict[str, np.ndarray]) -> Batch:
    """The batch of both states' variables, each (2, [level,] lat, lon): index 0 is t - 12 h, index 1 is t."""
    lat, lon = axes["latitude"].values, axes["longitude"].values
    shape = (len(lat), len(lon))
    for name in STATIC:
        if static[name].shape != shape:
            raise UserError(
                f"static variable {name}", f"the states' grid {shape}", str(static[name].shape),
                "give static fields on the grid of the CAMS states (static.path)",
            )
    levels = tuple(int(level) for level in axes["level"].values)
    return Batch(
        surf_vars={v.aurora: torch.from_numpy(history[v.netcdf])[None] for v in SURFACE},
        static_vars={name: torch.from_numpy(np.ascontiguousarray(static[name], np.float32)) for name in STATIC},
        atmos_vars={v.aurora: torch.from_numpy(history[v.netcdf])[None] for v in ATMOS},
        metadata=Metadata(
            lat=torch.tensor(lat, dtype=torch.float64),
            lon=torch.tensor(lon, dtype=torch.float64),
            time=(parse(time),),
            atmos_levels=levels,
        ),
    )


def snapshot_batch(scratch: Path, time: str, previous: str, static: dict[str, np.ndarray]) -> Batch:
    """The batch of one snapshot from the states under `scratch/cams`."""
    pair = open_states(scratch / "cams", [previous, time])
    return _batch({v.netcdf: pair[v.netcdf].values for v in SURFACE + ATMOS}, pair, time, static)


def load_batch(date: str, *, hour: int = 12, results: Path | str = "results") -> Batch:
    """The batch that Aurora takes for one date of this workflow's run.

    Args:
        date: `YYYY-MM-DD`, UTC; its states and those 12 hours before must have been downloaded.
        hour: hour of the later state, UTC.
        results: the results folder.

    Returns:
        Aurora's batch, float32 on the CPU, batch size 1.

    Raises:
        UserError: there is no such folder, or a state or the static fields are missing; the message names the target that makes them.
    """
    scratch = results_folder(results) / "scratch"
    moment = moment_of(date, hour)
    return snapshot_batch(scratch, iso(moment), iso(moment - STEP), load_static(scratch / "static" / "static.json"))
