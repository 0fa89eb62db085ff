"""AuroraSAE: load one of AuroraScope's sparse autoencoders with nothing but PyTorch.

    from aurora_sae import AuroraSAE
    sae = AuroraSAE.from_file("saes/sae_encoder_s1_b5.pt")
    x_hat, h = sae(x)                      # x: (n_tokens, d_model) float32, one block's output

h are the features, (n_tokens, d_hidden); row j of `W_dec` is the direction that feature j writes, of unit norm.
"""

import torch
import torch.nn.functional as F
from torch import nn

_TENSORS = ("W_enc", "b_enc", "W_dec", "b_dec")


class AuroraSAE(nn.Module):
    """A ReLU autoencoder: h = ReLU((x - b_dec) @ W_enc + b_enc), x_hat = h @ W_dec + b_dec.

    Args:
        d_model: channels of the block's output.
        expansion_factor: latents per channel; d_hidden = d_model * expansion_factor.
        l1_coeff: weight of the L1 term in training; not used in the forward.
    """

    def __init__(self, d_model: int = 2048, expansion_factor: int = 8, l1_coeff: float = 3e-4) -> None:
        super().__init__()
        self.d_model, self.d_hidden, self.l1_coeff = d_model, d_model * expansion_factor, l1_coeff
        self.W_enc = nn.Parameter(torch.zeros(d_model, self.d_hidden))
        self.b_enc = nn.Parameter(torch.zeros(self.d_hidden))
        self.W_dec = nn.Parameter(torch.zeros(self.d_hidden, d_model))
        self.b_dec = nn.Parameter(torch.zeros(d_model))

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Features of activations: (..., d_model) -> (..., d_hidden), none negative."""
        return F.relu((x - self.b_dec) @ self.W_enc + self.b_enc)

    def decode(self, h: torch.Tensor) -> torch.Tensor:
        """Activations of features: (..., d_hidden) -> (..., d_model)."""
        return h @ self.W_dec + self.b_dec

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(reconstruction, features) of activations (..., d_model)."""
        h = self.encode(x)
        return self.decode(h), h

    @classmethod
    def from_file(cls, path: str, map_location: str = "cpu") -> "AuroraSAE":
        """The autoencoder of a `.pt` file, its architecture and sizes taken from the file alone.

        Raises:
            ValueError: a tensor is missing, unknown, of the wrong shape or not float32; no wrong features are computed.
        """
        tensors = torch.load(path, map_location=map_location, weights_only=True)
        return cls.from_tensors(tensors, str(path))

    @classmethod
    def from_tensors(cls, tensors: dict[str, torch.Tensor], name: str = "tensors") -> "AuroraSAE":
        """As `from_file`, for tensors already loaded."""
        if set(tensors) != set(_TENSORS):
            raise ValueError(
                f"{name}: expected the tensors {', '.join(_TENSORS)} of a ReLU SAE, found {', '.join(sorted(tensors))}. "
                "It is of an architecture this file does not know; use the aurora_sae.py released with it."
            )
        d_model, d_hidden = tensors["W_enc"].shape
        shapes = {"W_enc": (d_model, d_hidden), "b_enc": (d_hidden,), "W_dec": (d_hidden, d_model), "b_dec": (d_model,)}
        for key, shape in shapes.items():
            if tuple(tensors[key].shape) != shape or tensors[key].dtype != torch.float32:
                raise ValueError(
                    f"{name}: expected {key} of shape {shape}, float32; "
                    f"found {tuple(tensors[key].shape)}, {tensors[key].dtype}."
                )
        if d_hidden % d_model:
            raise ValueError(f"{name}: expected d_hidden to be a multiple of d_model, found {d_hidden} and {d_model}.")
        sae = cls(d_model, d_hidden // d_model)
        sae.load_state_dict(tensors)
        return sae.eval()
