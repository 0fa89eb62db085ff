"""Labels and variables of days on the tokens of a block, as jobs read them, and the settings of an atlas."""

import copy
import dataclasses
import json
import shutil

import numpy as np
import pytest
import xarray as xr
import yaml
from aurorascope.atlas.settings import AtlasSettings
from aurorascope.blocks import BY_ID
from aurorascope.cams import demo
from aurorascope.cams.states import open_states, write_states
from aurorascope.cams.variables import LEVELS
from aurorascope.config.schema import schema
from aurorascope.config.thresholds import DEMO
from aurorascope.errors import UserError
from aurorascope.labels.all import label_state
from aurorascope.labels.claim import MadeFrom
from aurorascope.labels.read import read_day
from aurorascope.labels.reference import Reference
from aurorascope.labels.state import LabelState
from aurorascope.labels.write import write_day
from aurorascope.measures.atlas.claim import labels_digest
from aurorascope.measures.atlas.planes import Planes
from aurorascope.measures.atlas.settings import settings_of
from aurorascope.tokens import token_grid
from snakemake.utils import update_config

from tests.config.raw import put, typed

DAYS = ("2022-06-01", "2022-06-02", "2022-06-20")
LAT, LON = np.linspace(90, -90, 19), np.arange(36) * 10.0


@pytest.fixture
def config(demo_raw):
    """Two training dates and a held-out one, on a small grid."""
    for split, days in (("train", DAYS[:2]), ("held_out", DAYS[2:])):
        put(demo_raw, f"cams.{split}", {"start": None, "end": None, "dates": list(days)})
    return typed(put(put(demo_raw, "cams.demo_grid", [19, 36]), "cams.init_hours", [12]))


def test_defaults_are_those_of_the_library_and_every_key_arrives(demo_raw, root):
    """The year's are the defaults; what the demo sets reaches the atlas."""
    year_raw = copy.deepcopy(demo_raw)
    update_config(year_raw, yaml.safe_load((root / "workflow" / "config" / "cams-year.yaml").read_text()))
    assert settings_of(typed(year_raw)) == AtlasSettings()
    found, config = settings_of(typed(demo_raw)), typed(demo_raw).atlas
    for field in dataclasses.fields(config):
        if field.name != "enabled":
            assert getattr(found, field.name) == getattr(config, field.name)
            assert schema()["properties"]["atlas"]["properties"][field.name]["default"] == getattr(AtlasSettings(), field.name)
    assert (found.rotations, found.alpha, found.null_bins) == (16, 0.06, 16)


def _state(moment):
    return demo.demo_state(moment, LAT, LON, LEVELS).assign_coords(time=np.datetime64(moment.replace(tzinfo=None), "ns"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Days of the demo's states and their labels by formula."""
    scratch = tmp_path_factory.mktemp("made") / "scratch"
    (scratch / "states").mkdir(parents=True)
    for split in ("train", "held_out"):
        content = {"kind": "states", "latitude": LAT.tolist(), "longitude": LON.tolist()}
        (scratch / "states" / f"{split}.json").write_text(json.dumps(content))
    static = demo.demo_static(LAT, LON)
    days = {day: xr.concat([_state(moment) for moment in demo.times_of(day, [0, 12])], "time") for day in DAYS}
    states = {day: LabelState.of(data.isel(time=1), data.isel(time=0), static) for day, data in days.items()}
    reference = Reference.of(list(states.values()), DEMO)
    for day in DAYS:
        write_states(days[day], scratch / "cams" / f"{day}.zarr")
        source = MadeFrom({}, "c" * 64, reference.sha256())
        write_day(scratch / "labels", day, [label_state(states[day], reference, DEMO)], DEMO, source)
    return scratch


@pytest.fixture
def results(made, tmp_path):
    """A copy of one's own."""
    shutil.copytree(made, tmp_path / "scratch")
    return tmp_path


def test_labels_and_variables_are_those_of_the_files(results, config, tmp_path):
    planes, grid = Planes(config, results, tmp_path / "work", ["encoder_s0_b0"]), token_grid(BY_ID["encoder_s0_b0"], LAT, LON)
    labels, on_plane = planes.of(grid)
    variables = on_plane.variables
    assert labels["train"].times == tuple(f"{day}T12:00:00Z" for day in DAYS[:2]) and labels["held_out"].times[0][:10] == DAYS[2]
    assert planes.of(grid)[0] is labels
    place = list(planes.kinds).index("land")
    mask, _, _ = read_day(results / "scratch" / "labels", DAYS[0]).read("land", f"{DAYS[0]}T12:00:00Z")
    on, _ = labels["train"].areas(place, np.array([0]))
    plane = labels["train"].plane
    held, whole = plane.total(mask[: plane.n_lat] * plane.area_y[:, None]), plane.area_p.reshape(plane.shape)
    assert on == int(whole[2 * held >= whole].sum()) > 0
    states = open_states(results / "scratch" / "cams", [f"{day}T12:00:00Z" for day in DAYS[:2]])
    assert len(variables.names) == 12 + 10 * 3 and variables.names[0] == "t2m (K)"
    at = variables.names.index("u at 500 hPa (m s**-1)")
    field = states["u"].sel(level=500).values.astype(np.float64)
    assert variables.value_tvp[0, 0, 0] == pytest.approx(_mean(states["t2m"].values[0].astype(np.float64), plane, 0, 0), rel=1e-6)
    assert variables.value_tvp[1, at, plane.shape[1] + 2] == pytest.approx(_mean(field[1], plane, 1, 2), rel=1e-5)


def _mean(field_yx, plane, row, column):
    """Area mean over one token's cells, by a loop."""
    rows = range(plane.row_starts[row], [*plane.row_starts, plane.n_lat][row + 1])
    columns = range(plane.col_starts[column], [*plane.col_starts, field_yx.shape[1]][column + 1])
    cells = [(field_yx[y, x], plane.area_y[y]) for y in rows for x in columns]
    return sum(value * area for value, area in cells) / sum(area for _, area in cells)


def test_lines_are_on_wherever_they_are(results, config, tmp_path):
    """Jet cores and fronts alone, whose tokens need not be half full."""
    planes = Planes(config, results, tmp_path / "work", ["encoder_s0_b0"])
    labels = planes.of(token_grid(BY_ID["encoder_s0_b0"], LAT, LON))[0]["train"]
    for name in ("front", "jet_core", "land"):
        place = list(planes.kinds).index(name)
        _, not_counted = labels.areas(place, np.arange(2))
        assert (not_counted == 0) == (name != "land")


def test_labels_of_another_grid_or_other_ids_are_one_line(results, config, tmp_path):
    path = results / "scratch" / "states" / "held_out.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"longitude": LON[:-1].tolist()}))
    with pytest.raises(UserError, match="labels on the states' 35 of longitude") as refused:
        Planes(config, results, tmp_path / "work", ["encoder_s0_b0"])
    assert "\n" not in refused.value.one_line() and "rm -f" in refused.value.fix
    path.write_text(json.dumps(content))
    day = read_day(results / "scratch" / "labels", DAYS[1])
    source = MadeFrom({}, "c" * 64, "d" * 64)
    write_day(results / "scratch" / "labels", DAYS[1], [day.dataset(day.times[0]).isel(label=slice(1, None))], DEMO, source)
    with pytest.raises(UserError, match=f"others: {day.labels[0]}"):
        Planes(config, results, tmp_path / "work", ["encoder_s0_b0"]).of(token_grid(BY_ID["encoder_s0_b0"], LAT, LON))


def test_damaged_labels_are_found_and_change_the_digest(results, config, tmp_path):
    """A mask that is not the record's is refused; other labels are another digest."""
    before = labels_digest(config, results)
    day = read_day(results / "scratch" / "labels", DAYS[0])
    data = day.dataset(day.times[0])
    flipped = data.assign(mask=data["mask"].copy(data=1 - data["mask"].values))
    record = day.path.read_text()
    write_day(results / "scratch" / "labels", DAYS[0], [flipped], DEMO, MadeFrom({}, "c" * 64, "d" * 64))
    assert labels_digest(config, results) != before
    day.path.write_text(record)
    assert labels_digest(config, results) == before
    with pytest.raises(UserError, match="sha256") as refused:
        Planes(config, results, tmp_path / "work", ["encoder_s0_b0"]).of(token_grid(BY_ID["encoder_s0_b0"], LAT, LON))
    assert DAYS[0] in refused.value.where
