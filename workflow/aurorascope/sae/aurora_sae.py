"""AuroraSAE: load one of AuroraScope's sparse autoencoders with nothing but PyTorch.

    from aurora_sae import AuroraSAE
    sae = AuroraSAE.from_file("saes/sae_encoder_s1_b5.pt")
    x_hat, h = sae(x)                      # x: (n_tokens, d_model) float32, one block's output

With z = (x - b_dec) @ W_enc + b_enc, the features h, (n_tokens, d_hidden), are zero but for

    relu       z where z > 0
    topk       the k largest z of each token, where z > 0; hierarchical autoencoders, for which `keep` lowers k, are released so
    abstopk    the k z of largest magnitude of each token, with their sign: "active" is h != 0, not h > 0
    jumprelu   z where z > threshold; BatchTopK, Matryoshka and Gated autoencoders are released in this form

or, in matching_pursuit, what `pursue` finds (W_enc is W_dec^T and b_enc 0), and x_hat = h @ W_dec + b_dec. Row j of `W_dec` is the
direction that feature j writes, of unit norm. `sae.architecture` says which it is; the file's tensors tell. The file of a stage, whose
blocks share W_enc and W_dec, has a row a block of b_enc, b_dec and threshold: `from_file(path, block=2)` is its third block's.
"""

import torch
import torch.nn.functional as F
from torch import nn

_WEIGHTS = ("W_enc", "b_enc", "W_dec", "b_dec")
_EXTRAS = {"relu": (), "topk": ("k",), "abstopk": ("k", "signed"), "jumprelu": ("threshold",), "matching_pursuit": ("k", "pursuit")}
_OF_BLOCKS = ("b_enc", "b_dec", "threshold")
_GOLDEN_RTOL, _UNIT = 1e-5, 1e-5


def architecture_of(tensors: dict[str, torch.Tensor], name: str = "tensors") -> str:
    """Which of relu, topk, abstopk, jumprelu and matching_pursuit a set of release tensors is, every tensor checked.

    Args:
        tensors: W_enc (d, h), b_enc (h,), W_dec (h, d), b_dec (d,), float32; besides these, topk has k, 0-d int64; abstopk k and signed,
            0-d bool, True; jumprelu threshold (h,), float32, none negative; matching_pursuit k and pursuit, 0-d bool, True, and its
            W_enc is W_dec^T, b_enc is 0 and norms of rows of W_dec are 1 within 1e-5.
        name: what errors call them.

    Raises:
        ValueError: a tensor is missing, unknown, of the wrong shape or dtype, or has a value that makes no sense.
    """
    if not isinstance(tensors, dict) or not all(isinstance(value, torch.Tensor) for value in tensors.values()):
        raise ValueError(f"{name}: expected a dictionary of tensors, found something else. Get the file again.")
    known = {frozenset((*_WEIGHTS, *extras)): architecture for architecture, extras in _EXTRAS.items()}
    if frozenset(tensors) not in known:
        raise ValueError(
            f"{name}: expected the tensors {', '.join(_WEIGHTS)}, alone or with k (topk), k and signed (abstopk), threshold (jumprelu) "
            f"or k and pursuit (matching_pursuit); found {', '.join(sorted(map(str, tensors))) or 'none'}. "
            "It is of an architecture this file does not know; use the aurora_sae.py released with it."
        )
    _check_forms(tensors, name)
    _check_values(tensors, name)
    return known[frozenset(tensors)]


def _of_block(tensors: dict[str, torch.Tensor], block: int | None, name: str) -> dict[str, torch.Tensor]:
    """Of a stage's tensors those of one of its blocks; any others as they are."""
    rows = [getattr(tensors.get(key), "shape", ()) for key in _OF_BLOCKS if key in tensors] if isinstance(tensors, dict) else []
    n = rows[0][0] if rows and all(len(shape) == 2 and shape[0] == rows[0][0] for shape in rows) else 0
    if n == 0 and block is None:
        return tensors
    if block not in range(n):
        expected = f"block from 0 to {n - 1}, since it is of {n} blocks (sae_index.json names them)" if n else "no block, since it is of one"
        raise ValueError(f"{name}: expected {expected}; found {block!r}. Give another block.")
    return {key: tensor[int(block)] if key in _OF_BLOCKS else tensor for key, tensor in tensors.items()}


def _check_forms(tensors: dict[str, torch.Tensor], name: str) -> None:
    shape = tuple(tensors["W_enc"].shape)
    if len(shape) != 2 or 0 in shape or shape[1] % shape[0]:
        shapes = f"(d_model, d_hidden), d_hidden a multiple of d_model; found {shape}"
        raise ValueError(f"{name}: expected W_enc of shape {shapes}. Get the file again, or save W_enc and W_dec the other way round.")
    d, h = shape
    shapes = {"W_enc": (d, h), "b_enc": (h,), "W_dec": (h, d), "b_dec": (d,), "threshold": (h,)}
    dtypes = {"k": torch.int64, "signed": torch.bool, "pursuit": torch.bool}
    for key, tensor in tensors.items():
        expected, found = (shapes.get(key, ()), dtypes.get(key, torch.float32)), (tuple(tensor.shape), tensor.dtype)
        if found != expected or tensor.layout != torch.strided:
            dense = f"{expected[0]}, {expected[1]}, dense; found {found[0]}, {found[1]}, {tensor.layout}"
            raise ValueError(f"{name}: expected {key} of shape {dense}. Get the file again.")


def _check_values(tensors: dict[str, torch.Tensor], name: str) -> None:
    for key, tensor in tensors.items():
        if bad := int((~torch.isfinite(tensor)).sum()):
            raise ValueError(f"{name}: expected {key} to be finite, found {bad} values that are not. Train it again.")
    if "k" in tensors and not 1 <= int(tensors["k"]) <= len(tensors["b_enc"]):
        raise ValueError(f"{name}: expected k from 1 to d_hidden {len(tensors['b_enc'])}, found {int(tensors['k'])}. Get the file again.")
    if "signed" in tensors and not bool(tensors["signed"]):
        raise ValueError(f"{name}: expected signed to be True, found False. Leave it out for topk.")
    if "threshold" in tensors and (lowest := float(tensors["threshold"].min())) < 0:
        raise ValueError(f"{name}: expected threshold >= 0, found {lowest:g} as the lowest. Train it again.")
    if "pursuit" in tensors:
        if not (bool(tensors["pursuit"]) and torch.equal(tensors["W_enc"], tensors["W_dec"].T) and not tensors["b_enc"].any()):
            raise ValueError(f"{name}: expected pursuit to be True, W_enc to be W_dec^T and b_enc 0, found others. Get the file again.")
        _check_unit(tensors["W_dec"], name)


def _check_unit(W_hd: torch.Tensor, name: str) -> None:
    far = float((torch.linalg.vector_norm(W_hd.detach().double(), dim=1) - 1).abs().max())
    if far > _UNIT:
        expected = f"rows of W_dec of unit norm, within {_UNIT:g}, since a pursuit takes out projections on them"
        raise ValueError(f"{name}: expected {expected}; found one {far:.3g} off. Divide rows of W_dec by their norms, or get the file again.")


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


def _pursue(xc: torch.Tensor, W_dec: torch.Tensor, k: int, signed: bool) -> torch.Tensor:
    left, h = xc, xc.new_zeros((*xc.shape[:-1], len(W_dec)))
    for _ in range(k):
        z = left @ W_dec.T
        j = (z.abs() if signed else z).argmax(dim=-1)
        a = (left * W_dec[j]).sum(dim=-1, keepdim=True)
        a = a if signed else torch.where(a <= 0, 0.0, a)
        left = left - a * W_dec[j]
        h.scatter_add_(-1, j.unsqueeze(-1), a)
    return h


class AuroraSAE(nn.Module):
    """A sparse autoencoder; built by hand it is the card's, h = ReLU((x - b_dec) @ W_enc + b_enc), with zero weights. `from_file` and
    `from_tensors` build any architecture of a release, told by the attribute `architecture`.

    Args:
        d_model: channels of the block's output.
        expansion_factor: latents per channel; d_hidden = d_model * expansion_factor.
        l1_coeff: weight of the L1 term in training; not used in the forward.

    Attributes:
        block_id: the block that it was trained on, and read_statistics, a function that gives what its features usually are, for an SAE
            that a suite has opened; None where a file alone was.
    """

    def __init__(self, d_model: int = 2048, expansion_factor: int = 8, l1_coeff: float = 3e-4) -> None:
        super().__init__()
        self.architecture, self._name, self.block_id, self.read_statistics = "relu", "AuroraSAE", None, None
        self.d_model, self.d_hidden, self.l1_coeff = d_model, d_model * expansion_factor, l1_coeff
        self.W_enc = nn.Parameter(torch.zeros(d_model, self.d_hidden))
        self.b_enc = nn.Parameter(torch.zeros(self.d_hidden))
        self.W_dec = nn.Parameter(torch.zeros(self.d_hidden, d_model))
        self.b_dec = nn.Parameter(torch.zeros(d_model))

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Features of activations: (..., d_model) -> (..., d_hidden), none negative but in abstopk.

        Of equal pre-activations at the k-th place those of lowest index are kept, so that the same ones give the same features each
        time. A token with a NaN has NaN features.

        Raises:
            ValueError: another number of channels, of which one alone would be taken for all.
        """
        if self.architecture == "matching_pursuit":
            return _pursue(self._centred(x), self.W_dec, int(self.k), False)
        z = self._centred(x) @ self.W_enc + self.b_enc
        if self.architecture == "relu":
            return F.relu(z)
        if self.architecture == "jumprelu":
            # Not z > threshold, which would turn NaN into zeros.
            return torch.where(z <= self.threshold, 0.0, z)
        return torch.where(_largest(F.relu(z) if self.architecture == "topk" else z.abs(), int(self.k)), z, 0.0)

    def _centred(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[-1:] != self.b_dec.shape:
            raise ValueError(f"{self._name}: expected activations (..., {self.d_model}), found {tuple(x.shape)}. Give those of its block.")
        return x - self.b_dec

    def pursue(self, x: torch.Tensor, k: int) -> torch.Tensor:
        """Features by matching pursuit with this autoencoder's decoder instead of its encoder (Costa et al. 2025, arXiv 2506.03093).

        With r = x - b_dec, k times: where the largest r . d_j, of equal ones the first, is above zero, a = r . d_j is added to feature
        j, and r loses a d_j. For abstopk, whose features have signs, it is that of largest magnitude. A direction may come again, so
        that at most k features are on. (..., d_model) -> (..., d_hidden).

        Raises:
            ValueError: rows of W_dec have no unit norm, k is no such number or above 100 d_hidden, or as of `encode`.
        """
        _check_unit(self.W_dec, self._name)
        if not hasattr(k, "__index__") or not 1 <= k <= 100 * self.d_hidden:
            raise ValueError(f"{self._name}: expected a whole k from 1 to 100 d_hidden, {100 * self.d_hidden}; found {k!r}. Choose such a k.")
        return _pursue(self._centred(x), self.W_dec, int(k), self.architecture == "abstopk")

    def decode(self, h: torch.Tensor) -> torch.Tensor:
        """Activations of features: (..., d_hidden) -> (..., d_model)."""
        return h @ self.W_dec + self.b_dec

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(reconstruction, features) of activations (..., d_model)."""
        h = self.encode(x)
        return self.decode(h), h

    def keep(self, k: int) -> "AuroraSAE":
        """The same autoencoder with the k largest features of each token, or with k steps of a pursuit.

        A hierarchical one was trained for several k at once (the index has them, with what they explain); any other for its own.

        Raises:
            ValueError: features are not kept by their number, or k is none of 1 to the k of the file.
        """
        if "k" not in _EXTRAS[self.architecture]:
            kinds = "topk, abstopk or matching_pursuit, whose tokens keep k features"
            raise ValueError(f"{self._name}: expected {kinds}; found {self.architecture}. Take an SAE that sae_index.json names so.")
        if k not in range(1, int(self.k) + 1):
            raise ValueError(f"{self._name}: expected k from 1 to {int(self.k)}, which it was trained with; found {k!r}. Choose such a k.")
        return self._of_same_block({**self.state_dict(), "k": torch.tensor(int(k))})

    def prune(self, importance: list[float], d_hidden: int) -> tuple["AuroraSAE", torch.Tensor]:
        """The autoencoder of the `d_hidden` features of most importance, a number a feature, as a hierarchical SAE's record has it;
        and which features it has, ascending: its feature i is number `kept[i]` of this one.

        Raises:
            ValueError: another number of features, or a `d_hidden` that is no multiple of d_model.
        """
        ranks, sizes = torch.as_tensor(importance, dtype=torch.float64), range(self.d_model, self.d_hidden + 1, self.d_model)
        if ranks.shape != (self.d_hidden,) or ranks.isnan().any() or not hasattr(d_hidden, "__index__") or d_hidden not in sizes:
            expected = f"{self.d_hidden} numbers and a d_hidden up to that, a multiple of {self.d_model}"
            found = f"{len(ranks)}, {int(ranks.isnan().sum())} of them NaN, and {d_hidden!r}. Take the importance of the same SAE's record"
            raise ValueError(f"{self._name}: expected {expected}; found {found}, and such a d_hidden.")
        # Of equal ones the first stay.
        kept = ranks.argsort(descending=True, stable=True)[:d_hidden].sort().values
        parts = {key: tensor[kept] for key, tensor in self.state_dict().items() if key in ("b_enc", "W_dec", "threshold")}
        parts["W_enc"] = self.W_enc[:, kept]
        tensors = {**self.state_dict(), **{key: tensor.detach().contiguous() for key, tensor in parts.items()}}
        if "k" in tensors:
            tensors["k"] = tensors["k"].clamp(max=d_hidden)
        return self._of_same_block(tensors), kept

    def _of_same_block(self, tensors: dict[str, torch.Tensor]) -> "AuroraSAE":
        sae = AuroraSAE.from_tensors(tensors, self._name)
        sae.block_id = self.block_id
        return sae

    def statistics(self) -> object:
        """What its features usually are, the table of `aurorascope.Suite.statistics`, for an SAE that a suite has opened.

        Raises:
            ValueError: it was opened from a file alone, or is of another k or fewer features than the file.
        """
        if self.read_statistics is None:
            why = "since a file of weights has no statistics; found one from a file, or changed by keep or prune"
            raise ValueError(f'{self._name}: expected an SAE as a suite has opened it, {why}. Open it with aurorascope.Suite.open("results")[block].')
        return self.read_statistics()

    def check(self, golden: dict[str, torch.Tensor]) -> None:
        """Compute golden vectors anew and compare: they agree only where weights and arithmetic are those of training.

        `golden` is x (n, d_model), features (n, d_hidden) and x_hat (n, d_model), float32, of saes/golden/.

        Raises:
            ValueError: a tensor is missing or wrong, or features or reconstruction differ by more than 1e-5 of the largest magnitude.
        """
        widths = {"x": self.d_model, "features": self.d_hidden, "x_hat": self.d_model}
        found = {key: (tuple(value.shape), value.dtype) for key, value in golden.items()}
        n = len(golden["x"]) if "x" in golden and golden["x"].ndim else 0
        expected = {key: ((n, width), torch.float32) for key, width in widths.items()}
        if found != expected or n == 0:
            wanted = f"x (n, {self.d_model}), features (n, {self.d_hidden}) and x_hat (n, {self.d_model}), float32, n > 0"
            raise ValueError(f"{self._name}: expected golden vectors {wanted}; found {found}. Take the golden file of the same block.")
        with torch.inference_mode():
            x_hat, features = self(golden["x"].to(self.b_dec.device))
        self._compare("features", features, golden["features"])
        self._compare("x_hat", x_hat, golden["x_hat"])

    def _compare(self, what: str, found: torch.Tensor, golden: torch.Tensor) -> None:
        difference = (found - (golden := golden.to(found.device))).abs()
        worst, largest = float(difference.max()), float(golden.abs().max())
        # Written so that NaN on either side fails.
        if not worst <= _GOLDEN_RTOL * largest:
            flipped = int((((found != 0) != (golden != 0)) & (difference > _GOLDEN_RTOL * largest)).sum())
            relative = worst / largest if largest else float("inf")
            by = f"{relative:.3g} of the largest magnitude, expected at most {_GOLDEN_RTOL:g}; {flipped} are zero in only one of the two"
            why = "The file is altered or of another block, or torch computes with less than float32 (TF32, autocast)"
            raise ValueError(f"{self._name}: {what} differ from the golden vectors by {by}. {why}: get both files again, and compare on the CPU.")

    @classmethod
    def from_file(
        cls, path: str, map_location: str = "cpu", golden: dict[str, torch.Tensor] | None = None, block: int | None = None
    ) -> "AuroraSAE":
        """The autoencoder of a `.pt` file, its architecture and sizes taken from the file alone; golden vectors are checked if given.

        `block` is the place of a block in the file of a stage, from 0; golden vectors have a row a block there, too.

        Raises:
            ValueError: a tensor is missing, unknown or wrong, there is no such block or none is named, or golden vectors are not met.
        """
        try:
            tensors = torch.load(path, map_location=map_location, weights_only=True)
        except Exception as error:  # torch's own words advise to read such a file without safety
            is_no_file = f"{path}: expected weights as torch.save writes them; found an unreadable file. Give a .pt file, or get it again."
            raise error if isinstance(error, OSError) else ValueError(is_no_file) from None
        sae = cls.from_tensors(tensors, str(path), block)
        if golden is not None:
            sae.check(golden if block is None else {key: value[block] for key, value in golden.items()})
        return sae

    @classmethod
    def from_tensors(cls, tensors: dict[str, torch.Tensor], name: str = "tensors", block: int | None = None) -> "AuroraSAE":
        """As `from_file`, for tensors already loaded, which are copied; it lies on the device of W_enc."""
        tensors = _of_block(tensors, block, name)
        architecture = architecture_of(tensors, name)
        d_model, d_hidden = tensors["W_enc"].shape
        sae = cls(d_model, d_hidden // d_model)
        sae.architecture, sae._name = architecture, name
        for key in _EXTRAS[architecture]:
            sae.register_buffer(key, torch.zeros_like(tensors[key]))
        sae.to(tensors["W_enc"].device).load_state_dict(tensors)
        return sae.eval()
