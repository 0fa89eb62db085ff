"""What tokens weigh in training, by area and under a label."""

import dataclasses

import numpy as np
import pytest
import torch
from aurorascope.blocks import BY_ID
from aurorascope.sae import relu
from aurorascope.sae.relu import Relu
from aurorascope.training.engine import Saver, describe, run
from aurorascope.training.trainer import Trainer
from aurorascope.training.weights import Labelled, TokenWeights
from tiny import BLOCK, grid

from tests.training.settings import sae

CPU = torch.device("cpu")
N_SNAPSHOTS, N_TOKENS, N_PLACES = 6, 24, 6
AREA = grid(BLOCK).area.reshape(-1)
MASK = np.random.default_rng(2).random((N_SNAPSHOTS, N_PLACES)) < 0.3
ROWS = torch.arange(N_SNAPSHOTS * N_TOKENS)


def expected(times, area_n):
    """Of each row, in the order of all rows."""
    weight_sn = np.tile(np.where(MASK, times, 1.0), (1, N_TOKENS // N_PLACES)) * (1 if area_n is None else area_n)
    return (weight_sn / weight_sn.mean()).reshape(-1)


@pytest.mark.parametrize("area_n", [None, AREA], ids=["plain", "area"])
@pytest.mark.parametrize("times", [0.5, 8.0])
def test_tokens_under_the_label_weigh_so_many_times_as_much(times, area_n):
    """And 1 on average over all training rows, whole snapshots and rows in any order alike."""
    weights = TokenWeights(N_TOKENS, area_n, Labelled(MASK, times), CPU)
    np.testing.assert_allclose(weights.of(ROWS).numpy(), expected(times, area_n), rtol=1e-6)
    whole = torch.cat([weights.of(snapshot) for snapshot in range(N_SNAPSHOTS)])
    assert torch.equal(whole, weights.of(ROWS)) and float(whole.double().mean()) == pytest.approx(1, rel=1e-6)
    order = torch.randperm(len(ROWS), generator=torch.Generator().manual_seed(0))
    assert torch.equal(weights.of(order), whole[order])


def test_without_a_label_the_weights_are_the_areas_or_none():
    plain, area = (TokenWeights(N_TOKENS, of, None, CPU) for of in (None, AREA))
    assert plain.of(ROWS) is plain.of(3) is plain.of(None) is None
    assert torch.equal(area.of(None), torch.from_numpy(AREA.astype(np.float32))) and torch.equal(area.of(2), area.of(None))
    assert torch.equal(area.of(ROWS[50:53]), area.of(None)[[2, 3, 4]])


@pytest.mark.parametrize("changes", [{}, {"shuffle": "rows", "batch_rows": 20}])
def test_each_row_of_a_training_has_its_own_weight(feed, monkeypatch, changes):
    """Whatever the order of snapshots or rows."""
    seen = []

    class Watched(Relu):
        def compute(objective, x_nd, weight_n=None):
            seen.append((x_nd.clone(), weight_n.clone()))
            return super().compute(x_nd, weight_n)

    monkeypatch.setattr(relu, "Relu", Watched)
    config = sae(epochs=2, **changes)
    data = dataclasses.replace(describe(feed.reader, BY_ID[BLOCK], config), labelled=Labelled(MASK, 8.0))
    run(Trainer(BY_ID[BLOCK], config, data, CPU), feed, Saver(None, 0))
    rows = torch.cat(list(feed.snapshots(np.arange(N_SNAPSHOTS))))
    weight_of = {tuple(row): weight for row, weight in zip(rows.tolist(), expected(8.0, None), strict=True)}
    for x_nd, weight_n in seen:
        np.testing.assert_allclose(weight_n.numpy(), [weight_of[tuple(row)] for row in x_nd.tolist()], rtol=1e-6)
    assert sum(len(x_nd) for x_nd, _ in seen) == 2 * len(rows)
