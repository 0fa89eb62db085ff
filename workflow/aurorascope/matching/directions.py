"""Match the features of two blocks of one stage by the directions of their decoders, as seeds are compared (`measures.stability`).

Blocks of one stage write to the same channels, and a residual stream goes through them: a direction means the same in all of them. Chance
is two dictionaries of random directions, as many as there are features and spread over the channels as the features' own directions are.
"""

import numpy as np

from aurorascope.matching.matched import Chance, Matched, nothing_matched
from aurorascope.measures.stability.compare import compare, random_rows, unit_rows
from aurorascope.measures.stability.formulas import MOST_MATCHED
from aurorascope.streams import Stream, generator

_WHAT = "random directions, as many of each as features that are on, Gaussian with the second moments of their directions"


def match_directions(
    W_a_hd: np.ndarray, W_b_hd: np.ndarray, alive_a: np.ndarray, alive_b: np.ndarray, signed: bool, places: tuple[int, int]
) -> Matched:
    """Latents of two dictionaries with the largest sum of cosines, one to one.

    Args:
        W_a_hd: rows of the first's decoder, (latents, d).
        W_b_hd: rows of the second's.
        alive_a: (latents,) bool, which of the first are on somewhere; the others, and those without a direction, are not matched.
        alive_b: the same of the second.
        signed: whether features have signs; then the size of a cosine counts.
        places: of both blocks in forward order, which seed the directions of chance.
    """
    index_a, index_b = (np.flatnonzero(alive & (W_hd != 0).any(axis=1)) for W_hd, alive in ((W_a_hd, alive_a), (W_b_hd, alive_b)))
    a_hd, b_hd = unit_rows(W_a_hd[index_a]), unit_rows(W_b_hd[index_b])
    found = compare(a_hd, b_hd, signed)
    at_a, at_b = found.matched.T
    cosine = np.einsum("md,md->m", a_hd[at_a], b_hd[at_b])
    rng = generator(Stream.MATCH_DIRECTIONS, *places)
    chance, reason = None, ""
    if len(at_a):
        random = compare(*(random_rows(len(rows), rows.T @ rows, rng) for rows in (a_hd, b_hd)), signed)
        chance = Chance(random.cosines, found.n, _WHAT)
    else:
        reason = nothing_matched(found.n, MOST_MATCHED)
    sign = np.where(signed & (cosine < 0), -1, 1)
    return Matched(
        found.n, index_a[at_a], index_b[at_b], sign, found.cosines, np.full(len(at_a), np.nan), chance, reason, {"nearest_mean": found.mmcs}
    )
