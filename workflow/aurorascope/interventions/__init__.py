"""Edits of features while Aurora runs, where and when one says, with a log of what they did."""

from aurorascope.interventions.context import intervene
from aurorascope.interventions.edit_base import Edit
from aurorascope.interventions.edits import Ablate, Add, Clamp, Donor, Gain, Mean, Normal, PositionMean, Scale
from aurorascope.interventions.log import InterventionWarning, Log, LogRow
from aurorascope.interventions.reference_values import Reference, Statistics, reference
from aurorascope.interventions.regions import Active, Band, Box, Disk, Everywhere, Labelled, Levels, Region

__all__ = [
    "Ablate", "Active", "Add", "Band", "Box", "Clamp", "Disk", "Donor", "Edit", "Everywhere", "Gain", "InterventionWarning",
    "Labelled", "Levels", "Log", "LogRow", "Mean", "Normal", "PositionMean", "Reference", "Region", "Scale", "Statistics", "intervene",
    "reference",
]
