"""Values of a few features at a few tokens, and what a change of them adds to the block's output."""

import torch

from aurorascope.features.forward import encode, of_chosen
from aurorascope.files import sha256_bytes
from aurorascope.interventions.ids import FeatureId
from aurorascope.sae.architectures import RELEASED
from aurorascope.sae.aurora_sae import AuroraSAE

# Tokens taken at once.
ROWS = 4096


def on_device(sae: AuroraSAE, device: torch.device) -> AuroraSAE:
    """The SAE, copied where it lies elsewhere."""
    if sae.b_dec.device == device:
        return sae
    found = AuroraSAE.from_tensors({name: tensor.detach().to(device) for name, tensor in sae.state_dict().items()})
    found.block_id, found.read_statistics = sae.block_id, sae.read_statistics
    return found


def weights_of(sae: AuroraSAE, ids: tuple[FeatureId, ...]) -> tuple[str, ...]:
    """A digest of what computes each feature: architecture, how many are on, b_dec, and its own weights."""
    tensors = sae.state_dict()
    k = int(tensors["k"]) if "k" in tensors else None
    shared = [f"{sae.architecture} {k}".encode(), tensors["b_dec"].cpu().numpy().tobytes()]
    own = [tensors["W_enc"].T, tensors["W_dec"], *(tensors[name] for name in ("b_enc", "threshold") if name in tensors)]
    return tuple(sha256_bytes(b"".join([*shared, *(each[feature].cpu().numpy().tobytes() for each in own)])) for feature, _ in ids)


class Values:
    """Some features of one SAE.

    A feature of sign -1 is the part of its latent below zero, turned up: its value is max(-h, 0) and its direction the opposite of
    the latent's. So the values of both signs times their directions add up to what the latent writes.

    Args:
        sae: the autoencoder.
        ids: number and sign of each.

    Attributes:
        ids: as given.
        rows_fd: what one unit of each feature adds to the block's output, (features, d) float64.
    """

    def __init__(self, sae: AuroraSAE, ids: tuple[FeatureId, ...]) -> None:
        self.ids, self._sae = ids, sae
        self._latents = [feature for feature, _ in ids]
        device = sae.b_dec.device
        self._sign_f = torch.tensor([float(sign) for _, sign in ids], dtype=torch.float64, device=device)
        with torch.no_grad():
            self.rows_fd = sae.W_dec.detach()[self._latents].double() * self._sign_f[:, None]
            self._by_column = RELEASED[sae.architecture].by_column
            if self._by_column:
                self._columns_df = sae.W_enc.detach()[:, self._latents].double()
                self._b_enc_f = sae.b_enc.detach()[self._latents].double()
                # relu's is a threshold of zero.
                threshold_h = sae.threshold if sae.architecture == "jumprelu" else torch.zeros_like(sae.b_enc)
                self._threshold_f = threshold_h.detach()[self._latents].double()

    def of(self, x_td: torch.Tensor) -> torch.Tensor:
        """Values at tokens, (tokens, features) float64, none below zero; x_td is (tokens, d), outside of autocast.

        Where a feature depends on its own column alone no other one is computed, in float64, so that a value is the same whichever
        tokens are computed with it.
        """
        if not self.ids:
            return x_td.new_zeros((len(x_td), 0), dtype=torch.float64)
        with torch.no_grad():
            if self._by_column:
                z_tf = (x_td.float().double() - self._sae.b_dec.double()) @ self._columns_df + self._b_enc_f
                # As a float32 of the SAE's own has it. Not z > threshold, which would turn NaN into zeros.
                z_tf = z_tf.float().double()
                return torch.where(z_tf <= self._threshold_f, 0.0, z_tf)
            with torch.inference_mode():
                h_tf = of_chosen(encode(self._sae, x_td.float()), self._latents)
            h_tf = torch.from_numpy(h_tf).to(x_td.device, torch.float64)
            return (h_tf * self._sign_f).clamp(min=0) if RELEASED[self._sae.architecture].signed else h_tf
