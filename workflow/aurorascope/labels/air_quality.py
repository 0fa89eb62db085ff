"""Labels of the air's composition. Each function gives a mask (bool) and the field that it is cut from (float32), (rows, columns)."""

import numpy as np

from aurorascope.config.thresholds import Thresholds
from aurorascope.labels import fields
from aurorascope.labels.reference import Reference
from aurorascope.labels.state import LabelState

Found = tuple[np.ndarray, np.ndarray]


def dust(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Much PM10, of which less than half is PM2.5: in CAMS's formula for PM only coarse dust can take it there.

    Where sea salt is as coarse, what a sea in this wind may give is taken off before.
    """
    pm10 = fields.FIELDS["dust"].within(state.now, thresholds)
    salt = thresholds.dust_salt * (1.0 - state.place.static["lsm"]) * state.now.wind_speed_10m() ** 2
    is_coarse = fields.pm_ratio(state.now) < thresholds.dust_ratio
    return (pm10 - salt >= reference.values["dust_pm10"]) & is_coarse, pm10


def coarse_pm(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Much PM10 less PM2.5. Not dust: the difference holds 0.3 of organic matter and sulphate, and thick smoke looks coarse."""
    coarse = fields.FIELDS["coarse_pm"].within(state.now, thresholds)
    return coarse >= reference.values["coarse"], coarse


def smoke(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Much fine PM2.5 with more carbon monoxide than the place is used to, away from cities. A proxy: GFAS would be the truth."""
    pm2p5 = fields.FIELDS["smoke"].within(state.now, thresholds)
    is_fine = fields.pm_ratio(state.now) >= thresholds.smoke_ratio
    is_far = state.place.static["static_nox"] < reference.values["smoke_nox"]
    ground = max(state.place.levels)
    # Fires give little sulphur dioxide for their carbon monoxide.
    is_fire = state.now.level("co", ground) >= thresholds.smoke_co_so2 * state.now.level("so2", ground)
    is_thick = (pm2p5 >= reference.values["smoke_pm2p5"]) & (state.now.values["tcco"] >= reference.tcco["smoke"])
    return is_thick & is_fine & is_far & is_fire, pm2p5


def sea_salt(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Much PM10 of middling size over a windy sea, without an anomaly of carbon monoxide."""
    pm10, ratio = fields.FIELDS["sea_salt"].within(state.now, thresholds), fields.pm_ratio(state.now)
    is_salty = (ratio >= thresholds.salt_least_ratio) & (ratio <= thresholds.salt_largest_ratio)
    is_windy = state.now.wind_speed_10m() >= thresholds.salt_wind
    is_clean = state.now.values["tcco"] < reference.tcco["salt"]
    return (pm10 >= reference.values["salt_pm10"]) & is_salty & is_windy & is_clean, pm10


def urban_no2(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Much nitrogen dioxide where much of its emissions is."""
    column = fields.FIELDS["urban_no2"].within(state.now, thresholds)
    return (column >= reference.values["no2"]) & (state.place.static["static_nox"] >= reference.values["urban_nox"]), column


def volcanic_so2(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Very much sulphur dioxide, most of it aloft, away from its emissions near the ground."""
    column = fields.FIELDS["volcanic_so2"].within(state.now, thresholds)
    levels = state.place.levels
    there = np.stack([np.where(state.now.is_above_ground(level), state.now.level("so2", level), -np.inf) for level in levels])
    is_aloft = np.array(levels)[there.argmax(axis=0)] < thresholds.so2_below_hpa
    is_far = state.place.static["static_so2"] < reference.values["so2_emission"]
    return (column >= reference.values["so2"]) & is_aloft & is_far, column


def transport_edge(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Where the wind brings much more PM2.5, or much less: leading and trailing edges of plumes."""
    transport = fields.FIELDS["transport_edge"].within(state.now, thresholds)
    return (transport >= reference.values["edge_high"]) | (transport <= reference.values["edge_low"]), transport
