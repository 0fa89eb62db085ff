"""The feature file of a block and date: the SAE's own numbers, at the right place, whoever opens it."""

import argparse
import json

import numpy as np
import pytest
import torch
import xarray as xr
from aurorascope.activations.manifest import publish
from aurorascope.activations.paths import StorePaths
from aurorascope.cli import write_features as verb
from aurorascope.errors import UserError
from aurorascope.features.write import write_features
from aurorascope.files import sha256_file, write_json
from aurorascope.sae.aurora_sae import AuroraSAE
from tiny import BLOCK, D_MODEL, LAT, LON, claim, grid, make_store

from tests.activations import test_globe_example as globe
from tests.architectures import of
from tests.config.raw import typed

DAY = "2022-06-04"


def config(**features):
    days = {"train": {"start": "2022-06-03", "end": "2022-06-05"}, "held_out": {"dates": ["2022-07-01"]}}
    return typed({"cams": days, "features": features})


def write_sae(folder, tensors, content):
    """An SAE and as much of its record as belongs to the activations; returns the record's path."""
    path = folder / "saes" / f"sae_{content['block']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, path.with_suffix(".pt"))
    record = {
        "kind": "sae",
        "block": content["block"],
        "released_as": AuroraSAE.from_tensors(tensors).architecture,
        "d_hidden": len(tensors["b_enc"]),
        "sha256": sha256_file(path.with_suffix(".pt")),
        "checkpoint_sha256": content["checkpoint_sha256"],
        "dump_config_sha256": content["config_sha256"],
    }
    write_json(path, record)
    return path


def made(folder, tensors, content, lat=LAT, lon=LON):
    """The inputs of a feature file beside a store: record of the SAE, manifest, record of the split."""
    states = folder / "states.json"
    write_json(states, {"kind": "states", "latitude": lat.tolist(), "longitude": lon.tolist()})
    manifest = folder / "scratch" / "activations" / content["block"] / content["split"] / "manifest.json"
    return write_sae(folder, tensors, content), manifest, states


@pytest.fixture(scope="module")
def content():
    return claim(range(3, 6))


@pytest.fixture(scope="module")
def store(tmp_path_factory, content):
    """Three snapshots of the coarsest stage, whose second and last row of tokens is half padding."""
    folder = tmp_path_factory.mktemp("features")
    make_store(folder / "scratch" / "activations" / BLOCK / "train", content)
    return folder


def decoded(store, place):
    """A snapshot read with xarray alone, (n_tokens, d)."""
    with xr.open_zarr(StorePaths.of(store / "scratch", BLOCK, "train").zarr, consolidated=False) as data:
        one = data.isel(time=place)
        values = one["activation"].astype("float32") * one["scale"] + one["offset"]
        return values.values.reshape(-1, D_MODEL)


@pytest.mark.parametrize("architecture", ["relu", "abstopk", "jumprelu"])
def test_values_are_those_of_the_sae_on_the_decoded_store(store, content, tmp_path, architecture):
    """Both forms, reopened with xarray alone: each kept value is the SAE's, and nothing stronger was left out."""
    tensors = of(architecture, d=D_MODEL, expansion=4)
    inputs = made(store, tensors, content)
    with torch.inference_mode():
        h = AuroraSAE.from_tensors(tensors).encode(torch.from_numpy(decoded(store, 1))).numpy()
    write_features(config(top_k=3), DAY, *inputs, tmp_path / "top.nc")
    write_features(config(chosen=[7, 2]), DAY, *inputs, tmp_path / "chosen.nc")
    with xr.open_dataset(tmp_path / "chosen.nc") as data:
        assert data["activation"].dims == ("time", "latent_level", "lat", "lon", "feature")
        assert data["feature"].values.tolist() == [7, 2] and data["activation"].dtype == np.float32
        np.testing.assert_array_equal(data["activation"].values.reshape(-1, 2), h[:, [7, 2]])
        np.testing.assert_array_equal(data["activation"].sel(feature=2).values.reshape(-1), h[:, 2])
    with xr.open_dataset(tmp_path / "top.nc") as data:
        assert data["feature"].dims == data["value"].dims == ("time", "latent_level", "lat", "lon", "rank")
        assert (data["feature"].dtype, data["value"].dtype) == (np.int32, np.float32)
        index, value = data["feature"].values.reshape(-1, 3), data["value"].values.reshape(-1, 3)
    assert (h != 0).any() and (architecture != "abstopk" or value[np.isfinite(value)].min() < 0)
    for token, kept, values in zip(h, index, value, strict=True):
        is_kept = kept >= 0
        assert is_kept.sum() == min(3, (token != 0).sum())
        np.testing.assert_array_equal(values[is_kept], token[kept[is_kept]])
        assert np.isnan(values[~is_kept]).all()
        rest = np.delete(np.abs(token), kept[is_kept])
        assert not is_kept.any() or rest.max() <= np.abs(values[is_kept]).min()


def test_labels_and_attributes(store, content, tmp_path):
    """Time, levels and coordinates are those of the tokens; the row of padding is told; attributes hold content only."""
    inputs = made(store, of("relu", d=D_MODEL, expansion=4), content)
    write_features(config(top_k=2), DAY, *inputs, tmp_path / "f.nc")
    cells = grid()
    with xr.open_dataset(tmp_path / "f.nc") as data:
        assert data["time"].values.astype("datetime64[s]").astype(str).tolist() == [f"{DAY}T12:00:00"]
        assert data["latent_level"].values.tolist() == ["surface", "atmos_1", "atmos_2", "atmos_3"]
        np.testing.assert_array_equal(data["lat"], cells.lat)
        np.testing.assert_array_equal(data["lon"], cells.lon)
        assert data["row_cells"].values.tolist() == [12, 6] and set(data["col_cells"].values.tolist()) == {12}
        assert data["lat"].attrs["units"] == "degrees_north" and "_FillValue" not in data["lat"].encoding
        assert all(variable.attrs["long_name"] for variable in data.variables.values())
        assert data["value"].attrs["units"] == "1"
        record, manifest = (json.loads(path.read_text()) for path in inputs[:2])
        assert data.attrs["sae_sha256"] == record["sha256"]
        assert data.attrs["checkpoint_sha256"] == content["checkpoint_sha256"]
        assert data.attrs["activations_manifest_sha256"] == manifest["sha256"]
        assert (data.attrs["block"], data.attrs["split"], data.attrs["d_hidden"]) == (BLOCK, "train", 4 * D_MODEL)
        assert f"saes/sae_{BLOCK}.pt" in data.attrs["feature_ids"]


@pytest.mark.parametrize("block_id", globe.BLOCKS)
def test_a_planted_spot_is_found_at_its_place(tmp_path, block_id):
    """A hot input cell at one place, level, channel and time: the feature that reads this channel is on there alone."""
    folder = StorePaths.of(tmp_path / "scratch", block_id, "train").folder
    globe.plant(folder, block_id, globe.SAHARA)
    publish(StorePaths(folder))
    tensors = {"W_enc": torch.zeros(5, 10), "b_enc": torch.zeros(10), "W_dec": torch.zeros(10, 5), "b_dec": torch.zeros(5)}
    tensors["W_enc"][globe.CHANNEL, 7], tensors["b_enc"][7] = 1.0, -50.0
    inputs = made(tmp_path, tensors, claim((3, 4, 5), block_id, d_model=5), globe.LAT, globe.LON)
    for form in ({"chosen": [7]}, {"top_k": 1}):
        write_features(config(**form), DAY, *inputs, tmp_path / "f.nc")
        with xr.open_dataset(tmp_path / "f.nc") as data:
            on = data["activation"].sel(feature=7) if "chosen" in form else data["value"].isel(rank=0).fillna(0)
            plane = on.isel(time=0).sel(latent_level=globe.LEVEL)
            spot = plane.where(plane > 0, drop=True)
            assert spot.size == 1
            half = 180 / 90 * 3 * 2 ** globe.BY_ID[block_id].merges / 2
            assert abs(spot["lat"].item() - globe.SAHARA[0]) <= half
            assert abs(spot["lon"].item() - globe.SAHARA[1]) <= half


def test_same_bytes_twice_and_whole_or_not_at_all(store, content, tmp_path, monkeypatch):
    """Neither the folder nor the time is in the file; a failed write leaves what was there."""
    inputs = made(store, of("relu", d=D_MODEL, expansion=4), content)
    for name in ("a.nc", "deep/er/b.nc"):
        write_features(config(), DAY, *inputs, tmp_path / name)
    first = (tmp_path / "a.nc").read_bytes()
    assert first == (tmp_path / "deep/er/b.nc").read_bytes()
    assert str(tmp_path).encode() not in first
    with pytest.raises(UserError, match=r"features\.chosen: expected features of this SAE, 0 to 23, found 24, 99"):
        write_features(config(chosen=[1, 24, 99]), DAY, *inputs, tmp_path / "a.nc")
    assert (tmp_path / "a.nc").read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nc", "deep"]


def test_what_does_not_belong_together_is_refused(store, content, tmp_path):
    """An SAE of another block, of another checkpoint, altered weights, an altered chunk, a store without the date."""
    sae, manifest, states = made(store, of("relu", d=D_MODEL, expansion=4), content)
    other = claim(range(3, 6), checkpoint="other")
    wrong = write_sae(tmp_path, of("relu", d=D_MODEL, expansion=4), other)
    with pytest.raises(UserError, match=f"expected an SAE of the activations' checkpoint_sha256.*rm -f {wrong}"):
        write_features(config(), DAY, wrong, manifest, states, tmp_path / "f.nc")
    wrong = write_sae(tmp_path, of("relu", d=D_MODEL, expansion=4), {**content, "block": "encoder_s2_b1"})
    with pytest.raises(UserError, match="activations' block encoder_s2_b0, found encoder_s2_b1"):
        write_features(config(), DAY, wrong, manifest, states, tmp_path / "f.nc")
    with pytest.raises(UserError, match="a snapshot on 2022-06-09, found 3 from 2022-06-03T12"):
        write_features(config(), "2022-06-09", sae, manifest, states, tmp_path / "f.nc")
    chunk = StorePaths(manifest.parent).chunk(1)
    right = chunk.read_bytes()
    chunk.write_bytes(right[:-9] + bytes([right[-9] ^ 1]) + right[-8:])
    with pytest.raises(UserError, match=str(chunk)):
        write_features(config(), DAY, sae, manifest, states, tmp_path / "f.nc")
    chunk.write_bytes(right)
    with sae.with_suffix(".pt").open("ab") as file:
        file.write(b"more")
    with pytest.raises(UserError, match="expected sha256"):
        write_features(config(), DAY, sae, manifest, states, tmp_path / "f.nc")
    assert not (tmp_path / "f.nc").exists()


def test_the_verb_names_the_configured_dates(tmp_path):
    """A date of neither split ends before anything is opened."""
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    words = ["--day", "2022-06-19", "--sae", "no", "--manifest", "no", "--states", "no", "--netcdf", "no.nc"]
    expected = r"train 2022-06-03 … 2022-06-05 \(3 dates\), held_out 2022-07-01 … 2022-07-01 \(1 dates\)"
    with pytest.raises(UserError, match=expected):
        verb.run(parser.parse_args(words), config())
