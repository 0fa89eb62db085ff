"""Names inside the folder of one store, and the lock that keeps a second writer out."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from aurorascope.errors import remake
from aurorascope.locks import folder_lock


@dataclass(frozen=True)
class StorePaths:
    """Where the pieces of one store lie.

    Attributes:
        folder: `results/scratch/activations/<block>/<split>`.
    """

    folder: Path

    @classmethod
    def of(cls, scratch: Path, block_id: str, split: str) -> "StorePaths":
        """Paths of one block and split under `results/scratch`."""
        return cls(scratch / "activations" / block_id / split)

    @property
    def scratch(self) -> Path:
        """The scratch folder that the store lies in, beside states, checkpoint and statics."""
        return self.folder.parents[2]

    @property
    def manifest(self) -> Path:
        """What rules depend on; written last, by the dump job alone."""
        return self.folder / "manifest.json"

    @property
    def complete(self) -> Path:
        """The manifest's content, left by whoever finished the store; a dump job verifies it and writes the manifest."""
        return self.folder / "complete.json"

    @property
    def claim(self) -> Path:
        """What the store under construction is meant to hold."""
        return self.folder / "claim.json"

    @property
    def provenance(self) -> Path:
        """Versions, device and threads of the run that computed the store; undeclared."""
        return self.folder / "provenance.json"

    @property
    def zarr(self) -> Path:
        """The zarr group."""
        return self.folder / "store.zarr"

    @property
    def moments(self) -> Path:
        """Moments of all snapshots; beside the chunks, so that deleting chunks keeps them."""
        return self.folder / "moments.safetensors"

    @property
    def position_mean(self) -> Path:
        """Mean over snapshots at each token (training split only)."""
        return self.folder / "position_mean.safetensors"

    @property
    def accumulated(self) -> Path:
        """Running sum behind the position mean of a store that keeps no chunks, while it is being filled."""
        return self.folder / "accumulated.safetensors"

    @property
    def absent(self) -> Path:
        """Says that chunks are absent on purpose, and why: never written (live) or deleted since (dropped)."""
        return self.folder / "absent.json"

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
