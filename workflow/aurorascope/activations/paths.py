"""Names inside the folder of one store, and the lock that keeps a second writer out."""

import contextlib
from pathlib import Path

from aurorascope.errors import remake
from aurorascope.locks import folder_lock


class StorePaths:
    """Where the pieces of one store lie.

    Attributes:
        folder: `results/scratch/activations/<block>/<split>`.
        manifest: what rules depend on; written last, by the dump job alone.
        complete: the manifest's content, left by whoever finished the store; a dump job verifies it and writes the manifest.
        claim: what the store under construction is meant to hold.
        provenance: versions, device and threads of the run that computed the store; undeclared.
        zarr: the zarr group.
        moments: moments of all snapshots; beside the chunks, so that deleting chunks keeps them.
        position_mean: mean over snapshots at each token (training split only).
        accumulated: running sum behind the position mean of a store that keeps no chunks, while it is being filled.
        absent: says that chunks are absent on purpose, and why: never written (live) or deleted since (dropped).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = folder / "manifest.json"
        self.complete = folder / "complete.json"
        self.claim = folder / "claim.json"
        self.provenance = folder / "provenance.json"
        self.zarr = folder / "store.zarr"
        self.moments = folder / "moments.safetensors"
        self.position_mean = folder / "position_mean.safetensors"
        self.accumulated = folder / "accumulated.safetensors"
        self.absent = folder / "absent.json"

    @classmethod
    def of(cls, scratch: Path, block_id: str, split: str) -> "StorePaths":
        """Paths of one block and split under `results/scratch`."""
        return cls(scratch / "activations" / block_id / split)

    @property
    def scratch(self) -> Path:
        """The scratch folder that the store lies in, beside states, checkpoint and statics."""
        return self.folder.parents[2]

    def chunk(self, index: int) -> Path:
        """The file of one snapshot's activations."""
        return self.zarr / "activation" / "c" / str(index) / "0" / "0" / "0" / "0"

    def part(self, time: str) -> Path:
        """What one finished snapshot leaves for the final step: offset, scale, moments, digest."""
        return self.folder / "parts" / f"{time.replace(':', '')}.safetensors"

    def rebuild_command(self) -> str:
        """The command that makes this store again."""
        return remake(self.manifest)

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Hold the store's lock (`locks.folder_lock`)."""
        return folder_lock(self.folder)
