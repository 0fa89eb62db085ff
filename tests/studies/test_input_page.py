"""What docs say of studies of changed inputs is what can be asked."""

import re

import pytest
import yaml
from aurorascope.perturbations.regions import Disk
from aurorascope.studies import read_input_study
from aurorascope.studies.input_arms import arms_of, n_forwards
from aurorascope.studies.input_changes import SHAPES, kinds
from aurorascope.studies.input_study import InputStudy


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "changed-inputs.md").read_text()


def test_the_pages_study_is_one(page):
    (given,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    study = read_input_study(yaml.safe_load(given))
    (plume,) = study.operations()
    assert (plume.variable, plume.kg, plume.depth_m, plume.region) == ("pm2p5", 3e8, 1000, Disk(40, 116, 2500, taper_km=1000))
    assert n_forwards(study) == int(re.search(r"for (\d+) forwards", page)[1])
    assert {arm.kind for arm in arms_of(study)} == {name for row in re.findall(r"^\| (`.*?) \| .*", page.split("## What runs")[1], re.MULTILINE)
                                                  for name in re.findall(r"`(\w+)`", row)}


def test_the_page_has_every_key_kind_and_shape(page):
    rows = {name: words for name, words in re.findall(r"^\| `(\w+)` \| (.*) \|$", page.split("## What runs")[0], re.MULTILINE)}
    assert set(InputStudy.__dataclass_fields__) - {"name"} | set(kinds()) == set(rows)
    for kind, (needed, optional) in kinds().items():
        for key in {*needed, *optional} - {"region", "levels", "times", "consistent"}:
            assert f"`{key}`" in rows[kind], f"{kind}: {key}"
    for shape, (_, words) in SHAPES.items():
        assert f"`{shape}: [{words}]`" in page
