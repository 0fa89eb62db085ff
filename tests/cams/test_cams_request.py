import inspect
import random
import subprocess
import sys

import numpy as np
import pytest
from aurorascope.cams.grid import check_grid, regular_grid
from aurorascope.cams.request import ADS_URL, day_request, request_sha256
from aurorascope.cams.variables import ATMOS, LEVELS, STATIC, SURFACE
from aurorascope.errors import UserError
from hypothesis import given
from hypothesis import strategies as st


def test_request_is_what_the_ads_is_asked():
    request = day_request("2022-06-11", LEVELS, [12, 0])
    assert request["date"] == ["2022-06-11/2022-06-11"]
    assert request["time"] == ["00:00", "12:00"]
    assert request["pressure_level"][0] == "50"
    assert request["pressure_level"][-1] == "1000"
    assert len(request["variable"]) == 22
    assert {"particulate_matter_2.5um", "nitrogen_monoxide", "geopotential"} <= set(request["variable"])
    assert not {"area", "grid"} & set(request)
    assert request["type"] == ["forecast"]
    assert request["leadtime_hour"] == ["0"]
    assert not ADS_URL.endswith("/")


@given(st.permutations(LEVELS), st.permutations([0, 6, 12]))
def test_request_is_canonical(levels, hours):
    expected = day_request("2022-06-11", LEVELS, [0, 6, 12])
    request = day_request("2022-06-11", [*levels, levels[0]], [*hours, hours[0]])
    assert request == expected
    assert list(request) == list(expected)
    shuffled = dict(random.Random(1).sample(list(request.items()), len(request)))
    assert request_sha256(shuffled) == request_sha256(expected)
    assert request_sha256(day_request("2022-06-12", levels, hours)) != request_sha256(expected)


def test_variables_agree_with_the_installed_aurora():
    aurora = pytest.importorskip("aurora")
    from aurora import normalisation

    defaults = {k: p.default for k, p in inspect.signature(aurora.AuroraAirPollution.__init__).parameters.items()}
    assert {v.aurora for v in SURFACE} == set(defaults["surf_vars"])
    assert {v.aurora for v in ATMOS} == set(defaults["atmos_vars"])
    assert defaults["static_vars"] == STATIC
    positive = set(defaults["positive_surf_vars"]) | set(defaults["positive_atmos_vars"])
    assert {v.aurora for v in SURFACE + ATMOS if v.composition} == positive
    for v in SURFACE + ATMOS:
        for level in v.scale:
            name = v.aurora if level is None else f"{v.aurora}_{level}"
            stats = normalisation.locations[name], normalisation.scales[name]
            assert v.stats(level) == pytest.approx(stats, rel=1e-6)


def test_light_modules_import_nothing_heavy():
    code = (
        "import sys, aurorascope.cams.request, aurorascope.cams.variables; "
        "sys.exit(any(m in sys.modules for m in ('numpy', 'xarray', 'torch', 'zarr')))"
    )
    path = {"PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": ""}
    assert subprocess.run([sys.executable, "-c", code], env=path, check=False).returncode == 0


@pytest.mark.parametrize("shape", [(9, 9), (10, 9), (19, 36), (46, 90), (451, 900)])
def test_grids_that_aurora_takes(shape):
    lat, lon = regular_grid(*shape)
    assert lat[0] == 90
    assert lat[-1] == -90
    assert lon[0] == 0
    assert lat.dtype == lon.dtype == np.float64
    check_grid(lat, lon, "here")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lat, lon: (lat[::-1], lon), "strictly decreasing"),
        (lambda lat, lon: (lat, lon - 180), "within 0 to below 360"),
        (lambda lat, lon: (lat, lon[::-1]), "strictly increasing"),
        (lambda lat, lon: (lat, lon[:-1]), "columns divisible by 3"),
        (lambda lat, lon: (lat[:-2], lon), "rows divisible by 3"),
        (lambda lat, lon: (lat[:7], lon), "at least 9"),
        (lambda lat, lon: (lat * np.nan, lon), "latitudes"),
        (lambda lat, lon: (lat * 1.1, lon), "within 90 to -90"),
        (lambda lat, lon: (lat[None], lon), "one latitude a row"),
    ],
)
def test_grids_that_it_does_not(change, message):
    with pytest.raises(UserError, match=message) as caught:
        check_grid(*change(*regular_grid(19, 36)), "here")
    assert "451 x 900" in caught.value.fix
