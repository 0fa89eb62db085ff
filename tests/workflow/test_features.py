"""`snakemake results/features/<block>/<date>.nc`: train and held-out dates, stored or computed again."""

import numpy as np
import pytest
import torch
import xarray as xr
from aurorascope.activations.drop import drop_chunks
from aurorascope.activations.reader import StoreReader
from aurorascope.sae.aurora_sae import AuroraSAE

pytestmark = pytest.mark.slow
BLOCK = "encoder_s1_b5"
TRAIN, HELD_OUT = (f"results/features/{BLOCK}/{day}.nc" for day in ("2022-06-03", "2022-06-21"))


def test_features_of_a_date(finished):
    """Named files are made by two jobs, hold what the SAE says of that date, and are the same without chunks."""
    done = finished.make(TRAIN, HELD_OUT)
    assert finished.ran(done) == ["write_features", "write_features"]
    sae = AuroraSAE.from_file(str(finished.result(f"saes/sae_{BLOCK}.pt")))
    for target, split, place in ((TRAIN, "train", 2), (HELD_OUT, "held_out", 1)):
        reader = StoreReader(finished.result(f"scratch/activations/{BLOCK}/{split}/manifest.json"))
        with torch.inference_mode():
            h = sae.encode(torch.from_numpy(reader.read([place])[0])).numpy()
        with xr.open_dataset(finished.path / target) as data:
            assert data.attrs["split"] == split and data.sizes["rank"] == 16
            assert str(data["time"].values[0]).startswith(target[-13:-3])
            strongest = data["value"].values.reshape(len(h), -1)[:, 0]
        np.testing.assert_array_equal(np.nan_to_num(strongest), h.max(axis=1))
    kept = (finished.path / HELD_OUT).read_bytes()
    drop_chunks(BLOCK, finished.result("scratch"), finished.result(f"dropped/{BLOCK}.json"))
    (finished.path / HELD_OUT).unlink()
    finished.make(HELD_OUT, cores=1)
    assert (finished.path / HELD_OUT).read_bytes() == kept


def test_a_date_that_is_not_configured_is_refused_in_planning(finished):
    """The last line names the configured dates; nothing is run."""
    expected = "train 2022-06-01 … 2022-06-04 (4 dates), held_out 2022-06-20 … 2022-06-21 (2 dates)"
    assert expected in finished.fail(f"results/features/{BLOCK}/2022-06-10.nc")
    assert not finished.result("features").exists()
