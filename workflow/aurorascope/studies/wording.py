"""A study in words: what was asked, numbers for readers, and the unit of every number. Pictures and pages share these."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from aurorascope.cams.variables import ATMOS, SURFACE

TENDENCIES = "clean tendencies"
"""Unit of a linear outcome: the root mean square by which the clean forecast differs from the input."""

_VARIABLES = {variable.aurora: variable for variable in (*SURFACE, *ATMOS)}
_UNITS = {"linear": TENDENCIES, "msl_min": "Pa", "wind_max": "m s⁻¹", "feature": "units of the block's output"}
# What is read of a low that is followed: its unit, and in words.
_TRACKS = {
    "shift": ("km", "distance from where the clean forecast has the low"), "error": ("km", "distance of the low from where it really was"),
    "pressure": ("Pa", "least pressure at sea level of the low"), "wind": ("m s⁻¹", "greatest wind at 10 m of the low"),
}
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_STEP_HOURS = 12


def unit_of(outcome: Mapping[str, Any]) -> str:
    """Unit of an outcome's effect, from what was asked."""
    return _TRACKS[outcome["reads"]][0] if outcome["kind"] == "tracker" else _UNITS[outcome["kind"]]


def pretty_unit(units: str) -> str:
    """A unit as GRIB writes it with its powers raised: `kg m**-3` as kg m⁻³."""
    head, *powers = units.split("**")
    for each in powers:
        digits = len(each) - len(each.lstrip("-0123456789"))
        head += each[:digits].translate(_RAISED) + each[digits:]
    return head


def raised(exponent: int) -> str:
    """A power of ten: 10⁻⁹."""
    return f"10{str(exponent).translate(_RAISED)}"


def power_of(top: float) -> int:
    """The power of a thousand that axes up to such a number are in, as a power of ten; 0 where plain numbers are short enough."""
    power = 3 * math.floor(math.log10(abs(top)) / 3) if top and math.isfinite(top) else 0
    return 0 if power in (-3, 3) and 0.01 <= abs(top) < 100000 else power


def with_power(power: int, unit: str) -> str:
    """A unit times a power of ten."""
    return f"{raised(power)} {unit}" if power else unit


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many digits that count, and a true minus sign; "not known" for none that is finite."""
    if value is None or not math.isfinite(value):
        return "not known"
    if not value:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if -4 <= exponent < 6:
        text = f"{value:.{max(0, digits - 1 - exponent)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        head, _, power = f"{value:.{digits - 1}e}".partition("e")
        text = f"{head.rstrip('0').rstrip('.') if '.' in head else head} × {raised(int(power))}"
    return text.replace("-", "−")


def with_unit(value: float | None, unit: str) -> str:
    """A number and its unit; "not known" has none."""
    found = number(value)
    return found if value is None or not math.isfinite(value) else f"{found} {unit}"


def several(words: Sequence[str]) -> str:
    """A list in words: a, b and c."""
    return " and ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), *words[-1:]])


def hours(steps: int) -> str:
    """The lead of a forecast in words."""
    return f"{_STEP_HOURS * steps} hours"


def feature_words(ids: Sequence[Sequence[int]]) -> str:
    """Features by number; the sign of those below 0 is said."""
    names = [f"{feature}{' (negative)' if sign < 0 else ''}" for feature, sign in ids]
    return f"feature{'s' if len(names) > 1 else ''} {several(names)}"


def field_words(variable: str, level: int | None) -> str:
    """A field by its long name, and its level."""
    known = _VARIABLES.get(variable)
    name = re.sub(r"(?<=\d)um$", " µm", known.request.replace("_", " ")) if known else variable
    return name if level is None else f"{name} at {level} hPa"


def field_title(field: str) -> str:
    """A field as `fields.nc` calls it (`t_850`), by its long name."""
    name, _, level = field.rpartition("_")
    return field_words(name, int(level)) if name and level.isdigit() else field_words(field, None)


def _north(lat: float) -> str:
    return f"{abs(lat):g}° {'N' if lat >= 0 else 'S'}"


def _east(lon: float) -> str:
    # From 180 on as a distance west, which is how places are known.
    lon = (lon + 180) % 360 - 180
    return f"{abs(lon):g}° {'E' if lon >= 0 else 'W'}"


def region_words(region: Mapping[str, Any] | None) -> str:
    """Where, from a file's region."""
    found = []
    region = {key: value for key, value in (region or {}).items() if value is not None}
    if "disk" in region:
        lat, lon, km = region["disk"]
        found.append(f"within {km:g} km of {_north(lat)}, {_east(lon)}")
    if "box" in region:
        south, north, west, east = region["box"]
        found.append(f"from {_north(south)} to {_north(north)} and from {_east(west)} to {_east(east)}")
    if "band" in region:
        south, north = region["band"]
        found.append(f"from {_north(south)} to {_north(north)}")
    if "label" in region:
        found.append(f"where the label {region['label']} holds")
    if "levels" in region:
        levels = [str(level) for level in region["levels"]]
        found.append(f"on the latent level{'s' if len(levels) > 1 else ''} {several(levels)}")
    if region.get("taper_km"):
        found.append(f"fading over the outer {region['taper_km']:g} km")
    return ", ".join(found) or "everywhere"


def outcome_words(outcome: Mapping[str, Any]) -> str:
    """What an outcome is."""
    kind, where = outcome["kind"], region_words(outcome.get("region"))
    if kind == "tracker":
        return f"{_TRACKS[outcome['reads']][1]} that starts at {_north(outcome['lat'])}, {_east(outcome['lon'])}"
    if kind == "msl_min":
        return f"least pressure at sea level {where}"
    if kind == "wind_max":
        return f"greatest wind at 10 m {where}"
    if kind == "feature":
        feature = outcome["feature"]
        ids = [feature if isinstance(feature, list) else [feature, 1]]
        return f"mean by area of {feature_words(ids)} of {outcome['block']} {where}"
    terms = outcome.get("terms") or [{"variable": outcome["variable"], "level": outcome.get("level")}]
    return f"mean by area of {_sum_words(terms)} {where}"


def _sum_words(terms: Sequence[Mapping[str, Any]]) -> str:
    """Terms of a sum; what is taken away has a minus before it."""
    found = ""
    for each in terms:
        factor = each.get("coefficient", 1)
        sign = "−" if factor < 0 else "+"
        words = ("" if abs(factor) == 1 else f"{number(abs(factor))} × ") + field_words(each["variable"], each.get("level"))
        found += f" {sign} {words}" if found else f"{sign if factor < 0 else ''}{words}"
    return found


def edit_words(edit: Any, n_features: int) -> str:
    """What became of the features, as a file's `edit` says it."""
    kind, value = next(iter(edit.items())) if isinstance(edit, Mapping) else (edit, None)
    are, their = ("are", "their") if n_features > 1 else ("is", "its")
    if isinstance(value, str):
        value = value.replace("p99", f"{their} 99th percentile").replace("*", " × ")
    return {
        "ablate": f"{are} set to 0 where on",
        "normal": f"{are} held to no more than {their} usual mean while on",
        "mean": f"{are} set to {their} usual mean where on",
        "position_mean": f"{are} set where on to {their} usual mean at each place",
        "scale": f"{are} multiplied by {value}",
        "clamp": f"{are} set to {value} where on",
        "gain": f"{'have' if n_features > 1 else 'has'} {value} times what is beyond normal",
    }[kind]


def change_words(change: Mapping[str, Any]) -> str:
    """One change of the inputs, as an entry of a file's `perturb` says it."""
    ((kind, keys),) = change.items()
    given = keys.get("variables") or keys.get("variable") or keys.get("emission")
    given = [given] if isinstance(given, str) else list(given)
    names, are = several([_input_words(each) for each in given]), "are" if len(given) > 1 else "is"
    amount = number(next((float(keys[name]) for name in ("factor", "kg", "amplitude") if name in keys), None))
    what = {
        "scale": f"{names} {are} multiplied by {amount}",
        "add_plume": f"a plume of {amount} kg of {names} is added",
        "replace_by_mean": f"{names} {are} replaced by the mean of each place",
        "scale_emission": f"the emission {names} is multiplied by {amount}",
        "add_red_noise": f"red noise of amplitude {amount} is added to {names}",
    }[kind]
    levels = f" at {several([str(each) for each in keys['levels']])} hPa" if keys.get("levels") else ""
    times = ", at the latest of the two input times alone" if keys.get("times") == "latest" else ""
    return f"{what}{levels}, {region_words(keys.get('region'))}{times}"


def _input_words(name: str) -> str:
    return field_words(name, None) if name in _VARIABLES else name
