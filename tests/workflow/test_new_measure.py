"""How a measure is added: a toy, in a copy of a finished project, through the files that the documentation names."""

import json

import pandas as pd
import pytest
import torch

from tests.workflow.project import BLOCKS

_RECORD = '''"""Toy: how long an SAE's encoder directions are."""

from aurorascope.costs.rows import MeasureCost
from aurorascope.measures.measure import Measure, Panel
from aurorascope.records import Kind

KIND = Kind(
    "toy", "toy/{block}.json", "toys", {"toy/{block}.parquet": "table_sha256"}, "toy_file",
    stage=("measure_toy", "toy_config_sha256"), of={"sae_sha256": ("sae", "sha256")},
)
FORMULAS = {"toy_norm": ("norm_mean", "mean norm of the columns of W_enc")}


def _cost(config, estimate):
    left = estimate.unmeasured(KIND.name, config.block_ids)
    return MeasureCost("toys", 2 * sum(cost.parameters for cost in left), 0)


def _section(saes):
    rows = [f"| `{sae['id']}` | {sae['metrics']['toy_norm']:.2f} |" for sae in saes if sae["toy_file"]]
    return "\\n".join(["## Toys\\n", "| block | norm |", "|---|---|", *rows]) if rows else ""


TOY = Measure(
    kind=KIND, formulas=FORMULAS, blocks=lambda config: config.block_ids[1:],
    alike=("toy_config_sha256",), cost=_cost, reads_stores=False, section=_section, panels=(Panel("toy_norm", "Toy", factor=1),),
)
'''
_MEASURE = '''"""Measure the toy."""

import pandas as pd

from aurorascope.config.stages import stage_digest
from aurorascope.files import sha256_file, write_json, write_table
from aurorascope.measures.toy.record import KIND
from aurorascope.sae.opening import open_sae


def measure(config, sae_path, out):
    sae, record = open_sae(sae_path)
    norms_h = sae.W_enc.detach().norm(dim=0)
    write_table(out.with_suffix(".parquet"), pd.DataFrame({"norm": norms_h.numpy()}))
    write_json(out, {
        "kind": KIND.name, "format": 1, "block": record["block"], "metrics": {"toy_norm": norms_h.mean().item()},
        "sae_sha256": record["sha256"], "toy_config_sha256": stage_digest(config, "measure_toy"),
        "table_sha256": sha256_file(out.with_suffix(".parquet")),
    })
'''
_VERB = '''"""Measure the toy of one SAE."""

from pathlib import Path

from aurorascope.measures.toy.measure import measure


def add_arguments(parser):
    """Arguments of the verb."""
    parser.add_argument("--sae", required=True, type=Path)
    parser.add_argument("--record", required=True, type=Path)


def run(args, config):
    """Measure."""
    measure(config, args.sae, args.record)
'''
_RULE = '''

rule measure_toy:
    input:
        "results/saes/sae_{block}.json",
    output:
        record="results/toy/{block}.json",
        table="results/toy/{block}.parquet",
    log:
        "results/logs/measure_toy/{block}.log",
    params:
        config=stage_params(CONFIG, "measure_toy"),
    shell:
        "python -m aurorascope measure_toy --sae {input} --record {output.record} --log {log}"
'''
_STRING_OR_NULL = '"toy_file": {"type": ["string", "null"]},\n        '


def _with_line(text, line):
    """A list of measures with one more."""
    return text.replace("ATLAS)", "ATLAS, TOY)").replace("from aurorascope.records", f"{line}\nfrom aurorascope.records")


# The files that docs/architecture.md names for a new measure, and how the toy changes each.
_TOUCHED = {
    "workflow/aurorascope/measures/toy/__init__.py": lambda _: '"""Toy."""\n',
    "workflow/aurorascope/measures/toy/record.py": lambda _: _RECORD,
    "workflow/aurorascope/measures/toy/measure.py": lambda _: _MEASURE,
    "workflow/aurorascope/measures/all.py": lambda text: _with_line(text, "from aurorascope.measures.toy.record import TOY"),
    "workflow/aurorascope/cli/measure_toy.py": lambda _: _VERB,
    "workflow/aurorascope/config/stages.py": lambda text: text.replace("RECIPES = {", 'RECIPES = {\n    "measure_toy": 1,').replace(
        "\nKEYS = {", '\nKEYS = {\n    "measure_toy": (),'
    ),
    "workflow/rules/evaluation.smk": lambda text: text + _RULE,
    "workflow/aurorascope/schemas/sae_index.schema.json": lambda text: text.replace(
        '"golden_file": {', _STRING_OR_NULL + '"golden_file": {'
    ),
}


@pytest.mark.slow
def test_adding_one_touches_eight_files(root, finished):
    """A finished run then makes the records alone, anew the index and what follows; everything shows and checks the measure."""
    page = (root / "docs" / "architecture.md").read_text()
    for name, change in _TOUCHED.items():
        documented = name.removeprefix("workflow/aurorascope/").replace("measure_toy", "NAME").replace("toy/", "NAME/")
        assert f"{documented}`" in page, documented
        path = finished.path / name
        before = path.read_text() if path.exists() else ""
        path.parent.mkdir(exist_ok=True)
        path.write_text(change(before))
        assert path.read_text() != before
    before = finished.hashes()
    assert "toys" in finished.make("plan", cores=1).stdout
    done = finished.make()
    ran = finished.ran(done)
    assert ran.count("measure_toy") == len(BLOCKS) - 1 and {"build_index", "write_card", "draw_suite"} <= set(ran)
    assert not set(ran) & {"train_sae", "evaluate_sae", "dump_activations"} and finished.hashes() == before
    first, *rest = finished.record("sae_index.json")["saes"]
    assert first["toy_file"] is None and first["metrics"]["toy_norm"] is None
    card = finished.result("README.md").read_text()
    sums = finished.result("SHA256SUMS").read_text()
    for sae in rest:
        weights = torch.load(finished.result(sae["filename"]), weights_only=True)["W_enc"]
        norms = pd.read_parquet(finished.result(sae["toy_file"]))["norm"]
        assert sae["metrics"]["toy_norm"] == pytest.approx(weights.norm(dim=0).mean().item()) == pytest.approx(norms.mean())
        assert f"| `{sae['id']}` | {sae['metrics']['toy_norm']:.2f} |" in card and f"  toy/{sae['id']}.parquet\n" in sums
    assert "`toy_norm`: norm_mean: mean norm" in card
    assert "toy_norm" in pd.read_csv(finished.result("figures/suite.csv"))
    assert f"{len(BLOCKS) - 1} toys" in finished.make("verify", cores=1).stdout
    # Damage and records of another SAE are found like those of any measure.
    table = finished.result(f"toy/{BLOCKS[2]}.parquet")
    table.write_bytes(table.read_bytes() + b"x")
    assert f"toy/{BLOCKS[2]}" in finished.fail("verify")
    path = finished.result(f"toy/{BLOCKS[1]}.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sae_sha256": "0" * 64}))
    assert f"rm -f results/toy/{BLOCKS[1]}.json" in finished.fail("--force", "results/sae_index.json")
