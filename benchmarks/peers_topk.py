"""TopK and BatchTopK steps of the other libraries, for benchmarks/peers.py: k latents a token, as each takes them by default.

Auxiliary losses for dead latents are on where they are by default; none is dead in so few steps.
"""

from collections.abc import Callable

import torch
from peers import LR, Reconstruct, Steps, sae_lens_steps

K = 64
_MANY = 10**9


def _largest(a_nh: torch.Tensor, k: int) -> torch.Tensor:
    values, places = a_nh.topk(k)
    return torch.zeros_like(a_nh).scatter_(-1, places, values)


FEATURES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "topk": lambda z_nh: _largest(z_nh.relu(), K),
    "batchtopk": lambda z_nh: _largest(z_nh.relu().flatten(), K * len(z_nh)).view_as(z_nh),
}


def _sae_lens(kind: str, x_nd: torch.Tensor, w_dh: torch.Tensor, d_hd: torch.Tensor) -> tuple[Steps, Reconstruct]:
    import sae_lens

    d, h = w_dh.shape
    name = {"topk": "TopKTrainingSAE", "batchtopk": "BatchTopKTrainingSAE"}[kind]
    sae = getattr(sae_lens, name)(getattr(sae_lens, f"{name}Config")(d_in=d, d_sae=h, k=K))
    return sae_lens_steps(sae, x_nd, w_dh, d_hd), sae


def _dictionary_learning(
    kind: str, x_nd: torch.Tensor, w_dh: torch.Tensor, d_hd: torch.Tensor
) -> tuple[Steps, Reconstruct]:
    from dictionary_learning.trainers.batch_top_k import BatchTopKTrainer
    from dictionary_learning.trainers.top_k import TopKTrainer

    d, h = w_dh.shape
    trainer = {"topk": TopKTrainer, "batchtopk": BatchTopKTrainer}[kind](
        steps=_MANY, activation_dim=d, dict_size=h, k=K, layer=0, lm_name="none", lr=LR, warmup_steps=0, device="cpu"
    )
    with torch.no_grad():
        trainer.ae.encoder.weight.copy_(w_dh.T)
        trainer.ae.encoder.bias.zero_()
        trainer.ae.decoder.weight.copy_(d_hd.T)

    def steps(count: int) -> None:
        # From step 1: step 0 seeks a median, once a training.
        for index in range(count):
            trainer.update(index + 1, x_nd)

    return steps, lambda rows_nd: trainer.ae.decode(trainer.ae.encode(rows_nd, use_threshold=False))


def _overcomplete(kind: str, x_nd: torch.Tensor, w_dh: torch.Tensor, d_hd: torch.Tensor) -> tuple[Steps, Reconstruct]:
    from overcomplete.sae import BatchTopKSAE, TopKSAE, train_sae

    (d, h), n = w_dh.shape, len(x_nd)
    # Its number is a token's with TopK, and the whole batch's with BatchTopK.
    cls, a_row = {"topk": (TopKSAE, K), "batchtopk": (BatchTopKSAE, K * n)}[kind]
    sae = cls(d, h, top_k=a_row, dictionary_params={"normalization": "l2", "initializer": d_hd.numpy()})
    with torch.no_grad():
        sae.encoder.final_block[0].weight.copy_(w_dh.T)
        sae.encoder.final_block[0].bias.zero_()
    optimiser = torch.optim.Adam(sae.parameters(), lr=LR)

    def criterion(x: torch.Tensor, x_hat: torch.Tensor, *_rest: torch.Tensor) -> torch.Tensor:
        return (x - x_hat).square().mean()

    def steps(count: int) -> None:
        train_sae(sae, [x_nd] * count, criterion, optimiser, nb_epochs=1, monitoring=0)

    def reconstruct(rows_nd: torch.Tensor) -> torch.Tensor:
        sae.train()
        sae.top_k = a_row * len(rows_nd) // n if kind == "batchtopk" else a_row
        found = sae(rows_nd)[2]
        sae.top_k, sae.running_threshold = a_row, None
        return found

    return steps, reconstruct


def _of(build: Callable[..., tuple[Steps, Reconstruct]], kind: str) -> Callable[..., tuple[Steps, Reconstruct]]:
    return lambda *tensors: build(kind, *tensors)


BUILD = {
    (kind, name): _of(build, kind)
    for kind in FEATURES
    for name, build in (("sae_lens", _sae_lens), ("dictionary_learning", _dictionary_learning), ("overcomplete", _overcomplete))
}
