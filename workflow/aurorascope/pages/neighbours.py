"""The nearest feature of each other block of a stage, by the cosine of their decoder directions."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError

_ROWS_AT_ONCE = 1024
# Cosines no further apart are equal: of two rows with the same bits, a product of matrices may round one's otherwise, by their place.
_EQUAL = np.float32(2.0**-20)


@dataclass(frozen=True)
class Decoder:
    """One block's directions.

    Attributes:
        W_hd: (latents, d) float32.
        is_alive_h: (latents,) whether a latent is on for some token; others are nobody's nearest.
        signed: whether positive and negative values are two features.
    """

    W_hd: np.ndarray
    is_alive_h: np.ndarray
    signed: bool


def same_stage(block_id: str, others: list[str]) -> list[str]:
    """Those of some blocks that lie in a block's stage and are not it, in forward order."""
    block = BY_ID[block_id]
    found = [BY_ID[each] for each in others if each != block_id]
    found = [each for each in found if (each.component, each.stage) == (block.component, block.stage)]
    return [each.id for each in sorted(found, key=lambda each: each.depth_index)]


def nearest_features(block_id: str, decoders: Mapping[str, Decoder]) -> pd.DataFrame:
    """For each living latent of a block, the living latent of each other block of its stage with the highest cosine.

    Where both blocks' features are signed the size of the cosine counts, and its sign says which of the two features is the like one.
    Of equal ones the lower number is taken. Products are of float32, in tiles of a fixed size on one thread.

    Args:
        block_id: the block.
        decoders: of all blocks at hand, the block's own among them.

    Returns:
        Columns feature (int32), block, near (int32, the other's latent), cosine (float32); features ascending, blocks in forward order.

    Raises:
        UserError: blocks of one stage have other widths.
    """
    own, others = decoders[block_id], same_stage(block_id, list(decoders))
    alive = np.flatnonzero(own.is_alive_h)
    unit_ad = _unit(own.W_hd[alive])
    columns = []
    with threadpool_limits(limits=1, user_api="blas"):
        for other in others:
            decoder = decoders[other]
            if decoder.W_hd.shape[1] != own.W_hd.shape[1]:
                raise UserError(f"the decoder of {other}", f"a width of {own.W_hd.shape[1]}", str(decoder.W_hd.shape[1]), "train both blocks alike")
            living = np.flatnonzero(decoder.is_alive_h)
            if len(living):
                near, cosine = _nearest(unit_ad, _unit(decoder.W_hd[living]), own.signed and decoder.signed)
                columns.append(pd.DataFrame({"feature": alive.astype(np.int32), "block": other, "near": living[near].astype(np.int32), "cosine": cosine}))
    empty = pd.DataFrame({"feature": np.empty(0, np.int32), "block": np.empty(0, object), "near": np.empty(0, np.int32), "cosine": np.empty(0, np.float32)})
    return pd.concat(columns or [empty]).sort_values("feature", kind="stable", ignore_index=True)


def _nearest(unit_ad: np.ndarray, other_bd: np.ndarray, either_sign: bool) -> tuple[np.ndarray, np.ndarray]:
    near, cosine = np.empty(len(unit_ad), np.int64), np.empty(len(unit_ad), np.float32)
    for first in range(0, len(unit_ad), _ROWS_AT_ONCE):
        product_ab = unit_ad[first : first + _ROWS_AT_ONCE] @ other_bd.T
        size_ab = np.abs(product_ab) if either_sign else product_ab
        best = (size_ab >= size_ab.max(axis=1, keepdims=True) - _EQUAL).argmax(axis=1)
        at = slice(first, first + len(best))
        near[at], cosine[at] = best, product_ab[np.arange(len(best)), best]
    return near, cosine


def _unit(W_hd: np.ndarray) -> np.ndarray:
    W_hd = W_hd.astype(np.float32)
    return W_hd / np.maximum(np.linalg.norm(W_hd, axis=1, keepdims=True), np.finfo(np.float32).tiny)
