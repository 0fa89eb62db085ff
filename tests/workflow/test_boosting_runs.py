"""Second SAEs through Snakemake: one by its name, all in a plain run, in index, card and digests, and opened as a suite has them."""

from fnmatch import fnmatchcase

import jsonschema
import pytest
import torch
from aurorascope import Suite
from aurorascope.measures.boost.formulas import BOOST_FORMULAS
from aurorascope.release.schema import index_schema

from tests.release.test_allow_list import allowed
from tests.workflow.project import BLOCKS, tiny_config

pytestmark = pytest.mark.slow
ONE, PT = BLOCKS[1], f"results/boosts/sae_{BLOCKS[1]}.pt"
BOOST = {"target_l0": 3, "epochs": 1}


@pytest.fixture(scope="module")
def boosted(suite, tmp_path_factory):
    """One block of the suite with a second SAE, made by a plain run."""
    project = suite.copy(tmp_path_factory.mktemp("boosted") / "project")
    project.configure(tiny_config(blocks=[ONE], sae__boost={**BOOST, "enabled": True}))
    project.done = project.make()
    return project


def test_a_plain_run_makes_them_and_no_sae_anew(boosted, suite):
    ran = boosted.ran(boosted.done)
    assert ran.count("boost_sae") == ran.count("evaluate_boost") == 1 and "build_index" in ran
    assert not set(ran) & {"train_sae", "evaluate_sae", "dump_activations", "label_day"} and boosted.hashes() == suite.hashes()
    assert not boosted.planned()


def test_index_card_and_digests_have_them(boosted):
    index = boosted.record("sae_index.json")
    assert [sae["id"] for sae in index["saes"]] == [ONE]
    jsonschema.validate(index, index_schema())
    names = [line.split("  ", 1)[1] for line in boosted.result("SHA256SUMS").read_text().splitlines()]
    card = boosted.result("README.md").read_text().split("## Boosts")[1].split("\n## ")[0]
    for sae in index["saes"]:
        block, record = sae["id"], boosted.record(f"boosts/sae_{sae['id']}.json")
        assert sae["boost"]["of"] == sae["sha256"] and sae["boost"]["sha256"] == record["sha256"]
        metrics = boosted.record(f"boosts/evaluation/{block}.json")["metrics"]
        assert {name: sae["metrics"][name] for name in BOOST_FORMULAS} == metrics and metrics["boost_fve"] > sae["metrics"]["fve"]
        assert {name for name in names if name.startswith("boosts/") and block in name} == {
            f"boosts/{name}" for name in (
                f"sae_{block}.pt", f"sae_{block}.json", f"golden/{block}.safetensors", f"evaluation/{block}.json",
                f"evaluation/{block}.parquet",
            )
        }
        assert f"| `{block}` | {sae['metrics']['l0']:.1f}, {metrics['boost_l0']:.1f} |" in card
    assert all(any(fnmatchcase(name, pattern) for pattern in allowed()) for name in names)
    assert index["metric_definitions"]["boost_fve"].startswith("r2_pooled_both: ")


def test_a_suite_opens_both_and_verify_finds_damage(boosted, suite, tmp_path):
    """`first` of both is the SAE alone, bit for bit; a suite without says how to make one."""
    opened = Suite.open(boosted.result("."))
    both, alone, x = opened.boosted(ONE), opened[ONE], torch.randn(9, opened.entry(ONE)["d_model"])
    assert both.first(x)[0].detach().numpy().tobytes() == alone(x)[0].detach().numpy().tobytes()
    assert both(x)[1].shape == (9, alone.d_hidden + opened.entry(ONE)["boost"]["d_hidden"]) and "boosted FVE" in repr(opened)
    with pytest.raises(Exception, match="snakemake --cores 1 --config .sae=.boost: .enabled: true"):
        Suite.open(suite.result(".")).boosted(ONE)
    project = boosted.copy(tmp_path / "project")
    weights = project.path / PT
    raw = weights.read_bytes()
    weights.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.raises(Exception, match="sha256"):
        Suite.open(project.result(".")).boosted(ONE)
    assert f"rm -f results/boosts/sae_{ONE}.json" in project.fail("verify")


def test_one_is_asked_for_by_name_and_a_label_asks_for_labels(suite, tmp_path):
    """With the configuration's own section; labels are inputs where one is named, and an unknown one is refused by any run."""
    project = suite.copy(tmp_path / "project")
    jobs = project.planned(PT, f"results/boosts/evaluation/{ONE}.json")
    assert jobs == {"boost_sae": 1, "evaluate_boost": 1}
    project.configure(tiny_config(sae__boost={**BOOST, "enabled": True, "label": "dust"}))
    jobs = project.planned(PT)
    assert (jobs["boost_sae"], jobs["label_reference"], jobs["label_day"]) == (1, 1, 4) and "train_sae" not in jobs
    assert "boosts" in project.make("plan", cores=1).stdout
    project.configure(tiny_config(sae__boost={"label": "dust"}))
    assert "sae.boost.label: dust changes nothing but boosts" in project.make("plan", cores=1).stderr
    project.configure(tiny_config(sae__boost={"label": "dost"}))
    assert project.fail().endswith("found 'dost'. Next: take dust")
