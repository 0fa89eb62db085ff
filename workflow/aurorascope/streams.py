"""Random numbers: each use draws from a stream of its own, so that no two ever see the same numbers."""

import enum

import numpy as np


@enum.unique
class Stream(enum.IntEnum):
    """What is drawn at random. A value is part of the seed, and so of results: never change one, and give none twice."""

    ORDER = 1
    """Order of snapshots or rows in an epoch; further seeds: configured seed, epoch."""
    INITIAL_WEIGHTS = 2
    """First weights of an SAE; further seeds: configured seed, place of the block."""
    RESAMPLING = 3
    """Inputs that dead latents take as new directions; further seeds: configured seed, place of the block, epoch."""
    RANDOM_DIRECTIONS = 4
    """Dictionary that an SAE is compared with on held-out tokens; further seed: place of the block."""
    RANDOM_DICTIONARIES = 5
    """Dictionaries whose likeness is that of chance, beside that of other seeds; further seed: place of the block."""
    CENTROIDS = 7
    """Tokens that the search for centroids of an archetypal dictionary begins with; further seed: place of the block."""
    RED_NOISE = 6
    """Waves of the field that no feature should be labelled with; further seed: hours since 1970 of its time."""
    SEED_BESIDE = 8
    """Seed of an SAE that another is trained beside and that nobody keeps; further seed: the configured one."""
    ATLAS_SPLITS = 21
    """Which split of an atlas has the first block of dates; further seed: the atlas's."""
    ATLAS_NULLS = 22
    """Shifts of labels that scores are compared with; further seeds: the atlas's, kind of shift."""
    ATLAS_BOOTSTRAP = 23
    """Blocks of dates drawn again and again for an interval; further seed: the atlas's."""
    ATLAS_PAIRS = 24
    """Dates whose tokens are compared, two by two; further seed: the atlas's."""
    PERTURBATION_FLIPS = 41
    """Signs of dates that responses to a change are compared under; further seed: the caller's."""
    STUDY_TOKENS = 42
    """Tokens whose covariance a study's random directions have; further seed: the study's."""
    STUDY_FEATURES = 43
    """Features that a study's edit is compared with; further seed: the study's."""
    STUDY_DIRECTIONS = 44
    """Directions that it is compared with; further seed: the study's."""
    STUDY_BOOTSTRAP = 45
    """Clusters of dates drawn again and again for its interval; further seed: the study's."""
    PERTURBATION_NOISE = 51
    """Waves that a change of inputs is compared with; further seeds: the study's, number of the draw, hours since 1970 of its time."""
    CIRCUIT_SETS = 61
    """Features that a circuit's nodes are compared with; further seeds: the circuit's, place of the block."""
    CIRCUIT_PARTITIONS = 62
    """Random features in the nodes' places; further seeds: the circuit's, place of the block."""
    MATCH_DIRECTIONS = 71
    """Directions that two blocks' matched features are compared with; further seeds: places of both blocks."""


def generator(stream: Stream, *seeds: int) -> np.random.Generator:
    """Random numbers of one stream, a function of the stream and the seeds alone.

    Args:
        stream: what is drawn.
        seeds: 0 or more, as many in every call of a stream: NumPy does not tell [1] from [1, 0].
    """
    return np.random.default_rng([stream, *seeds])
