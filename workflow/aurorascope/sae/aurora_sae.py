"""AuroraSAE: load one of AuroraScope's sparse autoencoders with nothing but PyTorch.

    from aurora_sae import AuroraSAE
    sae = AuroraSAE.from_file("saes/sae_encoder_s1_b5.pt")
    x_hat, h = sae(x)                      # x: (n_tokens, d_model) float32, one block's output

With z = (x - b_dec) @ W_enc + b_enc, the features h, (n_tokens, d_hidden), are zero but for

    relu       z where z > 0
    topk       the k largest z of each token, where z > 0; hierarchical autoencoders, for which `keep` lowers k, are released so
    abstopk    the k z of largest magnitude of each token, with their sign: "active" is h != 0, not h > 0
    jumprelu   z where z > threshold; BatchTopK, Matryoshka and Gated autoencoders are released in this form

and x_hat = h @ W_dec + b_dec. Row j of `W_dec` is the direction that feature j writes, of unit norm. `sae.architecture`
says which it is; the file's tensors tell.
"""

import torch
import torch.nn.functional as F
from torch import nn

_WEIGHTS = ("W_enc", "b_enc", "W_dec", "b_dec")
_EXTRAS = {"relu": (), "topk": ("k",), "abstopk": ("k", "signed"), "jumprelu": ("threshold",)}
_GOLDEN_RTOL = 1e-5


def architecture_of(tensors: dict[str, torch.Tensor], name: str = "tensors") -> str:
    """The architecture that a set of release tensors is of, every tensor checked.

    Args:
        tensors: W_enc (d, h), b_enc (h,), W_dec (h, d), b_dec (d,), float32; besides these, topk has k, 0-d int64;
            abstopk k and signed, 0-d bool, True; jumprelu threshold (h,), float32, none negative.
        name: what errors call them.

    Returns:
        "relu", "topk", "abstopk" or "jumprelu".

    Raises:
        ValueError: a tensor is missing, unknown, of the wrong shape or dtype, or has a value that makes no sense.
    """
    if not isinstance(tensors, dict) or not all(isinstance(value, torch.Tensor) for value in tensors.values()):
        raise ValueError(f"{name}: expected a dictionary of tensors, found something else. Get the file again.")
    known = {frozenset((*_WEIGHTS, *extras)): architecture for architecture, extras in _EXTRAS.items()}
    if frozenset(tensors) not in known:
        raise ValueError(
            f"{name}: expected the tensors {', '.join(_WEIGHTS)}, alone or with k (topk), k and signed (abstopk) or "
            f"threshold (jumprelu); found {', '.join(sorted(map(str, tensors))) or 'none'}. "
            "It is of an architecture this file does not know; use the aurora_sae.py released with it."
        )
    _check_forms(tensors, name)
    _check_values(tensors, name)
    return known[frozenset(tensors)]


def _check_forms(tensors: dict[str, torch.Tensor], name: str) -> None:
    shape = tuple(tensors["W_enc"].shape)
    if len(shape) != 2 or 0 in shape or shape[1] % shape[0]:
        raise ValueError(
            f"{name}: expected W_enc of shape (d_model, d_hidden), d_hidden a multiple of d_model; found {shape}. "
            "Get the file again, or save W_enc and W_dec the other way round."
        )
    d, h = shape
    forms = {
        "W_enc": ((d, h), torch.float32),
        "b_enc": ((h,), torch.float32),
        "W_dec": ((h, d), torch.float32),
        "b_dec": ((d,), torch.float32),
        "k": ((), torch.int64),
        "signed": ((), torch.bool),
        "threshold": ((h,), torch.float32),
    }
    for key, tensor in tensors.items():
        form = (tuple(tensor.shape), tensor.dtype)
        if form != forms[key] or tensor.layout != torch.strided:
            raise ValueError(
                f"{name}: expected {key} of shape {forms[key][0]}, {forms[key][1]}, dense; "
                f"found {form[0]}, {form[1]}, {tensor.layout}. Get the file again."
            )


def _check_values(tensors: dict[str, torch.Tensor], name: str) -> None:
    for key, tensor in tensors.items():
        bad = int((~torch.isfinite(tensor)).sum())
        if bad:
            raise ValueError(f"{name}: expected {key} to be finite, found {bad} values that are not. Train it again.")
    h = len(tensors["b_enc"])
    if "k" in tensors and not 1 <= int(tensors["k"]) <= h:
        raise ValueError(f"{name}: expected k from 1 to d_hidden {h}, found {int(tensors['k'])}. Get the file again.")
    if "signed" in tensors and not bool(tensors["signed"]):
        raise ValueError(f"{name}: expected signed to be True, found False. Leave it out for topk.")
    if "threshold" in tensors and bool((tensors["threshold"] < 0).any()):
        lowest = float(tensors["threshold"].min())
        raise ValueError(f"{name}: expected threshold >= 0, found {lowest:g} as the lowest. Train it again.")


def _largest(a_nh: torch.Tensor, k: int) -> torch.Tensor:
    """Mask of the k largest entries above zero of each row; of equal ones, those of lowest index.

    torch.topk promises no order of equal entries, so only its k-th *value* is used. NaN are kept, so that they show.
    """
    kth_n1 = a_nh.topk(k, dim=-1).values[..., -1:]
    keep_nh = ~(a_nh < kth_n1) & ~(a_nh <= 0)
    # Running counts of all rows would need eight bytes an entry; rows with ties are few.
    tied_n = keep_nh.sum(dim=-1) > k
    if tied_n.any():
        a_th, kth_t1 = a_nh[tied_n], kth_n1[tied_n]
        equal_th = a_th == kth_t1
        spare_t1 = k - (a_th > kth_t1).sum(dim=-1, keepdim=True)
        keep_nh[tied_n] &= ~equal_th | (equal_th.cumsum(dim=-1) <= spare_t1)
    return keep_nh


class AuroraSAE(nn.Module):
    """A sparse autoencoder; built by hand it is the card's, h = ReLU((x - b_dec) @ W_enc + b_enc), with zero weights.

    `from_file` and `from_tensors` build any architecture of a release, told by the attribute `architecture`.

    Args:
        d_model: channels of the block's output.
        expansion_factor: latents per channel; d_hidden = d_model * expansion_factor.
        l1_coeff: weight of the L1 term in training; not used in the forward.

    Attributes:
        read_statistics: a function that gives what its features usually are; None where a file alone was opened.
    """

    def __init__(self, d_model: int = 2048, expansion_factor: int = 8, l1_coeff: float = 3e-4) -> None:
        super().__init__()
        self.architecture, self._name = "relu", "AuroraSAE"
        self.read_statistics = None
        self.d_model, self.d_hidden, self.l1_coeff = d_model, d_model * expansion_factor, l1_coeff
        self.W_enc = nn.Parameter(torch.zeros(d_model, self.d_hidden))
        self.b_enc = nn.Parameter(torch.zeros(self.d_hidden))
        self.W_dec = nn.Parameter(torch.zeros(self.d_hidden, d_model))
        self.b_dec = nn.Parameter(torch.zeros(d_model))

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Features of activations: (..., d_model) -> (..., d_hidden), none negative but in abstopk.

        Among equal pre-activations at the k-th place of topk and abstopk, those of lowest index are kept, so that the
        same pre-activations give the same features each time. A token with a NaN has NaN features.
        """
        z = (x - self.b_dec) @ self.W_enc + self.b_enc
        if self.architecture == "relu":
            return F.relu(z)
        if self.architecture == "jumprelu":
            # Not z > threshold, which would turn NaN into zeros.
            keep = ~(z <= self.threshold)
        else:
            keep = _largest(F.relu(z) if self.architecture == "topk" else z.abs(), int(self.k))
        return torch.where(keep, z, 0.0)

    def decode(self, h: torch.Tensor) -> torch.Tensor:
        """Activations of features: (..., d_hidden) -> (..., d_model)."""
        return h @ self.W_dec + self.b_dec

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(reconstruction, features) of activations (..., d_model)."""
        h = self.encode(x)
        return self.decode(h), h

    def keep(self, k: int) -> "AuroraSAE":
        """The same autoencoder with the k largest features of each token, for topk and abstopk.

        A hierarchical one was trained for several k at once (the index has them, with what they explain); any other for its own.

        Raises:
            ValueError: features are not kept by their number, or k is none of 1 to the k of the file.
        """
        if self.architecture not in ("topk", "abstopk"):
            raise ValueError(
                f"{self._name}: expected topk or abstopk, whose tokens keep k features; found {self.architecture}. "
                "Take an SAE whose released_as in sae_index.json is one of these."
            )
        if not 1 <= k <= int(self.k):
            raise ValueError(f"{self._name}: expected k from 1 to {int(self.k)}, which it was trained with; found {k}. Choose such a k.")
        return self._with({**self.state_dict(), "k": torch.tensor(k)})

    def prune(self, importance: list[float], d_hidden: int) -> tuple["AuroraSAE", torch.Tensor]:
        """The autoencoder of the features of most importance alone.

        Args:
            importance: a number a feature, `importance` of a hierarchical SAE's record, for example.
            d_hidden: features that stay, a multiple of d_model.

        Returns:
            The autoencoder, and which features it has, ascending: its feature i is number `kept[i]` of this one.

        Raises:
            ValueError: another number of features, or a `d_hidden` that is no such multiple.
        """
        if len(importance) != self.d_hidden or not 0 < d_hidden <= self.d_hidden or d_hidden % self.d_model:
            raise ValueError(
                f"{self._name}: expected {self.d_hidden} numbers and a d_hidden up to that, a multiple of {self.d_model}; found "
                f"{len(importance)} and {d_hidden}. Take the importance of the same SAE's record."
            )
        # Of equal ones the first stay.
        order = torch.as_tensor(importance, dtype=torch.float64).argsort(descending=True, stable=True)
        kept = order[:d_hidden].sort().values
        parts = {"W_enc": self.W_enc[:, kept], "b_enc": self.b_enc[kept], "W_dec": self.W_dec[kept]}
        if self.architecture == "jumprelu":
            parts["threshold"] = self.threshold[kept]
        tensors = {**self.state_dict(), **{key: tensor.detach().contiguous() for key, tensor in parts.items()}}
        if "k" in tensors:
            tensors["k"] = tensors["k"].clamp(max=d_hidden)
        return self._with(tensors), kept

    def _with(self, tensors: dict[str, torch.Tensor]) -> "AuroraSAE":
        return AuroraSAE.from_tensors(tensors, self._name)

    def statistics(self) -> object:
        """What its features usually are, the table of `aurorascope.Suite.statistics`, for an SAE that a suite has opened.

        Raises:
            ValueError: it was opened from a file alone, or is of another k or fewer features than the file.
        """
        if self.read_statistics is None:
            raise ValueError(
                f"{self._name}: expected an SAE as a suite has opened it, since a file of weights has no statistics; found one from a file, "
                "or changed by keep or prune. "
                'Open it with aurorascope.Suite.open("results")["encoder_s1_b5"].'
            )
        return self.read_statistics()

    def check(self, golden: dict[str, torch.Tensor]) -> None:
        """Compute golden vectors anew and compare: they agree only where weights and arithmetic are those of training.

        Args:
            golden: x (n, d_model), features (n, d_hidden), x_hat (n, d_model), float32, of saes/golden/.

        Raises:
            ValueError: a tensor is missing or of the wrong form, or features or reconstruction differ by more than
                1e-5 of the largest magnitude; a feature on in only one of the two, and above that, does.
        """
        shapes = {"x": (self.d_model,), "features": (self.d_hidden,), "x_hat": (self.d_model,)}
        found = {key: (tuple(value.shape), value.dtype) for key, value in golden.items()}
        n = len(golden["x"]) if "x" in golden and golden["x"].ndim else 0
        expected = {key: ((n, *shape), torch.float32) for key, shape in shapes.items()}
        if found != expected or n == 0:
            raise ValueError(
                f"{self._name}: expected golden vectors x (n, {self.d_model}), features (n, {self.d_hidden}) and x_hat "
                f"(n, {self.d_model}), float32, n > 0; found {found}. Take the golden file of the same block."
            )
        with torch.inference_mode():
            x_hat, features = self(golden["x"].to(self.b_dec.device))
        self._compare("features", features, golden["features"])
        self._compare("x_hat", x_hat, golden["x_hat"])

    def _compare(self, what: str, found: torch.Tensor, golden: torch.Tensor) -> None:
        golden = golden.to(found.device)
        difference = (found - golden).abs()
        worst, largest = float(difference.max()), float(golden.abs().max())
        # Written so that NaN on either side fails.
        if not worst <= _GOLDEN_RTOL * largest:
            flipped = int((((found != 0) != (golden != 0)) & (difference > _GOLDEN_RTOL * largest)).sum())
            relative = worst / largest if largest else float("inf")
            raise ValueError(
                f"{self._name}: {what} differ from the golden vectors by {relative:.3g} of the largest magnitude, "
                f"expected at most {_GOLDEN_RTOL:g}; {flipped} are zero in only one of the two. The file is altered or "
                "of another block, or torch computes with less than float32 (TF32, autocast): get both files again, "
                "and compare on the CPU."
            )

    @classmethod
    def from_file(
        cls, path: str, map_location: str = "cpu", golden: dict[str, torch.Tensor] | None = None
    ) -> "AuroraSAE":
        """The autoencoder of a `.pt` file, its architecture and sizes taken from the file alone.

        Args:
            path: the file.
            map_location: device to load it on.
            golden: golden vectors to `check`, if given.

        Raises:
            ValueError: a tensor is missing, unknown, of the wrong shape, dtype or value, or the golden vectors are not
                met; no wrong features are computed.
        """
        sae = cls.from_tensors(torch.load(path, map_location=map_location, weights_only=True), str(path))
        if golden is not None:
            sae.check(golden)
        return sae

    @classmethod
    def from_tensors(cls, tensors: dict[str, torch.Tensor], name: str = "tensors") -> "AuroraSAE":
        """As `from_file`, for tensors already loaded, which are copied; it lies on the device of W_enc."""
        architecture = architecture_of(tensors, name)
        d_model, d_hidden = tensors["W_enc"].shape
        sae = cls(d_model, d_hidden // d_model)
        sae.architecture, sae._name = architecture, name
        for key in _EXTRAS[architecture]:
            sae.register_buffer(key, torch.zeros_like(tensors[key]))
        sae.to(tensors["W_enc"].device).load_state_dict(tensors)
        return sae.eval()
