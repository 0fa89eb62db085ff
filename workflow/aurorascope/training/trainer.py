"""One SAE in training: what a step does with a batch, and everything that must be kept to go on later."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from aurorascope.blocks import Block, Stage
from aurorascope.config.model import Sae
from aurorascope.config.targets import check_target
from aurorascope.errors import UserError
from aurorascope.provenance import device_name
from aurorascope.sae.architectures import ARCHITECTURES
from aurorascope.sae.auxk import AuxK
from aurorascope.sae.fold import fold
from aurorascope.sae.initial import initial_weights
from aurorascope.sae.objective import Settings, Terms
from aurorascope.training import orthogonality
from aurorascope.training.dead import Dead, window_steps
from aurorascope.training.density import densest
from aurorascope.training.log import Log
from aurorascope.training.micro_batch import micro_batch
from aurorascope.training.mutual import Mutual, seed_beside, steps_between
from aurorascope.training.optimiser import Adam
from aurorascope.training.precision import matmul_precision
from aurorascope.training.revive import LAST_SHARE, resample
from aurorascope.training.schedule import factor
from aurorascope.training.weights import Labelled, TokenWeights

_MOST_AUX = 512
# What the state of the SAE beside begins with in a checkpoint.
_BESIDE = "beside."


@dataclass(frozen=True)
class Data:
    """What a training knows of its activations beforehand.

    Attributes:
        d_model: channels.
        n_tokens: tokens of a snapshot.
        n_snapshots: snapshots of the training split, each once for each of the blocks.
        mean_d: (d,) float64, channel means over all of them.
        variance: mean over channels of the variance about it.
        area_n: (n_tokens,) cell area of each token, 1 on average; None where tokens are not weighted by it.
        labelled: the tokens under a label that are weighted; None for none.
        covariance_dd: (d, d), where the initial weights need it.
        centroids_hd: (h, d) of unit length, where the directions are made from them.
        n_blocks: blocks whose snapshots these are.
    """

    d_model: int
    n_tokens: int
    n_snapshots: int
    mean_d: np.ndarray
    variance: float
    area_n: np.ndarray | None = None
    labelled: Labelled | None = None
    covariance_dd: np.ndarray | None = None
    centroids_hd: np.ndarray | None = None
    n_blocks: int = 1


@dataclass(frozen=True)
class Trained:
    """What training leaves.

    Attributes:
        weights: raw-space tensors in release form, on the CPU, by name.
        log: columns step, epoch, loss, mse, sparsity, aux, sparsity_weight, l0, frac_dead, grad_norm.
        n_steps: optimiser steps.
        n_tokens_seen: tokens over all steps.
        scale: what activations were divided by in training; 1 where they were not.
        importance_h: for each latent, the FVE about the training mean that the last epoch's steps would have lost without it, on
            average over the reconstructions that it is trained for, (h,) float64; None where its architecture does not say.
        mutual_mmcs: how like its directions are to those of the SAE beside it, mean largest cosine; None without one.
    """

    weights: dict[str, torch.Tensor]
    log: pd.DataFrame
    n_steps: int
    n_tokens_seen: int
    scale: float
    importance_h: np.ndarray | None = None
    mutual_mmcs: float | None = None


class Trainer:
    """One SAE in training, and with `mutual_weight` a second one beside it, of which nothing is left in the end.

    Args:
        block: the block or stage, whose place in forward order seeds the initial weights.
        config: the SAE's configuration.
        data: its activations.
        device: where it is trained.
        rows: rows of a micro-batch; None for what fits.

    Attributes:
        batch_rows: rows of one step.
        steps_per_epoch: steps of one epoch.
        n_steps: steps in all.
        t: steps done.
        trained_on: name of the device of the steps.
    """

    def __init__(self, block: Block | Stage, config: Sae, data: Data, device: torch.device, rows: int | None = None) -> None:
        self.block, self.config, self.data, self.device = block, config, data, device
        self.trained_on = device_name(device)
        n_rows = data.n_tokens * data.n_snapshots
        self.batch_rows = min(config.batch_rows or data.n_tokens, data.n_tokens)
        self.steps_per_epoch = math.ceil(n_rows / self.batch_rows)
        self.n_steps, self.t = config.epochs * self.steps_per_epoch, 0
        check_target(config.target_l0, data.d_model * config.expansion, block.id)
        rows = micro_batch(config, data.d_model, self.batch_rows, device) if rows is None else rows
        kind = ARCHITECTURES[config.architecture].objective_class()
        d, h = data.d_model, data.d_model * config.expansion
        # Without the covariance or centroids, a checkpoint is about to replace them.
        is_blind = config.init == "active_subspace" and data.covariance_dd is None
        init = "tied" if is_blind else config.init
        weights = initial_weights(d, h, config.seed, block.depth_index, init, data.covariance_dd, data.centroids_hd)
        parameters = {**weights, **kind.extra_parameters(d, h)}
        parameters = {name: tensor.to(device) for name, tensor in parameters.items()}
        settings = Settings(
            config.l1_coeff, config.target_l0, config.target_growth, rows, config.precision, config.p_end, self.n_steps,
            densest(config, h, device), 1 / config.epochs,
        )
        k_aux = min(_MOST_AUX, 2 ** round(math.log2(max(1, d / 2))))
        auxk = AuxK(k_aux, config.aux_weight) if config.revive == "auxk" else None
        self.objective = kind(parameters, settings, auxk)
        if data.centroids_hd is not None:
            self.objective.anchor(torch.from_numpy(data.centroids_hd).to(device))
        self.scale = 1.0
        if config.normalise:
            # A constant block has nothing to scale.
            self.scale = float(np.float32(math.sqrt(data.variance))) or 1.0
            self.objective.centre(torch.from_numpy(data.mean_d.astype(np.float32)).to(device), self.scale)
        self.optimiser = Adam(parameters, config.lr, config.project)
        window = window_steps(config.dead_snapshots, data.n_tokens, self.batch_rows)
        # In a short training, what never fired must not pass for alive.
        self._dead = Dead(h, min(window, self.n_steps), device)
        self._refresh = max(1, self._dead.window // 3)
        self._log = Log(self.n_steps, self.steps_per_epoch, device)
        self._weights = TokenWeights(data.n_tokens, data.area_n, data.labelled, device)
        self._beside: Trainer | None = None
        if config.mutual_weight:
            other = replace(config, seed=seed_beside(config.seed), mutual_weight=0.0)
            self._beside = Trainer(block, other, data, device, rows)
            every, is_signed = steps_between(h, self.batch_rows), ARCHITECTURES[config.architecture].signed
            self._mutual = Mutual(config.mutual_weight, every, h, is_signed, device)

    @property
    def is_done(self) -> bool:
        """Whether all steps are done."""
        return self.t >= self.n_steps

    def step(self, x_nd: torch.Tensor, rows: torch.Tensor | int | None = None) -> None:
        """One optimiser step; nothing in it waits for the device, but for a look at the dead every few snapshots.

        Args:
            x_nd: (n, d) float32 on the device.
            rows: which they are, as `TokenWeights.of`.
        """
        found = self._find_gradients(x_nd, rows)
        if self._beside is not None:
            found_beside = self._beside._find_gradients(x_nd, rows)
            one, other = self.objective, self._beside.objective
            decoders = one.parameters["W_dec"], other.parameters["W_dec"]
            self._mutual.add_gradients(self.t, decoders, (one.grads["W_dec"], other.grads["W_dec"]))
            self._beside._follow(x_nd, *found_beside)
        self._follow(x_nd, *found)

    def _find_gradients(self, x_nd: torch.Tensor, rows: torch.Tensor | int | None) -> tuple[Terms, torch.Tensor | None]:
        """The first half of a step: gradients of this SAE's own loss, its terms, and the sparsity term's weight where that is logged."""
        objective, config = self.objective, self.config
        self.t += 1
        objective.progress = self.t / self.n_steps
        weight = objective.sparsity_weight().clone() if self._log.wants(self.t) else None
        with matmul_precision(config.precision):
            terms = objective.compute(x_nd, self._weights.of(rows))
        if config.orthogonality and self.t % orthogonality.EVERY == 0:
            orthogonality.add_gradient(
                objective.parameters["W_dec"], objective.grads["W_dec"], config.orthogonality * orthogonality.EVERY
            )
        return terms, weight

    def _follow(self, x_nd: torch.Tensor, terms: Terms, weight: torch.Tensor | None) -> None:
        """The second half: the log, the optimiser's step along the gradients, and what becomes of the dead."""
        objective, config = self.objective, self.config
        self._dead.see(self.t, objective.on_h)
        if weight is not None:
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(objective.grads.values()))))
            share = self._dead.mask(self.t).float().mean()
            self._log.add(self.t, [terms.mse, terms.sparsity, terms.aux, weight, terms.l0, share, norm])
        self.optimiser.step(objective.grads, factor(self.t, self.n_steps, config.warm_up, config.decay))
        objective.constrain()
        if objective.auxk is not None and self.t % self._refresh == 0:
            objective.auxk.dead_i = self._dead.indices(self.t)
        if config.revive == "resample" and self.t % self.steps_per_epoch == 0:
            self._resample(x_nd)

    def _resample(self, x_nd: torch.Tensor) -> None:
        """Give the dead new directions, at the end of an epoch before the last quarter."""
        epoch = self.t // self.steps_per_epoch
        dead_i = self._dead.indices(self.t)
        if epoch >= LAST_SHARE * self.config.epochs or dead_i is None:
            return
        resample(self.objective, self.optimiser, dead_i, x_nd, [self.config.seed, self.block.depth_index, epoch])
        self._dead.last_fired_h[dead_i] = self.t

    def notes(self) -> dict[str, str]:
        """What last bits depend on besides, rows of a micro-batch and the device; and when it is over."""
        return {
            "rows": str(self.objective.rows), "device": self.device.type, "trained_on": self.trained_on,
            "n_steps": str(self.n_steps),
        }

    def state(self) -> dict[str, torch.Tensor]:
        """Everything that the next step depends on, by name; the tensors themselves."""
        objective, auxk = self.objective, self.objective.auxk
        dead = {} if auxk is None or auxk.dead_i is None else {"dead_i": auxk.dead_i}
        beside = {}
        if self._beside is not None:
            state = self._beside.state()
            beside = {"nearest": self._mutual.nearest_2h, **{f"{_BESIDE}{name}": tensor for name, tensor in state.items()}}
        return {
            **{f"parameter.{name}": tensor for name, tensor in objective.parameters.items()},
            **{f"adam.{name}": tensor for name, tensor in self.optimiser.moments().items()},
            **{f"state.{name}": tensor for name, tensor in objective.state.items()},
            "last_fired_h": self._dead.last_fired_h,
            "log": self._log.values,
            **dead,
            **beside,
        }

    def load(self, tensors: dict[str, torch.Tensor], step: int) -> None:
        """Go on from what `state` gave after `step` steps."""
        self.t = step
        for name, tensor in self.state().items():
            if name != "dead_i" and not name.startswith(_BESIDE):
                tensor.copy_(tensors[name])
        if self.objective.auxk is not None:
            dead_i = tensors.get("dead_i")
            self.objective.auxk.dead_i = None if dead_i is None else dead_i.to(self.device)
        if self._beside is not None:
            of_beside = {name.removeprefix(_BESIDE): tensor for name, tensor in tensors.items() if name.startswith(_BESIDE)}
            self._beside.load(of_beside, step)

    def check_finite(self) -> None:
        """Wait for the device and look whether training diverged, of the SAE beside, too.

        Raises:
            UserError: a parameter is not finite.
        """
        if self._beside is not None:
            self._beside.check_finite()
        if not all(bool(torch.isfinite(tensor).all()) for tensor in self.objective.parameters.values()):
            raise UserError(
                f"training of {self.block.id}", "finite weights", f"weights that are not finite at step {self.t}",
                "lower sae.lr in your config",
            )

    def result(self) -> Trained:
        """Weights in raw space and the log.

        Raises:
            UserError: training diverged, or not one latent is on.
        """
        self.check_finite()
        table = self._log.table(self.config.aux_weight)
        if table["l0"].iloc[-1] == 0:
            raise UserError(
                f"training of {self.block.id}", "features that fire", "none on any token of the last step",
                f"lower sae.l1_coeff (now {self.config.l1_coeff:g}) or set sae.target_l0",
            )
        weights = {name: tensor.cpu().contiguous() for name, tensor in self.objective.release().items()}
        if self.config.normalise:
            weights = fold(weights, torch.from_numpy(self.data.mean_d), self.scale)
        rows = self.config.epochs * self.data.n_tokens * self.data.n_snapshots
        importance = self.objective.importance()
        importance_h = None if importance is None else (importance * self.scale**2).cpu().numpy() / (self.data.variance or 1.0)
        mmcs = None
        if self._beside is not None:
            mmcs = self._mutual.likeness(self.objective.parameters["W_dec"], self._beside.objective.parameters["W_dec"])
        return Trained(weights, table, self.n_steps, rows, self.scale, importance_h, mmcs)
