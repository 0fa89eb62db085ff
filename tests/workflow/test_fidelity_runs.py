"""Forecasts with SAEs in place: together and alone give the same files, and the numbers are what they must be."""

import json
import os
import subprocess
import sys

import jsonschema
import pandas as pd
import pytest
import torch
from aurorascope.activations.drop import drop_chunks
from aurorascope.activations.reader import StoreReader
from aurorascope.config import from_mapping
from aurorascope.errors import UserError
from aurorascope.files import sha256_file, write_json
from aurorascope.measures.fidelity.claim import KIND
from aurorascope.measures.fidelity.formulas import ABLATIONS, FIDELITY_FORMULAS
from aurorascope.waiting import Waiting

from tests.workflow.project import BLOCKS, ROOT, tiny_config

pytestmark = pytest.mark.slow
FIRST, SECOND = BLOCKS[:2]
WAITING = "scratch/waiting/fidelity"


def config_of(project):
    """The resolved configuration of the last run."""
    resolved = max((project.path / ".snakemake/aurorascope").glob("config-*.json"), key=os.path.getmtime)
    return resolved, from_mapping(json.loads(resolved.read_text()))


def measured_alone(project, block):
    """Measure one block in this process, whatever is there; returns its record."""
    from aurorascope.blocks import BY_ID
    from aurorascope.measures.fidelity.claim import make_claim
    from aurorascope.measures.fidelity.measure import measure

    _, config = config_of(project)
    record = project.result(f"fidelity/{block}.json")
    for path in (record, record.with_suffix(".parquet")):
        path.unlink(missing_ok=True)
    measure(config, [BY_ID[block]], project.result("."))
    assert Waiting(KIND, project.result("."), block).adopt(make_claim(config, BY_ID[block], project.result(".")))
    return json.loads(record.read_text())


def made_files(project, block):
    return [project.result(f"fidelity/{block}{suffix}").read_bytes() for suffix in (".json", ".parquet")]


def files_of(project, folder):
    return {str(path.relative_to(project.result(folder))): path.read_bytes()
            for path in project.result(folder).rglob("*") if path.is_file() and path.name != "lock"}


@pytest.fixture(scope="module")
def together(suite, tmp_path_factory):
    """The suite, fidelity enabled, all blocks measured by `fidelity_together` and none adopted."""
    project = suite.copy(tmp_path_factory.mktemp("together") / "project")
    project.configure(tiny_config(evaluation__fidelity={"enabled": True, "snapshots": 2}))
    project.make("fidelity_together", cores=1)
    return project


@pytest.fixture(scope="module")
def measured(together, tmp_path_factory):
    """The same, adopted, with its index and release."""
    project = together.copy(tmp_path_factory.mktemp("measured") / "project")
    project.done = project.make()
    return project


@pytest.fixture
def copied(together, tmp_path):
    return together.copy(tmp_path / "project")


def test_jobs_adopt_what_was_measured_together(together, measured):
    """Each block's record and table are those that waited; no job runs Aurora, nothing else is made again."""
    assert "34 forecasts: 2 clean ones, and 32 for 4 blocks" in together.result("logs/fidelity_together/1of1.log").read_text()
    assert not together.result("fidelity").exists()
    waiting, made = files_of(together, WAITING), files_of(measured, "fidelity")
    for block in BLOCKS:
        for suffix in ("json", "parquet"):
            assert made[f"{block}.{suffix}"] == waiting[f"{block}/fidelity/{block}.{suffix}"]
        assert "forecast" not in measured.result(f"logs/measure_fidelity/{block}.log").read_text()
    assert not any(measured.result(WAITING).iterdir())
    ran = set(measured.ran(measured.done))
    assert not {"train_sae", "evaluate_sae", "dump_activations", "fidelity_together"} & ran and "measure_fidelity" in ran
    assert not measured.planned()


def test_alone_gives_the_same_bytes_without_any_chunk(measured, copied):
    """One job, no clean forecast of another's, the store's chunks deleted: record and table are the same."""
    drop_chunks(SECOND, copied.result("scratch"), copied.result(f"dropped/{SECOND}.json"))
    copied.result(f"{WAITING}/{SECOND}/complete.json").unlink()
    copied.make(f"results/fidelity/{SECOND}.json", cores=1)
    assert "10 forecasts: 2 clean ones" in copied.result(f"logs/measure_fidelity/{SECOND}.log").read_text()
    assert made_files(copied, SECOND) == made_files(measured, SECOND)


def test_an_interrupted_call_keeps_finished_blocks(together, copied):
    """A damaged SAE ends the second of two shares at its first block; mended, the next call measures what is left, the same bytes."""
    for path in copied.result(WAITING).rglob("*.*"):
        path.unlink()
    weights = copied.result(f"saes/sae_{SECOND}.pt")
    good, times = weights.read_bytes(), weights.stat()
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert f"sae_{SECOND}.pt" in copied.fail("fidelity_together")
    assert set(files_of(copied, WAITING)) == {
        f"{block}/{name}" for block in (FIRST, BLOCKS[2])
        for name in ("complete.json", f"fidelity/{block}.json", f"fidelity/{block}.parquet")
    }
    weights.write_bytes(good)
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    copied.make("fidelity_together", cores=1)
    assert "16 for 2 blocks" in copied.result("logs/fidelity_together/1of1.log").read_text()
    assert files_of(copied, WAITING) == files_of(together, WAITING)


@pytest.mark.parametrize("damage", ["table", "number", "claim"])
def test_what_is_damaged_or_stale_is_not_adopted(measured, copied, damage):
    """A flipped bit of the table, another number, a record of another configuration: measured again, to the same bytes."""
    folder = copied.result(f"{WAITING}/{FIRST}")
    table, record = (folder / "fidelity" / f"{FIRST}.{suffix}" for suffix in ("parquet", "json"))
    content = json.loads(record.read_text())
    if damage == "table":
        raw = table.read_bytes()
        table.write_bytes(raw[:99] + bytes([raw[99] ^ 1]) + raw[100:])
    elif damage == "number":
        write_json(record, content | {"metrics": content["metrics"] | {"divergence": 0.0}})
    else:
        write_json(record, content | {"fidelity_config_sha256": "0" * 64})
        Waiting(KIND, copied.result("."), FIRST).leave()
    measured_alone(copied, FIRST)
    assert made_files(copied, FIRST) == made_files(measured, FIRST)


def test_adopting_imports_neither_torch_nor_aurora(copied):
    """With both made impossible to import, and NumPy too, the verb still puts record and table in place."""
    resolved, _ = config_of(copied)
    code = (
        "import sys\nfor name in ('torch', 'aurora', 'numpy', 'zarr', 'xarray', 'pandas'): sys.modules[name] = None\n"
        "from aurorascope.__main__ import main\n"
        f"sys.exit(main('measure_fidelity --block {FIRST} --results results'.split()))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "AURORASCOPE_CONFIG": str(resolved)}
    done = subprocess.run([sys.executable, "-c", code], cwd=copied.path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert copied.result(f"fidelity/{FIRST}.parquet").is_file()


def replace_sae(project, block, tensors):
    """Put other weights in an SAE's place, as if they had been trained."""
    path = project.result(f"saes/sae_{block}.pt")
    torch.save(tensors, path)
    record = path.with_suffix(".json")
    write_json(record, json.loads(record.read_text()) | {"sha256": sha256_file(path)})


def training_mean(project, block):
    reader = StoreReader(project.result(f"scratch/activations/{block}/train/manifest.json"))
    return torch.from_numpy(reader.moments()["mean"]).float()


@pytest.mark.parametrize("block", [BLOCKS[0], BLOCKS[2]])
def test_an_identity_sae_changes_no_forecast(copied, block):
    """x_hat = relu(x) - relu(-x) = x to the bit: divergence exactly 0, fidelity exactly 1 wherever it is defined."""
    d = len(training_mean(copied, block))
    both = torch.cat([torch.eye(d), -torch.eye(d)])
    replace_sae(copied, block, {"W_enc": both.T.contiguous(), "b_enc": torch.zeros(2 * d), "W_dec": both, "b_dec": torch.zeros(d)})
    metrics = measured_alone(copied, block)["metrics"]
    assert metrics["divergence"] == 0 and metrics["rmse_change"] == 0
    assert {metrics[f"fidelity_{name}"] for name in ABLATIONS} <= {1, None}
    assert metrics["divergence_zero"] > 0


def test_a_zero_sae_with_the_mean_as_bias_is_the_mean_ablation(copied):
    """Every number of the SAE is that of the ablation, to the bit, and its fidelity against it is 0."""
    mean = training_mean(copied, FIRST)
    d = len(mean)
    zeros = {"W_enc": torch.zeros(d, 2 * d), "b_enc": torch.zeros(2 * d), "W_dec": torch.zeros(2 * d, d)}
    replace_sae(copied, FIRST, {**zeros, "b_dec": mean})
    metrics = measured_alone(copied, FIRST)["metrics"]
    assert metrics["divergence"] == metrics["divergence_mean"] > 0 and metrics["fidelity_mean"] == 0


def test_a_trained_sae_is_worth_something(measured):
    """The first block's SAE keeps most of what its ablations lose, and not all; each field's terms agree with its ratios."""
    metrics = measured.record(f"fidelity/{FIRST}.json")["metrics"]
    assert 0 < metrics["divergence"] < metrics["divergence_zero"]
    assert 0 < metrics["fidelity_zero"] < 1
    table = pd.read_parquet(measured.result(f"fidelity/{FIRST}.parquet"))
    assert len(table) == 142 * table["metric"].nunique() and set(table["metric"]) >= set(FIDELITY_FORMULAS) - {"n_fidelity_snapshots"}
    wide = table.pivot(index=["variable", "level"], columns="metric", values="value")
    ratio = 1 - (wide["divergence"] / wide["divergence_zero"]) ** 2
    known = wide["fidelity_zero"].notna()
    assert known.any() and (ratio - wide["fidelity_zero"])[known].abs().max() < 1e-9
    assert (wide["divergence_zero"][~known] < 0.01).all()


def test_the_index_has_the_numbers_and_the_release_the_files(measured, suite):
    """Metrics and definitions are there; without fidelity they are null, and no file is named."""
    schema = json.loads((ROOT / "workflow/aurorascope/schemas/sae_index.schema.json").read_text())
    sums = measured.result("SHA256SUMS").read_text()
    for project, is_measured in ((measured, True), (suite, False)):
        index = project.record("sae_index.json")
        jsonschema.validate(index, schema)
        for sae in index["saes"]:
            assert set(FIDELITY_FORMULAS) <= set(sae["metrics"]) & set(index["metric_definitions"])
            if is_measured:
                record = project.record(f"fidelity/{sae['id']}.json")
                assert {name: sae["metrics"][name] for name in FIDELITY_FORMULAS} == record["metrics"]
                assert sae["metrics"]["n_fidelity_snapshots"] == 2
                assert sae["fidelity_file"] in sums and f"fidelity/{sae['id']}.json" in sums
            else:
                assert {sae["metrics"][name] for name in FIDELITY_FORMULAS} == {None} == {sae["fidelity_file"]}


@pytest.mark.parametrize("key", ["fidelity_config_sha256", "sae_sha256", "snapshots"])
def test_a_mixed_suite_is_refused(measured, tmp_path, key):
    """A record of another configuration, SAE or choice of snapshots: the error names block and command."""
    from aurorascope.release.index import build_index

    project = measured.copy(tmp_path / "project")
    path = project.result(f"fidelity/{SECOND}.json")
    content = json.loads(path.read_text())
    write_json(path, content | {key: content[key][:1] if key == "snapshots" else "0" * 64})
    with pytest.raises(UserError, match=SECOND) as error:
        build_index(config_of(project)[1], project.result("."))
    assert f"fidelity/{SECOND}.json" in error.value.fix
