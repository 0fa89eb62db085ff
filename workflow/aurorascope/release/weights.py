"""The weights of a suite's SAE, of a block or of a stage's block, once file and golden vectors are those of the index."""

from typing import TYPE_CHECKING, Any

from aurorascope.errors import UserError
from aurorascope.files import sha256_file
from aurorascope.release.atlas import Files

if TYPE_CHECKING:
    from aurorascope.sae.aurora_sae import AuroraSAE


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
    # Imported only where weights are read: a table needs no torch.
    from aurorascope.sae.aurora_sae import AuroraSAE

    path, name = suite.file(entry["filename"]), entry["id"] if block is None else f"{entry['id']}, as {entry['blocks'][block]['id']} has it"
    fix = suite.again(entry["filename"], f"saes/sae_{entry['id']}.json")
    if not path.is_file():
        raise UserError(path, f"the weights of {entry['id']}, sha256 {entry['sha256']}", "no such file", fix)
    if verify and (found := sha256_file(path)) != entry["sha256"]:
        raise UserError(path, f"sha256 {entry['sha256']}", f"sha256 {found}", fix)
    try:
        sae = AuroraSAE.from_file(str(path), block=block)
    except ValueError as error:
        raise UserError(path, f"the SAE of {name}", str(error)[:300], fix) from None
    except Exception as error:
        # What torch raises depends on the bytes it meets, and its advice is to read such a file without safety.
        raise UserError(path, f"the SAE of {name}", f"an unreadable file ({type(error).__name__})", fix) from error
    if (sae.d_model, sae.d_hidden) != (entry["d_model"], entry["d_hidden"]):
        sizes = f"{entry['d_model']} channels and {entry['d_hidden']} features"
        raise UserError(path, f"the SAE of {name}, {sizes}", f"one of {sae.d_model} and {sae.d_hidden}", fix)
    if verify:
        _check_golden(suite, entry, sae, block)
    return sae


def _check_golden(suite: Files, entry: dict[str, Any], sae: "AuroraSAE", block: int | None) -> None:
    """Compare an SAE, whose file has been compared with the index, with its golden vectors where those are there."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    name = f"saes/golden/{entry['id']}.safetensors"
    if not suite.has_file(name):
        return
    path = suite.file(name)
    try:
        golden = load_file(path)
        sae.check(golden if block is None else {key: value[block] for key, value in golden.items()})
    except (SafetensorError, ValueError, IndexError) as error:
        found = f"an unreadable file ({error})" if isinstance(error, SafetensorError) else str(error)
        fix = suite.again(name, f"saes/sae_{entry['id']}.json")
        raise UserError(path, f"golden vectors that the SAE of {entry['id']} meets", found, fix) from None
