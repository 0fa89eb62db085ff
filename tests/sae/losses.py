"""The loss that each architecture's docstring states, in plain PyTorch, as an oracle for the gradients written by hand."""

import math

import torch
from aurorascope.sae.archetypal import MIXED
from aurorascope.sae.architectures import ARCHITECTURES
from aurorascope.sae.auxk import ALPHA
from aurorascope.sae.jumprelu import EPS
from aurorascope.sae.objective import Settings

KINDS = tuple(ARCHITECTURES)
# The top-k family once more, with products over the latents that are on.
SPARSE = tuple(f"{name}, sparse" for name, architecture in ARCHITECTURES.items() if architecture.densest)
STEPS = KINDS + SPARSE
# Parameters that take no part in the loss.
UNREAD = {"matching_pursuit": ("W_enc", "b_enc"), "bias_adaptation": ("b_enc", "threshold")}
K = 3
# What each architecture is told; several weights are far larger than in use, so that no term can be lost in rounding.
SETTINGS = {
    "relu": {"sparsity": 0.3},
    "topk": {"target_l0": K},
    "batchtopk": {"target_l0": K},
    "jumprelu": {"sparsity": 0.7, "target_l0": 4.0},
    "gated": {"sparsity": 0.3},
    "matryoshka": {"target_l0": K},
    "hierarchical": {"target_l0": K},
    "archetypal": {"target_l0": K},
    "bias_adaptation": {"target_l0": K},
    "abstopk": {"target_l0": K},
    "matching_pursuit": {"target_l0": K},
}


def random_parameters(kind, d, h, seed=0, dtype=torch.float64):
    """Weights without any structure that a wrong gradient could hide behind; pre-activations of order 1."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape, size=1.0):
        return size * torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    extra = {"jumprelu": {"threshold": (0.3 + draw(h).abs() / 4)}, "gated": {"b_gate": draw(h), "r_mag": draw(h) / 3}}
    extra["bias_adaptation"] = extra["jumprelu"]
    if kind.startswith("archetypal"):
        shares = draw(h, min(MIXED, h)).abs()
        extra = {kind: {"mix": shares / shares.sum(1, keepdim=True), "relax": draw(h, d, size=0.2 * d**-0.5)}}
    main = {
        "W_enc": draw(d, h, size=d**-0.5),
        "b_enc": draw(h) / 2,
        "W_dec": draw(h, d, size=d**-0.5),
        "b_dec": draw(d),
    }
    if kind.startswith("matching_pursuit"):
        main["W_dec"] = torch.nn.functional.normalize(main["W_dec"], dim=1)
    return main | extra.get(kind, {})


def random_rows(n, d, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1000 + seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype)


def random_weights(n, seed=0, dtype=torch.float64):
    """Weights of rows, 1 on average, from near 0 to near 2."""
    generator = torch.Generator().manual_seed(2000 + seed)
    weight_n = 0.1 + torch.rand(n, generator=generator, dtype=torch.float64)
    return (weight_n / weight_n.mean()).to(dtype)


def objective(kind, parameters, auxk=None, **settings):
    """The library's objective, told what `SETTINGS` says; sparse at any density where the kind says so."""
    kind, _, sparse = kind.partition(", ")
    told = {**SETTINGS[kind], "densest": 100.0 if sparse else 0.0, **settings}
    made = ARCHITECTURES[kind].objective_class()(parameters, Settings(**told), auxk)
    if ARCHITECTURES[kind].anchored:
        # What W_dec is then stands in the parameters, as after every step.
        made.anchor(centroids(*reversed(parameters["W_enc"].shape)).to(parameters["W_enc"]))
    return made


def moved(kind, grads):
    """The gradients of what is trained; an anchored W_dec is not, and follows from `relax` and `mix`, nor what takes no part."""
    still = ("W_dec",) if ARCHITECTURES[kind.partition(", ")[0]].anchored else UNREAD.get(kind, ())
    assert not any(grads[name].any() for name in still)
    return {name: gradient for name, gradient in grads.items() if name not in still}


def centroids(h, d):
    """Directions that an archetypal dictionary of these sizes is made from."""
    rows_hd = torch.randn(h, d, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    return torch.nn.functional.normalize(rows_hd, dim=1)


def mixed(p):
    """W_dec of an archetypal dictionary: each centroid and those nearest to it, their shares, and what moves the mixture."""
    C = centroids(*p["relax"].shape).to(p["relax"])
    nearest = torch.cdist(C, C).argsort(dim=1, stable=True)[:, : p["mix"].shape[1]]
    return torch.nn.functional.normalize(torch.einsum("hs,hsd->hd", p["mix"], C[nearest]) + p["relax"], dim=1)


class Jump(torch.autograd.Function):
    """z H(z - theta) and H(z - theta), with the pseudo-derivatives of Rajamanoharan et al. 2024."""

    @staticmethod
    def forward(ctx, z, theta):
        ctx.save_for_backward(z, theta)
        step = (z > theta).to(z.dtype)
        return z * step, step

    @staticmethod
    def backward(ctx, to_value, to_step):
        z, theta = ctx.saved_tensors
        kernel = ((z - theta) / EPS).abs() < 0.5
        by_theta = -(to_value * theta + to_step) * kernel / EPS
        return to_value * (z > theta), by_theta.sum(0)


def _mask(scores, k):
    return torch.zeros_like(scores).scatter(-1, scores.topk(k, dim=-1).indices, 1)


def _relu(z, w, p, k):
    return torch.relu(z)


def _top_k(z, w, p, k):
    return torch.relu(z) * _mask(z.detach(), k)


def _abs_top_k(z, w, p, k):
    return z * _mask(z.detach().abs(), k)


def _batch_top_k(z, w, p, k):
    return torch.relu(z) * _mask(z.detach().flatten(), min(k * len(z), z.numel())).view_as(z)


def _jump(z, w, p, k):
    return Jump.apply(z, p["threshold"])[0]


def _gated(z, w, p, k):
    return (z > 0) * torch.relu(w * torch.exp(p["r_mag"]) + p["b_enc"])


# Features of pre-activations z, the products w that a bias makes z of, parameters p and a token's share k.
FEATURES = {
    "relu": _relu,
    "topk": _top_k,
    "batchtopk": _batch_top_k,
    "jumprelu": _jump,
    "gated": _gated,
    "matryoshka": _batch_top_k,
    "hierarchical": _top_k,
    "archetypal": _top_k,
    "bias_adaptation": lambda z, w, p, k: w * (w > p["threshold"]),
    "abstopk": _abs_top_k,
}


def _pursuit(xc, W_dec, k):
    left, f = xc, 0
    for _ in range(k):
        one = torch.nn.functional.one_hot((left @ W_dec.T).detach().argmax(1), len(W_dec)).to(xc.dtype)
        value = torch.relu((one * (left @ W_dec.T)).sum(1, keepdim=True))
        left, f = left - value * (one @ W_dec), f + one * value
    return f, (left.detach() @ W_dec.T) * (f == 0)


def features(kind, p, xc, k=K):
    """Latents and the pre-activations that AuxK reads, of centred rows; k is a token's share."""
    if kind == "matching_pursuit":
        return _pursuit(xc, p["W_dec"], k)
    w = xc @ p["W_enc"]
    z = w if kind == "bias_adaptation" else w + p["b_gate" if kind == "gated" else "b_enc"]
    return FEATURES[kind](z, w, p, k), z


def _penalty(f, z, p, over_rows, told):
    exponent = told["exponent"]
    return over_rows((f * (f + 1e-3) ** (exponent - 1)).sum(1)) if exponent != 1 else over_rows(f.sum(1))


def _distance_of_l0(f, z, p, over_rows, told):
    return (Jump.apply(z, p["threshold"])[1].sum(1).mean() / told["target_l0"] - 1) ** 2


def _penalty_of_gate(f, z, p, over_rows, told):
    return over_rows(torch.relu(z).sum(1))


# What `sparsity` multiplies: of features f, pre-activations z, parameters p, the mean over rows, and what it is told.
SPARSITY = {"relu": _penalty, "jumprelu": _distance_of_l0, "gated": _penalty_of_gate}


def documented(kind, p, x, weight=None, mean=0.0, scale=1.0, dead=None, k_aux=None, aux_weight=ALPHA, exponent=1.0, **settings):
    """(loss, mse, sparsity, l0, aux) of one batch."""
    kind = kind.partition(", ")[0]
    told = {"sparsity": 0.0, "target_l0": None} | SETTINGS[kind] | settings
    weight = torch.ones(len(x), dtype=x.dtype) if weight is None else weight
    x = (x - mean) / scale

    def over_rows(values_n):
        return (weight * values_n).mean()

    def error(x_hat):
        return over_rows(((x_hat - x) ** 2).mean(1))

    if kind == "archetypal":
        p = {**p, "W_dec": mixed(p)}
    f, z = features(kind, p, x - p["b_dec"], told["target_l0"])
    x_hat = f @ p["W_dec"] + p["b_dec"]
    mse, sparsity, aux = error(x_hat), torch.zeros(()), torch.zeros(())
    loss = mse
    if kind in SPARSITY:
        sparsity = SPARSITY[kind](f, z, p, over_rows, {**told, "exponent": exponent})
    if kind == "gated":
        loss = loss + error(torch.relu(z) @ p["W_dec"].detach() + p["b_dec"].detach())
    elif kind == "matryoshka":
        h = f.shape[1]
        prefixes = sorted({max(1, h // part) for part in (16, 8, 4, 2, 1)})
        loss = sum(error(f[:, :m] @ p["W_dec"][:m] + p["b_dec"]) for m in prefixes) / len(prefixes)
    elif kind == "hierarchical":
        k = told["target_l0"]
        budgets = sorted({max(1, math.ceil(k / part)) for part in (8, 4, 2, 1)})
        loss = sum(error(f * _mask(f.detach(), j) @ p["W_dec"] + p["b_dec"]) for j in budgets) / len(budgets)
    loss = loss + told["sparsity"] * sparsity
    if dead is not None:
        e, a = (x - x_hat).detach(), torch.relu(z[:, dead])
        if k_aux < len(dead):
            a = a * _mask(a.detach(), k_aux)
        aux = over_rows(((e - a @ p["W_dec"][dead]) ** 2).mean(1))
        loss = loss + aux_weight * aux
    return loss, mse, sparsity, (f != 0).sum(1).to(x.dtype).mean(), aux


def forward(trained, x):
    """Latents and error x_hat - x, in the units of training, as the objective computes them on its way."""
    seen, original = [], trained._residual

    def spy(f_nh, xc_nd):
        r_nd = original(f_nh, xc_nd)
        seen.append((f_nh.clone(), r_nd.clone()))
        return r_nd

    trained._residual = spy
    with torch.inference_mode():
        trained.row_losses(x)
    del trained._residual
    return tuple(torch.cat(parts) for parts in zip(*seen, strict=True))
