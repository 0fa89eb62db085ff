"""The weights of a release once file and golden vectors are those of the index: of a block's SAE, a stage's block or a second SAE."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from aurorascope.errors import UserError
from aurorascope.files import sha256_file
from aurorascope.release.atlas import Files

if TYPE_CHECKING:
    import torch

    from aurorascope.sae.aurora_sae import AuroraSAE


class Checked(Protocol):
    """What can be compared with golden vectors."""

    def check(self, golden: "Mapping[str, torch.Tensor]") -> None:
        """Raises ValueError where it does not meet them."""


def read_weights(suite: Files, entry: dict[str, Any], verify: bool, block: int | None = None) -> "AuroraSAE":
    """The SAE of an entry of the index, on the CPU.

    Args:
        suite: whose files they are.
        entry: of `saes`, or of `stage_saes`.
        verify: compare the file's sha256 with the index, and the SAE with its golden vectors where those are there.
        block: place of a block among those of a stage's entry; None where the entry is a block's.

    Raises:
        UserError: the file is missing, or file and index differ.
    """
    record, golden = f"saes/sae_{entry['id']}.json", f"saes/golden/{entry['id']}.safetensors"
    block_id = entry["id"] if block is None else entry["blocks"][block]["id"]
    name = entry["id"] if block is None else f"{entry['id']}, as {block_id} has it"
    fix = suite.again(entry["filename"], record)
    sizes = entry["d_model"], entry["d_hidden"]
    sae = open_weights(suite.file(entry["filename"]), entry["sha256"], sizes, f"the SAE of {name}", fix, verify, block)
    sae.block_id = block_id
    if verify and suite.has_file(golden):
        check_golden(sae, suite.file(golden), f"the SAE of {entry['id']}", suite.again(golden, record), block)
    return sae


def open_weights(
    path: Path, sha256: str, sizes: tuple[int, int], what: str, fix: str, verify: bool, block: int | None = None
) -> "AuroraSAE":
    """The SAE of a file, on the CPU.

    Args:
        path: the file.
        sha256: its digest.
        sizes: channels and features that it must have.
        what: what errors call it.
        fix: how the file comes back.
        verify: whether its bytes are compared with the digest.
        block: as of `read_weights`.

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
        sae = AuroraSAE.from_file(str(path), block=block)
    except ValueError as error:
        raise UserError(path, what, str(error)[:300], fix) from None
    except Exception as error:
        # What torch raises depends on the bytes it meets, and its advice is to read such a file without safety.
        raise UserError(path, what, f"an unreadable file ({type(error).__name__})", fix) from error
    if (sae.d_model, sae.d_hidden) != sizes:
        expected = f"{what}, {sizes[0]} channels and {sizes[1]} features"
        raise UserError(path, expected, f"one of {sae.d_model} and {sae.d_hidden}", fix)
    return sae


def check_golden(sae: Checked, path: Path, what: str, fix: str, block: int | None = None) -> None:
    """Compare with the golden vectors of a file, of which a stage's has some for each of its blocks.

    Raises:
        UserError: the file is unreadable, or its vectors are not met.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        golden = load_file(path)
        sae.check(golden if block is None else {key: value[block] for key, value in golden.items()})
    except (SafetensorError, ValueError, IndexError) as error:
        found = f"an unreadable file ({error})" if isinstance(error, SafetensorError) else str(error)
        raise UserError(path, f"golden vectors that {what} meets", found, fix) from None
