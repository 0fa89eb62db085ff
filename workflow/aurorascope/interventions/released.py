"""What features usually are as the suite of an SAE has it: means and percentiles over the globe, on its held-out dates."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from aurorascope.errors import UserError
from aurorascope.interventions.ids import FeatureId
from aurorascope.interventions.places import Place
from aurorascope.sae.aurora_sae import AuroraSAE


@dataclass(frozen=True, eq=False)
class Released:
    """Some features of one block; a reference's `Statistics` without what depends on the grid.

    Attributes:
        ids: number and sign of each.
        mean_f: area mean over the globe and its levels, (features,) float64.
        active_mean_f: the same where the feature is on; NaN for one that never is.
        p99_f: the least value that at least 99 % of the area where it is on does not exceed; NaN for one that never is.
        dates: what messages call the dates.
    """

    dates: ClassVar[str] = "held-out dates of its suite"

    ids: tuple[FeatureId, ...]
    mean_f: np.ndarray
    active_mean_f: np.ndarray
    p99_f: np.ndarray

    @classmethod
    def of(cls, where: str, block_id: str, sae: AuroraSAE, ids: tuple[FeatureId, ...]) -> "Released":
        """Those of some features, in the order asked for.

        Raises:
            UserError: no suite has opened the SAE, or its suite has none.
        """
        if sae.read_statistics is None:
            raise UserError(
                where, "an SAE that a suite has opened, or reference=", f"one of {block_id} from elsewhere, or changed by keep or prune",
                f'open it with Suite.open("results")["{block_id}"], or give '
                "reference=aurorascope.interventions.reference(model, {block: sae}, features, batches)",
            )
        table = sae.statistics().set_index(["feature", "sign"]).loc[list(ids)]
        return cls(ids, *(table[name].to_numpy(np.float64, copy=True) for name in ("mean", "active_mean", "p99")))

    def check_place(self, where: str, place: Place) -> None:
        """Nothing to refuse: means over the globe are of no grid."""
