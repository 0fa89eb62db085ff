"""Labels on tokens equal what each token's cells say, at every stage, padded edges included."""

import numpy as np
import pytest
from aurorascope.atlas import token_labels
from aurorascope.atlas.parts import NOT_COUNTED, OFF, ON, _totals, parts_of
from aurorascope.atlas.plane import Plane, mean_field
from aurorascope.atlas.token_labels import GridLabels, TokenLabels
from aurorascope.blocks import BY_ID
from aurorascope.cams.demo_truth import connected
from aurorascope.errors import UserError
from aurorascope.tokens import token_grid
from hypothesis import given
from hypothesis import strategies as st

from tests.atlas.planted import cell_areas

STAGES = ["encoder_s0_b0", "encoder_s1_b0", "encoder_s2_b0", "decoder_s1_b0"]


def plane_of(block, n_lat, n_lon):
    lat, lon = np.linspace(90, -90, n_lat), np.arange(n_lon) * (360 / n_lon)
    return Plane.of(token_grid(BY_ID[block], lat, lon), cell_areas(lat, n_lon))


def cells_under(plane, token, n_lon):
    """Cells of a token, by where the next one begins."""
    row, col = divmod(token, plane.shape[1])
    rows = range(plane.row_starts[row], [*plane.row_starts, plane.n_lat][row + 1])
    cols = range(plane.col_starts[col], [*plane.col_starts, n_lon][col + 1])
    return [(y, x) for y in rows for x in cols]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=30))
def test_totals_are_the_same_from_a_table_and_from_sorting(pairs):
    keys, areas = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    table, sorted_ = (_totals(keys, areas, n) for n in (41, 1 << 40))
    assert [each.tolist() for each in table] == [each.tolist() for each in sorted_]
    assert table[0].tolist() == sorted(set(keys.tolist())) and table[1].sum() == areas.sum()


@given(st.sampled_from(STAGES), st.sampled_from([(46, 90), (19, 36), (31, 30)]), st.integers(0, 99), st.booleans())
def test_parts_are_what_the_cells_say(block, size, seed, is_line):
    rng = np.random.default_rng(seed)
    plane = plane_of(block, *size)
    mask = rng.random(size) < rng.choice([0.02, 0.3, 0.6])
    number = connected(mask)
    if seed % 3 == 0:
        number[:] = 0
    parts = parts_of(mask[None], number[None], plane, plane.col_of_cells(), [is_line])[0]
    found = {}
    for token, each, area, kind in zip(parts.token, parts.object, parts.area, parts.kind, strict=True):
        found.setdefault(int(token), []).append((int(each), int(area), int(kind)))
    for token in range(plane.n):
        cells = cells_under(plane, token, size[1])
        whole = sum(int(plane.area_y[y]) for y, _ in cells)
        assert whole == plane.area_p[token]
        held = sum(int(plane.area_y[y]) for y, x in cells if mask[y, x])
        here = found.get(token, [])
        assert sum(area for _, area, _ in here) == held and all(area > 0 for _, area, _ in here)
        expected = ON if (held > 0 if is_line else 2 * held >= whole) else NOT_COUNTED if 10 * held >= whole else OFF
        if held == 0:
            assert not here
        else:
            assert here[0][2] == expected and all(kind == OFF for _, _, kind in here[1:])
            in_cells = {int(number[y, x]) for y, x in cells if mask[y, x]}
            assert len(here) == len(in_cells)


@given(st.sampled_from(STAGES), st.integers(0, 99))
def test_parts_of_many_labels_and_turns_are_those_of_each(block, seed):
    """Labels that are nowhere among them, and objects whose numbers have gaps; a turn is the label moved by so many columns."""
    rng, size, turns = np.random.default_rng(seed), (31, 30), (0, 7, 23)
    plane = plane_of(block, *size)
    mask = rng.random((5, *size)) < np.array([0.05, 0.0, 0.6, 0.3, 0.0])[rng.permutation(5), None, None]
    number, is_line = rng.integers(0, 9, mask.shape) * 3, (rng.random(5) < 0.5).tolist()
    parts, ends, areas, n_objects = parts_of(mask, number, plane, plane.col_of_cells(), is_line, turns)
    assert len(ends) == 16 and ends[0] == 0 and ends[-1] == len(parts.token) and n_objects.sum() == len(areas)
    for label in range(5):
        whole = [plane.area_y[np.nonzero(mask[label, : plane.n_lat] & (number[label, : plane.n_lat] == each))[0]].sum() for each in range(25)]
        first = n_objects[:label].sum()
        assert areas[first : first + n_objects[label]].tolist() == [area for area in whole if area]
        for turn, cells in enumerate(turns):
            turned = [np.roll(each[label : label + 1], cells, axis=-1) for each in (mask, number)]
            alone = parts_of(*turned, plane, plane.col_of_cells(), is_line[label : label + 1])[0]
            here = parts.at(slice(*ends[3 * label + turn :][:2]))
            for name in ("token", "object", "area", "kind"):
                assert getattr(here, name).tolist() == getattr(alone, name).tolist()


def test_every_cell_of_the_sphere_is_under_one_token():
    for block in STAGES:
        plane = plane_of(block, 46, 90)
        assert plane.area_p.sum() == plane.area_y.sum() * 90 and len(plane.area_y) == 45
        assert (np.bincount(plane.col_of_cells(), minlength=plane.shape[1]) > 0).all() and len(plane.col_of_cells()) == plane.n_lon == 90


def test_fields_are_means_by_area_over_what_is_known():
    plane, rng = plane_of("encoder_s2_b0", 46, 90), np.random.default_rng(0)
    field = rng.standard_normal((46, 90)).astype(np.float32)
    field[rng.random(field.shape) < 0.3] = np.nan
    field[:12, :12] = np.nan
    found = mean_field(field, plane)
    assert found.dtype == np.float32 and np.isnan(found[0])
    for token in range(1, plane.n):
        cells = [cell for cell in cells_under(plane, token, 90) if not np.isnan(field[cell])]
        expected = np.average([field[cell] for cell in cells], weights=[plane.area_y[y] for y, _ in cells])
        assert found[token] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("most", [1 << 20, 1])
def test_objects_and_areas_of_many_snapshots(tmp_path, monkeypatch, most):
    """Areas of objects add up to the mask's; snapshots may be asked for in any order, twice, or not at all; labels at once or not."""
    monkeypatch.setattr(token_labels, "_CELLS", most)
    plane, rng = plane_of("encoder_s1_b0", 46, 90), np.random.default_rng(2)
    times = [f"2022-06-{day:02d}T12:00:00Z" for day in range(1, 6)]
    masks = rng.random((5, 2, 46, 90)) < np.array([0.05, 0.5])[:, None, None]
    masks[2, 0] = False
    numbers = np.stack([[connected(mask) for mask in each] for each in masks])
    read = {time: GridLabels(masks[at].astype(np.uint8), numbers[at], masks[at].astype(np.float32)) for at, time in enumerate(times)}
    labels = TokenLabels(["few", "many"], plane, times, tmp_path)
    for time in times:
        labels.add(read[time])
    assert labels.n_objects(0, np.array([4, 2, 4])).tolist() == [numbers[4, 0, :45].max(), 0, numbers[4, 0, :45].max()]
    for label in (0, 1):
        found = labels.of(label)
        for at in range(5):
            area = plane.area_y[:, None] * masks[at, label, :45]
            assert found.object_area[slice(*found.object_s2[at])].sum() == area.sum()
        order = np.array([3, 0, 3])
        parts, counts = labels.parts(label, order)
        single = [labels.parts(label, np.array([at]))[0] for at in order]
        assert counts.tolist() == [len(each.token) for each in single]
        np.testing.assert_array_equal(parts.area, np.concatenate([each.area for each in single]))
    assert labels.field_tlp.shape == (5, 2, plane.n)
    assert list(tmp_path.iterdir()) == []


def test_areas_must_be_whole_numbers():
    lat, lon = np.linspace(90, -90, 46), np.arange(90) * 4.0
    with pytest.raises(UserError, match="integers"):
        Plane.of(token_grid(BY_ID[STAGES[0]], lat, lon), np.ones(46))
    with pytest.raises(UserError, match="45 rows"):
        Plane.of(token_grid(BY_ID[STAGES[0]], lat, lon), np.ones(40, int))
