"""Nearest directions against brute force, coastlines of a round island, and the names that users bring."""

import numpy as np
import pytest
from aurorascope.atlas.read import read_atlas
from aurorascope.errors import UserError
from aurorascope.pages.coast import coast_lines
from aurorascope.pages.neighbours import Decoder, nearest_features, same_stage
from aurorascope.pages.read import read_names
from threadpoolctl import threadpool_limits

from tests.pages.built import BLOCKS

FIRST, SECOND, THIRD = "encoder_s1_b0", "encoder_s1_b4", "encoder_s1_b9"


def drawn(n, seed, d=12, signed=False, dead=()):
    alive = np.ones(n, bool)
    alive[list(dead)] = False
    return Decoder(np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32), alive, signed)


def test_blocks_of_the_same_stage_in_forward_order():
    assert same_stage(SECOND, [THIRD, "encoder_s2_b0", FIRST, SECOND, "decoder_s1_b0"]) == [FIRST, THIRD]


@pytest.mark.parametrize("signed", [False, True])
def test_the_nearest_is_that_of_all_pairs(signed):
    decoders = {THIRD: drawn(50, 3, signed=signed), FIRST: drawn(40, 1, signed=signed, dead=(0, 7)), SECOND: drawn(30, 2, signed=signed, dead=(5,)), "decoder_s1_b0": drawn(9, 4)}
    found = nearest_features(FIRST, decoders)
    assert found["feature"].tolist() == [feature for feature in range(40) if feature not in (0, 7) for _ in range(2)]
    assert found["block"].tolist()[:2] == [SECOND, THIRD]
    for row in found.itertuples():
        other = decoders[row.block]
        best, cosine = -1, -np.inf
        for at in np.flatnonzero(other.is_alive_h):
            a, b = decoders[FIRST].W_hd[row.feature].astype(float), other.W_hd[at].astype(float)
            each = a @ b / np.sqrt(a @ a * (b @ b))
            if (abs(each) if signed else each) > (abs(cosine) if signed and best >= 0 else cosine):
                best, cosine = at, each
        assert row.near == best and row.cosine == pytest.approx(cosine, abs=1e-6)


def test_of_equal_ones_the_lower_is_nearest_whatever_the_threads():
    own, other = drawn(1500, 0, 32), drawn(700, 1, 32)
    other.W_hd[350:] = other.W_hd[:350]
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(nearest_features(FIRST, {FIRST: own, SECOND: other}))
    assert found[0].equals(found[1]) and found[0]["near"].max() < 350


def test_a_block_alone_has_no_neighbours():
    assert len(nearest_features(FIRST, {FIRST: drawn(5, 0), "encoder_s2_b0": drawn(5, 1)})) == 0
    assert len(nearest_features(FIRST, {FIRST: drawn(5, 0), SECOND: drawn(5, 1, dead=range(5))})) == 0


def test_another_width_is_refused():
    with pytest.raises(UserError, match="width of 12"):
        nearest_features(FIRST, {FIRST: drawn(5, 0), SECOND: drawn(5, 1, 16)})


@pytest.mark.parametrize("n_lon", [90, 900])
def test_the_coast_of_a_round_island(n_lon):
    """All points lie within a contoured cell of the circle, also where it crosses the first meridian."""
    lat, lon = np.linspace(90, -90, n_lon // 2 + 1), np.arange(n_lon) * 360 / n_lon
    east = (lon - 2 + 180) % 360 - 180
    away = np.hypot(lat[:, None] - 10, east[None, :])
    lines = coast_lines((away < 25).astype(np.float32), lat, lon)
    points = np.concatenate([np.reshape(line, (-1, 2)) for line in lines]) / 10
    assert all(isinstance(each, int) for line in lines for each in line)
    radius = np.hypot(points[:, 1] - 10, (points[:, 0] - 2 + 180) % 360 - 180)
    step = 360 / n_lon * max(1, n_lon // 360)
    assert len(points) > 20 and np.abs(radius - 25).max() < 1.5 * step and points[:, 0].max() > 350 > 30 > points[:, 0].min()
    assert coast_lines((away < 25).astype(np.float32), lat, lon) == lines and coast_lines(np.zeros(away.shape), lat, lon) == []


def test_an_altered_table_is_refused(built, tmp_path):
    folder = tmp_path / BLOCKS[0]
    folder.mkdir()
    for path in (built.folder / BLOCKS[0]).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    assert read_atlas(folder, BLOCKS[0]).summary == built.atlases[BLOCKS[0]].summary
    (folder / "maps.parquet").write_bytes(b"other")
    with pytest.raises(UserError, match="sha256"):
        read_atlas(folder, BLOCKS[0])


def test_names_come_from_a_table(tmp_path):
    path = tmp_path / "labels.csv"
    assert read_names(path) == {}
    path.write_text(f"block,feature,name,note\n{FIRST},7,a jet,seen twice\n{SECOND},0,\"calm, <b>\",\n")
    assert read_names(path) == {FIRST: {(7, 1): "a jet", (7, -1): "a jet"}, SECOND: {(0, 1): "calm, <b>", (0, -1): "calm, <b>"}}
    # A name of one sign goes before one of both, wherever it stands.
    path.write_text(f"sign,block,feature,name\n-1,{FIRST},7,a calm\n,{FIRST},7,a jet\n1,{SECOND},0,x\n")
    assert read_names(path) == {FIRST: {(7, 1): "a jet", (7, -1): "a calm"}, SECOND: {(0, 1): "x"}}


@pytest.mark.parametrize("text, match", [
    ("block,feature,note\nencoder_s1_b0,7,x\n", "columns block, feature, name"),
    ("block,feature,sign,name\nencoder_s1_b0,7,1\n", "columns"),
    ("block,feature,sign,name\nencoder_s1_b0,7,1,x,y\n", "columns"),
    ("block,feature,sign,name\n../x,7,1,x\n", "a block of Aurora"),
    ("block,feature,sign,name\nencoder_s1_b0,-7,1,x\n", "number"),
    ("block,feature,sign,name\nencoder_s1_b0,7,2,x\n", "sign"),
    ("block,feature,sign,name\nencoder_s1_b0,7,1,x\nencoder_s1_b0,7,1,y\n", "once"),
    ("block,feature,name\nencoder_s1_b0,7,x\nencoder_s1_b0,07,y\n", "once"),
])
def test_a_table_of_names_that_cannot_be_meant_is_refused(tmp_path, text, match):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(UserError, match=match):
        read_names(tmp_path / "labels.csv")


def test_names_in_another_encoding_are_refused(tmp_path):
    (tmp_path / "labels.csv").write_bytes("block,feature,sign,name\nencoder_s1_b0,7,1,Böe\n".encode("latin-1"))
    with pytest.raises(UserError, match="UTF-8"):
        read_names(tmp_path / "labels.csv")
