"""The examples of docs/examples/studies are studies that the demo's dates and blocks allow."""

import pytest
from aurorascope.studies.kinds import kind_of
from aurorascope.studies.needs import needs_of
from aurorascope.studies.study_file import read_study_file, study_names

from tests.config.raw import typed


@pytest.fixture
def examples(root):
    return root / "docs" / "examples" / "studies"


def test_every_example_is_read_and_finds_its_dates_in_the_demo(examples, demo_raw):
    names, config = study_names(examples), typed(demo_raw)
    assert {"dust", "jet"} <= set(names)
    for name in names:
        file = read_study_file(name, examples)
        needs = needs_of(file, config.cams)
        assert set(needs.blocks) <= set(config.block_ids) and len(needs.dates) == len(file.asked["dates"])
        kind_of(file).read(file)
