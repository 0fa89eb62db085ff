"""An SAE for a stage as part of a run: index, release and pages of it, and the same bytes once chunks are gone."""

import pytest

from tests.workflow.project import tiny_config

pytestmark = pytest.mark.slow
BLOCKS = ["encoder_s1_b4", "encoder_s1_b5"]
FILES = ("saes/sae_encoder_s1.pt", "saes/sae_encoder_s1.json", "evaluation/encoder_s1.json", "evaluation/encoder_s1.parquet")


def test_the_blocks_of_a_stage_share_an_sae_that_is_released_and_made_again_without_chunks(finished):
    finished.configure(tiny_config(blocks=BLOCKS, sae__group="stage", activations__keep=False))
    planned = finished.planned()
    assert planned["train_stage_sae"] == planned["evaluate_stage_sae"] == 1 and planned["drop_chunks"] == 2
    finished.make()
    index, sums = finished.record("sae_index.json"), finished.result("SHA256SUMS").read_text()
    (entry,) = index["stage_saes"]
    assert entry["id"] == "encoder_s1" and [block["id"] for block in entry["blocks"]] == BLOCKS
    assert [sae["id"] for sae in index["saes"]] == BLOCKS and index["suite"]["n_saes"] == 2
    assert all(f"  {name}\n" in sums for name in (*FILES, entry["golden_file"]))
    assert "## One SAE for a stage" in finished.result("README.md").read_text()
    assert "Nothing to be done" in finished.make().stderr
    told = finished.make("verify", cores=1)
    assert "1 SAEs of stages, 1 evaluations of stages" in told.stdout + told.stderr
    before = {name: finished.result(name).read_bytes() for name in FILES}
    for name in before:
        finished.result(name).unlink()
    # Aurora computes what was dropped, once for both blocks of a snapshot, and the SAE is the same.
    finished.make("results/evaluation/encoder_s1.json", cores=1)
    assert {name: finished.result(name).read_bytes() for name in FILES} == before


def test_a_stage_without_a_configured_block_is_refused_when_it_is_asked_for(finished):
    line = finished.fail("results/saes/sae_encoder_s2.pt", "--dry-run")
    assert "config key blocks" in line and "at least one block of encoder_s2" in line
