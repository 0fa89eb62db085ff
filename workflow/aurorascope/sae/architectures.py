"""What is true of each architecture, without torch: everything else in the library reads it here.

To add one, write its class in a file of this folder and declare it in `ARCHITECTURES`. A declaration that lacks a field,
contradicts itself or names a class that is not there fails when this module is imported, before any job has started.
"""

import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from aurorascope.errors import UserError

if TYPE_CHECKING:
    from aurorascope.sae.objective import Objective


@dataclass(frozen=True, kw_only=True)
class ReleasedForm:
    """A set of tensors that `aurora_sae.py` opens; several architectures may be released in one form.

    Attributes:
        name: what `AuroraSAE.architecture` says of it.
        saelens: what SAELens calls it.
        signed: whether features have either sign, so that a direction and its opposite are one feature.
        by_column: whether a feature's value follows from its own column of the encoder alone, whatever the other features are.
        by_encoder: whether a feature that is on changes with the activations as its column of the encoder says.
    """

    name: str
    saelens: str
    signed: bool
    by_column: bool
    by_encoder: bool


RELEASED: dict[str, ReleasedForm] = {
    form.name: form
    for form in (
        ReleasedForm(name="relu", saelens="standard", signed=False, by_column=True, by_encoder=True),
        ReleasedForm(name="topk", saelens="topk", signed=False, by_column=False, by_encoder=True),
        ReleasedForm(name="abstopk", saelens="abstopk", signed=True, by_column=False, by_encoder=True),
        ReleasedForm(name="jumprelu", saelens="jumprelu", signed=False, by_column=True, by_encoder=True),
        # A direction of it is read from what the ones before it left.
        ReleasedForm(name="matching_pursuit", saelens="matching_pursuit", signed=False, by_column=False, by_encoder=False),
    )
}


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What is true of one architecture; every field must be given.

    Attributes:
        name: its name in configurations, records and the index.
        objective: dotted name of its class, an `Objective`.
        loss: its loss, as records and the model card state it; they add AuxK where it is on.
        is_l1: whether its sparsity term is an L1 of features, whose weight can also be stated for sums instead of means.
        weighs_target: whether `sae.l1_coeff` weighs the distance of L0 from its target and is constant. For others it is
            the start of a weight that follows L0, or is not used.
        keeps_k: whether tokens keep `sae.target_l0` latents, each of them or on average; a whole number then.
        many_k: whether it is trained for several numbers of latents at once, those of `budgets.budgets`.
        anchored: whether its directions are made from centroids of the tokens, so that nothing else can move them.
        needs_target: whether `sae.target_l0` must be given.
        anneals_p: whether its sparsity term has the exponent `sae.p_end`.
        needs_units: why it must be trained in units of (x - mean) / scale, a clause for an error; None where it need not.
        densest: share of the latents kept up to which a step's products on a CPU are sums over these alone; 0 for never.
        latent_arrays: float32 arrays of shape (rows, h) that one step holds at a time: latents, their gradient, and more.
        defaults: keys of `sae` that have other values than a recipe says; what the user sets still wins.
        released_as: name of the form it is released in.

    Raises:
        UserError: a field is empty, of another type, or does not go with the others.
    """

    name: str
    objective: str
    loss: str
    is_l1: bool
    weighs_target: bool
    keeps_k: bool
    many_k: bool
    anchored: bool
    needs_target: bool
    anneals_p: bool
    needs_units: str | None
    densest: float
    latent_arrays: int
    defaults: dict
    released_as: str

    def __post_init__(self) -> None:
        for field, kind in get_type_hints(type(self)).items():
            value = getattr(self, field)
            if not isinstance(value, kind) or value == "":
                self._refuse(field, f"a value of type {getattr(kind, '__name__', kind)}, not empty")
        if self.released_as not in RELEASED:
            self._refuse("released_as", f"one of {', '.join(RELEASED)}")
        if self.latent_arrays < 2:
            self._refuse("latent_arrays", "at least 2, the latents and their gradient")
        if self.many_k and not self.keeps_k:
            self._refuse("keeps_k", "True, since many_k is")
        if (self.keeps_k or self.weighs_target) and not self.needs_target:
            self._refuse("needs_target", "True, since keeps_k or weighs_target is")
        module, name = self._place()
        path = Path(__file__).with_name(f"{module}.py")
        # From its text, since importing it would import torch.
        if not (path.is_file() and re.search(rf"^class {name}\(", path.read_text(), re.MULTILINE)):
            self._refuse("objective", f"{__package__}.MODULE:CLASS, a class in a file of that folder")

    def _refuse(self, field: str, expected: str) -> None:
        raise UserError(
            f"{field} of the architecture {self.name} in sae/architectures.py", expected, repr(getattr(self, field)),
            "correct the declaration",
        )

    def _place(self) -> tuple[str, str]:
        module, _, name = self.objective.removeprefix(f"{__package__}.").partition(":")
        return module, re.escape(name)

    @property
    def signed(self) -> bool:
        """Whether its features have either sign."""
        return RELEASED[self.released_as].signed

    def objective_class(self) -> type["Objective"]:
        """The class that computes its loss and gradient; imports torch."""
        module, name = self._place()
        return getattr(importlib.import_module(f"{__package__}.{module}"), name)


def by_name(*declared: Architecture) -> dict[str, Architecture]:
    """Architectures by name, in the order given.

    Raises:
        UserError: two have one name, or one class.
    """
    for field in ("name", "objective"):
        values = [getattr(architecture, field) for architecture in declared]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise UserError(
                "sae/architectures.py", f"another {field} for each architecture", f"{twice[0]} twice", "correct the declaration"
            )
    return {architecture.name: architecture for architecture in declared}


# Without signs, latents that a growing target lets in late never come on.
_NO_GROWTH: dict[str, Any] = {"target_growth": 0.0}

# `densest` is where sparse and dense products measured alike at widths from 32 to 512 (docs/benchmarks.md, "Sparse steps"). It is
# declared, since what is timed while it runs would round as the machine is busy.
ARCHITECTURES = by_name(
    Architecture(
        name="relu", objective="aurorascope.sae.relu:Relu", released_as="relu",
        loss="MSE + l1_coeff * L1", is_l1=True, weighs_target=False,
        keeps_k=False, many_k=False, anchored=False, needs_target=False, anneals_p=True, densest=0.0, latent_arrays=2,
        needs_units=None, defaults={},
    ),
    Architecture(
        name="topk", objective="aurorascope.sae.topk:TopK", released_as="topk",
        loss="MSE", is_l1=False, weighs_target=False,
        keeps_k=True, many_k=False, anchored=False, needs_target=True, anneals_p=False, densest=1 / 8, latent_arrays=3,
        needs_units=None, defaults=_NO_GROWTH,
    ),
    Architecture(
        name="batchtopk", objective="aurorascope.sae.batchtopk:BatchTopK", released_as="jumprelu",
        loss="MSE", is_l1=False, weighs_target=False,
        keeps_k=True, many_k=False, anchored=False, needs_target=True, anneals_p=False, densest=1 / 8, latent_arrays=4,
        needs_units=None, defaults=_NO_GROWTH,
    ),
    Architecture(
        name="jumprelu", objective="aurorascope.sae.jumprelu:JumpRelu", released_as="jumprelu",
        loss="MSE + l1_coeff * (L0 / target - 1)^2", is_l1=False, weighs_target=True,
        keeps_k=False, many_k=False, anchored=False, needs_target=True, anneals_p=False, densest=0.0, latent_arrays=5,
        needs_units="JumpReLU's kernel has a width in units of (x - mean) / scale",
        # "scaled" initial weights would hardly reach the kernel.
        defaults={"l1_coeff": 0.3, "normalise": True, "init": "tied"},
    ),
    Architecture(
        name="gated", objective="aurorascope.sae.gated:Gated", released_as="jumprelu",
        loss="MSE + l1_coeff * L1 of the gate + MSE of the gate's reconstruction", is_l1=True, weighs_target=False,
        keeps_k=False, many_k=False, anchored=False, needs_target=False, anneals_p=False, densest=0.0, latent_arrays=7,
        needs_units=None, defaults={},
    ),
    Architecture(
        name="matryoshka", objective="aurorascope.sae.matryoshka:Matryoshka", released_as="jumprelu",
        loss="mean MSE of five prefixes", is_l1=False, weighs_target=False,
        # Five prefixes are five times as many products of a fifth of the size, which pay later.
        keeps_k=True, many_k=False, anchored=False, needs_target=True, anneals_p=False, densest=1 / 16, latent_arrays=4,
        needs_units=None, defaults=_NO_GROWTH,
    ),
    Architecture(
        name="hierarchical", objective="aurorascope.sae.hierarchical:Hierarchical", released_as="topk",
        loss="mean MSE of the k / 8, k / 4, k / 2 and k largest latents", is_l1=False, weighs_target=False,
        keeps_k=True, many_k=True, anchored=False, needs_target=True, anneals_p=False, densest=1 / 8, latent_arrays=7,
        needs_units=None, defaults=_NO_GROWTH,
    ),
    Architecture(
        name="archetypal", objective="aurorascope.sae.archetypal:Archetypal", released_as="topk",
        loss="MSE", is_l1=False, weighs_target=False,
        keeps_k=True, many_k=False, anchored=True, needs_target=True, anneals_p=False, densest=1 / 8, latent_arrays=3,
        needs_units=None, defaults=_NO_GROWTH,
    ),
    Architecture(
        name="abstopk", objective="aurorascope.sae.abstopk:AbsTopK", released_as="abstopk",
        loss="MSE", is_l1=False, weighs_target=False,
        keeps_k=True, many_k=False, anchored=False, needs_target=True, anneals_p=False, densest=1 / 8, latent_arrays=4,
        needs_units=None, defaults={},
    ),
    Architecture(
        name="matching_pursuit", objective="aurorascope.sae.matching_pursuit:MatchingPursuit", released_as="matching_pursuit",
        loss="MSE", is_l1=False, weighs_target=False,
        # Products are over the latents that are taken, however many.
        keeps_k=True, many_k=False, anchored=False, needs_target=True, anneals_p=False, densest=0.0, latent_arrays=6,
        # AuxK left more latents dead than doing nothing did, resampling hardly any (docs/training.md).
        needs_units=None, defaults={"revive": "resample"},
    ),
)


def index_architecture(activation: str, released_as: str, target_l0: float | None) -> dict[str, Any]:
    """What the index says of an SAE's architecture."""
    return {
        "activation": activation,
        "released_as": released_as,
        "k": round(target_l0) if ARCHITECTURES[activation].keeps_k else None,
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "decoder_unit_norm": True,
    }
