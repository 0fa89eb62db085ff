"""The example of docs/examples/circuits is a circuit that the demo's dates allow."""

from aurorascope.circuits.circuit_file import circuit_names, read_circuit_file
from aurorascope.circuits.needs import needs_of
from aurorascope.circuits.pairs import DEFAULT_BLOCKS

from tests.config.raw import typed


def test_every_example_is_read_and_finds_its_outcome(root, demo_raw):
    examples = root / "docs" / "examples"
    assert circuit_names(examples / "circuits") == ["jet"]
    file = read_circuit_file("jet", examples / "circuits")
    needs = needs_of(file, typed(demo_raw).cams, examples / "outcomes")
    assert file.blocks == DEFAULT_BLOCKS and needs.halves == (needs.of_outcome.dates[::2], needs.of_outcome.dates[1::2])
