"""Open a release's weights once they are those that its index names, and compare what they compute with golden vectors."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from aurorascope.errors import UserError
from aurorascope.files import sha256_file

if TYPE_CHECKING:
    import torch

    from aurorascope.sae.aurora_sae import AuroraSAE


class Checked(Protocol):
    """What can be compared with golden vectors."""

    def check(self, golden: "Mapping[str, torch.Tensor]") -> None:
        """Raises ValueError where it does not meet them."""


def open_weights(path: Path, sha256: str, sizes: tuple[int, int], what: str, fix: str, verify: bool) -> "AuroraSAE":
    """The SAE of a file, on the CPU.

    Args:
        path: the file.
        sha256: its digest.
        sizes: channels and features that it must have.
        what: what errors call it.
        fix: how the file comes back.
        verify: whether its bytes are compared with the digest.

    Raises:
        UserError: the file is missing, unreadable, or not the one that is named.
    """
    # Imported only where weights are read: a table needs no torch.
    from aurorascope.sae.aurora_sae import AuroraSAE

    if not path.is_file():
        raise UserError(path, f"the weights of {what.removeprefix('the SAE of ')}, sha256 {sha256}", "no such file", fix)
    if verify and (found := sha256_file(path)) != sha256:
        raise UserError(path, f"sha256 {sha256}", f"sha256 {found}", fix)
    try:
        sae = AuroraSAE.from_file(str(path))
    except ValueError as error:
        raise UserError(path, what, str(error)[:300], fix) from None
    except Exception as error:
        # What torch raises depends on the bytes it meets, and its advice is to read such a file without safety.
        raise UserError(path, what, f"an unreadable file ({type(error).__name__})", fix) from error
    if (sae.d_model, sae.d_hidden) != sizes:
        expected = f"{what}, {sizes[0]} channels and {sizes[1]} features"
        raise UserError(path, expected, f"one of {sae.d_model} and {sae.d_hidden}", fix)
    return sae


def check_golden(sae: Checked, path: Path, what: str, fix: str) -> None:
    """Compare with the golden vectors of a file.

    Raises:
        UserError: the file is unreadable, or its vectors are not met.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        sae.check(load_file(path))
    except (SafetensorError, ValueError) as error:
        found = f"an unreadable file ({error})" if isinstance(error, SafetensorError) else str(error)
        raise UserError(path, f"golden vectors that {what} meets", found, fix) from None
