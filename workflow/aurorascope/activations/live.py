"""Snapshots without chunks: Aurora computes them again, and they are the same bytes or they are refused.

A store whose folder says that its chunks are absent on purpose (`live`, or deleted once nobody needed them) still has its
manifest with the digest of every chunk. A recomputed snapshot goes through the same encoding and is compared with that
digest; only where another kind of device computed the store are moments compared instead.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import google_crc32c
import numpy as np
import torch
from safetensors.numpy import load_file

from aurorascope.activations import moments
from aurorascope.activations.encode import Encoded, encode
from aurorascope.activations.feed import StoreReader
from aurorascope.backbone.batch import snapshot_batch
from aurorascope.backbone.hooks import run_to_blocks
from aurorascope.backbone.model import load_model
from aurorascope.backbone.static import load_static
from aurorascope.blocks import BY_ID, Block
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.errors import UserError
from aurorascope.files import blake3_bytes
from aurorascope.provenance import device_name, read_provenance

_LOG = logging.getLogger(__name__)
# Between kinds of devices, activations differ by their rounding (about 1e-5 of a channel's spread in float32).
_RTOL = 1e-3


class Forwards:
    """One forward of Aurora for all blocks that ask for the same snapshot.

    A snapshot's tokens are kept until each block has taken its own; the model is loaded when it is first needed.

    Args:
        config: the configuration that the stores were made with.
        scratch: `results/scratch`.
        blocks: the blocks that will ask, each for the same snapshots in the same order.
        device: where Aurora runs.

    Attributes:
        n: forwards so far.
    """

    def __init__(self, config: Config, scratch: Path, blocks: Sequence[Block], device: torch.device) -> None:
        self.n = 0
        self._config, self._scratch, self._blocks, self._device = config, scratch, tuple(blocks), device
        self._model, self._static = None, None
        self._snapshot: dict[str, str] = {}
        self._waiting: dict[Block, np.ndarray] = {}

    def tokens(self, block: Block, snapshot: dict[str, str]) -> np.ndarray:
        """The block's output at one snapshot, (n_tokens, d) float32."""
        wanted = {name: snapshot[name] for name in ("time", "previous")}
        if wanted != self._snapshot or block not in self._waiting:
            self._compute(wanted)
        return self._waiting.pop(block)

    def peak_bytes(self, snapshot: dict[str, str]) -> int:
        """Bytes of a GPU that a forward takes for a moment, beside the model, by doing one."""
        torch.cuda.reset_peak_memory_stats(self._device)
        self._compute({name: snapshot[name] for name in ("time", "previous")})
        return torch.cuda.max_memory_allocated(self._device) - torch.cuda.memory_allocated(self._device)

    def _compute(self, snapshot: dict[str, str]) -> None:
        if self._model is None:
            record = self._scratch / "checkpoint" / "checkpoint.json"
            self._model = load_model(record, autocast=self._config.aurora.autocast, device=self._device)
            self._static = load_static(self._scratch / "static" / "static.json")
        self._snapshot, self._waiting = snapshot, {}
        batch = snapshot_batch(self._scratch, snapshot["time"], snapshot["previous"], self._static)

        def receive(block: Block, tokens_nd: torch.Tensor) -> None:
            # A copy: what a hook is handed belongs to the model, which goes on.
            self._waiting[block] = tokens_nd.to("cpu", copy=True).numpy()

        run_to_blocks(self._model, batch.to(self._device), self._blocks, receive)
        self.n += 1


class LiveReader(StoreReader):
    """A store's snapshots from Aurora.

    Args:
        manifest_path: `results/scratch/activations/<block>/<split>/manifest.json`.
        config: the configuration that the store was made with.
        device: where Aurora runs.
        forwards: forwards shared with other blocks; None for this block's own.

    Attributes:
        recomputed_on: the device, where it is of another kind than the one that the store was computed on; else None.
    """

    parallel = False

    def __init__(
        self, manifest_path: Path, config: Config, device: torch.device, forwards: Forwards | None = None
    ) -> None:
        super().__init__(manifest_path)
        self._block = BY_ID[self.manifest["block"]]
        self._forwards = forwards or Forwards(config, self.paths.scratch, [self._block], device)
        found, expected = stage_digest(config, "dump_activations"), self.manifest["config_sha256"]
        if found != expected:
            raise UserError(
                manifest_path, f"a store of this configuration's dump keys, {found}", expected,
                self.paths.rebuild_command(),
            )
        made_on = read_provenance(self.paths.provenance).get("device")
        self.recomputed_on = None if made_on in (None, device_name(device)) else device_name(device)
        if self.recomputed_on:
            _LOG.warning(
                "%s was computed on %s and is recomputed on %s: its snapshots are compared by moments, not by digest.",
                self.paths.folder, made_on, self.recomputed_on,
            )

    def stored(self, index: int) -> np.ndarray:
        """Stored values of one snapshot, (n_tokens, d), computed again.

        Raises:
            UserError: they are not what the manifest says.
        """
        tokens_nd = self._forwards.tokens(self._block, self.manifest["snapshots"][index])
        if self.recomputed_on:
            return self._compared_by_moments(tokens_nd, index)
        encoded = encode(tokens_nd, self.manifest["dtype"])
        expected = self.manifest["snapshots"][index]["blake3"]
        found = _chunk_digest(encoded)
        if found != expected:
            self._refuse(index, f"blake3 {expected}", f"blake3 {found}")
        return encoded.stored

    def _compared_by_moments(self, tokens_nd: np.ndarray, index: int) -> np.ndarray:
        """The values about the store's own offset and scale, if their moments are those of the store."""
        snapshot = self.manifest["snapshots"][index]
        path = self.paths.part(snapshot["time"])
        if not path.is_file():
            self._refuse(index, f"its moments in {path}", "no such file")
        part = load_file(path)
        found, n = moments.of_tokens(tokens_nd), len(tokens_nd)
        spread = np.sqrt(part["m2"] / n)
        floor = np.finfo(np.float32).eps * (1 + np.abs(part["mean"]))
        shift = np.abs(found.mean - part["mean"]) / (spread + floor)
        stretch = np.abs(np.sqrt(found.m2 / n) - spread) / (spread + floor)
        worst = float(max(shift.max(), stretch.max()))
        if not worst <= _RTOL:
            self._refuse(index, f"channel means and spreads within {_RTOL:g} of the store's", f"{worst:.2g} away")
        return ((tokens_nd - self.offset[index]) / self.scale[index]).astype(self.manifest["dtype"])

    def _refuse(self, index: int, expected: str, found: str) -> None:
        time = self.manifest["snapshots"][index]["time"]
        raise UserError(
            f"{self.paths.folder}, the recomputed snapshot of {time}", expected, found, self.paths.rebuild_command()
        )


def _chunk_digest(encoded: Encoded) -> str:
    """BLAKE3 of the chunk file that would hold these values."""
    raw = np.ascontiguousarray(encoded.stored, encoded.stored.dtype.newbyteorder("<")).tobytes()
    return blake3_bytes(raw, google_crc32c.value(raw).to_bytes(4, "little"))
