"""Sums over held-out tokens, all of them and those under a label and not, of a first SAE and of both together: float64, one pass."""

from typing import Any

import numpy as np
import pandas as pd

from aurorascope.features.forward import Features, count_on
from aurorascope.measures.boost.formulas import BOOST_FORMULAS
from aurorascope.measures.held_out.metrics import explained
from aurorascope.sae.active import Active

ALL, LABEL, ORDINARY = "all", "label", "ordinary"
FIRST, BOTH = "first", "both"
# A variance about an own mean is a difference of two sums; below this share of the first, nothing but rounding is left.
_LEAST_SHARE = 1e-12
_COLUMNS = ("metric", "tokens", "of", "value", "n")


class _Part:
    """Sums over some of the tokens."""

    def __init__(self, d: int) -> None:
        self.n = 0
        self.totals = dict.fromkeys(("x_sq", "sst", "sst_position"), 0.0)
        self.dev_d = np.zeros(d)
        self.sse, self.l0 = {FIRST: 0.0, BOTH: 0.0}, {FIRST: 0.0, BOTH: 0.0}

    def values(self, of: str) -> dict[str, float | None]:
        """Fve about the part's own mean, fve_anom, mse and l0; None of no tokens or no variance."""
        if not self.n:
            return dict.fromkeys(("fve", "fve_anom", "mse", "l0"))
        about_all, x_sq = self.totals["sst"], self.totals["x_sq"]
        sst = about_all - float(np.square(self.dev_d).sum()) / self.n
        sst = sst if sst > _LEAST_SHARE * about_all else 0.0
        return {
            "fve": explained(self.sse[of], sst, x_sq),
            "fve_anom": explained(self.sse[of], self.totals["sst_position"], x_sq),
            "mse": self.sse[of] / (self.n * len(self.dev_d)),
            "l0": self.l0[of] / self.n,
        }


class BoostSums:
    """Running sums of a boosted SAE.

    Args:
        mean_d: (d,) float64, mean over all held-out tokens.
        position_nd: (n_tokens, d), training mean at each token.
        n_features: of the first SAE and of the second.
        has_label: whether tokens are told apart by a label.
    """

    def __init__(self, mean_d: np.ndarray, position_nd: np.ndarray, n_features: tuple[int, int], has_label: bool) -> None:
        self._mean_d, self._position_nd = mean_d, position_nd
        self.parts = {name: _Part(len(mean_d)) for name in ((ALL, LABEL, ORDINARY) if has_label else (ALL,))}
        self._fired = [np.zeros(n, np.int64) for n in n_features]

    def add(
        self, x_nd: np.ndarray, x_hat_nd: tuple[np.ndarray, np.ndarray], features: tuple[Features, Features], under_n: np.ndarray | None,
        first: int = 0,
    ) -> None:
        """Count consecutive tokens of one snapshot.

        Args:
            x_nd: activations, (n, d).
            x_hat_nd: reconstructions of the first SAE and of both, (n, d) each.
            features: of the first SAE and of the second.
            under_n: (n,) bool, which are under the label; None where there is none.
            first: place of the first of them in the snapshot.
        """
        x = x_nd.astype(np.float64)
        centred = x - self._mean_d
        columns = {
            "x_sq": np.square(x).sum(axis=1), "sst": np.square(centred).sum(axis=1),
            "sst_position": np.square(x - self._position_nd[first : first + len(x)]).sum(axis=1),
        }
        sse = {of: np.square(x - x_hat).sum(axis=1) for of, x_hat in zip((FIRST, BOTH), x_hat_nd, strict=True)}
        l0_first, l0_second = map(_n_on, features)
        l0 = {FIRST: l0_first, BOTH: l0_first + l0_second}
        chosen = {ALL: slice(None)} if under_n is None else {ALL: slice(None), LABEL: under_n, ORDINARY: ~under_n}
        for name, rows in chosen.items():
            part = self.parts[name]
            part.n += len(x[rows])
            part.dev_d += centred[rows].sum(axis=0)
            for column, values in columns.items():
                part.totals[column] += float(values[rows].sum())
            for of in (FIRST, BOTH):
                part.sse[of] += float(sse[of][rows].sum())
                part.l0[of] += float(l0[of][rows].sum())
        for fired, of_sae in zip(self._fired, features, strict=True):
            fired += count_on(of_sae)

    def metrics(self) -> dict[str, Any]:
        """Those of `BOOST_FORMULAS`, in its order."""
        found_of = {name: (part.values(FIRST), part.values(BOTH)) for name, part in self.parts.items()}
        boosted = found_of[ALL][1]
        found: dict[str, Any] = {
            "boost_fve": boosted["fve"], "boost_fve_anom": boosted["fve_anom"], "boost_l0": boosted["l0"],
            "boost_frac_dead": float((self._fired[1] == 0).mean()),
        }
        for name in (LABEL, ORDINARY):
            first, second = (values["fve"] for values in found_of[name]) if name in found_of else (None, None)
            found |= {f"boost_fve_{name}": second, f"boost_fve_{name}_first": first}
        ends = found["boost_fve_ordinary"], found["boost_fve_ordinary_first"]
        found["boost_change_ordinary"] = None if None in ends else ends[0] - ends[1]
        found["n_boost_label_tokens"] = self.parts[LABEL].n if LABEL in self.parts else None
        return {name: found[name] for name in BOOST_FORMULAS}

    def table(self) -> pd.DataFrame:
        """One row a number: metric, tokens (all, label, ordinary), of (first, both), value, n (tokens); frac_dead over all tokens."""
        rows = [
            (metric, name, of, value, part.n)
            for name, part in self.parts.items()
            for of in (FIRST, BOTH)
            for metric, value in part.values(of).items()
        ]
        on = {FIRST: self._fired[0] > 0, BOTH: np.concatenate(self._fired) > 0}
        rows += [("frac_dead", ALL, of, float((~alive_h).mean()), self.parts[ALL].n) for of, alive_h in on.items()]
        return pd.DataFrame(rows, columns=_COLUMNS).astype({"value": "float64", "n": "int64"})


def _n_on(features: Features) -> np.ndarray:
    """Features on for each token, (n,) int64."""
    return np.diff(features.ends) if isinstance(features, Active) else (features != 0).sum(dim=1).cpu().numpy()
