import numpy as np
import pytest
import torch
from aurorascope.sae.architectures import ARCHITECTURES
from aurorascope.sae.auxk import AuxK
from aurorascope.sae.initial import initial_weights
from aurorascope.sae.objective import Settings
from aurorascope.training import revive
from aurorascope.training.optimiser import Adam

D, H = 6, 24
DEAD = torch.tensor([2, 3, 11, 23])
ALIVE = torch.tensor([i for i in range(H) if i not in DEAD.tolist()])


# Directions that follow from centroids cannot be given new ones, which the configuration refuses.
@pytest.fixture(params=[name for name, architecture in ARCHITECTURES.items() if not architecture.anchored])
def revived(request):
    """An objective and its optimiser after five steps, and activations."""
    kind = ARCHITECTURES[request.param].objective_class()
    objective = kind({**initial_weights(D, H, 0, 0), **kind.extra_parameters(D, H)}, Settings(3e-4, 4.0, rows=16))
    optimiser = Adam(objective.parameters, 1e-2)
    x_nd = torch.from_numpy(np.random.default_rng(5).standard_normal((40, D), np.float32)) * 3 + 1
    with torch.inference_mode():
        for _ in range(5):
            objective.compute(x_nd)
            optimiser.step(objective.grads)
            objective.constrain()
        yield objective, optimiser, x_nd


def parts(tensor, name):
    """Values of a parameter or moment of the dead and of the others."""
    columns = tensor.T if name.endswith("W_enc") else tensor
    return columns[DEAD], columns[ALIVE]


def test_only_the_dead_are_changed(revived):
    """Parameters and moments of the living, b_dec and step counts keep their bits; moments of the dead are zero."""
    objective, optimiser, x_nd = revived
    unread = tuple(name for name, gradient in objective.grads.items() if not gradient.any())
    tensors = {**objective.parameters, **optimiser.moments()}
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    revive.resample(objective, optimiser, DEAD, x_nd, [0, 1, 2])
    for name, tensor in tensors.items():
        if name.endswith("b_dec") or ".step" in name or name.startswith("step"):
            assert torch.equal(tensor, before[name]), name
            continue
        dead, alive = parts(tensor, name)
        assert torch.equal(alive, parts(before[name], name)[1]), name
        if name.startswith("exp_avg"):
            assert not dead.any() and parts(before[name], name)[1].any() != name.endswith(unread), name
    p = objective.parameters
    torch.testing.assert_close(p["W_dec"].norm(dim=1), torch.ones(H))
    assert not p["b_enc"][DEAD].any()
    for name, fresh in objective.extra_parameters(D, H).items():
        assert torch.equal(p[name][DEAD], fresh[DEAD])


def test_new_directions_are_those_of_inputs(revived):
    """Each dead latent's decoder row is the unit vector of some centred input, its encoder column along it."""
    objective, optimiser, x_nd = revived
    revive.resample(objective, optimiser, DEAD, x_nd, [0, 1, 2])
    p = objective.parameters
    unit_nd = torch.nn.functional.normalize(x_nd - p["b_dec"])
    assert ((p["W_dec"][DEAD] @ unit_nd.T).amax(1) > 1 - 1e-5).all()
    norm = 0.2 * p["W_enc"].norm(dim=0)[ALIVE].mean()
    torch.testing.assert_close(p["W_enc"][:, DEAD].T, p["W_dec"][DEAD] * norm)


def test_the_draw_is_a_function_of_the_seed(revived):
    """The same seed draws the same, another one something else, whatever the state of the process."""
    objective, optimiser, x_nd = revived
    before = {name: tensor.clone() for name, tensor in objective.parameters.items()}
    found = []
    for seed in ([0, 1, 2], [0, 1, 2], [0, 1, 3], [0, 2, 2], [1, 1, 2]):
        for name, tensor in objective.parameters.items():
            tensor.copy_(before[name])
        np.random.seed(len(found))
        torch.manual_seed(len(found))
        revive.resample(objective, optimiser, DEAD, x_nd, seed)
        found.append(objective.parameters["W_dec"][DEAD].clone())
    assert torch.equal(found[0], found[1])
    assert not any(torch.equal(found[0], other) for other in found[2:])


def test_inputs_without_loss_are_never_drawn(revived, monkeypatch):
    """What is explained is never drawn, and nothing is, if all is; each of the others at most once."""
    objective, optimiser, x_nd = revived
    losses_n = torch.zeros(len(x_nd))
    monkeypatch.setattr(objective, "row_losses", lambda x_nd: losses_n)
    before = objective.parameters["W_dec"].clone()
    revive.resample(objective, optimiser, DEAD, x_nd, [0])
    assert torch.equal(objective.parameters["W_dec"], before)
    losses_n[[4, 7]] = torch.tensor([1.0, 0.8])
    drawn = torch.nn.functional.normalize(x_nd - objective.parameters["b_dec"])[[4, 7]]
    orders = set()
    for seed in range(20):
        objective.parameters["W_dec"].copy_(before)
        revive.resample(objective, optimiser, DEAD, x_nd, [seed])
        # Two rows have a loss: two of the dead live again, one for each, since twins would stay twins.
        rows = objective.parameters["W_dec"][DEAD]
        matches = torch.cdist(rows[:2], drawn) < 1e-5
        assert matches.sum(0).tolist() == matches.sum(1).tolist() == [1, 1]
        assert torch.equal(rows[2:], before[DEAD[2:]])
        orders.add(bool(matches[0, 0]))
    assert orders == {True, False}


def test_auxk_keeps_few_of_many():
    """At most k of the dead fire on a row, the largest of them, where positive."""
    auxk = AuxK(2)
    assert auxk.pick(torch.ones(3, H)) is None
    auxk.dead_i = DEAD
    z_nh = torch.randn(50, H, generator=torch.Generator().manual_seed(0))
    expected = z_nh[:, DEAD].sort(1, descending=True)
    picked = auxk.pick(z_nh.clone())
    assert torch.equal(picked.sort(1, descending=True).values[:, :2], expected.values[:, :2].relu())
    assert ((picked > 0).sum(1) <= 2).all() and (picked > 0).any()
