"""What docs say of studies of changed inputs is what can be asked."""

import re

import pytest
from aurorascope.config import from_mapping
from aurorascope.config.resolve import resolve
from aurorascope.perturbations.regions import Disk
from aurorascope.studies.input_arms import arms_of, n_forwards
from aurorascope.studies.input_changes import SHAPES, kinds
from aurorascope.studies.input_kind import INPUT
from aurorascope.studies.input_study import InputStudy
from aurorascope.studies.kinds import kind_of
from aurorascope.studies.needs import needs_of
from aurorascope.studies.study_file import read_study_file
from aurorascope.studies.written import OF_FILE

from tests.studies.folder import write_file


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "changed-inputs.md").read_text()


def test_the_pages_study_is_one(page, tmp_path):
    (given,) = re.findall(r"```yaml\n# studies/smoke.yaml\n(.*?)```", page, re.DOTALL)
    file = read_study_file("smoke", write_file(tmp_path, "smoke", given).parent)
    assert kind_of(file) is INPUT
    study = INPUT.read(file)
    (plume,) = study.operations()
    assert (plume.variable, plume.kg, plume.depth_m, plume.region) == ("pm2p5", 3e8, 1000, Disk(40, 116, 2500, taper_km=1000))
    assert n_forwards(study) == int(re.search(r"for (\d+) forwards", page)[1])
    assert {arm.kind for arm in arms_of(study)} == {name for row in re.findall(r"^\| (`.*?) \| .*", page.split("## What runs")[1], re.MULTILINE)
                                                  for name in re.findall(r"`(\w+)`", row)}


def test_the_emission_on_the_page_can_be_planned(page, root):
    """On the demo, as it is configured, for as many forwards as the page has."""
    file, demo = read_study_file("emission", root / "docs/examples/studies"), from_mapping(resolve({})[0])
    study, needs = INPUT.read(file), needs_of(file, demo.cams)
    assert needs.blocks == study.blocks and needs.dates == study.dates and not needs.quiet_dates
    assert n_forwards(study) == int(re.search(r"for (\d+) forwards", page.split("## An emission")[1])[1])


def test_the_page_has_every_key_kind_and_shape(page):
    rows = {name: words for name, words in re.findall(r"^\| `(\w+)` \| (.*) \|$", page.split("## What runs")[0], re.MULTILINE)}
    assert set(InputStudy.__dataclass_fields__) - {"name"} | set(OF_FILE) | set(kinds()) == set(rows)
    for kind, (needed, optional) in kinds().items():
        for key in {*needed, *optional} - {"region", "levels", "times", "consistent"}:
            assert f"`{key}`" in rows[kind], f"{kind}: {key}"
    for shape, (_, words) in SHAPES.items():
        assert f"`{shape}: [{words}]`" in page
