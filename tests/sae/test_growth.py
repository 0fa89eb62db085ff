"""The top-k family may begin with one latent on per token and end with the target."""

import pytest
import torch
from aurorascope.sae.initial import initial_weights

from tests.sae.losses import objective, random_rows

D, H, K, N = 6, 48, 9, 40


def at(kind, progress, growth, **settings):
    """One batch at a point of the training; the objective and its terms."""
    sae = objective(kind, initial_weights(D, H, 0, 0), target_l0=float(K), growth=growth, rows=16, **settings)
    sae.progress = progress
    return sae, sae.compute(random_rows(N, D, dtype=torch.float32))


@pytest.mark.parametrize("kind", ["abstopk", "batchtopk", "matryoshka"])
@pytest.mark.parametrize(("progress", "kept"), [(0.0, 1), (0.25, 5), (0.5, 9), (0.75, 9), (1.0, 9)])
def test_latents_grow_linearly_from_one(kind, progress, kept):
    """Half-way through the growth, half of the way from 1 to the target is kept; afterwards all of it."""
    _, terms = at(kind, progress, 0.5)
    assert float(terms.l0) == pytest.approx(kept, abs=1 / N)


@pytest.mark.parametrize("kind", ["topk", "abstopk", "batchtopk", "matryoshka"])
def test_without_growth_the_target_holds_from_the_start(kind):
    """Growth over no steps changes nothing."""
    _, terms = at(kind, 0.0, 0.0)
    _, later = at(kind, 1.0, 0.5)
    assert float(terms.l0) == float(later.l0) <= K


def test_the_released_k_is_the_target():
    """Whatever is kept on the way, the published SAE keeps the target."""
    sae, _ = at("abstopk", 0.1, 0.5)
    assert int(sae.release()["k"]) == K


def test_thresholds_of_fewer_latents_are_forgotten():
    """The published threshold is the mean over batches since the target was reached."""
    sae, _ = at("batchtopk", 0.1, 0.5)
    few = float(sae.state["threshold"])
    rows = random_rows(N, D, dtype=torch.float32)
    for progress in (0.3, 0.6, 0.7, 0.8):
        sae.progress = progress
        sae.compute(rows)
    fresh, _ = at("batchtopk", 1.0, 0.5)
    assert float(sae.state["threshold"]) == pytest.approx(float(fresh.state["threshold"]), rel=1e-12)
    assert few > 1.1 * float(fresh.state["threshold"])
