"""Labels of wind, pressure, moisture and temperature: a mask (bool) and the field that it is cut from (float32), (rows, columns)."""

import numpy as np

from aurorascope.config.thresholds import Thresholds
from aurorascope.labels import fields
from aurorascope.labels.objects import across_flow_maxima, is_closed, keep_objects, local_minima, nearest_maximum
from aurorascope.labels.reference import Reference
from aurorascope.labels.state import LabelState
from aurorascope.sphere import dilate, disk

Found = tuple[np.ndarray, np.ndarray]
# Mole fraction of ozone of a mass fraction: molar masses of air and ozone.
_OZONE_MOLES = 28.97 / 48.0


def jet(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Strong wind aloft."""
    speed = fields.FIELDS["jet"].within(state.now, thresholds)
    return speed >= thresholds.jet_speed, speed


def jet_core(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Within 250 km of where very strong wind aloft is stronger than on both sides across it."""
    now = state.now
    speed = fields.FIELDS["jet_core"].within(now, thresholds)
    # The wind's direction at the level in the middle decides which way is across.
    ridge = across_flow_maxima(speed, now.level("u", 250), now.level("v", 250))
    core = ridge & (speed >= thresholds.jet_core_speed)
    return dilate(core, now.place.lat, now.place.lon, thresholds.line_km), speed


def low_centres(state: LabelState, thresholds: Thresholds, furthest: float = 90.0) -> list[tuple[int, int]]:
    """Cells of the lowest sea-level pressure of each low up to a latitude: a closed contour of 200 Pa within 5.5 degrees."""
    msl, away = state.now.surface("msl"), np.abs(state.place.lat)
    rise, degrees = thresholds.low_rise, thresholds.low_radius_degrees
    cells = [cell for cell in local_minima(msl) if away[cell[0]] <= furthest]
    return [cell for cell in cells if is_closed(msl, state.place, cell, rise, degrees)]


def _disks(state: LabelState, cells: list[tuple[int, int]], km: float) -> np.ndarray:
    lat, lon, found = state.place.lat, state.place.lon, np.zeros(state.place.shape, bool)
    for row, column in cells:
        found |= disk(lat, lon, (lat[row], lon[column]), km)
    return found


def low(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Disks about lows of sea-level pressure. Under mountains that pressure is extrapolated, and lows there may be no weather."""
    depth = fields.FIELDS["low"].within(state.now, thresholds)
    return _disks(state, low_centres(state, thresholds), thresholds.low_disk_km), depth


def tropical_cyclone(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Disks about lows with a warm core near the equator (TempestExtremes). A proxy: IBTrACS would be the truth."""
    field = fields.FIELDS["tropical_cyclone"].within(state.now, thresholds)
    colder, found = -fields.thickness(state.now).astype(np.float64), []
    for cell in low_centres(state, thresholds, thresholds.cyclone_lat):
        warmest = nearest_maximum(-colder, state.place, cell, thresholds.cyclone_offset_degrees)
        if is_closed(colder, state.place, warmest, thresholds.cyclone_fall, thresholds.cyclone_radius_degrees):
            found.append(cell)
    return _disks(state, found, thresholds.low_disk_km), field


def cyclonic_core(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Strong cyclonic rotation at 850 hPa."""
    vorticity = fields.FIELDS["cyclonic_core"].within(state.now, thresholds)
    return vorticity >= thresholds.vorticity, vorticity


def atmospheric_river(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Long and narrow objects of strong transport of moisture. Algorithms disagree about them (ARTMIP)."""
    transport = fields.FIELDS["atmospheric_river"].within(state.now, thresholds)
    is_strong = transport >= thresholds.river_transport
    return keep_objects(is_strong, state.place, thresholds.river_length_km, thresholds.river_width_km), transport


def blocking(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Easterlies equatorward and strong westerlies poleward at 500 hPa. Blocking lasts five days; this is one moment of it."""
    reversal = fields.FIELDS["blocking"].within(state.now, thresholds)
    poleward = fields.height_slopes(state.now)[1]
    return (reversal > thresholds.blocking_equatorward) & (poleward < thresholds.blocking_poleward), reversal


def front(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Within 250 km of long objects with a strong gradient of equivalent potential temperature at 850 hPa."""
    slope = fields.FIELDS["front"].within(state.now, thresholds)
    line = keep_objects(slope >= thresholds.front_gradient, state.place, thresholds.front_length_km)
    return dilate(line, state.place.lat, state.place.lon, thresholds.line_km), slope


def stratospheric_air(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """High potential vorticity, much ozone and little humidity together at 300, 400 or 500 hPa."""
    now, largest = state.now, fields.FIELDS["stratospheric_air"].within(state.now, thresholds)
    found = np.zeros(state.place.shape, bool)
    for level, vorticity in fields.potential_vorticities(now).items():
        has_ozone = now.level("go3", level) * _OZONE_MOLES >= thresholds.stratospheric_ozone
        is_dry = now.relative_humidity(level) <= thresholds.stratospheric_humidity
        found |= (vorticity >= thresholds.stratospheric_vorticity) & has_ozone & is_dry
    return found & ~np.isnan(largest), largest


def inversion(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Warmer at 925 hPa than at 2 m."""
    strength = fields.FIELDS["inversion"].within(state.now, thresholds)
    return strength > thresholds.inversion, strength


def cold_ocean(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Sea under air that is colder than sea water freezes. A proxy of sea ice: satellites would be the truth."""
    coldness = fields.FIELDS["cold_ocean"].within(state.now, thresholds)
    return (state.now.surface("t2m") < thresholds.cold_ocean) & ~np.isnan(coldness), coldness
