"""From a store, an SAE and a split to the record and the table, as the rule has it."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from aurorascope.activations.feed import ResidentFeed
from aurorascope.activations.reader import StoreReader
from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.files import sha256_file, write_json
from aurorascope.interventions.places import Place
from aurorascope.measures.held_out import baselines
from aurorascope.measures.held_out.evaluate import evaluate
from aurorascope.measures.held_out.formulas import BASELINES, FORMULAS
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.training.export import export
from tiny import BLOCK, D_MODEL, LAT, LON, claim, make_store

from tests.config.raw import typed
from tests.trained import train

CPU = torch.device("cpu")
RAW = {"cams": {"train": {"start": "2022-06-03", "end": "2022-06-06"}, "held_out": {"dates": ["2022-06-20", "2022-06-21"]}}}
SAES = {
    "card": {}, "abstopk": {"architecture": "abstopk", "target_l0": 3, "normalise": True},
    "hierarchical": {"architecture": "hierarchical", "target_l0": 3, "normalise": True},
    "hierarchical, dense": {"architecture": "hierarchical", "target_l0": 8},
}


class Project:
    """Stores, the split's record and an SAE in a folder."""

    def __init__(self, folder, sae):
        self.folder, self.several_k = folder, sae["target_l0"] if sae.get("architecture") == "hierarchical" else None
        self.config = typed({**RAW, "sae": {"expansion": 4, "lr": 4e-3, "epochs": 20, **sae}})
        stores = folder / "scratch" / "activations" / BLOCK
        self.train = make_store(stores / "train", claim(range(3, 7)))
        self.held_out = make_store(stores / "held_out", claim((20, 21), split="held_out"))
        self.states = folder / "held_out.json"
        write_json(self.states, {"kind": "states", "latitude": LAT.tolist(), "longitude": LON.tolist()})
        reader = StoreReader(self.train)
        export(self.config, BY_ID[BLOCK], train(ResidentFeed(reader, CPU), BY_ID[BLOCK], self.config.sae), reader, folder)
        self.sae = folder / "saes" / f"sae_{BLOCK}.json"

    def evaluate(self, name="evaluation"):
        out = self.folder / name / f"{BLOCK}.json"
        evaluate(self.config, self.sae, self.train, self.held_out, self.states, out, CPU)
        return json.loads(out.read_text()), out


@pytest.fixture(scope="module", params=SAES)
def project(request, tmp_path_factory):
    return Project(tmp_path_factory.mktemp(request.param), SAES[request.param])


def test_record_says_what_was_measured(project):
    """Headline metrics equal a computation in a few lines; every number has its formula; the table is the record's."""
    record, out = project.evaluate()
    x = StoreReader(project.held_out).read().astype(np.float64)
    sae = AuroraSAE.from_file(str(project.sae.with_suffix(".pt")))
    with torch.inference_mode():
        x_hat, h = (a.double().numpy() for a in sae(torch.from_numpy(x).float()))
    place = StoreReader(project.train).read().astype(np.float64).mean(0)
    sse, sst = ((x - x_hat) ** 2).sum(), ((x - x.mean((0, 1))) ** 2).sum()
    expected = {
        "fve": 1 - sse / sst,
        "fve_anom": 1 - sse / ((x - place) ** 2).sum(),
        "fve_climatology": 1 - ((x - place) ** 2).sum() / sst,
        "mse": sse / x.size,
        "l0": (h != 0).sum(2).mean(),
        "frac_dead": ((h != 0).sum((0, 1)) == 0).mean(),
        "n_eval_tokens": x.shape[0] * x.shape[1],
    }
    metrics = record["metrics"]
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, rel=1e-6)
    assert list(metrics) == sorted(FORMULAS) and record["formula_ids"] == {name: FORMULAS[name][0] for name in FORMULAS}
    assert {name: row["formula_id"] for name, row in record["baselines"].items()} == {
        name: formula_id for name, (formula_id, _) in BASELINES.items()
    }
    assert [row["k"] for row in record.get("by_k", [])] == {3: [1, 2, 3], 8: [1, 2, 4, 8]}.get(project.several_k, [])
    for row in record.get("by_k", []):
        with torch.inference_mode():
            x_hat = sae.keep(row["k"])(torch.from_numpy(x).float())[0].double().numpy()
        sse = ((x - x_hat) ** 2).sum()
        about_places = 1 - sse / ((x - place) ** 2).sum()
        assert (row["fve"], row["fve_anom"]) == pytest.approx((1 - sse / sst, about_places), rel=1e-6)
    assert record["flags"] == ["only 2 held-out snapshots, fewer than 20"] and record["n_snapshots"] == 2
    table = pd.read_parquet(out.with_suffix(".parquet"))
    assert sha256_file(out.with_suffix(".parquet")) == record["table_sha256"]
    assert table[table["scope"] == "all"].set_index("metric")["value"]["fve"] == metrics["fve"]


def test_metrics_follow_from_the_sums_of_the_record(project):
    """Nothing but the record is needed to compute them, or others, again."""
    record, _ = project.evaluate()
    s, d = record["sums"], record["d_model"]
    sst = {"fve": s["sst"], "fve_train_mean": s["sst_train"], "fve_anom": s["sst_position"]}
    expected = {name: 1 - s["sse"] / total for name, total in sst.items()} | {
        "fve_area": 1 - s["sse_area"] / (s["sst_area"] - s["weighted_dev_sq"] / s["weight"]),
        "mse": s["sse"] / s["n"] / d,
        "cosine": s["cosine"] / s["n_cosine"],
        "l2_ratio": s["l2_ratio"] / s["n_l2"],
        "bias": (s["error_sq"] / s["n"] / s["sst"]) ** 0.5,
        "shrinkage": s["x_hat_sq"] / s["dot"],
        "afa_norm_ratio": s["afa_ratio"] / s["n_afa_ratio"],
        "afa_epsilon": s["afa_epsilon"] / s["n_afa_epsilon"],
    }
    assert {name: record["metrics"][name] for name in expected} == pytest.approx(expected, rel=1e-12)


def test_baselines_belong_to_the_l0_of_the_sae(project):
    """Principal components and random directions keep as many as the SAE does, and are the index's numbers."""
    record, _ = project.evaluate()
    metrics, beside = record["metrics"], record["baselines"]
    k = round(metrics["l0"])
    assert (beside["pca"]["k"], beside["random"]["k"]) == (min(k, D_MODEL), k)
    assert (metrics["fve_pca"], metrics["fve_anom_pca"]) == (beside["pca"]["fve"], beside["pca"]["fve_anom"])
    assert (metrics["fve_climatology"], metrics["fve_random"]) == (beside["climatology"]["fve"], beside["random"]["fve"])
    x, train = (StoreReader(path).read().astype(np.float64).reshape(-1, D_MODEL) for path in (project.held_out, project.train))
    components = np.linalg.svd(train - train.mean(0), full_matrices=False)[2][:k]
    error = (x - train.mean(0)) @ (np.eye(D_MODEL) - components.T @ components)
    assert beside["pca"]["sse"] == pytest.approx((error**2).sum(), rel=1e-9, abs=1e-9)


def test_what_features_usually_are_stands_beside_the_sae(project):
    """A row a feature, both signs where the SAE tells them apart; by area over held-out tokens; the record has its digest."""
    record, out = project.evaluate()
    path = out.parents[1] / "saes" / "statistics" / f"{BLOCK}.parquet"
    assert sha256_file(path) == record["statistics_sha256"]
    table, x = pd.read_parquet(path), StoreReader(project.held_out).read()
    sae = AuroraSAE.from_file(str(project.sae.with_suffix(".pt")))
    with torch.inference_mode():
        h = sae.encode(torch.from_numpy(x).float()).double().numpy()
    area = np.broadcast_to(Place.of(BY_ID[BLOCK], np.asarray(LAT), np.asarray(LON)).area_n, h.shape[:2]).astype(float)
    signs = (1, -1) if sae.architecture == "abstopk" else (1,)
    assert list(zip(table["feature"], table["sign"], strict=True)) == [(f, sign) for f in range(sae.d_hidden) for sign in signs]
    assert table.dtypes.astype(str).to_dict() == {
        "feature": "int32", "sign": "int8", "mean": "float64", "active_mean": "float64", "p99": "float64",
    }
    n_on = 0
    for row in table.itertuples():
        v = (h[..., row.feature] * row.sign).clip(0)
        total, areas, values = (v * area).sum(), area[v > 0], v[v > 0]
        assert row.mean == pytest.approx(total / area.sum(), rel=1e-5)
        if len(values):
            n_on += 1
            assert row.active_mean == pytest.approx(total / areas.sum(), rel=1e-5)
            assert row.p99 == pytest.approx(min(value for value in values if areas[values <= value].sum() >= 0.99 * areas.sum()), rel=1e-5)
        else:
            assert np.isnan(row.active_mean) and np.isnan(row.p99)
    assert n_on > 10


def test_small_pieces_give_the_same(project, monkeypatch):
    """Cutting snapshots to spare memory changes no number but in the last digits; doing it again, not a byte."""
    record, out = project.evaluate()
    again = project.evaluate("again")[1]
    for suffix in (".json", ".parquet"):
        assert again.with_suffix(suffix).read_bytes() == out.with_suffix(suffix).read_bytes()
    monkeypatch.setattr(baselines, "_ENTRIES", 100)
    pieces, _ = project.evaluate("pieces")
    assert pieces["metrics"] == pytest.approx(record["metrics"], rel=1e-6)


def test_an_altered_sae_is_refused(tmp_path):
    """Weights that are not the record's are not measured."""
    project = Project(tmp_path, SAES["card"])
    weights = project.sae.with_suffix(".pt")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match="sha256"):
        project.evaluate()
