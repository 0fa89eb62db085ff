"""Directions that are mixtures of centroids: where they may lie, what moves them, and that no seed has a say in the centroids."""

import numpy as np
import pytest
import torch
from aurorascope.activations.reader import StoreReader
from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.sae.archetypal import DELTA
from aurorascope.training.centroids import find_centroids
from aurorascope.training.engine import prepare
from aurorascope.training.optimiser import Adam
from tiny import BLOCK, claim, make_store

from tests.config.raw import typed
from tests.sae.losses import centroids, mixed, objective, random_parameters, random_rows
from tests.training.settings import of

D, H = 6, 24
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    return StoreReader(make_store(tmp_path_factory.mktemp("store"), claim(range(3, 9))))


def trained(steps, lr=0.3):
    """An objective after steps at a rate at which every bound is met."""
    made = objective("archetypal", random_parameters("archetypal", D, H), rows=64)
    adam = Adam(made.parameters, lr)
    with torch.inference_mode():
        for step in range(steps):
            made.compute(random_rows(50, D, step))
            adam.step(made.grads)
            made.constrain()
    return made


def test_directions_stay_in_the_relaxed_hull():
    """Shares are none below zero and sum to 1, what is added is at most DELTA, and W_dec is the ray of their sum."""
    made = trained(30)
    mix, relax = made.parameters["mix"], made.parameters["relax"]
    assert float(mix.min()) >= 0 and (mix > 0).sum(1).max() > 1
    torch.testing.assert_close(mix.sum(1), torch.ones(H, dtype=torch.float64))
    lengths = relax.norm(dim=1)
    assert float(lengths.max()) == pytest.approx(DELTA, rel=1e-12) and float(lengths.min()) <= DELTA
    torch.testing.assert_close(made.parameters["W_dec"], mixed(made.parameters))
    # Within the angle that DELTA beside a mixture can make, of a mixture.
    C = centroids(H, D)
    hull = torch.einsum("hs,hsd->hd", mix, C[made.state["neighbours"]])
    sine = DELTA / hull.norm(dim=1)
    cosine = torch.nn.functional.cosine_similarity(hull, made.parameters["W_dec"])
    assert (cosine >= (1 - sine.clamp(max=1) ** 2).sqrt() - 1e-9).all()


def test_a_mixture_of_nothing_is_its_own_centroid():
    """Where every share was pushed below zero."""
    made = objective("archetypal", random_parameters("archetypal", D, H), rows=64)
    made.parameters["mix"][5] = -1.0
    made.parameters["relax"][5] = 0.0
    made.constrain()
    torch.testing.assert_close(made.parameters["W_dec"][5], centroids(H, D)[5])


def test_neighbours_are_the_nearest():
    """Each centroid first, also beside an equal one, then those of the largest cosine."""
    made = objective("archetypal", random_parameters("archetypal", D, H), rows=64)
    C = centroids(H, D)
    expected = torch.cdist(C, C).argsort(dim=1)[:, : made.parameters["mix"].shape[1]]
    assert torch.equal(made.state["neighbours"], expected)
    C[7] = C[3]
    made.anchor(C)
    assert made.state["neighbours"][[3, 7], 0].tolist() == [3, 7]


def test_centroids_are_those_of_planted_clusters():
    """Tokens about a few directions: each is found, from the training mean and of unit length."""
    generator = np.random.default_rng(0)
    at_kd = np.linalg.qr(generator.standard_normal((8, 8)))[0][:4] * 5

    class Reader:
        n_snapshots, n_tokens, manifest = 40, 30, {"block": BLOCK}

        def read(self, places):
            tokens = at_kd[generator.integers(0, 4, 30)] + 0.05 * generator.standard_normal((30, 8)) + 100
            return [tokens.astype(np.float32) for _ in places]

    # Lloyd's rounds end where they end: of this place's first tokens each cluster has one.
    found = find_centroids(Reader(), np.full(8, 100.0), 4, 0)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)
    likeness = found @ (at_kd / 5).T
    assert (likeness.max(1) > 0.99).all() and len(set(likeness.argmax(1))) == 4
    assert found.dtype == np.float32 and found.shape == (4, 8)


def test_more_centroids_than_tokens_are_refused(reader):
    """Before a step is done, with what to change."""
    with pytest.raises(UserError, match=r"tokens of 6 training snapshots of \w+: expected at least 5000, a centroid for each latent, found \d+"):
        find_centroids(reader, reader.moments()["mean"], 5000, 0)


def test_seeds_begin_at_the_same_directions(reader):
    """They follow from the block's tokens; a step later they differ by the order of rows alone."""
    options = {"shuffle": "rows", "batch_rows": 16, "init": "tied"}
    begun = [prepare(reader, BY_ID[BLOCK], of("archetypal", seed=seed, **options), CPU).objective.parameters for seed in (0, 1)]
    assert torch.equal(begun[0]["W_dec"], begun[1]["W_dec"]) and torch.equal(begun[0]["W_enc"], begun[1]["W_enc"])
    torch.testing.assert_close(begun[0]["W_enc"], begun[0]["W_dec"].T)


@pytest.mark.parametrize("section", [{"orthogonality": 0.25}, {"mutual_weight": 0.25}, {"revive": "resample"}])
def test_what_moves_directions_by_itself_is_refused(section):
    """They follow from the centroids."""
    (key, _), = section.items()
    with pytest.raises(UserError, match=rf"sae\.{key}: expected .* since the directions of archetypal follow from centroids"):
        typed({"sae": {"architecture": "archetypal", "target_l0": 4, **section}})


def test_what_was_trained_is_taken_up_in_a_trainer_that_has_begun(reader):
    """Lengths of mixtures are part of the state: the next step is that of the trainer it came from, to the bit."""
    first, second = (prepare(reader, BY_ID[BLOCK], of("archetypal", lr=0.05), CPU) for _ in range(2))
    x_nd = torch.from_numpy(reader.read([0])[0])
    with torch.inference_mode():
        for _ in range(3):
            first.step(x_nd)
        second.load({name: tensor.clone() for name, tensor in first.state().items()}, first.t)
        assert not torch.equal(first.objective.state["lengths"], torch.ones_like(first.objective.state["lengths"]))
        for trainer in (first, second):
            trainer.step(x_nd)
    for name, tensor in second.state().items():
        assert torch.equal(tensor, first.state()[name]), name
