"""TopK and BatchTopK steps of the other libraries, for benchmarks/peers.py: k latents a token, as each takes them by default.

Auxiliary losses for dead latents are on where they are by default; none is dead in so few steps.
"""

from collections.abc import Callable

import torch
from peers import LR, Reconstruct, Steps

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
    from sae_lens import LoggingConfig, SAETrainer
    from sae_lens.config import SAETrainerConfig

    (d, h), n = w_dh.shape, len(x_nd)
    name = {"topk": "TopKTrainingSAE", "batchtopk": "BatchTopKTrainingSAE"}[kind]
    sae = getattr(sae_lens, name)(getattr(sae_lens, f"{name}Config")(d_in=d, d_sae=h, k=K))
    with torch.no_grad():
        sae.W_enc.copy_(w_dh)
        sae.W_dec.copy_(d_hd)
    config = SAETrainerConfig(
        total_training_samples=_MANY * n, train_batch_size_samples=n, lr=LR, lr_end=LR,
        logger=LoggingConfig(log_to_wandb=False),
    )
    trainer = SAETrainer(config, sae, iter(()))

    def steps(count: int) -> None:
        for _ in range(count):
            trainer.step(x_nd)
            trainer.n_training_steps += 1

    return steps, sae


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
