"""Draw one channel of one block on the globe, straight from an activation store.

Needs xarray, zarr, numpy and matplotlib, and nothing of this project; docs/formats.md describes the store. For example

    python docs/examples/channel_on_the_globe.py results/scratch/activations/encoder_s1_b5/train/store.zarr
        --channel 7 --level atmos_2 --time 2022-06-03 --png channel.png
"""

import argparse

import numpy as np
import xarray as xr
from matplotlib.figure import Figure


def open_store(path: str) -> xr.Dataset:
    """Open a store; activations are read later, a chunk (all tokens of one snapshot) at a time."""
    try:
        return xr.open_zarr(path, consolidated=False)
    except FileNotFoundError as error:
        raise SystemExit(f"{path}: no store here ({error}); give the folder that ends in store.zarr") from error


def select(data: xr.Dataset, channel: int, level: str, time: str) -> xr.Dataset:
    """One channel at one latent level, at the first snapshot whose time (2022-06-03T12:00:00Z) starts with `time`."""
    levels = data["latent_level"].values.tolist()
    if level not in levels:
        raise SystemExit(f"no latent level {level!r}; this store has {', '.join(levels)}")
    if not 0 <= channel < data.sizes["channel"]:
        raise SystemExit(f"no channel {channel}; this store has 0 to {data.sizes['channel'] - 1}")
    times = np.datetime_as_string(data["time"].values, unit="s", timezone="UTC").tolist()
    found = [index for index, text in enumerate(times) if text.startswith(time)]
    if not found:
        raise SystemExit(f"no snapshot at {time}; this store has {len(times)}, from {times[0]} to {times[-1]}")
    one = data.isel(time=found[0], latent_level=levels.index(level), channel=channel)
    return one.assign_coords(channel=channel)


def decode(one: xr.Dataset) -> np.ndarray:
    """The block's output in float32, (rows, columns), north first."""
    # Decoded values have more digits than float16 holds, and may leave its range.
    values = one["activation"].astype("float32") * one["scale"] + one["offset"]
    if values.isnull().any():
        # A missing chunk reads as NaN, and so do scale and offset until the last snapshot is written.
        time = np.datetime_as_string(one["time"].values, unit="s")
        raise SystemExit(f"no values at {time}: the chunk is missing, or the store is not finished")
    return values.values


def edges(one: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Edges of the token rows, north to south, and of the columns, west to east, in degrees."""
    lat, lon, cells = one["lat"].values, one["lon"].values, one["row_cells"].values
    # Rows differ in height where the last one is padded, since `lat` is then the centre of its real cells only.
    cell = (lat[0] - lat[1]) / ((cells[0] + cells[1]) / 2)
    lat_edges = np.append(lat + cells * cell / 2, lat[-1] - cells[-1] * cell / 2)
    # Columns are alike but for a padded last one, which ends where the first begins: the grid goes all the way round.
    width = lon[1] - lon[0]
    west = lon[0] - width / 2
    lon_edges = np.append(west + np.arange(len(lon)) * width, west + 360)
    # The cells of an input row at the pole would reach half a cell beyond it.
    return lat_edges.clip(-90, 90), lon_edges


def mask_padding(one: xr.Dataset, values: np.ndarray) -> np.ma.MaskedArray:
    """Hide the row that is only partly real: it has fewer input rows than the others, the rest is padding."""
    is_padded = one["row_cells"].values < one["row_cells"].values.max()
    return np.ma.masked_array(values, np.broadcast_to(is_padded[:, None], values.shape))


def draw(one: xr.Dataset) -> Figure:
    """Draw what `select` chose."""
    values = mask_padding(one, decode(one))
    lat_edges, lon_edges = edges(one)
    # The store runs from 0 to 360 degrees east, the map from -180 to 180. Drawing the circle twice, the second time a
    # turn further west, fills the map without a seam, also where a token straddles 0 or 180.
    lon_edges = np.concatenate([lon_edges[:-1] - 360, lon_edges])
    values = np.ma.concatenate([values, values], axis=1)

    figure = Figure(figsize=(8, 4.4), dpi=150, layout="constrained")
    axis = figure.subplots()
    axis.set_facecolor("lightgrey")
    mesh = axis.pcolormesh(lon_edges, lat_edges, values, cmap="viridis")
    time = np.datetime_as_string(one["time"].values, unit="m").replace("T", " ")
    axis.set_title(f"{one.attrs['block']}, {one['latent_level'].item()}, channel {one['channel'].item()}, {time} UTC")
    axis.set(xlim=(-180, 180), xticks=range(-180, 181, 60), xlabel="longitude (degrees east)",
             ylim=(-90, 90), yticks=range(-90, 91, 30), ylabel="latitude (degrees north)", aspect="equal")
    figure.colorbar(mesh, ax=axis, label="block output (activation units)", fraction=0.024, pad=0.02)
    figure.supxlabel("grey: tokens that are partly padding, or no tokens", fontsize="small")
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, draw, save."""
    parser = argparse.ArgumentParser(description="Draw one channel of one block on the globe.")
    parser.add_argument("store", help="results/scratch/activations/<block>/<split>/store.zarr")
    parser.add_argument("--channel", type=int, default=0, help="counted from 0")
    parser.add_argument("--level", default="surface", help="surface, atmos_1, atmos_2 or atmos_3; learned, never hPa")
    parser.add_argument("--time", default="", help="such as 2022-06-03 or 2022-06-03T12 (default: the first snapshot)")
    parser.add_argument("--png", default="channel.png", help="the picture to write")
    options = parser.parse_args(arguments)
    one = select(open_store(options.store), options.channel, options.level, options.time)
    draw(one).savefig(options.png)


if __name__ == "__main__":
    main()
