"""When a field holds: analyses and forecasts told apart, whatever the file calls its times.

A file may say a reference time, a lead time, a valid time, or two of them, each along a dimension or once for all. All
that are there must agree; a field is an analysis where its lead is zero.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from aurorascope.errors import UserError

_REFERENCE = ("forecast_reference_time", "reftime", "initial_time", "analysis_time")
_LEAD = ("forecast_period", "step", "leadtime", "lead_time", "leadtime_hour", "lead")
_VALID = ("valid_time", "verification_time", "validtime")
_PLAIN = ("time", "date", "datetime")
_ZERO = np.timedelta64(0, "ns")
_FIX = "take the analysis (lead time 0), or correct the times in the file"


@dataclass(frozen=True)
class Times:
    """Times of a field's slices.

    Attributes:
        dims: the dimensions that they lie along, none, one or two.
        valid: valid time of each slice, datetime64[ns], an axis for each of dims.
        lead: lead time of each, timedelta64[ns].
    """

    dims: tuple[str, ...]
    valid: np.ndarray
    lead: np.ndarray


def says_time(name: str, variable: xr.DataArray) -> bool:
    """Whether a variable is a reference, lead or valid time, by name or standard name."""
    is_named = name.lower() in (*_REFERENCE, *_LEAD, *_VALID)
    return is_named or variable.attrs.get("standard_name") in ("forecast_reference_time", "forecast_period")


def times_of(field: xr.DataArray, where: object) -> Times:
    """The times of a field with decoded coordinates.

    Raises:
        UserError: it has none, they are not decoded, or they contradict each other.
    """
    reference, lead, valid = (_coordinate(field, names, standard) for names, standard in (
        (_REFERENCE, "forecast_reference_time"), (_LEAD, "forecast_period"), (_VALID, ""),
    ))
    plain = _coordinate(field, _PLAIN, "time")
    lead = _as_duration(lead)
    if plain is not None:
        # `time` is the reference time beside a lead or a valid time, and the valid time beside a reference time.
        if reference is None and plain.attrs.get("standard_name") != "time":
            reference = plain
        elif valid is None:
            valid = plain
        elif reference is None:
            reference = plain
    if lead is None and valid is None and reference is not None and _says_reference(reference):
        # Of a forecast whose lead was dropped there is nothing else left, either.
        raise UserError(
            where, "a lead time or a valid time beside the reference time", f"{reference.name} alone",
            "keep the lead time in the file, or, if these are analyses, call their times `time`",
        )
    if reference is None and valid is None:
        raise UserError(where, "a coordinate with its times", f"dims {', '.join(map(str, field.dims))}", _FIX)
    for name, values, kind in (("times", reference, "M"), ("times", valid, "M"), ("lead times", lead, "m")):
        if values is not None and values.dtype.kind != kind:
            said = values.attrs.get("units", values.encoding.get("units", "no units"))
            calendar = values.attrs.get("calendar", values.encoding.get("calendar", "standard"))
            found = f"{values.name} in {said}, calendar {calendar}"
            raise UserError(where, f"{name} with CF units in the standard calendar", found, "write the times so")
    parts = [part for part in (reference, lead, valid) if part is not None]
    dims = tuple(str(dim) for dim in field.dims if any(dim in part.dims for part in parts))
    sizes = {dim: field.sizes[dim] for dim in dims}

    def spread(part: xr.DataArray | None, kind: str) -> np.ndarray | None:
        if part is None:
            return None
        return part.drop_vars(list(part.coords)).expand_dims({d: n for d, n in sizes.items() if d not in part.dims}).transpose(
            *dims
        ).values.astype(kind)

    reference_, lead_, valid_ = (
        spread(reference, "datetime64[ns]"), spread(lead, "timedelta64[ns]"), spread(valid, "datetime64[ns]"),
    )
    if reference_ is None:
        return Times(dims, valid_, np.full(valid_.shape, _ZERO) if lead_ is None else lead_)
    if valid_ is None:
        lead_ = np.full(reference_.shape, _ZERO) if lead_ is None else lead_
        return Times(dims, reference_ + lead_, lead_)
    if lead_ is not None and not np.array_equal(reference_ + lead_, valid_):
        place = int(np.flatnonzero((reference_ + lead_ != valid_).ravel())[0])
        said = f"{_hour(reference_.ravel()[place])} + {lead_.ravel()[place] / np.timedelta64(1, 'h'):g} h"
        found = f"{said}, and {_hour(valid_.ravel()[place])} as the valid time"
        raise UserError(where, "a reference time and a lead that give the valid time", found, _FIX)
    return Times(dims, valid_, valid_ - reference_)


def _says_reference(times: xr.DataArray) -> bool:
    return str(times.name).lower() in _REFERENCE or times.attrs.get("standard_name") == "forecast_reference_time"


def _as_duration(lead: xr.DataArray | None) -> xr.DataArray | None:
    """A lead time whose units xarray does not decode, h say, in nanoseconds."""
    if lead is None or lead.dtype.kind not in "if" or "units" not in lead.attrs:
        return lead
    import cf_units

    with cf_units.suppress_errors():
        try:
            seconds = cf_units.Unit(str(lead.attrs["units"])).convert(lead.values.astype(np.float64), "s")
        except ValueError:
            return lead
    return lead.copy(data=np.rint(np.asarray(seconds) * 1e9).astype("timedelta64[ns]"))


def _coordinate(field: xr.DataArray, names: tuple[str, ...], standard_name: str) -> xr.DataArray | None:
    """The coordinate with one of the names, or else with the standard name."""
    lower = {str(name).lower(): name for name in field.coords}
    for name in names:
        if name in lower:
            return field.coords[lower[name]]
    taken = (*_REFERENCE, *_LEAD, *_VALID, *_PLAIN)
    for key, name in lower.items():
        if standard_name and key not in taken and field.coords[name].attrs.get("standard_name") == standard_name:
            return field.coords[name]
    return None


def _hour(time: np.datetime64) -> str:
    return f"{str(time)[:16]} UTC"
