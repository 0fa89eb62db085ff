"""F1 and the other scores equal what comes out when every token is looked at, for labels as they are and shifted."""

import numpy as np
import pytest
from aurorascope.atlas.bins import Bins
from aurorascope.atlas.counts import Variant, count, total_counts
from aurorascope.atlas.parts import ON
from aurorascope.atlas.scores import Choice, at_choice, choose, f1_of, ranking
from aurorascope.atlas.settings import AtlasSettings
from aurorascope.atlas.sums import add_label
from hypothesis import given
from hypothesis import strategies as st

from tests.atlas.planted import World, entries_of, smooth_noise, year_times

SETTINGS = AtlasSettings()


@pytest.fixture
def world():
    rng = np.random.default_rng(5)
    lat, lon = np.linspace(80, -80, 19), np.arange(24) * 15.0
    times = year_times(7)
    masks = {"blob": smooth_noise(rng, 7, 19, 24, 2) > 0.9, "front": smooth_noise(rng, 7, 19, 24, 1) > 1.6}
    return World(lat, lon, times, masks, {})


@pytest.fixture
def features(world):
    rng = np.random.default_rng(6)
    n_plane = world.plane.n
    h = rng.gamma(1.0, 2.0, (7, 4, n_plane, 6)) * (rng.random((7, 4, n_plane, 6)) < 0.3)
    h[..., 0] *= 1 + 3 * (world.shares("blob") > 0.3)[:, None]
    h[..., 1] = 0
    h[:, 2, :, 2] += world.shares("front")
    h[..., 5] = h[..., 5] * 1e-4 + 1e-4
    return h.reshape(7, 4 * n_plane, 6).astype(np.float16).astype(np.float32)


def brute(world, name, h_nf, at, thresholds, source=None, line=False):
    """P, R at every threshold of one feature by looking at each token and object: (pools, thresholds)."""
    plane = world.plane
    n_rows, n_cols = plane.shape
    rows = np.repeat(np.arange(n_rows), np.diff([*plane.row_starts, plane.n_lat]))
    cells = rows[:, None] * n_cols + np.repeat(np.arange(n_cols), np.diff([*plane.col_starts, plane.n_lon]))
    sums, reached, n_objects = np.zeros((2, 5, len(thresholds))), np.zeros((5, len(thresholds))), 0
    for place, snapshot in enumerate(at):
        labels = world.read(world.times[snapshot if source is None else source[snapshot]])
        label = list(world.masks).index(name)
        mask, number = labels.mask[label][: plane.n_lat], labels.object[label][: plane.n_lat]
        h = h_nf[place].reshape(4, n_rows, n_cols)
        held = {}
        for token in range(plane.n):
            row, col = divmod(token, n_cols)
            here = row, col
            is_cell = cells == token
            area = np.repeat(plane.area_y[:, None], len(world.lon), 1)[is_cell]
            share = area[mask[is_cell] == 1].sum() / plane.area_p[token]
            for each in set(number[is_cell & (mask == 1)].tolist()):
                held.setdefault(each, []).append((here, area[(number[is_cell] == each) & (mask[is_cell] == 1)].sum()))
            if line:
                y = share > 0
            elif 0.1 <= share < 0.5:
                continue
            else:
                y = share >= 0.5
            for level in range(4):
                fires = (h[(level, *here)] >= thresholds) & (h[(level, *here)] > 0)
                for pool in (0, 1 + level):
                    sums[0 if y else 1, pool] += fires * plane.area_p[token]
        n_objects += len(held)
        for tokens in held.values():
            whole = sum(area for _, area in tokens)
            for pool in range(5):
                levels = range(4) if pool == 0 else [pool - 1]
                covered = sum(
                    area * ((h[(level, *here)] >= thresholds) & (h[(level, *here)] > 0)) for here, area in tokens for level in levels
                )
                reached[pool] += covered >= 0.1 * whole * len(levels) - 1e-6
    with np.errstate(invalid="ignore"):
        precision = np.nan_to_num(sums[0] / sums.sum(axis=0))
    return precision, reached / n_objects


@pytest.mark.parametrize("cells, shifted", [(0, False), (9, False), (7, False), (0, True), (15, True), (23, True)])
@pytest.mark.parametrize("fold, line", [(1, False), (4, False), (1, True)])
def test_scores_equal_brute_force(world, features, tmp_path, cells, shifted, fold, line):
    """On a thousand tokens and more, to 1e-12, in every level pool and at every threshold, turned by whole tokens or by cells."""
    labels, n = world.labels(tmp_path, ["front"] if line else (), [7, 9, 15, 23]), world.plane.n
    turned = world.turned(cells)
    entries = entries_of(features, n, tmp_path)
    at, source = np.arange(7), np.roll(np.arange(7), 2)
    chosen = np.array([0, 1, 3, 4, 6])
    bins = Bins.of(entries.peaks(chosen), SETTINGS)
    variant = Variant(1 if line else 0, cells, source if shifted else None)
    found = []
    count(entries, bins, labels, [variant], chosen, at, total_counts(entries, bins, chosen, world.plane.area_p),
          lambda place, counts: found.append(counts), fold)
    each, shape = np.ones(6, np.int64), (5, 64 // fold, 6)
    precision, recall = (np.empty(shape) for _ in range(2))
    for pool, bin_ in np.ndindex(shape[:2]):
        precision[pool, bin_], recall[pool, bin_], _ = at_choice(found[0], Choice(pool * each, bin_ * each, np.zeros(6)))
    for feature in range(6):
        kept = np.arange(0, 64, fold)
        thresholds = bins.thresholds(np.full(len(kept), feature), kept)
        expected = brute(turned, "front" if line else "blob", features[chosen][..., feature], chosen, thresholds,
                         source if shifted else None, line)
        np.testing.assert_allclose(precision[..., feature], expected[0], rtol=0, atol=1e-12)
        np.testing.assert_allclose(recall[..., feature], expected[1], rtol=0, atol=1e-12)
        choice = choose(found[0])
        assert choice.f1_f[feature] == pytest.approx(f1_of(*expected).max(), abs=1e-12)
    assert choice.f1_f[1] == 0 and choice.f1_f[0] > 0.3
    np.testing.assert_allclose(at_choice(found[0], choice)[2], choice.f1_f, atol=1e-15)


def test_auroc_and_average_precision_equal_brute_force(world, features, tmp_path):
    labels, n = world.labels(tmp_path), world.plane.n
    entries = entries_of(features, n, tmp_path)
    at = np.arange(7)
    bins, found = Bins.of(entries.peaks(at), SETTINGS), []
    total = total_counts(entries, bins, at, world.plane.area_p)
    count(entries, bins, labels, [Variant(0)], at, at, total, lambda place, counts: found.append(counts))
    share = world.shares("blob")
    counted = (share >= 0.5) | (share < 0.1)
    for pool in (0, 3):
        auroc, average = ranking(found[0], np.full(6, pool))
        for feature in range(6):
            h = features[..., feature].reshape(7, 4, n)
            h = h if pool == 0 else h[:, [pool - 1]]
            rank = np.where(h > 0, 1 + bins.codes(h.astype(np.float16).reshape(-1), np.full(h.size, feature)).reshape(h.shape), 0)
            y, kept = (np.broadcast_to(each[:, None], h.shape) for each in (share >= 0.5, counted))
            weight = np.broadcast_to(world.plane.area_p, h.shape)[kept].astype(float)
            rank, y = rank[kept], y[kept]
            on, off = (np.bincount(rank[side], weight[side], 65) for side in (y, ~y))
            below = np.cumsum(off) - off
            expected = (on * (below + off / 2)).sum() / on.sum() / off.sum()
            assert auroc[feature] == pytest.approx(expected, abs=1e-12)
            above, covered = np.cumsum(on[::-1]), np.cumsum((on + off)[::-1])
            precision = np.divide(above, covered, out=np.zeros(65), where=covered > 0)
            assert average[feature] == pytest.approx((on[::-1] * precision).sum() / on.sum(), abs=1e-12)


@given(st.permutations(range(7)), st.integers(1, 400))
def test_order_and_groups_change_no_bit(tmp_path_factory, order, most):
    """Snapshots written in any order, counted a few at a time or all at once, variants in one tile or in many."""
    folder, rng = tmp_path_factory.mktemp("order"), np.random.default_rng(1)
    masks = {"blob": smooth_noise(rng, 7, 12, 24, 2) > 0.9}
    world = World(np.linspace(80, -80, 12), np.arange(24) * 15.0, year_times(7), masks, {})
    h = (rng.gamma(1.0, 2.0, (7, 4 * world.plane.n, 3)) * (rng.random((7, 4 * world.plane.n, 3)) < 0.2)).astype(np.float32)
    labels, at, found = world.labels(folder), np.arange(7), []
    for entries, step in ((entries_of(h, world.plane.n, folder), None), (entries_of(h, world.plane.n, folder, order=order), most)):
        bins = Bins.of(entries.peaks(at), SETTINGS)
        total = total_counts(entries, bins, at, world.plane.area_p)
        got = []
        count(entries, bins, labels, [Variant(0), Variant(0, 9)], at, at, total, lambda place, counts, got=got: got.append(counts),
              memory=1 << 28 if step is None else 1, most=1 << 22 if step is None else step)
        found.append(got)
    for one, other in zip(*found, strict=True):
        for name in ("on_lfb", "off_lfb", "reached_pfb"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_thresholds_are_where_the_bins_begin():
    """Every float16 lies at or above its bin's threshold and below the next."""
    values = np.arange(1, 0x7C00, dtype=np.uint16).view(np.float16)
    peaks = np.array([1.0, 37.0, 65504.0, 6e-8], np.float16)
    bins = Bins.of(peaks, SETTINGS)
    for feature, peak in enumerate(peaks):
        here = values[values <= peak]
        of = np.full(len(here), feature)
        code = bins.codes(here, of)
        assert (here >= bins.thresholds(of, code)).all() and code[-1] == 63
        inner = code < 63
        assert (here[inner] < bins.thresholds(of[inner], code[inner] + 1)).all()


@pytest.mark.parametrize("last, reached", [(10, 1), (11, 0)])
def test_a_tenth_of_an_object_is_enough_and_less_is_not(last, reached):
    """A feature is on for one of ten tokens, 10 of an area of 100 or 101: in its own level and, of one level, in all together."""
    n, n_bins, bin_ = 10, 8, 5
    area_p = np.array([10] * (n - 1) + [last], np.int64)
    area, found = np.zeros((1, 2, n_bins), np.int64), np.zeros((2, n_bins), np.int32)
    scratch = np.full((2, 1), -1), np.zeros((1, n_bins, 1), np.int64), np.zeros((2, 2, 1), np.int64), np.empty(3, np.int64), np.empty(n, np.int64)
    add_label(
        np.zeros(1, np.int32), np.array([bin_], np.uint8), np.array([0] + [1] * n, np.int64), np.zeros((1, 2), np.int64), n_bins, 0,
        np.arange(n, dtype=np.int32), np.zeros(n, np.int32), area_p, np.full(n, ON, np.uint8), np.array([[0, n]]), np.array([area_p.sum()]),
        np.array([[0, 1]]), np.arange(n), area_p, *scratch, area, found,
    )
    assert area[0, 0, bin_] == 10 == area.sum() and found[:, bin_].tolist() == [reached] * 2 and found.sum() == 2 * reached
