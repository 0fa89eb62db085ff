"""Mutual feature regularisation: the penalty's gradient, the SAE beside, and what it is for: directions that agree."""

import logging

import numpy as np
import pytest
import torch
from aurorascope.blocks import BY_ID
from aurorascope.config.sae import n_at_once
from aurorascope.errors import UserError
from aurorascope.measures.stability.compare import compare, unit_rows
from aurorascope.sae.digest import tensor_digest
from aurorascope.training import mutual
from aurorascope.training.export import describe_training
from aurorascope.training.micro_batch import needed_bytes
from aurorascope.training.mutual import Mutual, seed_beside, steps_between
from aurorascope.training.trainer import Data, Trainer
from tiny import BLOCK

from tests.trained import train
from tests.training.settings import of

CPU = torch.device("cpu")
H, D, EVERY = 40, 6, 10
# So little that no bit of a gradient hears of it.
NOTHING = 1e-30


def dictionaries(n=2, seed=0):
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(unit_rows(rng.standard_normal((H, D)))) for _ in range(n)]


def penalty(a_hd, b_hd, weight, is_signed):
    unit = [rows_hd / rows_hd.norm(dim=1, keepdim=True) for rows_hd in (a_hd, b_hd)]
    cos_hh = unit[0] @ unit[1].T
    cos_hh = cos_hh.abs() if is_signed else cos_hh
    return weight * (1 - (cos_hh.amax(1).mean() + cos_hh.amax(0).mean()) / 2)


@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize("rows", [1, 7, 1024])
def test_gradients_of_both(monkeypatch, rows, is_signed):
    """They are those of the formula, whatever the number of rows taken at a time, but for the norms' own directions."""
    monkeypatch.setattr(mutual, "ROWS", rows)
    found = [each.clone() for each in dictionaries(seed=1)]
    starts, both = [each.clone() for each in found], dictionaries()
    free = [each.clone().requires_grad_() for each in both]
    penalty(*free, 0.3, is_signed).backward()
    Mutual(0.3, EVERY, H, is_signed, CPU).add_gradients(1, tuple(both), tuple(found))
    for rows_hd, after, before, expected in zip(both, found, starts, free, strict=True):
        torch.testing.assert_close(after - before, expected.grad, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(((after - before) * rows_hd).sum(1), torch.zeros(H).double(), rtol=0, atol=1e-12)
        assert expected.grad.abs().max() > 1e-3


def test_who_is_nearest_is_looked_up_every_few_steps():
    """In between it is the row found last; the cosine to it is that of the step."""
    between, (a, b, c) = Mutual(0.3, EVERY, H, False, CPU), dictionaries(3)
    found = {}
    for step, other in ((1, b), (2, c), (EVERY, c), (EVERY + 1, c)):
        grads = torch.zeros(H, D).double(), torch.zeros(H, D).double()
        between.add_gradients(step, (a, other), grads)
        found[step] = grads
    fresh = torch.zeros(H, D).double(), torch.zeros(H, D).double()
    Mutual(0.3, EVERY, H, False, CPU).add_gradients(1, (a, c), fresh)
    assert torch.equal(found[2][0], found[EVERY][0]) and not torch.equal(found[EVERY][0], found[EVERY + 1][0])
    assert all(map(torch.equal, found[EVERY + 1], fresh))
    # Of the rows that step 1 found, the gradient at the rows of step 2.
    free = a.clone().requires_grad_()
    nearest_a, nearest_b = (a @ b.T).argmax(1), (a @ b.T).argmax(0)
    unit = free / free.norm(dim=1, keepdim=True)
    (0.3 * (1 - ((unit * c[nearest_a]).sum(1).mean() + (c * unit[nearest_b]).sum(1).mean()) / 2)).backward()
    torch.testing.assert_close(found[2][0], free.grad, rtol=1e-9, atol=1e-12)


def test_look_ups_are_rarer_where_they_cost_more_than_a_step():
    """A look-up is a product of h rows, a step's products are of the batch's."""
    assert [steps_between(h, rows) for h, rows in ((128, 512), (1280, 512), (1281, 512), (16384, 512), (16384, 180_000))] == [10, 10, 11, 128, 10]


@pytest.mark.parametrize("is_signed", [False, True])
def test_likeness_is_that_of_the_measure_of_stability(is_signed):
    """And asking for it changes nothing in the training."""
    a, b = dictionaries()
    between = Mutual(1.0, EVERY, H, is_signed, CPU)
    assert between.likeness(a, b) == pytest.approx(compare(a.numpy(), b.numpy(), is_signed).mmcs, rel=1e-12)
    assert not between.nearest_2h.any()


def test_following_the_gradients_draws_dictionaries_together():
    (a, b), between = dictionaries(), Mutual(1.0, EVERY, H, False, CPU)
    before = between.likeness(a, b)
    for step in range(1, 201):
        grads = torch.zeros_like(a), torch.zeros_like(b)
        between.add_gradients(step, (a, b), grads)
        for rows_hd, grad_hd in zip((a, b), grads, strict=True):
            rows_hd.sub_(grad_hd, alpha=2.0).div_(rows_hd.norm(dim=1, keepdim=True))
    assert before < 0.9 and between.likeness(a, b) > 0.99


@pytest.mark.parametrize("architecture", ["relu", "abstopk", "batchtopk", "matching_pursuit"])
def test_an_sae_beside_that_does_not_pull_changes_no_bit(feed, architecture):
    """The first is what it would be alone, and its log, whatever else is trained."""
    changes = {"revive": "auxk", "dead_snapshots": 3}
    alone, beside = (train(feed, BY_ID[BLOCK], of(architecture, mutual_weight=w, **changes)) for w in (0.0, NOTHING))
    assert tensor_digest(alone.weights) == tensor_digest(beside.weights) and alone.log.equals(beside.log)
    assert alone.mutual_mmcs is None and 0 < beside.mutual_mmcs < 1


def test_the_sae_beside_is_trained_as_one_alone(feed):
    """Where nothing pulls it is a training with its seed on the first one's batches, revival included."""
    options, data = {"revive": "resample", "dead_snapshots": 3}, Data(D, 24, 6, np.zeros(D), 1.0)
    pair = Trainer(BY_ID[BLOCK], of("topk", mutual_weight=NOTHING, **options), data, CPU)
    alone = Trainer(BY_ID[BLOCK], of("topk", seed=seed_beside(0), **options), data, CPU)
    with torch.inference_mode():
        for x_nd in feed.snapshots(np.arange(6)):
            pair.step(x_nd)
            alone.step(x_nd)
    beside = {name.removeprefix("beside."): tensor for name, tensor in pair.state().items() if name.startswith("beside.")}
    assert tensor_digest(beside) == tensor_digest(alone.state())


def test_the_sae_beside_is_that_of_no_other_seed():
    """Its seed is out of reach of what is configured, and another one for each."""
    seeds = [seed_beside(seed) for seed in range(100)]
    assert len(set(seeds)) == 100 and min(seeds) >= 2**31 and max(seeds) < 2**32
    data = Data(D, 24, 6, np.zeros(D), 1.0)
    first, second = (Trainer(BY_ID[BLOCK], of("topk", seed=seed, mutual_weight=0.1), data, CPU).state() for seed in (0, 1))
    started = [each[f"{name}parameter.W_dec"] for each in (first, second) for name in ("", "beside.")]
    assert len({tensor_digest({"W_dec": each}) for each in started}) == 4


def test_two_threads_give_the_penalty_the_same_bits():
    """Of more rows than are compared at once, several of them nearest to more than one."""
    rng, before, found = np.random.default_rng(1), torch.get_num_threads(), []
    both = tuple(torch.from_numpy(unit_rows(rng.standard_normal((1100, 64))).astype(np.float32)) for _ in range(2))
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            between, grads = Mutual(0.3, EVERY, 1100, True, CPU), tuple(map(torch.zeros_like, both))
            between.add_gradients(1, both, grads)
            found.append(tensor_digest({"first": grads[0], "second": grads[1], "nearest": between.nearest_2h}))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


def test_what_is_not_finite_beside_ends_the_training():
    data = Data(D, 24, 6, np.zeros(D), 1.0)
    trainer = Trainer(BY_ID[BLOCK], of("topk", mutual_weight=0.1), data, CPU)
    trainer.check_finite()
    trainer.state()["beside.parameter.W_enc"][0, 0] = torch.nan
    with pytest.raises(UserError, match=f"training of {BLOCK}: expected finite weights"):
        trainer.check_finite()


def test_the_record_says_how_like_both_are(feed, caplog):
    """The loss names the penalty, and without it a record has no entry more."""
    config = of("topk", mutual_weight=0.3, revive="auxk")
    with caplog.at_level(logging.INFO, "aurorascope"):
        trained = train(feed, BY_ID[BLOCK], config)
    assert f"mean largest cosine with directions of the SAE beside it {trained.mutual_mmcs:.3f}" in caplog.text
    entry = describe_training(config, trained, 6)
    assert entry["mutual_mmcs"] == trained.mutual_mmcs
    assert entry["loss"].endswith(" + AuxK / 32 + 0.3 (1 - MMCS with an SAE beside it)")
    alone = of("topk", revive="auxk")
    plain = describe_training(alone, train(feed, BY_ID[BLOCK], alone), 6)
    assert plain.keys() == entry.keys() - {"mutual_mmcs"} and plain["loss"].endswith(" + AuxK / 32")


@pytest.mark.parametrize(("d", "rows", "batch"), [(64, 1024, 512), (1024, 64, 100_000)])
def test_memory_counts_both(d, rows, batch):
    """All but the batch twice, and the cosines that are compared at once."""
    alone, both = (needed_bytes(of("topk", mutual_weight=w), d, rows, batch) for w in (0.0, 0.1))
    h, of_batch = 4 * d, 2 * 4 * batch * d
    assert both == 2 * (alone - of_batch) + of_batch + 2 * 4 * min(1024, h) * h
    assert [n_at_once(of("topk", mutual_weight=w)) for w in (0.0, 0.1)] == [1, 2]


class _Planted:
    """Rows that are sums of two of sixteen directions in eight dimensions: more than one dictionary explains them."""

    def __init__(self):
        rng = np.random.default_rng(0)
        atoms = unit_rows(rng.standard_normal((16, 8)))
        x = np.stack([rng.uniform(0.5, 1.5, 2) @ atoms[rng.choice(16, 2, replace=False)] for _ in range(6 * 64)]).astype(np.float32)
        self.n_snapshots, self.n_blocks, self.device, self.reader, self.d_model, self.n_tokens = 6, 1, CPU, self, 8, 64
        self._x = torch.from_numpy(x).reshape(6, 64, 8)

    def snapshots(self, order):
        yield from (self._x[i] for i in order.tolist())

    def moments(self):
        x = self._x.flatten(0, 1).double().numpy()
        return {"n": np.full(8, len(x)), "mean": x.mean(0), "m2": ((x - x.mean(0)) ** 2).sum(0)}


def test_pairs_agree_more_and_both_still_explain():
    """On planted data the two agree more than without the penalty, matched one to one as well; what is explained hardly changes."""
    feed, found = _Planted(), {}
    for weight in (NOTHING, 0.1):
        config = of("topk", target_l0=2.0, epochs=60, normalise=True, mutual_weight=weight)
        trainer = Trainer(BY_ID[BLOCK], config, Data(8, 64, 6, feed.moments()["mean"], float(feed.moments()["m2"].sum() / 384 / 8)), CPU)
        with torch.inference_mode():
            for _ in range(config.epochs):
                for x_nd in feed.snapshots(np.arange(6)):
                    trainer.step(x_nd)
        state, result = trainer.state(), trainer.result()
        rows = [unit_rows(state[f"{name}parameter.W_dec"].numpy()) for name in ("", "beside.")]
        found[weight] = result.mutual_mmcs, compare(*rows, False).mcc, float(result.log["mse"].iloc[-6:].mean())
    (mmcs, mcc, mse), (mmcs_drawn, mcc_drawn, mse_drawn) = found.values()
    assert mmcs_drawn > mmcs + 0.05 and mcc_drawn > mcc + 0.03
    assert mse_drawn < 1.5 * mse
