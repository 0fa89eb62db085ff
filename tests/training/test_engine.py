import numpy as np
import pytest
import torch
from aurorascope.activations.feed import ResidentFeed, StreamFeed, epoch_order
from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.sae import relu
from aurorascope.sae.architectures import ARCHITECTURES
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.digest import tensor_digest
from aurorascope.sae.initial import initial_weights
from aurorascope.sae.relu import Relu
from aurorascope.training import trainer
from tiny import BLOCK, D_MODEL, grid

from tests.trained import train
from tests.training.settings import of, sae

CPU = torch.device("cpu")
N_DAYS, N_TOKENS, D_HIDDEN = 6, 24, 4 * D_MODEL
AREA = grid(BLOCK).area.reshape(-1)


def run(feed, recipe="card", block_id=BLOCK, **changes):
    return train(feed, BY_ID[block_id], sae(recipe, **changes), area_n=AREA)


def digest(*args, **changes):
    return tensor_digest(run(*args, **changes).weights)


def everything(feed):
    return torch.cat(list(feed.snapshots(np.arange(N_DAYS))))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_training_again_gives_the_same_bits(reader, feed, architecture):
    """The same activations, block and configuration give the same weights and log, resident or streamed."""
    feeds = (feed, feed, StreamFeed(reader, CPU))
    first, *others = (train(given, BY_ID[BLOCK], of(architecture)) for given in feeds)
    for other in others:
        assert tensor_digest(other.weights) == tensor_digest(first.weights)
        assert other.log.equals(first.log)


@pytest.mark.parametrize("recipe", ["card", "tuned"])
def test_random_state_of_the_process_does_not_matter(feed, recipe):
    """Nobody else's seed reaches the training."""
    found = set()
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        found.add(digest(feed, recipe))
    assert len(found) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"block_id": "encoder_s2_b1"}, {"seed": 1}, {"epochs": 4}, {"lr": 1e-3}, {"l1_coeff": 0.01}, {"p_end": 0.5},
        {"shuffle": "rows"}, {"shuffle": "rows", "batch_rows": 10}, {"warm_up": 0.2}, {"decay": 0.2},
        {"area_weights": True}, {"normalise": True}, {"init": "tied"}, {"init": "active_subspace"}, {"project": True},
        {"orthogonality": 0.1}, {"mutual_weight": 0.1}, {"precision": "bfloat16"}, {"target_l0": 3.0}, {"expansion": 2},
        {"architecture": "gated"}, {"architecture": "topk", "target_l0": 3.0},
    ],
    ids=lambda changes: " ".join(f"{key}={value}" for key, value in changes.items()),
)
def test_weights_depend_on_each_setting(feed, changes):
    """Every key that changes numbers changes the weights."""
    assert digest(feed, **changes) != digest(feed)


@pytest.mark.parametrize("changes", [{"revive": "auxk"}, {"revive": "resample"}])
def test_revival_changes_weights_once_latents_are_dead(feed, monkeypatch, changes):
    """Both kinds of revival change the weights where latents are dead, and nothing where none is."""
    assert digest(feed, **changes) == digest(feed)
    _silence(monkeypatch, 6)
    with_dead = [run(feed, dead_snapshots=3, **given) for given in ({}, changes)]
    assert with_dead[0].log["frac_dead"].iloc[-1] >= 6 / D_HIDDEN
    assert tensor_digest(with_dead[0].weights) != tensor_digest(with_dead[1].weights)
    if changes["revive"] == "resample":
        assert with_dead[1].log["frac_dead"].iloc[-1] < with_dead[0].log["frac_dead"].iloc[-1]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("shuffle", ["snapshots", "rows"])
def test_decoder_rows_have_unit_norm_after_each_step(feed, monkeypatch, architecture, shuffle):
    """After every single step, and in the result, decoder rows have unit norm."""
    norms = []

    class Watched(trainer.Adam):
        def step(self, *args):
            super().step(*args)
            norms.append(self.parameters["W_dec"].norm(dim=1).clone())

    monkeypatch.setattr(trainer, "Adam", Watched)
    trained = train(feed, BY_ID[BLOCK], of(architecture, shuffle=shuffle, normalise=True, epochs=2))
    assert len(norms) == trained.n_steps == 2 * N_DAYS
    torch.testing.assert_close(torch.stack(norms), torch.ones(len(norms), D_HIDDEN), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(trained.weights["W_dec"].norm(dim=1), torch.ones(D_HIDDEN), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_loss_falls(feed, architecture):
    """The error at the end is far below that at the start, and the target is met where there is one."""
    weight = ARCHITECTURES[architecture].defaults.get("l1_coeff", 3e-4)
    config = of(architecture, epochs=100, normalise=True, init="tied", lr=1e-2, l1_coeff=weight)
    log = train(feed, BY_ID[BLOCK], config).log
    assert log["mse"].iloc[-1] < 0.6 * log["mse"].iloc[0]
    assert log["loss"].iloc[-1] < log["loss"].iloc[0]
    if config.target_l0 is not None:
        assert 0.8 < log["l0"].iloc[-10:].mean() / config.target_l0 < 1.25


def test_loss_of_the_cards_recipe_falls_by_far(feed):
    """Raw activations, whose means are large: a tenth of the loss is left."""
    log = run(feed, epochs=100).log
    assert log["loss"].iloc[-1] < 0.1 * log["loss"].iloc[0]
    assert log["mse"].iloc[-1] < 0.1 * log["mse"].iloc[0]


@pytest.mark.parametrize("architecture", ["relu", "gated"])
def test_a_target_is_reached_by_moving_the_weight(feed, architecture):
    """Where the weight follows L0, it ends elsewhere than it began, and L0 at the target."""
    config = of(architecture, target_l0=5.0, epochs=200, normalise=True, l1_coeff=1e-4)
    log = train(feed, BY_ID[BLOCK], config).log
    assert log["sparsity_weight"].iloc[0] == pytest.approx(1e-4)
    assert log["sparsity_weight"].iloc[-1] > 1e-3
    assert 0.8 < log["l0"].iloc[-20:].mean() / 5 < 1.25


@pytest.mark.parametrize("epochs", [1, 5])
def test_one_step_a_snapshot(feed, epochs):
    """Steps and tokens seen follow from epochs and snapshots."""
    trained = run(feed, epochs=epochs)
    assert trained.n_steps == N_DAYS * epochs
    assert trained.n_tokens_seen == N_DAYS * epochs * N_TOKENS


def test_snapshots_come_in_the_published_order(reader):
    """Every epoch reads each snapshot once, in the order of (seed, epoch)."""
    seen = []

    class Watched(ResidentFeed):
        def snapshots(self, order):
            seen.append(order.tolist())
            yield from super().snapshots(order)

    run(Watched(reader, CPU), seed=3, epochs=4)
    assert seen == [epoch_order(3, epoch, N_DAYS).tolist() for epoch in range(4)]


class Batches:
    """Keeps what each step is given."""

    def __init__(self, monkeypatch):
        self.x, self.weights = [], []

        class Watched(Relu):
            def compute(objective, x_nd, weight_n=None):
                self.x.append(x_nd.clone())
                self.weights.append(weight_n)
                return super().compute(x_nd, weight_n)

        monkeypatch.setattr(relu, "Relu", Watched)


@pytest.mark.parametrize(("batch_rows", "sizes"), [(None, [24] * 6), (1000, [24] * 6), (20, [20] * 7 + [4])])
def test_row_shuffling_draws_each_row_once_an_epoch(feed, monkeypatch, batch_rows, sizes):
    """Steps take rows of all snapshots, as many as configured but at most a snapshot's, the last what is left."""
    seen, rows = Batches(monkeypatch), everything(feed)
    trained = run(feed, shuffle="rows", batch_rows=batch_rows, epochs=2)
    assert trained.n_steps == 2 * len(sizes)
    assert trained.n_tokens_seen == 2 * len(rows)
    assert [len(x) for x in seen.x] == 2 * sizes
    for epoch in range(2):
        found = torch.cat(seen.x[epoch * len(sizes) : (epoch + 1) * len(sizes)])
        assert torch.equal(found, rows[epoch_order(0, epoch, len(rows))])
    of_rows = {tuple(row): place // N_TOKENS for place, row in enumerate(rows.tolist())}
    assert len({of_rows[tuple(row)] for row in seen.x[0].tolist()}) > 3


@pytest.mark.parametrize("changes", [{}, {"shuffle": "rows", "batch_rows": 20}])
def test_each_token_has_the_weight_of_its_cell(feed, monkeypatch, changes):
    """Whatever the order, a row's weight is the area of the cell that it comes from; without the key there is none."""
    seen, rows = Batches(monkeypatch), everything(feed)
    cell_of = {tuple(row): place % N_TOKENS for place, row in enumerate(rows.tolist())}
    run(feed, area_weights=True, epochs=1, **changes)
    for x_nd, weight_n in zip(seen.x, seen.weights, strict=True):
        expected = [AREA[cell_of[tuple(row)]] for row in x_nd.tolist()]
        np.testing.assert_allclose(weight_n.numpy(), expected, rtol=1e-6)
    assert len(set(AREA.round(6))) > 1
    seen.weights.clear()
    run(feed, epochs=1, **changes)
    assert set(seen.weights) == {None}


def test_the_scale_of_the_activations_does_not_matter_when_normalised(feed, monkeypatch):
    """Training in units of (x - mean) / scale, then folding back, commutes with scaling the activations."""
    weights = run(feed, normalise=True).weights
    feed.offset, feed.scale = feed.offset * 1024, feed.scale * 1024
    moments = feed.reader.moments()
    scaled = {**moments, "mean": moments["mean"] * 1024, "m2": moments["m2"] * 1024**2}
    monkeypatch.setattr(feed.reader, "moments", lambda: scaled)
    larger = run(feed, normalise=True).weights
    for name in ("W_enc", "W_dec"):
        assert torch.equal(larger[name], weights[name])
    for name in ("b_enc", "b_dec"):
        torch.testing.assert_close(larger[name], weights[name] * 1024)


def test_columns_of_the_log(feed):
    """The log has these columns, finite numbers, steps from first to last, and a loss that is the sum of its terms."""
    log = run(feed).log
    assert list(log.columns) == [
        "step", "epoch", "loss", "mse", "sparsity", "aux", "sparsity_weight", "l0", "frac_dead", "grad_norm",
    ]
    assert log["step"].tolist() == list(range(1, 31))
    assert log["epoch"].tolist() == [epoch for epoch in range(5) for _ in range(6)]
    assert np.isfinite(log.to_numpy()).all()
    np.testing.assert_allclose(log["sparsity_weight"], 3e-4, rtol=1e-6)
    np.testing.assert_allclose(log["loss"], log["mse"] + 3e-4 * log["sparsity"], rtol=1e-6)
    assert log["frac_dead"].between(0, 1).all() and log["l0"].between(0, D_HIDDEN).all()


def test_auxiliary_loss_is_in_the_logged_loss(feed, monkeypatch):
    """With AuxK and dead latents, 1/32 of its mean squared error is part of the loss."""
    _silence(monkeypatch, 6)
    log = run(feed, revive="auxk", dead_snapshots=3).log
    assert log["aux"].iloc[-1] > 0
    terms = log["mse"] + log["sparsity_weight"] * log["sparsity"] + log["aux"] / 32
    np.testing.assert_allclose(log["loss"], terms, rtol=1e-6)


def test_log_of_a_long_training_is_short(feed):
    """However many steps, at most 200 are logged, the first and the last among them, each once."""
    steps = run(feed, epochs=55).log["step"].tolist()
    assert len(steps) == len(set(steps)) == 200
    assert (steps[0], steps[-1]) == (1, 330)


def test_first_logged_step_is_that_of_the_initial_weights(feed):
    """Each row's terms are those before the step, checked against the documented loss at the first."""
    log = run(feed, epochs=1).log
    weights = initial_weights(D_MODEL, D_HIDDEN, 0, BY_ID[BLOCK].depth_index)
    x = next(feed.snapshots(epoch_order(0, 0, N_DAYS)))
    h = torch.relu(x @ weights["W_enc"])
    assert log["mse"][0] == pytest.approx(float(((h @ weights["W_dec"] - x) ** 2).mean()), rel=1e-5)
    assert log["sparsity"][0] == pytest.approx(float(h.sum(1).mean()), rel=1e-5)
    assert log["l0"][0] == pytest.approx(float((h > 0).sum(1).float().mean()), rel=1e-5)


def _silence(monkeypatch, n):
    def silenced(*args):
        weights = initial_weights(*args)
        weights["b_enc"][:n] = -1e3
        return weights

    monkeypatch.setattr(trainer, "initial_weights", silenced)


@pytest.mark.parametrize(("batch_rows", "window"), [(None, 4), (10, 10)])
def test_dead_share_counts_latents_silent_for_snapshots(feed, monkeypatch, batch_rows, window):
    """A latent is dead once it has not fired for as many tokens as `dead_snapshots` snapshots have."""
    _silence(monkeypatch, 6)
    dead = run(feed, shuffle="rows", batch_rows=batch_rows, dead_snapshots=4, epochs=2).log["frac_dead"].to_numpy()
    assert (dead[: window - 1] == 0).all()
    assert (dead[window - 1 :] >= np.float32(6 / D_HIDDEN)).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("normalise", [False, True])
def test_weights_are_plain_float32_tensors(feed, architecture, normalise):
    """What training leaves is float32, contiguous, on the CPU, in the form that the published class takes."""
    weights = train(feed, BY_ID[BLOCK], of(architecture, epochs=1, normalise=normalise)).weights
    extras = {"relu": [], "topk": ["k"], "abstopk": ["k", "signed"], "jumprelu": ["threshold"], "matching_pursuit": ["k", "pursuit"]}
    assert list(weights) == ["W_enc", "b_enc", "W_dec", "b_dec", *extras[ARCHITECTURES[architecture].released_as]]
    assert all(t.is_contiguous() and t.device == CPU and not t.requires_grad for t in weights.values())
    assert all(t.dtype == torch.float32 for name, t in weights.items() if name not in ("k", "signed", "pursuit"))
    x_hat, h = AuroraSAE.from_tensors(weights)(everything(feed))
    assert torch.isfinite(x_hat).all() and (h != 0).any()


def test_divergence_is_a_user_error(feed):
    """Weights that are not finite end the training with what to change."""
    with pytest.raises(UserError, match=r"finite weights.*sae\.lr"):
        run(feed, lr=1e30)


def test_an_sae_without_features_is_a_user_error(feed):
    """Where nothing fires in the end, the weight of the penalty is named."""
    with pytest.raises(UserError, match=r"features that fire.*lower sae\.l1_coeff \(now 1e\+06\)"):
        run(feed, l1_coeff=1e6, epochs=100)


def test_a_target_out_of_reach_is_refused_before_the_first_step(feed):
    """More than half of all latents is no sparse code; half is taken."""
    with pytest.raises(UserError, match=r"config key sae\.target_l0: expected at most half of the 24 latents"):
        run(feed, architecture="topk", target_l0=13.0)
    assert run(feed, architecture="topk", target_l0=12.0, epochs=1).weights["k"] == 12


@pytest.mark.parametrize(
    ("architecture", "advice"),
    [
        ("jumprelu", "(sae.epochs), or raise sae.l1_coeff"), ("relu", "(sae.epochs), or start nearer with sae.l1_coeff"),
        ("bias_adaptation", "Train longer (sae.epochs)."),
    ],
)
def test_a_target_that_was_missed_is_a_warning(feed, caplog, architecture, advice):
    """One line says by how much and what to do, and there is none where the target was met."""
    train(feed, BY_ID[BLOCK], of(architecture, target_l0=1.0, epochs=1))
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "the target of 1 features on per token was not reached" in line and advice in line
    caplog.clear()
    train(feed, BY_ID[BLOCK], of("topk", epochs=1))
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
