"""Random streams: distinct, as published, and the only way to random numbers in the library."""

import ast
import itertools

import numpy as np
import pytest
from aurorascope.activations.feed import epoch_order
from aurorascope.streams import Stream, generator

# What released SAEs and evaluations were drawn with.
PUBLISHED = {"ORDER": 1, "INITIAL_WEIGHTS": 2, "RESAMPLING": 3, "RANDOM_DIRECTIONS": 4, "RANDOM_DICTIONARIES": 5, "RED_NOISE": 6, "CENTROIDS": 7, "SEED_BESIDE": 8,
             "ATLAS_SPLITS": 21, "ATLAS_NULLS": 22, "ATLAS_BOOTSTRAP": 23, "ATLAS_PAIRS": 24, "PERTURBATION_FLIPS": 41,
             "STUDY_TOKENS": 42, "STUDY_FEATURES": 43, "STUDY_DIRECTIONS": 44, "STUDY_BOOTSTRAP": 45,
             "PERTURBATION_NOISE": 51, "CIRCUIT_SETS": 61, "CIRCUIT_PARTITIONS": 62, "MATCH_DIRECTIONS": 71}
# Modules that draw by other means, and what: pauses between requests; the demo checkpoint's weights and days.
OTHERS = {"cams/ads/session.py", "cams/ads/fetch.py", "backbone/demo_training.py"}


def test_streams_keep_the_values_they_were_published_with():
    assert {name: stream.value for name, stream in Stream.__members__.items()} == PUBLISHED


@pytest.mark.parametrize("seeds", [(), (0,), (0, 0), (7, 3), (2**40, 11, 1)])
def test_no_two_streams_draw_the_same_numbers(seeds):
    drawn = [generator(stream, *seeds).integers(2**63, size=4) for stream in Stream]
    for one, other in itertools.combinations(drawn, 2):
        assert not np.isin(one, other).any()


def test_a_stream_is_numpys_generator_seeded_with_its_number_first():
    expected = np.random.default_rng([1, 7, 3]).permutation(50)
    assert np.array_equal(generator(Stream.ORDER, 7, 3).permutation(50), expected)
    assert np.array_equal(epoch_order(7, 3, 50), expected)


def _names(tree: ast.AST) -> set[str]:
    """Dotted names in a module's text, and the modules it imports."""
    found = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return found | {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}


def test_random_numbers_come_from_a_stream(root):
    """A module with a seed of its own would sooner or later take one that is taken."""
    library = root / "workflow" / "aurorascope"
    makers = ("np.random.default_rng", "np.random.seed", "torch.manual_seed", "torch.Generator", "random", "secrets")
    drawing = {
        path.relative_to(library).as_posix()
        for path in library.rglob("*.py")
        if not _names(ast.parse(path.read_text())).isdisjoint(makers)
    }
    assert drawing == OTHERS | {"streams.py"}
