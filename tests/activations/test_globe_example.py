import ast
import importlib.util

import numpy as np
import pytest
import xarray as xr
from aurorascope.activations.encode import encode
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.writer import StoreWriter
from aurorascope.blocks import BY_ID
from aurorascope.spec import LATENT_LEVELS
from aurorascope.tokens import token_grid
from tiny import claim

# 90 of the 91 rows make 30 x 60 tokens, then 15 x 30, then 8 x 15 with half of the last row padding.
LAT, LON = np.linspace(90, -90, 91), np.arange(180) * 2.0
BLOCKS = ("encoder_s0_b0", "encoder_s1_b0", "encoder_s2_b0")
SAHARA, OPPOSITE = (23, 10), (23, -170)
# The store's middle snapshot, level and channel hold the place asked for; all others a hot spot in the far south.
DAY, LEVEL, CHANNEL, ELSEWHERE = 1, "atmos_2", 3, (-40, 100)


@pytest.fixture(scope="module")
def example(root):
    path = root / "docs" / "examples" / "channel_on_the_globe.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pooled(plane, size):
    """Largest value of each size x size square; zeros fill up the last row and column, as Aurora pads."""
    rows, cols = plane.shape
    plane = np.pad(plane, ((0, -rows % size), (0, -cols % size)))
    return plane.reshape(plane.shape[0] // size, size, plane.shape[1] // size, size).max(axis=(1, 3))


def hot_tokens(block_id, place):
    """(rows, columns) tokens that see one hot input cell: the field cut and merged, no coordinates used."""
    field = np.zeros((len(LAT), len(LON)))
    field[np.abs(LAT - place[0]).argmin(), np.abs(LON - place[1] % 360).argmin()] = 100
    plane = pooled(field[:90], 3)
    for _ in range(BY_ID[block_id].merges):
        plane = pooled(plane, 2)
    return plane


def planted_tokens(block_id, place, day):
    """(n_tokens, 5) noise with a hot spot in every level and channel, at `place` in the one to be drawn."""
    there, elsewhere = hot_tokens(block_id, place), hot_tokens(block_id, ELSEWHERE)
    values = np.random.default_rng(day).normal(7, 1, (len(LATENT_LEVELS), *there.shape, 5))
    values += elsewhere[None, :, :, None]
    if day == DAY:
        values[LATENT_LEVELS.index(LEVEL), :, :, CHANNEL] += there - elsewhere
    return values.reshape(-1, 5).astype(np.float32)


def plant(folder, block_id, place, *, days=(3, 4, 5)):
    """Write a store; days left out have no chunk."""
    content = claim((3, 4, 5), block_id, d_model=5)
    paths = StorePaths(folder)
    with paths.locked():
        writer = StoreWriter(paths, content, token_grid(BY_ID[block_id], LAT, LON))
        for index, day in enumerate((3, 4, 5)):
            if day in days:
                writer.add(index, planted_tokens(block_id, place, index))
        if not writer.missing:
            writer.finish()
    return paths.zarr


def drawn(example, store):
    """Axes and mesh of the planted channel: edges of rows, edges of columns, values."""
    one = example.select(example.open_store(str(store)), CHANNEL, LEVEL, "2022-06-04")
    figure = example.draw(one)
    (mesh,) = figure.axes[0].collections
    corners = mesh.get_coordinates()
    rows, cols = corners.shape[0] - 1, corners.shape[1] - 1
    return figure.axes[0], corners[:, 0, 1], corners[0, :, 0], mesh.get_array().reshape(rows, cols)


def spot_holds(axis, lat_edges, lon_edges, values, place):
    """Whether the hottest cell, among those inside the frame, holds a place."""
    west, east = axis.get_xlim()
    # The circle is drawn twice, so the hottest cell is there twice.
    return any(
        lat_edges[row + 1] <= place[0] <= lat_edges[row] and lon_edges[col] <= place[1] <= lon_edges[col + 1]
        for row, col in np.argwhere(values == values.max())
        if lon_edges[col + 1] > west and lon_edges[col] < east
    )


@pytest.mark.parametrize("place", [SAHARA, OPPOSITE], ids=["sahara", "opposite"])
@pytest.mark.parametrize("block_id", BLOCKS)
def test_hot_spot_is_drawn_where_it_was_planted(example, tmp_path, block_id, place):
    """At each resolution the hottest cell drawn holds the place, and not what half a turn or a flip gives."""
    picture = drawn(example, plant(tmp_path, block_id, place))
    opposite = {SAHARA: OPPOSITE, OPPOSITE: SAHARA}[place]
    assert spot_holds(*picture, place)
    assert not spot_holds(*picture, opposite)
    assert not spot_holds(*picture, (-place[0], place[1]))
    # The same picture with the seam half a turn off shows the spot at the wrong place.
    axis, lat_edges, lon_edges, values = picture
    shifted = (axis, lat_edges, lon_edges, np.roll(values, values.shape[1] // 4, axis=1))
    assert not spot_holds(*shifted, place)


@pytest.mark.parametrize("block_id", BLOCKS)
def test_mesh_has_the_tokens_true_extents(example, tmp_path, block_id):
    """Cells lie between the grid's own edges, all around and from pole to pole, and hold the decoded values."""
    axis, lat_edges, lon_edges, values = drawn(example, plant(tmp_path, block_id, SAHARA))
    grid = token_grid(BY_ID[block_id], LAT, LON)
    np.testing.assert_allclose(lat_edges, np.append(grid.lat_edges[:, 1], grid.lat_edges[-1, 0]), atol=1e-9)
    # Aurora drops the input row at 90 S, so tokens end half a cell (1 degree) north of it.
    assert lat_edges[0] == 90 and lat_edges[-1] == pytest.approx(-89)
    n = len(grid.lon)
    np.testing.assert_allclose(np.diff(lon_edges), 360 / n)
    np.testing.assert_allclose((lon_edges[:-1] + lon_edges[1:])[n:] / 2, grid.lon)
    west, east = axis.get_xlim()
    assert (west, east) == (-180, 180) and lon_edges[0] <= west and lon_edges[-1] >= east
    expected = encode(planted_tokens(block_id, SAHARA, DAY), "float16").decode().reshape(*grid.shape, 5)
    expected = expected[LATENT_LEVELS.index(LEVEL), ..., CHANNEL]
    np.testing.assert_array_equal(values.data, np.concatenate([expected, expected], axis=1))


@pytest.mark.parametrize("block_id", BLOCKS)
def test_padded_row_is_masked_and_no_other(example, tmp_path, block_id):
    """Only the coarsest grid has a padded row here, its last."""
    cells = token_grid(BY_ID[block_id], LAT, LON).row_cells
    is_padded = np.zeros(len(cells), bool)
    is_padded[-1] = block_id == BLOCKS[2]
    np.testing.assert_array_equal(cells < cells.max(), is_padded)
    values = drawn(example, plant(tmp_path, block_id, SAHARA))[3]
    mask = np.ma.getmaskarray(values)
    np.testing.assert_array_equal(mask, np.broadcast_to(is_padded[:, None], mask.shape))


def test_padded_column_ends_where_the_first_begins(example):
    """The demo's 46 x 90 grid has half a column of padding at the coarsest stage; its real half alone is drawn."""
    grid = token_grid(BY_ID["encoder_s2_b0"], np.linspace(90, -90, 46), np.arange(90) * 4.0)
    assert grid.col_cells[-1] < grid.col_cells.max()
    one = xr.Dataset(coords={"lat": ("y", grid.lat), "lon": ("x", grid.lon), "row_cells": ("y", grid.row_cells)})
    lat_edges, lon_edges = example.edges(one)
    np.testing.assert_allclose(lon_edges[:-1], grid.lon - grid.col_cells * 2)
    assert lon_edges[-1] - lon_edges[0] == 360
    np.testing.assert_allclose(lat_edges, np.append(grid.lat_edges[:, 1], grid.lat_edges[-1, 0]), atol=1e-9)


def test_full_size_rows_end_next_to_the_pole(example):
    """451 x 900: 38 rows at the coarsest stage, whose last is half as high as the others."""
    grid = token_grid(BY_ID["encoder_s2_b0"], np.linspace(90, -90, 451), np.arange(900) * 0.4)
    one = xr.Dataset(coords={"lat": ("y", grid.lat), "lon": ("x", grid.lon), "row_cells": ("y", grid.row_cells)})
    lat_edges, lon_edges = example.edges(one)
    np.testing.assert_allclose(lat_edges, np.append(grid.lat_edges[:, 1], grid.lat_edges[-1, 0]), atol=1e-9)
    assert len(lat_edges) == 39 and lat_edges[-1] == pytest.approx(-89.8)
    np.testing.assert_allclose(lon_edges, np.linspace(-0.2, 359.8, 76))


def test_script_writes_a_labelled_picture(example, tmp_path):
    """The command line leaves a PNG; its title names block, level, channel and time, its axes degrees."""
    store, png = plant(tmp_path / "planted", BLOCKS[2], SAHARA), tmp_path / "channel.png"
    example.main([str(store), "--channel", "3", "--level", LEVEL, "--time", "2022-06-04T12", "--png", str(png)])
    assert png.read_bytes().startswith(b"\x89PNG")
    axis = drawn(example, store)[0]
    assert axis.get_title() == "encoder_s2_b0, atmos_2, channel 3, 2022-06-04 12:00 UTC"
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("longitude (degrees east)", "latitude (degrees north)")
    assert axis.figure.axes[1].get_ylabel() == "block output (activation units)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--level", "500 hPa"], "this store has surface, atmos_1, atmos_2, atmos_3"),
        (["--channel", "5"], "this store has 0 to 4"),
        (["--channel", "-1"], "this store has 0 to 4"),
        (["--time", "2022-07"], "from 2022-06-03T12:00:00Z to 2022-06-05T12:00:00Z"),
    ],
)
def test_what_the_store_lacks_is_named(example, tmp_path, options, message):
    """An unknown level, channel or time ends with what there is."""
    store = plant(tmp_path, BLOCKS[2], SAHARA)
    with pytest.raises(SystemExit, match=message):
        example.main([str(store), *options, "--png", str(tmp_path / "no.png")])
    assert not (tmp_path / "no.png").exists()


def test_missing_chunk_and_missing_store_are_said_so(example, tmp_path):
    """A snapshot without its chunk, a store without its scales, and no store at all."""
    finished, begun = plant(tmp_path / "a", BLOCKS[2], SAHARA), plant(tmp_path / "b", BLOCKS[2], SAHARA, days=(4,))
    StorePaths(tmp_path / "a").chunk(0).unlink()
    for store, time in ((finished, "2022-06-03"), (begun, "2022-06-04"), (begun, "2022-06-03")):
        with pytest.raises(SystemExit, match=f"no values at {time}T12:00:00: the chunk is missing, or the store"):
            example.main([str(store), "--time", f"{time}T12:00:00Z", "--png", str(tmp_path / "no.png")])
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(SystemExit, match="no store here"):
            example.main([str(path)])


def test_example_stands_alone(example):
    """It imports nothing of this project, so that a reader can take it elsewhere, and is short."""
    with open(example.__file__) as file:
        text = file.read()
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {a.name for node in imports if isinstance(node, ast.Import) for a in node.names}
    names |= {node.module for node in imports if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} == {"argparse", "numpy", "xarray", "matplotlib"}
    assert len(text.splitlines()) < 120
