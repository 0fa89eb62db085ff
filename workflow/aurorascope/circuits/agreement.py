"""How far a circuit's edges are the same on two sets of dates, beside those of random features."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

BEYOND = 0.2
"""By how much the agreement of the nodes' edges must exceed that of random features' edges."""
FEWEST_EDGES = 3


@dataclass(frozen=True)
class Agreement:
    """How far edges are the same on two sets of dates.

    Attributes:
        rho: Spearman's correlation over edges; None where it is not defined.
        same_sign: of edges that are 0 on neither, the share with the same sign; None where there are none.
        n_edges: edges that are not 0 on both.
    """

    rho: float | None
    same_sign: float | None
    n_edges: int


def agreement(first_e: np.ndarray, second_e: np.ndarray) -> Agreement:
    """Of the effects of edges on two sets of dates, (edges,) float64 each.

    Edges that are 0 on both are left out: where no path leads they agree, which says nothing of the others.
    """
    is_edge_e = (first_e != 0) | (second_e != 0)
    first_e, second_e = first_e[is_edge_e], second_e[is_edge_e]
    product_e = np.sign(first_e) * np.sign(second_e)
    n_signed = int((product_e != 0).sum())
    same = float((product_e > 0).sum() / n_signed) if n_signed else None
    return Agreement(spearman(first_e, second_e), same, len(first_e))


def spearman(first_e: np.ndarray, second_e: np.ndarray) -> float | None:
    """Pearson's correlation of ranks, ties at their mean rank; None for fewer than 3 pairs, or where one side is all the same."""
    if len(first_e) < FEWEST_EDGES:
        return None
    ranks = [rankdata(each) for each in (first_e, second_e)]
    first_e, second_e = (each - each.sum() / len(each) for each in ranks)
    scale = float((first_e**2).sum() * (second_e**2).sum())
    return float((first_e * second_e).sum()) / scale**0.5 if scale > 0 else None


def replication(nodes: Agreement | None, others: Sequence[Agreement]) -> dict[str, Any]:
    """What the agreement of a circuit's edges is worth beside that of random features' edges.

    Args:
        nodes: of the circuit's edges; None where dates are too few for two sets.
        others: of those of random features in the nodes' places, one for each draw.

    Returns:
        For the record: both agreements, the means of the latter, `beyond` (the difference of the correlations), `passes` (None where that is
        not known) and `why` it is not.
    """
    known = [each.rho for each in others if each.rho is not None]
    signs = [each.same_sign for each in others if each.same_sign is not None]
    random = float(np.sum(known) / len(known)) if known else None
    found = {
        "rho": nodes.rho if nodes else None, "same_sign": nodes.same_sign if nodes else None, "n_edges": nodes.n_edges if nodes else 0,
        "random_rho": random, "random_same_sign": float(np.sum(signs) / len(signs)) if signs else None,
        "random_rhos": [each.rho for each in others], "beyond": None, "passes": None, "why": _why(nodes, random, len(others)),
    }
    if found["why"] is None:
        found["beyond"] = nodes.rho - random
        found["passes"] = bool(found["beyond"] > BEYOND)
    return found


def _why(nodes: Agreement | None, random: float | None, n_others: int) -> str | None:
    if nodes is None:
        return "one date alone, and so no two sets of dates"
    if nodes.rho is None:
        return f"{nodes.n_edges} edges that are not 0, or all alike"
    if random is None:
        return "no draw of random features was asked for" if not n_others else "random features have no edges to compare"
    return None
