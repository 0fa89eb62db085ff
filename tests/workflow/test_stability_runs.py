"""Other seeds of one block, through Snakemake: measured once, in index, card and digests, and kept from losing its store."""

from fnmatch import fnmatchcase

import jsonschema
import pytest
from aurorascope.measures.stability.formulas import STABILITY_FORMULAS
from aurorascope.release.schema import index_schema

from tests.release.test_allow_list import allowed
from tests.workflow.project import BLOCKS, tiny_config

pytestmark = pytest.mark.slow
BLOCK, OTHER = BLOCKS[1], BLOCKS[0]
SUMMARY = f"results/stability/{BLOCK}/summary.json"
CHANGES = {"evaluation__stability": {"blocks": [BLOCK], "seeds": 2}}


@pytest.fixture(scope="module")
def measured(suite, tmp_path_factory):
    """The suite with one block measured, made by a plain run."""
    project = suite.copy(tmp_path_factory.mktemp("measured") / "project")
    project.configure(tiny_config(**CHANGES))
    project.done = project.make()
    return project


def test_a_plain_run_measures_the_chosen_block_and_nothing_else(measured):
    """One job, no SAE or evaluation made again, no checkpoint left; a second run has nothing to do."""
    ran = measured.ran(measured.done)
    assert ran.count("measure_stability") == 1
    assert not {"train_sae", "evaluate_sae", "dump_activations", "measure_fidelity"} & set(ran)
    record = measured.record(f"stability/{BLOCK}/summary.json")
    assert record["seeds"] == [0, 1] and record["sae_sha256"] == measured.hashes()[BLOCK]
    assert -1 < record["metrics"]["pw_mcc"] < record["metrics"]["mmcs"] + 1e-9 < 1 and record["metrics"]["n_stability_seeds"] == 2
    assert not any(measured.result("scratch/training").iterdir())
    assert not measured.planned()


def test_index_card_and_digests_have_it(measured):
    """Numbers in the block's entry, null in the others; a table in the card; files that docs/releasing.md allows to be uploaded."""
    index = measured.record("sae_index.json")
    jsonschema.validate(index, index_schema())
    record = measured.record(f"stability/{BLOCK}/summary.json")
    for sae in index["saes"]:
        found = {name: sae["metrics"][name] for name in STABILITY_FORMULAS}
        assert found == (record["metrics"] if sae["id"] == BLOCK else dict.fromkeys(STABILITY_FORMULAS))
        assert sae["stability_file"] == (f"stability/{BLOCK}/matches.parquet" if sae["id"] == BLOCK else None)
    assert index["metric_definitions"]["pw_mcc"].startswith("pw_mcc_alive: ")
    card = measured.result("README.md").read_text().split("## Stability over seeds")[1].split("\n## ")[0]
    assert [line.split("`")[1] for line in card.splitlines() if line.startswith("| `")] == [BLOCK]
    assert f"{record['metrics']['pw_mcc']:.3f}; {record['metrics']['pw_mcc_random']:.3f}" in card
    names = [line.split("  ", 1)[1] for line in measured.result("SHA256SUMS").read_text().splitlines()]
    assert {name for name in names if name.startswith("stability/")} == {
        f"stability/{BLOCK}/{name}" for name in ("summary.json", "matches.parquet")
    }
    assert all(any(fnmatchcase(name, pattern) for pattern in allowed()) for name in names)


def test_any_block_can_be_asked_for_and_a_changed_seed_count_measures_again(measured, tmp_path):
    """By its file name; with more seeds, the one block is measured again; with none chosen, the index lets it go."""
    planned = measured.planned(f"results/stability/{OTHER}/summary.json")
    assert planned["measure_stability"] == 1 and not {"train_sae", "dump_activations", "build_index"} & set(planned)
    project = measured.copy(tmp_path / "project")
    project.configure(tiny_config(evaluation__stability={"blocks": [BLOCK], "seeds": 3}))
    planned = project.planned()
    assert planned["measure_stability"] == 1 and "build_index" in planned and "train_sae" not in planned
    project.configure(tiny_config())
    assert "measure_stability" not in project.planned() and "build_index" in project.planned()


def test_chunks_wait_for_it_and_its_table_is_verified(measured, tmp_path):
    """Where chunks are not kept, they go after the measurement; a damaged table is named with its command."""
    project = measured.copy(tmp_path / "project")
    table = project.result(f"stability/{BLOCK}/matches.parquet")
    raw = table.read_bytes()
    table.write_bytes(raw[:50] + bytes([raw[50] ^ 1]) + raw[51:])
    assert f"rm -f {SUMMARY}" in project.fail("verify")
    project.result(f"stability/{BLOCK}/summary.json").unlink()
    project.configure(tiny_config(**CHANGES, activations__keep=False))
    jobs = project.planned(f"results/dropped/{BLOCK}.json")
    assert jobs["measure_stability"] == jobs["drop_chunks"] == 1
    assert "measure_stability" not in project.planned(f"results/dropped/{OTHER}.json")
