"""Open the SAEs of a pair, and what their evaluations say of which features are ever on."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aurorascope.blocks import BY_ID, Block
from aurorascope.errors import UserError
from aurorascope.files import check_file
from aurorascope.matching.pair import FROM, Pair, check_checkpoint
from aurorascope.measures.held_out.claim import KIND as EVALUATION
from aurorascope.measures.held_out.claim import STATISTICS
from aurorascope.records import KINDS
from aurorascope.sae.architectures import RELEASED
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.opening import open_sae


@dataclass(frozen=True)
class Dictionary:
    """One block's SAE.

    Attributes:
        block: the block.
        sae: on the CPU.
        record: its record.
        folder: of its results or release.
    """

    block: Block
    sae: AuroraSAE
    record: dict[str, Any]
    folder: Path

    @property
    def W_hd(self) -> np.ndarray:
        """Rows of the decoder, (latents, d) float32."""
        return self.sae.W_dec.detach().numpy()

    def alive(self) -> tuple[np.ndarray, str]:
        """Which latents are on for some held-out token of its own run, (latents,) bool, and the sha256 of the table that says so.

        Raises:
            UserError: record or table are missing, damaged or of another SAE.
        """
        path, record = EVALUATION.where(self.folder, block=self.block.id), EVALUATION.read(self.folder, block=self.block.id)
        if record["sae_sha256"] != self.record["sha256"]:
            raise UserError.stale(path, f"the evaluation of the SAE {self.record['sha256'][:12]}", record["sae_sha256"][:12])
        table = self.folder / STATISTICS.format(block=self.block.id)
        digest = record.get("statistics_sha256")
        if digest is None:
            raise UserError.stale(path, "the digest of the table of what features usually are", "none; older results lack it")
        check_file(table, digest, path)
        usual = pd.read_parquet(table, columns=["feature", "active_mean"]).dropna()
        alive_h = np.zeros(self.sae.d_hidden, bool)
        alive_h[usual["feature"].unique()] = True
        return alive_h, digest


def open_pair(pair: Pair, results: Path) -> tuple[Dictionary, Dictionary, bool]:
    """Both SAEs, and whether features have signs.

    Raises:
        UserError: one is missing or damaged, they are of two Auroras, or only one of them tells signs apart.
    """
    a = _opened(pair.a, results)
    with of_suite(pair):
        b = _opened(pair.b, pair.folder(results))
    path = KINDS["sae"].where(b.folder, block=pair.b)
    check_checkpoint(path, b.record, a.record["checkpoint_sha256"])
    signed = [RELEASED[each.sae.architecture].signed for each in (a, b)]
    if signed[0] != signed[1]:
        expected = f"features {'with' if signed[0] else 'without'} signs, as those of {pair.a}"
        raise UserError(path, expected, "the others", "match suites of one kind")
    if pair.how == "cosine" and a.sae.d_model != b.sae.d_model:
        raise UserError(path, f"an SAE of {a.sae.d_model} channels, as {pair.a} has", str(b.sae.d_model), "match suites of one Aurora")
    return a, b, signed[0]


@contextlib.contextmanager
def of_suite(pair: Pair) -> Iterator[None]:
    """Let errors about files of another suite advise what mends these: no command here makes them."""
    try:
        yield
    except UserError as error:
        if pair.suite is None:
            raise
        raise UserError(error.where, error.expected, error.found, FROM) from None


def _opened(block_id: str, folder: Path) -> Dictionary:
    sae, record = open_sae(KINDS["sae"].where(folder, block=block_id))
    return Dictionary(BY_ID[block_id], sae, record, folder)
