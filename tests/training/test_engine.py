import dataclasses

import numpy as np
import pytest
import torch
from aurorascope.activations.feed import ResidentFeed, StoreReader, StreamFeed, epoch_order
from aurorascope.blocks import BY_ID
from aurorascope.config.model import Sae
from aurorascope.errors import UserError
from aurorascope.sae.relu import Gradient, Weights, initial_weights
from aurorascope.training import engine
from aurorascope.training.engine import train
from aurorascope.training.export import tensor_digest
from aurorascope.training.optimiser import Adam
from tiny import BLOCK, D_MODEL, claim, make_store

CPU = torch.device("cpu")
DAYS = range(3, 9)
CONFIG = Sae("card", None, 4, 3e-4, 4e-3, 5, "snapshots", 0)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Tensors this small only wait for one another on more threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    return StoreReader(make_store(tmp_path_factory.mktemp("store"), claim(DAYS)))


@pytest.fixture
def feed(reader):
    return ResidentFeed(reader, CPU)


def run(feed, block_id=BLOCK, **changes):
    return train(feed, BY_ID[block_id], dataclasses.replace(CONFIG, **changes))


def digest(*args, **kwargs):
    return tensor_digest(run(*args, **kwargs).weights)


def test_training_again_gives_the_same_bits(feed, reader):
    """The same activations, block and configuration give the same weights and log, resident or streamed."""
    first, second, streamed = run(feed), run(feed), run(StreamFeed(reader, CPU))
    assert tensor_digest(first.weights) == tensor_digest(second.weights) == tensor_digest(streamed.weights)
    assert first.log.equals(second.log) and first.log.equals(streamed.log)


def test_random_state_of_the_process_does_not_matter(feed):
    """Nobody else's seed reaches the training."""
    torch.manual_seed(1)
    np.random.seed(1)
    first = digest(feed)
    torch.manual_seed(2)
    np.random.seed(2)
    assert digest(feed) == first


@pytest.mark.parametrize(
    "changes",
    [{"seed": 1}, {"epochs": 4}, {"lr": 1e-3}, {"l1_coeff": 0.01}, {"shuffle": "rows"}, {"block_id": "encoder_s2_b1"}],
)
def test_weights_depend_on_each_setting(feed, changes):
    """Seed, block, epochs, rate, L1 weight and kind of shuffling all change the weights."""
    assert digest(feed, **changes) != digest(feed)


@pytest.mark.parametrize("shuffle", ["snapshots", "rows"])
def test_decoder_rows_have_unit_norm_after_each_step(feed, monkeypatch, shuffle):
    """After every single step, and in the result, decoder rows have unit norm."""
    norms = []

    class Watched(Adam):
        def step(self, grads):
            super().step(grads)
            norms.append(self.weights.W_dec.norm(dim=1).clone())

    monkeypatch.setattr(engine, "Adam", Watched)
    trained = run(feed, shuffle=shuffle)
    assert len(norms) == trained.n_steps == 5 * len(DAYS)
    torch.testing.assert_close(torch.stack(norms), torch.ones(len(norms), 4 * D_MODEL), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(trained.weights["W_dec"].norm(dim=1), torch.ones(4 * D_MODEL), rtol=1e-6, atol=1e-6)


def test_a_decoder_row_of_zeros_stays_finite():
    """A row that has vanished is left at zero instead of becoming NaN."""
    weights = initial_weights(4, 8, 0, 0, CPU)
    weights.W_dec[2] = 0
    Adam(weights, 1e-3).step(weights.like())
    assert torch.isfinite(weights.W_dec).all()
    assert not weights.W_dec[2].any()
    torch.testing.assert_close(weights.W_dec[3].norm(), torch.tensor(1.0))


def test_adam_is_that_of_torch():
    """Without the constraint on rows, steps are those of torch.optim.Adam."""
    generator = torch.Generator().manual_seed(0)
    weights = initial_weights(4, 8, 0, 0, CPU)
    reference = [t.clone().requires_grad_() for t in weights.tensors()]
    theirs, ours = torch.optim.Adam(reference, lr=1e-2), Adam(weights, 1e-2)
    for _ in range(20):
        gradients = [torch.randn(t.shape, generator=generator) for t in reference]
        for parameter, gradient in zip(reference, gradients, strict=True):
            parameter.grad = gradient.clone()
        theirs.step()
        ours.step(Weights(*gradients))
        with torch.no_grad():
            reference[2].div_(reference[2].norm(dim=1, keepdim=True))
    for found, expected in zip(weights.tensors(), reference, strict=True):
        torch.testing.assert_close(found, expected.detach(), rtol=1e-5, atol=1e-6)


def test_loss_falls(feed):
    """The loss at the end is far below that at the start, and so is the error."""
    log = run(feed, epochs=100).log
    assert log["loss"].iloc[-1] < 0.1 * log["loss"].iloc[0]
    assert log["mse"].iloc[-1] < 0.1 * log["mse"].iloc[0]


@pytest.mark.parametrize("epochs", [1, 5])
def test_one_step_a_snapshot(feed, epochs):
    """Steps and tokens seen follow from epochs and snapshots."""
    trained = run(feed, epochs=epochs)
    assert trained.n_steps == 6 * epochs
    assert trained.n_tokens_seen == 6 * epochs * 24


def test_snapshots_come_in_the_published_order(feed, monkeypatch):
    """Every epoch reads each snapshot once, in the order of (seed, epoch)."""
    seen = []

    class Watched(ResidentFeed):
        def snapshots(self, order):
            seen.append(order.tolist())
            yield from super().snapshots(order)

    train(Watched(feed.reader, CPU), BY_ID[BLOCK], dataclasses.replace(CONFIG, seed=3, epochs=4))
    assert seen == [epoch_order(3, epoch, 6).tolist() for epoch in range(4)]


def test_row_shuffling_mixes_snapshots_but_keeps_the_number_of_steps(feed, monkeypatch):
    """With rows, each step sees as many tokens as a snapshot has, drawn from all of them, each once an epoch."""
    batches = []

    class Watched(Gradient):
        def compute(self, x_nd):
            batches.append(x_nd.clone())
            return super().compute(x_nd)

    monkeypatch.setattr(engine, "Gradient", Watched)
    trained = run(feed, shuffle="rows", epochs=2)
    assert trained.n_steps == 12 and {len(b) for b in batches} == {24}
    everything = torch.cat(list(feed.snapshots(np.arange(6))))
    for epoch in (batches[:6], batches[6:]):
        found = torch.cat(epoch)
        assert torch.equal(found[found[:, 0].argsort()], everything[everything[:, 0].argsort()])
    snapshots = [set(map(tuple, s.tolist())) for s in feed.snapshots(np.arange(6))]
    first = {index for row in batches[0].tolist() for index, rows in enumerate(snapshots) if tuple(row) in rows}
    assert len(first) > 3


def test_columns_of_the_log(feed):
    """The log has these columns, finite numbers, steps from first to last, and a loss that is the sum of its terms."""
    log = run(feed).log
    assert list(log.columns) == ["step", "epoch", "mse", "l1", "loss", "l0", "frac_dead", "grad_norm"]
    assert log["step"].tolist() == list(range(1, 31))
    assert log["epoch"].tolist() == [epoch for epoch in range(5) for _ in range(6)]
    assert np.isfinite(log.to_numpy()).all()
    np.testing.assert_allclose(log["loss"], log["mse"] + 3e-4 * log["l1"], rtol=1e-6)
    assert log["frac_dead"].between(0, 1).all() and log["l0"].between(0, 24).all()


def test_log_of_a_long_training_is_short(feed):
    """However many steps, at most 200 are logged, the first and the last among them, each once."""
    steps = run(feed, epochs=55).log["step"].tolist()
    assert len(steps) == len(set(steps)) == 200
    assert (steps[0], steps[-1]) == (1, 330)


def test_first_logged_step_is_that_of_the_initial_weights(feed):
    """Each row's terms are those before the step, checked against the documented loss at the first."""
    log = run(feed, epochs=1).log
    weights = initial_weights(D_MODEL, 4 * D_MODEL, 0, BY_ID[BLOCK].depth_index, CPU)
    x = next(feed.snapshots(epoch_order(0, 0, 6)))
    h = torch.relu(x @ weights.W_enc)
    assert log["mse"][0] == pytest.approx(float(((h @ weights.W_dec - x) ** 2).mean()), rel=1e-5)
    assert log["l1"][0] == pytest.approx(float(h.sum(1).mean()), rel=1e-5)
    assert log["l0"][0] == pytest.approx(float((h > 0).sum(1).float().mean()), rel=1e-5)


def test_dead_share_counts_latents_silent_for_an_epoch(feed, monkeypatch):
    """A latent counts as dead once it has not fired for as many steps as there are snapshots."""

    def silenced(*args):
        weights = initial_weights(*args)
        weights.b_enc[:6] = -1e9
        return weights

    monkeypatch.setattr(engine, "initial_weights", silenced)
    dead = run(feed, epochs=2).log["frac_dead"].to_numpy()
    assert (dead[:5] == 0).all()
    assert (dead[5:] >= np.float32(6 / 24)).all()


def test_weights_are_plain_float32_tensors(feed):
    """What training leaves has the four names, float32, contiguous, on the CPU, and can be saved."""
    weights = run(feed, epochs=1).weights
    assert list(weights) == ["W_enc", "b_enc", "W_dec", "b_dec"]
    assert all(t.dtype == torch.float32 and t.is_contiguous() and t.device == CPU for t in weights.values())


def test_divergence_is_a_user_error(feed):
    """Weights that are not finite end the training with what to change."""
    with pytest.raises(UserError, match=r"finite weights.*sae\.lr"):
        run(feed, lr=1e30)
