"""What both SAEs explain, of all held-out tokens, those under the label and the others: record and table against a few lines of NumPy."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from aurorascope.activations.reader import StoreReader
from aurorascope.boosting.opening import open_boosted
from aurorascope.boosting.train import boost_sae
from aurorascope.errors import UserError
from aurorascope.files import sha256_file
from aurorascope.measures.boost.formulas import BOOST_FORMULAS
from aurorascope.measures.boost.measure import measure

from tests.boosting.folder import BLOCK, CPU, DAYS, LABEL, Folder, under, write_labels


@pytest.fixture(scope="module", params=[LABEL, None], ids=["label", "plain"])
def evaluated(request, tmp_path_factory):
    """A folder with a boost, its record of evaluation, and the path of that."""
    folder = Folder(tmp_path_factory.mktemp("boost") / "results")
    config = folder.boosted(target_l0=1.0, epochs=4, label=request.param)
    boost_sae(config, folder.block, folder.results, CPU)
    measure(config, BLOCK, folder.results, CPU)
    out = folder.results / "boosts" / "evaluation" / f"{BLOCK}.json"
    return folder, config, json.loads(out.read_text()), out


def test_record_says_what_both_explain(evaluated):
    folder, config, record, out = evaluated
    boosted, sae, boost = open_boosted(folder.results, BLOCK)
    x = StoreReader(folder.store("held_out")).read().astype(np.float64)
    place = StoreReader(folder.store("train")).read().astype(np.float64).mean(0)
    with torch.inference_mode():
        (both, h), (first, _) = (sae_(torch.from_numpy(x).float()) for sae_ in (boosted, boosted.first))
    both, first, h = both.double().numpy(), first.double().numpy(), h.numpy()
    under_sn = np.stack([np.broadcast_to(under(day), (4, 6, 12)).reshape(-1) for day in DAYS["held_out"]])

    def fve(x_hat, rows):
        return 1 - ((x - x_hat)[rows] ** 2).sum() / ((x[rows] - x[rows].mean(0)) ** 2).sum()

    every, n_first = np.ones_like(under_sn), boosted.first.d_hidden
    expected = {
        "boost_fve": fve(both, every),
        "boost_fve_anom": 1 - ((x - both) ** 2).sum() / ((x - place) ** 2).sum(),
        "boost_l0": (h != 0).sum(2).mean(),
        "boost_frac_dead": (h[..., n_first:] == 0).all((0, 1)).mean(),
    }
    of_label = {f"boost_fve_{name}{suffix}": fve(x_hat, rows) for name, rows in (("label", under_sn), ("ordinary", ~under_sn))
                for suffix, x_hat in (("", both), ("_first", first))}
    of_label["boost_change_ordinary"] = of_label["boost_fve_ordinary"] - of_label["boost_fve_ordinary_first"]
    of_label["n_boost_label_tokens"] = under_sn.sum()
    has_label = config.sae.boost.label is not None
    known = {name: value for name, value in record["metrics"].items() if value is not None}
    assert list(record["metrics"]) == sorted(BOOST_FORMULAS)
    assert known == pytest.approx(expected | (of_label if has_label else {}), rel=1e-6, abs=1e-9)
    assert record["formula_ids"] == {name: formula_id for name, (formula_id, _) in BOOST_FORMULAS.items()}
    assert (record["sae_sha256"], record["boost_sha256"], record["label"]) == (sae["sha256"], boost["sha256"], boost["label"])
    assert record["flags"] == ["only 2 held-out snapshots, fewer than 20"]
    assert sha256_file(out.with_suffix(".parquet")) == record["table_sha256"]
    table = pd.read_parquet(out.with_suffix(".parquet")).set_index(["metric", "tokens", "of"])
    assert set(table.index.get_level_values("tokens")) == ({"all", "label", "ordinary"} if has_label else {"all"})
    assert table.loc[("fve", "all", "first"), "value"] == pytest.approx(fve(first, every), rel=1e-7)
    assert table.loc[("l0", "all", "first"), "value"] == 2 and table.loc[("fve", "all", "both"), "n"] == x.shape[0] * x.shape[1]
    assert table.loc[("frac_dead", "all", "both"), "value"] == (h == 0).all((0, 1)).mean()


def test_again_gives_the_same_bytes(evaluated):
    folder, config, _, out = evaluated
    before = {path: path.read_bytes() for path in (out, out.with_suffix(".parquet"))}
    measure(config, BLOCK, folder.results, CPU)
    assert {path: path.read_bytes() for path in before} == before


def test_a_label_that_no_held_out_token_is_under_is_flagged(evaluated):
    """Numbers of such tokens are null, and why is said."""
    folder, config, record, out = evaluated
    if config.sae.boost.label is None:
        pytest.skip("there is no label")
    for day in DAYS["held_out"]:
        write_labels(folder.results, day, np.zeros((18, 36), bool))
    measure(config, BLOCK, folder.results, CPU)
    found = json.loads(out.read_text())
    assert "no held-out token is under smoke" in found["flags"]
    assert found["metrics"]["boost_fve_label"] is None and found["metrics"]["n_boost_label_tokens"] == 0
    assert found["metrics"]["boost_fve"] == record["metrics"]["boost_fve"] and found["labels_sha256"] != record["labels_sha256"]


def test_a_boost_of_another_store_is_refused(evaluated):
    folder, config, *_ = evaluated
    path = folder.results / "boosts" / f"sae_{BLOCK}.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "activations_manifest_sha256": "0" * 64}))
    with pytest.raises(UserError, match="a boost trained on the present store"):
        measure(config, BLOCK, folder.results, CPU)
