import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from aurorascope.errors import UserError
from aurorascope.sae.architectures import ARCHITECTURES
from aurorascope.sae.gated import Gated
from aurorascope.sae.initial import initial_weights
from aurorascope.training import orthogonality
from aurorascope.training.dead import Dead, window_steps
from aurorascope.training.density import densest
from aurorascope.training.engine import Saver
from aurorascope.training.log import Log
from aurorascope.training.micro_batch import micro_batch, needed_bytes
from aurorascope.training.optimiser import Adam
from aurorascope.training.precision import matmul_precision
from aurorascope.training.schedule import factor
from hypothesis import given
from hypothesis import strategies as st

from tests.training.settings import of, sae

CPU = torch.device("cpu")
D, H = 6, 24


def parameters(kind=None, seed=0):
    weights = initial_weights(D, H, seed, 0)
    return weights if kind is None else {**weights, **kind.extra_parameters(D, H)}


# The optimiser.


@pytest.mark.parametrize("project", [False, True])
def test_a_decoder_row_of_zeros_stays_finite(project):
    """A row that has vanished is left at zero instead of becoming NaN."""
    weights = parameters()
    weights["W_dec"][2] = 0
    Adam(weights, 1e-3, project).step({name: torch.zeros_like(tensor) for name, tensor in weights.items()})
    assert torch.isfinite(weights["W_dec"]).all()
    assert not weights["W_dec"][2].any()
    torch.testing.assert_close(weights["W_dec"][3].norm(), torch.tensor(1.0))


@pytest.mark.parametrize("project", [False, True])
def test_adam_is_that_of_torch(project):
    """Steps are those of torch.optim.Adam at lr * factor, then rows at unit norm; projected gradients where asked."""
    generator, weights = torch.Generator().manual_seed(0), parameters(Gated)
    reference = {name: tensor.clone().requires_grad_() for name, tensor in weights.items()}
    theirs, ours = torch.optim.Adam(list(reference.values()), lr=1.0), Adam(weights, 1e-2, project)
    for factor_ in torch.rand(20, generator=generator).tolist():
        grads = {name: torch.randn(tensor.shape, generator=generator) for name, tensor in weights.items()}
        for name, tensor in reference.items():
            tensor.grad = grads[name].clone()
        if project:
            rows = reference["W_dec"].detach()
            reference["W_dec"].grad -= (reference["W_dec"].grad * rows).sum(1, keepdim=True) * rows
        theirs.param_groups[0]["lr"] = 1e-2 * factor_
        theirs.step()
        ours.step(grads, factor_)
        with torch.no_grad():
            reference["W_dec"].div_(reference["W_dec"].norm(dim=1, keepdim=True))
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, reference[name].detach(), rtol=1e-5, atol=1e-6)


def test_projection_leaves_nothing_along_the_rows():
    """With `project`, moments of a gradient that lies along the rows stay zero; without, they do not."""
    for project in (True, False):
        weights = parameters()
        grads = {name: torch.zeros_like(tensor) for name, tensor in weights.items()}
        grads["W_dec"] = weights["W_dec"] * torch.arange(1.0, H + 1)[:, None]
        optimiser = Adam(weights, 1e-3, project)
        optimiser.step(grads)
        largest = optimiser.moments()["exp_avg.W_dec"].abs().max()
        assert (largest < 1e-6) == project


# The schedule.


@given(n_steps=st.integers(1, 400), warm_up=st.floats(0, 1), data=st.data())
def test_the_rate_rises_stays_and_falls(n_steps, warm_up, data):
    """In (0, 1], never falling during the warm-up, 1 between, never rising during the decay."""
    decay = data.draw(st.floats(0, 1 - warm_up))
    factors = np.array([factor(step, n_steps, warm_up, decay) for step in range(1, n_steps + 1)])
    assert ((factors > 0) & (factors <= 1)).all()
    up, down = math.floor(warm_up * n_steps), math.floor((1 - decay) * n_steps)
    assert (np.diff(factors[:up]) > 0).all()
    assert (np.diff(factors[down:]) < 0).all()
    assert (factors[up:down] > 1 - 1e-9).all()


def test_rates_of_a_short_training():
    """Ten steps with two of warm-up and four of decay, by hand."""
    found = [factor(step, 10, 0.2, 0.4) for step in range(1, 11)]
    assert found == pytest.approx([0.5, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])
    assert {factor(step, 10, 0.0, 0.0) for step in range(1, 11)} == {1.0}


# The dead.


@pytest.mark.parametrize(
    ("snapshots", "n_tokens", "rows", "steps"),
    [(30, 24, 24, 30), (30, 180_000, 4096, 1319), (1, 24, 24, 1), (1, 24, 10, 3), (2, 20, 40, 1)],
)
def test_the_window_counts_snapshots(snapshots, n_tokens, rows, steps):
    """As many steps as are needed to see the tokens of that many snapshots, whatever a step takes."""
    assert window_steps(snapshots, n_tokens, rows) == steps


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=12), st.integers(1, 5))
def test_dead_are_those_silent_for_a_window(fired, window):
    """A latent is dead if the last `window` steps are all there and it fired in none of them."""
    dead = Dead(3, window, CPU)
    for step, on in enumerate(fired, start=1):
        dead.see(step, torch.tensor([5.0 * is_on for is_on in on]))
        recent = fired[max(0, step - window) : step]
        expected = [step >= window and not any(row[i] for row in recent) for i in range(3)]
        assert dead.mask(step).tolist() == expected
        indices = dead.indices(step)
        assert ([] if indices is None else indices.tolist()) == [i for i in range(3) if expected[i]]
        assert (indices is None) == (not any(expected))


# Where products are sparse.


def test_products_are_sparse_on_a_cpu_up_to_an_eighth(caplog, monkeypatch):
    """One line says where the target is denser; a GPU and portable numbers stay dense, and nothing else is said."""
    caplog.set_level("INFO")
    cases = (("abstopk", 64.0, 8, False), ("abstopk", 65.0, 8, True), ("topk", 65.0, 8, True), ("matryoshka", 33.0, 16, True))
    for architecture, target, inverse, says in cases:
        caplog.clear()
        config = of(architecture, target_l0=target)
        assert densest(config, 512, CPU) == 1 / inverse
        assert [record.message for record in caplog.records] == says * [
            f"{target:g} of 512 latents a token are more than one in {inverse}: products are dense once so many are kept."
        ]
        assert densest(config, 512, torch.device("cuda")) == 0
    for architecture in ("relu", "jumprelu", "gated"):
        caplog.clear()
        assert densest(of(architecture, target_l0=65.0), 512, CPU) == 0 and not caplog.records
    monkeypatch.setattr("aurorascope.training.density.are_replaced", lambda: True)
    caplog.clear()
    assert densest(of("abstopk", target_l0=65.0), 512, CPU) == 0 and not caplog.records


# The log.


def test_the_log_keeps_what_it_wants():
    """Steps that are wanted are kept in order, the loss is the sum of the terms at their weights."""
    log = Log(1000, 100, CPU)
    for step in range(1, 1001):
        if log.wants(step):
            log.add(step, [torch.tensor(float(value)) for value in (step, 2, 32, 0.5, 4, 0, 1)])
    table = log.table(1 / 32)
    assert len(table) == 200 and (table["mse"] == table["step"]).all()
    assert (table["epoch"] == (table["step"] - 1) // 100).all()
    np.testing.assert_allclose(table["loss"], table["step"] + 0.5 * 2 + 1)


# OrtSAE's penalty.


@pytest.mark.parametrize("rows", [1, 5, 2048])
def test_gradient_of_the_penalty(monkeypatch, rows):
    """It is that of weight * mean_i max_j cos(d_i, d_j)^2, whatever the number of rows taken at a time."""
    monkeypatch.setattr(orthogonality, "_ROWS", rows)
    W_dec = parameters()["W_dec"].double()
    W_dec /= W_dec.norm(dim=1, keepdim=True)
    free = W_dec.clone().requires_grad_()
    unit = free / free.norm(dim=1, keepdim=True)
    cos = unit @ unit.T
    (0.3 * (cos - torch.diag(cos.diag())).abs().amax(1).square().mean()).backward()
    start = torch.randn(H, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = start.clone()
    orthogonality.add_gradient(W_dec, found, 0.3)
    torch.testing.assert_close(found - start, free.grad, rtol=1e-9, atol=1e-12)
    # The norm's own direction is left out.
    torch.testing.assert_close(((found - start) * W_dec).sum(1), torch.zeros(H).double(), rtol=0, atol=1e-12)
    assert free.grad.abs().max() > 1e-3


def test_the_penalty_drives_rows_apart():
    """Following the gradient alone lowers the largest cosines."""
    W_dec = parameters()["W_dec"]

    def penalty():
        return (W_dec @ W_dec.T - torch.eye(H)).abs().amax(1).square().mean()

    before = penalty()
    for _ in range(200):
        grad = torch.zeros_like(W_dec)
        orthogonality.add_gradient(W_dec, grad, 1.0)
        W_dec.sub_(grad, alpha=0.2)
        W_dec.div_(W_dec.norm(dim=1, keepdim=True))
    assert penalty() < 0.75 * before


# Memory and time.


@given(
    architecture=st.sampled_from([*ARCHITECTURES]), d=st.integers(1, 2048), rows=st.integers(1, 5000), batch=st.integers(1, 200_000),
    expansion=st.integers(1, 32),
)
def test_more_of_anything_takes_more_memory(architecture, d, rows, batch, expansion):
    """Bytes grow with width, latents, micro-batch and batch, and hold at least weights, moments and latents."""
    config = of(architecture, expansion=expansion)
    n = needed_bytes(config, d, rows, batch)
    assert n > 4 * (4 * 2 * d * d * expansion + rows * d * expansion + batch * d)
    assert n < needed_bytes(config, d + 1, rows, batch)
    assert n < needed_bytes(config, d, rows + 1, batch)
    assert n < needed_bytes(config, d, rows, batch + 1)
    assert n < needed_bytes(dataclasses.replace(config, expansion=expansion + 1), d, rows, batch)


@pytest.mark.parametrize("batch", [10, 500, 100_000])
def test_the_micro_batch_is_halved_until_it_fits(caplog, batch):
    """With all memory it is the device's usual; with less it is the largest halving that fits; with too little, refused."""
    config, usual = sae(), min(1024, batch)
    halvings = [usual]
    while halvings[-1] > 64:
        halvings.append(max(64, halvings[-1] // 2))
    for rows in halvings:
        free = needed_bytes(config, 64, rows, batch) / 0.9 + 1
        assert micro_batch(config, 64, batch, CPU, int(free)) == rows
        assert ("was halved" in caplog.text) == (rows < usual)
        caplog.clear()
    with pytest.raises(UserError, match=r"memory of cpu.*lower sae\.expansion"):
        micro_batch(config, 64, batch, CPU, int(needed_bytes(config, 64, halvings[-1], batch) / 0.9 - 1))


def test_memory_is_that_of_the_machine(monkeypatch):
    """Without a number, the operating system is asked."""
    free = types_free(needed_bytes(sae(), 64, 256, 4096) / 0.9 + 1)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    assert micro_batch(sae(), 64, 4096, CPU) == 256


def test_the_limit_of_a_job_bounds_the_micro_batch(monkeypatch, caplog):
    """A job that was given less than the node has free, and holds a GiB of it: the node's room is not its own."""
    free = needed_bytes(sae(), 2048, 512, 4096) / 0.9
    assert needed_bytes(sae(), 2048, 1024, 4096) > 0.9 * free + (1 << 20)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: types_free(1 << 40))
    monkeypatch.setattr(psutil.Process, "memory_info", lambda _self: SimpleNamespace(rss=1 << 30))
    monkeypatch.delenv("SLURM_MEM_PER_NODE", raising=False)
    assert micro_batch(sae(), 2048, 4096, CPU) == 1024
    monkeypatch.setenv("SLURM_MEM_PER_NODE", str(math.ceil(free / (1 << 20)) + 1024))
    assert micro_batch(sae(), 2048, 4096, CPU) == 512
    assert "was halved from 1024 to 512 rows" in caplog.text
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1024")
    with pytest.raises(UserError, match=r"memory of cpu.*found 0 bytes free.*a job, by mem_mb"):
        micro_batch(sae(), 2048, 4096, CPU)


def types_free(n):
    return type("Memory", (), {"available": int(n)})


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize(("precision", "within"), [("float32", False), ("tf32", True), ("bfloat16", False)])
def test_precision_of_products_is_restored(before, precision, within):
    """TF32 is on within the block where it is asked for and nowhere else, also after an error."""
    products = torch.backends.cuda.matmul
    of_the_process, products.allow_tf32 = products.allow_tf32, before
    try:
        with pytest.raises(ZeroDivisionError), matmul_precision(precision):
            assert products.allow_tf32 == within
            raise ZeroDivisionError
        assert products.allow_tf32 == before
    finally:
        products.allow_tf32 = of_the_process


@pytest.mark.parametrize(
    ("minutes", "passed", "is_epoch_end", "due"),
    [
        (10, 9.9, False, False), (10, 10.1, False, True), (10, 0.3, True, False), (10, 0.4, True, True),
        (0.1, 0.2, True, True), (0.1, 0.05, True, False), (10, 0.4, False, False),
    ],
)
def test_a_checkpoint_is_due_by_time_or_by_epoch(monkeypatch, minutes, passed, is_epoch_end, due):
    """After so many minutes, and at the end of an epoch that took more than 20 seconds."""
    now = [1000.0]
    monkeypatch.setattr("aurorascope.training.engine.time.monotonic", lambda: now[0])
    saver, nowhere = Saver(object(), minutes), Saver(None, minutes)
    now[0] += 60 * passed
    assert saver.is_due(is_epoch_end) == due
    assert not nowhere.is_due(is_epoch_end)
