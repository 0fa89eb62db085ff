"""Changes of Aurora's inputs: what is changed where, which features respond, how far it reaches, and what the forecast makes of it.

inputs = Inputs.load("2022-06-01")
change = ScaleVariables(("co",), 1.5, Disk(51, -78, km=1500, taper_km=500))
changed, lines = perturb(inputs, [change])
found = feature_responses(model, {block: sae}, inputs.batch(), changed.batch(), {"fire": change.region}, inputs.time)
parts = split_change(model, inputs.batch(), changed.batch())
"""

from aurorascope.perturbations.apply_changes import apply, perturb
from aurorascope.perturbations.carry import ForecastChange, split_change
from aurorascope.perturbations.checks import normalised_size, unseen
from aurorascope.perturbations.control_changes import controls, matched
from aurorascope.perturbations.inputs import Inputs
from aurorascope.perturbations.means import ReplaceByMean, position_mean
from aurorascope.perturbations.noise import AddRedNoise, ScaleEmissionByNoise
from aurorascope.perturbations.operations import AddPlume, ScaleEmission, ScaleVariables
from aurorascope.perturbations.reach_by_block import Reach, reach
from aurorascope.perturbations.regions import AnyOf, Band, Box, Disk, Everywhere, Region
from aurorascope.perturbations.responses import RegionWeights, Response, block_outputs, feature_responses, respond
from aurorascope.perturbations.scores import DOSES, score

__all__ = [
    "DOSES", "AddPlume", "AddRedNoise", "AnyOf", "Band", "Box", "Disk", "Everywhere", "ForecastChange", "Inputs", "Reach", "Region",
    "RegionWeights", "ReplaceByMean", "Response", "ScaleEmission", "ScaleEmissionByNoise", "ScaleVariables", "apply", "block_outputs", "controls",
    "feature_responses", "matched", "normalised_size", "perturb", "position_mean", "reach", "respond", "score", "split_change", "unseen",
]
