"""The arms of a study: which changes of the block's output are made beside the one in question, and how controls are chosen."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aurorascope.interventions.ids import FeatureId
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.streams import Stream, generator
from aurorascope.studies.checks import NEAR, cosine, resolved
from aurorascope.studies.study import DOSES, Study, feature_outcomes
from aurorascope.studies.survey import Survey

# A control feature's exposure lies between half and twice that of the feature it stands for.
_WITHIN = 2.0


@dataclass(frozen=True)
class Arm:
    """One change at one dose.

    Attributes:
        kind: clean, clean_again, reconstruction, feature, minus_feature, control, direction, difference_of_means or placebo.
        dose: how much of the change is made; negative for minus_feature.
        number: which control or direction, from 0; 0 for other kinds.
        features: number and sign of each edited feature; none where features are not what is changed.
    """

    kind: str
    dose: float = 1.0
    number: int = 0
    features: tuple[FeatureId, ...] = ()

    @property
    def name(self) -> str:
        """Unique within a study."""
        return f"{self.kind}_{self.number:02d}" if self.kind in ("control", "direction") else f"{self.kind}_{abs(self.dose):g}"


def arms_of(
    study: Study, features: tuple[FeatureId, ...], controls: list[tuple[FeatureId, ...]], has_difference: bool, has_placebo: bool
) -> list[Arm]:
    """All arms in the order in which they run."""
    found = [Arm("clean", 0.0), Arm("clean_again", 0.0), Arm("reconstruction")]
    found += [Arm("feature", dose, 0, features) for dose in DOSES]
    found += [Arm("minus_feature", -dose, 0, features) for dose in DOSES]
    found += [Arm("control", 1.0, number, each) for number, each in enumerate(controls)]
    found += [Arm("direction", 1.0, number) for number in range(study.n_controls)]
    found += [Arm("difference_of_means")] if has_difference else []
    return found + ([Arm("placebo", 1.0, 0, features)] if has_placebo else [])


def choose_controls(
    study: Study, saes: Mapping[str, AuroraSAE], features: tuple[FeatureId, ...], found: Survey, labelled_same: frozenset[FeatureId]
) -> list[tuple[FeatureId, ...]]:
    """Sets of features, one for each edited feature, matched on exposure in the region; as many as there are, at most `n_controls`.

    No feature stands in two sets. Left out are the edited features in either sign, those labelled the same, those that an outcome
    reads, and those within the guard's cosine of one.
    """
    exposure = found.mean_exposure()
    taken = {feature for feature, _ in features}
    free = [each for each in found.ids if each[0] not in taken and each not in labelled_same and not _is_read(study, saes, each)]
    draw = generator(Stream.STUDY_FEATURES, study.seed)
    pools = []
    for each in features:
        least, most = exposure[each] / _WITHIN, exposure[each] * _WITHIN
        pool = [other for other in free if 0 < least <= exposure[other] <= most]
        pools.append([pool[at] for at in draw.permutation(len(pool))])
    used: set[int] = set()
    controls: list[tuple[FeatureId, ...]] = []
    while len(controls) < study.n_controls:
        chosen: list[FeatureId] = []
        for pool in pools:
            one = next((other for other in pool if other[0] not in used), None)
            if one is None:
                return controls
            used.add(one[0])
            chosen.append(one)
        controls.append(tuple(chosen))
    return controls


def _is_read(study: Study, saes: Mapping[str, AuroraSAE], feature: FeatureId) -> bool:
    """Whether a feature is an outcome or as good as one."""
    for outcome in feature_outcomes(study):
        for read in resolved(f"outcome {outcome.name}", saes[outcome.block], (outcome.feature,)):
            if (study.block, feature[0]) == (outcome.block, read[0]):
                return True
            if abs(cosine(saes[study.block], feature, saes[outcome.block], read)) > NEAR:
                return True
    return False


def draw_directions(study: Study, sample_td: np.ndarray) -> np.ndarray:
    """Random directions of norm 1 before which the block's covariance was put, (n_controls, d) float64.

    A sum of centred tokens with normal weights has the covariance of the tokens.
    """
    draw = generator(Stream.STUDY_DIRECTIONS, study.seed)
    found = []
    for _ in range(study.n_controls):
        weight_t = draw.standard_normal(len(sample_td))
        direction_d = (weight_t[:, None] * sample_td).sum(axis=0)
        found.append(direction_d / np.sqrt((direction_d**2).sum()))
    return np.stack(found)
