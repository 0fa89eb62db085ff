"""What the scripts of a page hold is what the tables say, in pieces that are small enough."""

import base64
import dataclasses
import itertools
import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
from aurorascope.atlas.nulls import ROTATION
from aurorascope.atlas.read import read_atlas
from aurorascope.atlas.score import score_features
from aurorascope.atlas.splits import make_splits
from aurorascope.atlas.write import make_tables, write_atlas
from aurorascope.blocks import BY_ID
from aurorascope.pages.block_page import write_block_page
from aurorascope.pages.commands import commands
from aurorascope.pages.data import _told, coarse, coarser_by, lat_edges, log_heights, lon_edges
from aurorascope.pages.neighbours import Decoder, nearest_features
from aurorascope.pages.script import in_pieces, packed, write_script
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.spec import LATENT_LEVELS
from aurorascope.tokens import token_grid
from hypothesis import given
from hypothesis import strategies as st

from tests.atlas.planted import mix, planted_features, planted_world, source_of, year_times
from tests.atlas.test_verdicts import SETTINGS
from tests.pages.built import BLOCKS, without_calibration
from tests.pages.large import N, large_atlas
from tests.pages.scripts import read_block, read_script, unpack, words_of

ONE = BLOCKS[0]


@pytest.fixture(scope="module")
def shown(built):
    return read_block(built.folder, ONE)


def close(found, table, digits=3):
    """Numbers agree to the digits that are kept; None stands for what is not finite."""
    values = np.array([np.nan if each is None else each for each in found])
    np.testing.assert_allclose(values, np.where(np.isfinite(table), table, np.nan), rtol=0.6 * 10.0 ** (1 - digits))


def test_the_table_has_every_feature(built, shown):
    columns, features = shown[0]["columns"], built.atlases[ONE].tables["features"]
    assert columns["feature"] == features["feature"].tolist() and columns["sign"] == features["sign"].tolist()
    for name in ("label", "verdict", "reason", "badges"):
        assert words_of(columns[name]) == features[name].tolist()
    for name, digits in (("density", 4), ("f1_test", 3), ("gain", 3), ("scale_km", 3)):
        close(columns[name], features[name], digits)
    examples = built.atlases[ONE].tables["examples"]
    first = examples[examples["rank"] == 0].set_index("feature")
    for feature, strength, level in zip(columns["feature"], columns["strength"], columns["level"], strict=True):
        if feature in first.index:
            assert strength == pytest.approx(first["value"][feature], rel=1e-3) and LATENT_LEVELS[level] == first["level"][feature]
        else:
            assert (strength, level) == (0, -1)


def test_details_are_a_features_own(built, shown):
    """Scores of its labels, the best first, examples in their order, and neighbours."""
    _, details, _ = shown
    tables = built.atlases[ONE].tables
    for at, detail in enumerate(details):
        pairs = tables["labels"][tables["labels"]["feature"] == at].sort_values("f1_select", ascending=False, kind="stable")
        assert [pair["label"] for pair in detail["pairs"]] == pairs["label"].tolist()
        for name in ("f1_test", "base_rate", "p_rotation", "q_date_shift", "z_rotation", "ranom_low"):
            close([pair[name] for pair in detail["pairs"]], pairs[name])
        examples = tables["examples"][tables["examples"]["feature"] == at]
        assert [(each["time"], each["labels"], each["level"]) for each in detail["examples"]] == list(
            zip(examples["time"], examples["labels"], examples["level"], strict=True)
        )
        assert _told("jet,control_lat,dust,control_red_noise") == "jet,dust" and _told("") == ""
        near = built.near[ONE][built.near[ONE]["feature"] == at]
        assert [(each["block"], each["feature"]) for each in detail["near"]] == list(zip(near["block"], near["near"], strict=True))
    # Both blocks have the same directions.
    assert details[0]["near"][0] == {"block": BLOCKS[1], "feature": 0, "sign": 1, "cosine": 1.0, "label": "storm"}


def test_maps_are_the_tables_to_a_byte(built, shown):
    _, details, maps = shown
    table = built.atlases[ONE].tables["maps"]
    assert sorted(maps) == table["feature"][table["mean"].notna()].tolist()
    for row in table.dropna(subset="mean").itertuples():
        for name in ("mean", "strongest"):
            each, values = maps[row.feature][name], getattr(row, name)
            close([each["top"]], [values.max()], 4)
            np.testing.assert_allclose(unpack(each) * values.max() / 255, values, atol=values.max() / 255 * 1.001)
            assert ((unpack(each) > 0) == (values > 0)).all()
        histogram = details[row.feature]["histogram"]
        close(histogram["edges"], row.edges[[1, -1]], 4)
        assert (np.diff(row.edges) > 0).all()


def test_the_weather_is_that_of_the_examples_times(built, shown):
    """A script for each time of an example, under the address that the page builds, with six fields of the stage's tokens."""
    weather, details = shown[0]["fields"], shown[1]
    wanted = {each["time"] for detail in details for each in detail["examples"]}
    assert wanted <= set(weather["times"])
    key, fields = read_script(built.folder / "pages" / f"{weather['at']}{min(wanted)[:13]}.js")
    assert key == f"{weather['at']}{min(wanted)[:13]}" and weather["at"] == "fields/15x30/"
    assert [field["name"] for field in fields] == ["pm2p5", "pm10", "tcco", "tcno2", "msl", "wind10"]
    for field in fields:
        bytes_ = unpack(field)
        assert len(bytes_) == 15 * 30 and bytes_.max() == 255 and bytes_.min() == 1
    assert 900 < fields[4]["low"] < 1000 < fields[4]["high"] < 1100 and not fields[4]["log"]


def test_a_block_stays_small(built):
    """Pages of the planted blocks, which have the demo's tokens; and the size that is returned is the files'."""
    for block, size in built.sizes.items():
        found = sum(path.stat().st_size for path in (built.folder / "pages" / block).iterdir()) + (built.folder / f"{block}.html").stat().st_size
        assert found == size < 6e6


def test_a_wide_block_opens_with_a_small_script(built, tmp_path):
    """16,384 features: what the page opens with is one script, the rest lies in pieces; 256 features have maps."""
    large = large_atlas(built.atlases[ONE])
    write_block_page(tmp_path, large, built.grid, built.near[ONE], BLOCKS)
    table, details, maps = read_block(tmp_path, ONE)
    assert len(table["columns"]["feature"]) == len(details) == N and len(maps) == 256
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "pages" / ONE).iterdir()}
    print(f"{N} features: table {sizes['table.js'] / 1e6:.2f} MB, all {sum(sizes.values()) / 1e6:.1f} MB in {len(sizes)} files")
    assert sizes["table.js"] < 2e6 and max(sizes.values()) < 2e6
    # An earlier page's pieces do not stay.
    write_block_page(tmp_path, built.atlases[ONE], built.grid, built.near[ONE], BLOCKS)
    assert len(list((tmp_path / "pages" / ONE).iterdir())) == 3


def test_too_few_dates_have_a_page_without_scores(tmp_path):
    """All that needs no label is there: densities, maps, histograms, examples."""
    world = planted_world(3, 12)
    x, sae = mix(planted_features(world, 3, 4))
    scored = score_features(sae, source_of(x, world.times), world.labels(tmp_path), SETTINGS, tmp_path)
    tables, summary = make_tables(scored, sae, world.grid)
    write_atlas(tmp_path / ONE, tables, summary)
    atlas = read_atlas(tmp_path / ONE, ONE)
    near = nearest_features(ONE, {ONE: Decoder(sae.W_dec.detach().numpy(), scored.density_f > 0, False)})
    write_block_page(tmp_path, atlas, world.grid, near, [ONE])
    table, details, maps = read_block(tmp_path, ONE)
    assert table["verdict"] == "too_few_dates" and set(words_of(table["columns"]["verdict"])) == {"too_few_dates"}
    assert len(maps) == table["n_alive"] == (scored.density_f > 0).sum() and not any(each["pairs"] for each in details)
    assert all(detail["examples"] and "histogram" in detail for place, detail in enumerate(details) if place in maps)
    page = " ".join((tmp_path / f"{ONE}.html").read_text().split())
    assert "4 groups of training dates with more than 6 days between one and the next, or 49 dates in a row, and 19 distinct shifts" in page
    assert "this atlas has 1 group. No label is shown." in page
    assert "were chosen on" not in page
    # The dates in a row that the page asks for are the fewest that do.
    assert [make_splits(year_times(n), SETTINGS).reason for n in (48, 49)] == ["too_few_dates", ""]


def test_too_few_shifts_are_said_with_what_there_are(built, tmp_path):
    """Which kind of shift has too few, how many they are, and how many it takes."""
    atlas = without_calibration(built.atlases[ONE])
    coarse = {**atlas.summary["nulls"], ROTATION: {**atlas.summary["nulls"][ROTATION], "n_distinct": 11, "reason": "too_coarse"}}
    atlas = dataclasses.replace(atlas, summary={**atlas.summary, "verdict": "too_coarse", "nulls": coarse})
    write_block_page(tmp_path, atlas, built.grid, built.near[ONE], BLOCKS)
    page = " ".join((tmp_path / f"{ONE}.html").read_text().split())
    assert "compare labels with: 11 in longitude, where 19 are needed. No label is shown." in page


@given(st.lists(st.integers(0, 50)), st.integers(1, 60))
def test_pieces_hold_all_in_order(sizes, most):
    spans = in_pieces(sizes, most)
    pieces = [sizes[start:stop] for start, stop in spans]
    assert [each for piece in pieces for each in piece] == sizes
    assert all(piece and (sum(piece) <= most or len(piece) == 1) for piece in pieces)
    assert all(sum(piece) + follows[0] > most for piece, follows in itertools.pairwise(pieces))


def test_scripts_hold_any_text(tmp_path):
    value = {"name": "</script> \u2028 é 💨 \" \\ <!--"}
    write_script(tmp_path / "a.js", "a/b", value)
    assert read_script(tmp_path / "a.js") == ("a/b", value) and "<" not in (tmp_path / "a.js").read_text()
    with pytest.raises(ValueError, match="JSON"):
        write_script(tmp_path / "b.js", "b", float("nan"))


def test_what_is_on_is_seen():
    values = np.array([0.0, 1e-9, 0.5, 1.0, 2.0, np.nan])
    assert np.frombuffer(base64.b64decode(packed(values, 1.0)), np.uint8).tolist() == [0, 1, 128, 255, 255, 0]
    np.testing.assert_allclose(log_heights([0, 1e-12, 1e-9, 1e-3, 1]), [0, 0, 0, 2 / 3, 1], atol=1e-12)


@pytest.mark.parametrize("block", ["encoder_s0_b0", "encoder_s1_b0", "encoder_s2_b0"])
def test_fine_grids_are_averaged_over_squares(block):
    """The full grid, with 150 x 300 tokens in the first stage and a padded row in the last; edges meet and cover the globe."""
    grid = token_grid(BY_ID[block], np.linspace(90, -89.6, 450), np.arange(900) * 0.4)
    factor = coarser_by(grid)
    assert factor == (2 if block == "encoder_s0_b0" else 1)
    map_lyx = np.random.default_rng(0).random(grid.shape)
    map_lyx[0, 0, 0] = np.nan
    small, rows, columns = coarse(map_lyx, factor), lat_edges(grid, factor), lon_edges(grid, factor)
    assert small.shape[1:] == (len(rows) - 1, len(columns) - 1) and small.shape[2] <= 180
    for level, y, x in ((0, 0, 0), (1, 3, 5), (2, small.shape[1] - 1, small.shape[2] - 1)):
        square = map_lyx[level, y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
        if np.isfinite(square).any():
            assert small[level, y, x] == pytest.approx(np.nanmean(square))
    assert (np.diff(rows) < 0).all() and (np.diff(columns) > 0).all() and columns[-1] - columns[0] == pytest.approx(360)
    inside = grid.lon[:: max(1, factor)]
    assert ((inside > columns[:-1]) & (inside < columns[1:])).all()
    assert rows[0] == 90 and rows[-1] == pytest.approx(-89.8)


def test_signed_features_have_neighbours_of_either_sign(built, tmp_path):
    """Of two signed blocks, where a latent's nearest points the other way, the positive feature's like is the negative one."""
    rng = np.random.default_rng(0)
    W = np.linalg.qr(rng.standard_normal((8, 8)))[0].astype(np.float32)
    decoders = {BLOCKS[0]: Decoder(W, np.ones(8, bool), True), BLOCKS[1]: Decoder(-W[::-1], np.ones(8, bool), True)}
    near = nearest_features(BLOCKS[0], decoders)
    assert near["near"].tolist() == list(range(8))[::-1] and np.allclose(near["cosine"], -1)
    atlas = built.atlases[ONE]
    ids = pd.DataFrame({"feature": np.arange(64) // 2, "sign": np.where(np.arange(64) % 2, -1, 1)})
    tables = {name: table.drop(columns=["feature", "sign"]).join(ids, on=table["feature"]) for name, table in atlas.tables.items()}
    signed = type(atlas)(ONE, atlas.summary, tables)
    write_block_page(tmp_path, signed, built.grid, near, BLOCKS, labels={BLOCKS[1]: {(7, -1): "storm"}})
    table, details, _ = read_block(tmp_path, ONE)
    assert table["signed"] and table["columns"]["sign"][:2] == [1, -1]
    assert [(each["feature"], each["sign"], each["label"]) for each in (details[0]["near"][0], details[1]["near"][0])] == [(7, -1, "storm"), (7, 1, "")]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_command_for_a_forecast_doubles_the_feature_alone(sign):
    """Its function, taken from the text as the page fills it in: what it adds is the feature's own part once more."""
    text = commands(ONE)[2]["text"].replace("{feature}", "3").replace("{sign}", str(sign)).replace("{date}", "2022-06-03")
    assert not re.search(r"\{\w+\}", text)
    compile(text, "snippet", "exec")
    torch.manual_seed(0)
    W = torch.linalg.qr(torch.randn(6, 6))[0]
    tensors = {"W_enc": W.T.contiguous(), "b_enc": torch.zeros(6), "W_dec": W.contiguous(), "b_dec": 0.1 * torch.randn(6), "k": torch.tensor(4), "signed": torch.tensor(True)}
    sae, scope = AuroraSAE.from_tensors(tensors), {}
    exec(re.search(r"(?ms)^def twice.*?(?=^batch)", text)[0], {"sae": sae}, scope)
    x = torch.randn(20, 6)
    h = sae.encode(x)
    part = torch.where(sign * h[:, 3] > 0, h[:, 3], 0.0)
    assert (part != 0).any()
    torch.testing.assert_close(scope["twice"](x) - x, part[:, None] * sae.W_dec[3], atol=1e-6, rtol=0)



def test_json_is_what_browsers_take(built):
    for path in (built.folder / "pages").rglob("*.js"):
        if "shared" not in path.parts or path.name == "coast.js":
            json.dumps(read_script(path)[1], allow_nan=False)
