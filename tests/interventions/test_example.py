"""What docs say of edits runs as it stands, on a small Aurora and a random SAE."""

import dataclasses
import datetime
import importlib.util
import inspect
import re

import aurorascope.interventions as interventions
import pytest
import torch
from aurorascope.blocks import BY_ID
from aurorascope.features.statistics import UsualSums
from aurorascope.interventions.places import Place
from aurorascope.measures.held_out.usual import usual_table

from tests.interventions.linear import features_of, output_of, sae_of

BLOCK = "encoder_s1_b5"


@pytest.fixture(scope="module")
def quiet(batch):
    """The same weather with half of the winds, a day before."""
    fields = {name: field * (0.5 if name in ("10u", "10v") else 1) for name, field in batch.surf_vars.items()}
    time = tuple(each - datetime.timedelta(days=1) for each in batch.metadata.time)
    return [dataclasses.replace(batch, surf_vars=fields, metadata=dataclasses.replace(batch.metadata, time=time))]


def page_of(root):
    return (root / "docs" / "using.md").read_text().split("## Edits of features")[1].split("\n## ")[0]


@pytest.mark.filterwarnings("ignore::aurorascope.interventions.InterventionWarning")
def test_the_pages_block_runs(root, model, batch, quiet):
    (code,) = re.findall(r"```py\n(.*?)```", page_of(root), re.DOTALL)
    names = {"torch": torch, "model": model, "batch": batch, "quiet": quiet, "sae": sae_of("relu", width=32)}
    exec(compile(code, "docs/using.md", "exec"), names)
    row = names["log"].rows[0]
    assert row.features == ((7, 1), (19, 1)) and row.in_region > 0
    assert names["restored"].surf_vars["2t"].isfinite().all()


def test_the_page_names_every_edit_and_region_with_its_arguments(root):
    """As the classes have them; what it names besides is exported, too."""
    text = page_of(root)
    for kind in (interventions.Edit, interventions.Region):
        classes = {name: each for name, each in vars(interventions).items() if inspect.isclass(each) and each is not kind}
        named = {name for name, each in classes.items() if issubclass(each, kind)}
        assert {name for name in named if f"`{name}(" not in text and f"`{name}." not in text} <= {"Everywhere"}
    for name, arguments in re.findall(r"^\| `(\w+)\(([^)]*)\)`", text, re.MULTILINE):
        own = [each.name for each in dataclasses.fields(getattr(interventions, name)) if not each.kw_only]
        given = [{"usual": "reference"}.get(each, each) for each in arguments.split(", ")]
        assert given == own[: len(given)], name


def test_the_example_says_what_a_forecast_changes_by(root, model, batch, quiet):
    example = script(root, "restore_a_feature")
    sae = sae_of("relu", width=32)
    feature = next(each for each in range(sae.d_hidden) if touched(model, sae, each, batch, quiet))
    found, log = example.change(model, {BLOCK: sae}, feature, batch, quiet, interventions.Everywhere())
    assert log.rows[0].touched > 0 and set(found) == set(batch.surf_vars)
    assert all(field.shape == (18, 36) and field.isfinite().all() for field in found.values())
    assert found["2t"].abs().max() > 0


def script(root, name):
    """A script of docs/examples as a module."""
    spec = importlib.util.spec_from_file_location(name, root / "docs" / "examples" / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_the_example_with_a_suite_alone_holds_a_feature_at_its_percentile(root, model, batch):
    """Of a suite nothing but an SAE that knows what its features usually are is asked; the forecast moves with the multiple."""
    sae, place = sae_of("relu", width=32), Place.of_batch(BY_ID[BLOCK], batch)
    sums = UsualSums(place.area_n, sae.d_hidden, 1, False)
    sums.add(features_of(sae, output_of(model, batch, BLOCK)).numpy().astype("float32"))
    sae.read_statistics = lambda: usual_table(sums, False)
    feature = int(sae.statistics()["mean"].argmax())
    sizes = []
    for value in ("p99", "2*p99"):
        found, log = script(root, "raise_a_feature").change({BLOCK: sae}, model, BLOCK, feature, batch, interventions.Everywhere(), value)
        assert log.rows[0].touched >= 0.9 * log.rows[0].in_region and all(field.isfinite().all() for field in found.values())
        sizes.append(float(found["2t"].abs().max()))
    assert 0 < sizes[0] < sizes[1]


def touched(model, sae, feature, batch, quiet):
    """Whether a feature is anywhere stronger than it is on the quiet dates where it is on."""
    usual = interventions.reference(model, {BLOCK: sae}, feature, [*quiet])[BLOCK]
    now = interventions.reference(model, {BLOCK: sae}, feature, [batch])[BLOCK]
    return now.total_nf.max() > usual.active_mean_f[0]
