"""The examples of docs/examples/outcomes are outcomes that the demo's dates and grid allow."""

from aurorascope.attribution.needs import needs_of
from aurorascope.attribution.outcome_file import outcome_names, read_outcome_file
from aurorascope.attribution.planned import check_planned
from aurorascope.attribution.target import read_target

from tests.config.raw import typed


def test_every_example_is_read_and_finds_its_dates_in_the_demo(root, demo_raw):
    examples, config = root / "docs" / "examples" / "outcomes", typed(demo_raw)
    assert outcome_names(examples) == ["cold_air", "dust", "jet"]
    for name in outcome_names(examples):
        file = read_outcome_file(name, examples)
        needs = needs_of(file, config.cams)
        check_planned(file, config)
        assert read_target(file, config.cams.demo_grid).name == name
        assert len(needs.quiet_dates) > 8 and needs.blocks is None and needs.rule == "gradient"
