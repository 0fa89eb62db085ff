"""Atlases through Snakemake: what is made for one, alone and together, dump and live, on one core and two."""

import json

import pandas as pd
import pytest
from aurorascope.config import from_mapping
from aurorascope.config.resolve import resolve
from aurorascope.errors import UserError
from aurorascope.measures.atlas.claim import labels_digest
from aurorascope.measures.atlas.formulas import ATLAS_FORMULAS
from aurorascope.pages.make import draw_atlas
from aurorascope.release.suite import Suite

from tests.pages.scripts import read_block
from tests.workflow.project import BLOCKS, tiny_config

pytestmark = pytest.mark.slow
BLOCK = BLOCKS[1]
RELEASED = ("summary.json", "features.parquet", "labels.parquet", "examples.parquet")
NAMES = (*RELEASED, "maps.parquet")
PAGES = ("results/atlas/index.html", "results/atlas/storyline.parquet")


def atlas(project, block):
    """Bytes of a block's atlas by name."""
    return {name: project.result(f"atlas/{block}/{name}").read_bytes() for name in NAMES}


def summary(block):
    return f"results/atlas/{block}/summary.json"


@pytest.fixture(scope="module")
def alone(suite, tmp_path_factory):
    """The suite with one block's atlas, asked for by its name on one core."""
    project = suite.copy(tmp_path_factory.mktemp("alone") / "project")
    project.done = project.make(summary(BLOCK), cores=1)
    return project


@pytest.fixture(scope="module")
def paged(alone, tmp_path_factory):
    """Beside that atlas those of all blocks and their pages, made by one command."""
    project = alone.copy(tmp_path_factory.mktemp("paged") / "project")
    project.done = project.make("atlas")
    return project


def test_one_block_makes_only_what_it_needs(alone):
    """Labels of the six dates, their reference, one block's scores; nothing of another block, and no SAE again."""
    ran = alone.ran(alone.done)
    assert sorted(set(ran)) == ["label_day", "label_reference", "score_features"]
    assert ran.count("label_day") == 6 and ran.count("score_features") == 1
    assert [path.name for path in alone.result("atlas").iterdir()] == [BLOCK]


def test_too_few_dates_are_said_and_what_it_was_made_from(alone):
    """Four training dates give no verdict: the summary and every feature say so, and the log."""
    record = alone.record(f"atlas/{BLOCK}/summary.json")
    assert record["verdict"] == record["splits"]["reason"] == "too_few_dates"
    sae = alone.record(f"saes/sae_{BLOCK}.json")
    assert record["sae_sha256"] == sae["sha256"] and record["train_manifest_sha256"] == sae["activations_manifest_sha256"]
    assert record["label_days_sha256"] == labels_digest(from_mapping(resolve(tiny_config())[0]), alone.result(""))
    assert record["metrics"]["n_atlas_alive"] > 0 and record["metrics"]["n_atlas_event"] is None
    features = pd.read_parquet(alone.result(f"atlas/{BLOCK}/features.parquet"))
    assert set(features["verdict"]) == {"too_few_dates"} and set(features["label"]) == {""}
    assert len(features) == record["n_features"] >= record["n_alive"]
    assert "'too_few_dates'" in alone.result(f"logs/score_features/{BLOCK}.log").read_text()


def test_together_on_two_cores_gives_the_same_bytes(alone, tmp_path):
    """Enabled: all blocks together, adopted, in index, card, digests, plan, verify and `find`; the block made alone stays as it is."""
    project = alone.copy(tmp_path / "project")
    before = atlas(project, BLOCK)
    project.configure(tiny_config(atlas__enabled=True))
    planned = project.make("plan", cores=1).stdout
    assert "atlases" in planned and "1 atlases already there" in planned and "which atlases need" in planned
    for name in NAMES:
        project.result(f"atlas/{BLOCK}/{name}").unlink()
    project.make("score_together", cores=2)
    ran = project.ran(project.make())
    assert ran.count("score_features") == len(BLOCKS) and not {"train_sae", "evaluate_sae", "dump_activations"} & set(ran)
    assert all("is in its place" in project.result(f"logs/score_features/{block}.log").read_text() for block in BLOCKS)
    assert atlas(project, BLOCK) == before and not project.planned()
    assert {sae["atlas_file"] for sae in project.record("sae_index.json")["saes"]} == {f"atlas/{block}/features.parquet" for block in BLOCKS}
    assert set(ATLAS_FORMULAS) <= set(project.record("sae_index.json")["saes"][0]["metrics"])
    sums, card = project.result("SHA256SUMS").read_text(), project.result("README.md").read_text()
    assert all(f"  atlas/{block}/{name}\n" in sums for block in BLOCKS for name in RELEASED) and "maps" not in sums and "## Atlas" in card
    assert f"{len(BLOCKS)} atlases" in project.make("verify", cores=1).stdout
    page = Suite.open(project.result(".")).feature(BLOCK, 0)
    assert page.feature.reason == "too_few_dates" and page.feature.label == ""
    table = project.result(f"atlas/{BLOCK}/labels.parquet")
    table.write_bytes(table.read_bytes() + b"x")
    assert f"results/atlas/{BLOCK}/summary.json" in project.fail("verify")


def test_pages_of_all_blocks_and_ones_own_names(paged, tmp_path):
    """The target makes what is missing and draws it; a new name draws pages again and nothing else; whoever wrote it keeps the file."""
    project, ran = paged.copy(tmp_path / "project"), paged.ran(paged.done)
    assert ran.count("score_features") == len(BLOCKS) - 1 and {"draw_storyline", "draw_atlas"} <= set(ran) and "train_sae" not in ran
    folder, figures = project.result("atlas"), project.result("figures")
    assert {path.stem for path in folder.glob("*.html")} == {"index", *BLOCKS}
    story, scale = pd.read_parquet(folder / "storyline.parquet"), pd.read_csv(figures / "scale_over_depth.csv")
    # Too few dates for scores; scales need none.
    assert len(story) == 0 and "f1_test" in story and list(scale["block"]) == list(BLOCKS) and (scale["n_on"] > 0).all()
    for name in ("storyline", "scale_over_depth"):
        assert (figures / f"{name}.png").read_bytes() == (folder / f"pages/figures/{name}.png").read_bytes()
        assert f'src="pages/figures/{name}.png"' in (folder / "index.html").read_text()
    times = {time for block in BLOCKS for time in pd.read_parquet(folder / block / "examples.parquet")["time"]}
    drawn = {path.name for path in (folder / "pages/fields").rglob("*.js")}
    assert drawn == {f"{time[:13]}.js" for time in times} and (folder / "pages/shared/coast.js").is_file()
    assert not project.planned(*PAGES)
    own = folder / "labels.csv"
    own.write_text(f"block,feature,name,note\n{BLOCK},3,first name,\n{BLOCK},999,nobody,\nencoder_s0_b1,3,elsewhere,\n")
    before = own.read_bytes()
    # As of a run with more blocks.
    (folder / "encoder_s0_b1.html").touch()
    (folder / "pages/encoder_s0_b1").mkdir()
    assert project.planned(*PAGES) == {"draw_atlas": 1}
    done = project.make(*PAGES)
    assert all("first name" in (folder / f"pages/{name}.js").read_text() for name in ("index", f"{BLOCK}/table"))
    said = f"encoder_s0_b1 has no page here; {BLOCK} has no feature 999."
    assert done.stderr.splitlines()[-1] == f"results/atlas/labels.csv has names that belong to nothing here: {said}"
    assert said in (folder / "index.html").read_text()
    assert own.read_bytes() == before and not project.planned(*PAGES)
    assert not (folder / "encoder_s0_b1.html").exists() and not (folder / "pages/encoder_s0_b1").exists()
    own.write_text(f"block,feature\n{BLOCK},3\n")
    # Found while the run is planned: no page is lost.
    assert "none called name" in project.fail(*PAGES) and own.is_file() and (folder / "index.html").is_file()
    own.unlink()
    record = folder / BLOCK / "summary.json"
    record.write_text(json.dumps(project.record(f"atlas/{BLOCK}/summary.json") | {"sae_sha256": "0" * 64}))
    with pytest.raises(UserError, match="the atlas of the SAE"):
        draw_atlas(from_mapping(resolve(tiny_config())[0]), project.result(""))


def test_pages_are_drawn_again_when_seeds_were_compared_and_never_train_any(paged, tmp_path):
    """Asked for pages, no comparison is made; one that came, by its own target, is shown in the block's page alone."""
    project = paged.copy(tmp_path / "project")
    project.configure(tiny_config(evaluation__stability={"blocks": [BLOCK], "seeds": 2}))
    assert not project.planned(*PAGES)
    project.result("atlas/index.html").unlink()
    assert project.ran(project.make("atlas")) == ["atlas", "draw_atlas"] and not project.result("stability").exists()
    project.make(f"results/stability/{BLOCK}/summary.json")
    assert project.planned(*PAGES) == {"draw_atlas": 1}
    ran = project.ran(project.make(*PAGES))
    assert "score_features" not in ran and not project.planned(*PAGES)
    matches, suite = pd.read_parquet(project.result(f"stability/{BLOCK}/matches.parquet")), Suite.open(project.result("."))
    best, shown = matches.groupby("feature_a")["cosine"].max(), {}
    for block in BLOCKS:
        shown[block] = [detail["facts"] for detail in read_block(project.result("atlas"), block)[1]]
        assert {facts["seeds_compared"] for facts in shown[block]} == ({1} if block == BLOCK else {None})
    columns = suite.feature(BLOCK, int(best.index[0])).columns
    assert columns["seed_match"] == best.iloc[0] and columns["seeds_compared"] == 1
    assert sum(facts["seed_match"] is not None for facts in shown[BLOCK]) >= len(best)


def test_live_gives_the_same_bytes(alone, tmp_path):
    """Chunks that were dropped: Aurora computes them again."""
    project = alone.copy(tmp_path / "project")
    project.configure({**tiny_config(), "activations": {"mode": "dump", "keep": False}})
    project.make(f"results/dropped/{BLOCK}.json", cores=1)
    before = atlas(project, BLOCK)
    project.result(f"atlas/{BLOCK}/summary.json").unlink()
    project.make(summary(BLOCK), cores=1)
    assert atlas(project, BLOCK) == before


def test_chunks_wait_for_an_enabled_atlas(alone, tmp_path):
    """Another block's chunks are dropped only once it is scored."""
    project = alone.copy(tmp_path / "project")
    project.configure({**tiny_config(atlas__enabled=True), "activations": {"mode": "dump", "keep": False}})
    planned = project.planned(f"results/dropped/{BLOCKS[0]}.json")
    assert planned["score_features"] == 1 and planned["drop_chunks"] == 1


def test_labels_that_are_wrong_are_one_line(alone, tmp_path):
    """A day's mask is not the record's any more."""
    project = alone.copy(tmp_path / "project")
    record = project.result("scratch/labels/2022-06-02.json")
    content = json.loads(record.read_text())
    content["labels"]["land"]["sha256"] = dict.fromkeys(content["labels"]["land"]["sha256"], "0" * 64)
    record.write_text(json.dumps(content))
    error = project.fail(summary(BLOCK))
    assert "land at 2022-06-02T12:00:00Z" in error and "rm -f results/scratch/labels/2022-06-02.json" in error
