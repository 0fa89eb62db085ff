"""The 22 variables and 13 levels of Aurora Air Pollution under their three names, with Aurora's statistics.

The same field is called one thing in a request, another in the NetCDF that comes back, and a third in Aurora. This
table is the only place where the three meet. It imports nothing heavy, since the Snakefile may read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

LEVELS = (50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000)


@dataclass(frozen=True)
class Variable:
    """One variable.

    Attributes:
        request: name in an ADS request.
        netcdf: name in the NetCDF files.
        aurora: name in Aurora's batch.
        units: units of the NetCDF files.
        kind: "surface" or "atmos".
        composition: whether it is a concentration or column, which cannot be negative.
        loc: Aurora's location, in `units`, by level in hPa; a surface variable has the one key None.
        scale: Aurora's scale, likewise.
    """

    request: str
    netcdf: str
    aurora: str
    units: str
    kind: str
    composition: bool
    loc: Mapping[int | None, float] = field(hash=False, repr=False)
    scale: Mapping[int | None, float] = field(hash=False, repr=False)

    @property
    def is_signed(self) -> bool:
        """Whether it can be negative, as winds and geopotential can."""
        return self.units in ("m s**-1", "m**2 s**-2")

    def stats(self, level: int | None = None) -> tuple[float, float]:
        """(location, scale) at a level in hPa, or of a surface variable."""
        return self.loc[level], self.scale[level]


def _surface(request: str, netcdf: str, aurora: str, units: str, loc: float, scale: float) -> Variable:
    return Variable(request, netcdf, aurora, units, "surface", units.startswith("kg"), {None: loc}, {None: scale})


def _atmos(request: str, name: str, units: str, loc: tuple[float, ...], scale: tuple[float, ...]) -> Variable:
    by_level = [dict(zip(LEVELS, values, strict=True)) for values in (loc, scale)]
    # Specific humidity shares the composition's units, but packing noise around zero says nothing about it.
    return Variable(request, name, name, units, "atmos", units.startswith("kg") and name != "q", *by_level)


_ZERO = (0.0,) * len(LEVELS)

SURFACE = (
    _surface("2m_temperature", "t2m", "2t", "K", 278.514, 21.22036),
    _surface("10m_u_component_of_wind", "u10", "10u", "m s**-1", -0.05135059, 5.547512),
    _surface("10m_v_component_of_wind", "v10", "10v", "m s**-1", 0.189158, 4.765339),
    _surface("mean_sea_level_pressure", "msl", "msl", "Pa", 100957.8, 1332.246),
    _surface("particulate_matter_1um", "pm1", "pm1", "kg m**-3", 0.0, 1.60384e-06),
    _surface("particulate_matter_2.5um", "pm2p5", "pm2p5", "kg m**-3", 0.0, 2.33652e-06),
    _surface("particulate_matter_10um", "pm10", "pm10", "kg m**-3", 0.0, 6.662347e-06),
    _surface("total_column_carbon_monoxide", "tcco", "tcco", "kg m**-2", 0.0, 0.005207629),
    _surface("total_column_nitrogen_monoxide", "tc_no", "tc_no", "kg m**-2", 0.0, 2.865418e-05),
    _surface("total_column_nitrogen_dioxide", "tcno2", "tcno2", "kg m**-2", 0.0, 6.141358e-05),
    _surface("total_column_ozone", "gtco3", "gtco3", "kg m**-2", 0.0, 0.009886098),
    _surface("total_column_sulphur_dioxide", "tcso2", "tcso2", "kg m**-2", 0.0, 0.0001574554),
)

ATMOS = (
    _atmos(
        "temperature", "t", "K",
        (212.4864, 208.4042, 213.3201, 218.0615, 222.771, 228.8696, 242.1368, 252.9492, 261.1347, 267.401, 274.56,
         277.3572, 281.013),
        (10.26284, 12.52901, 8.928709, 7.189547, 8.529282, 10.71679, 12.69102, 13.06447, 13.42046, 14.76523, 15.5888,
         16.08798, 17.13983),
    ),
    _atmos(
        "u_component_of_wind", "u", "m s**-1",
        (5.653076, 10.27951, 13.54061, 14.20915, 13.34584, 11.80173, 8.817291, 6.563273, 4.814521, 3.345237,
         1.418379, 0.6172657, -0.03328723),
        (15.29281, 13.52611, 16.04335, 17.6763, 17.9671, 17.11917, 14.34276, 11.98419, 10.33421, 9.168821, 8.188043,
         7.940808, 6.141778),
    ),
    _atmos(
        "v_component_of_wind", "v", "m s**-1",
        (0.004226111, 0.01411897, -0.03697671, -0.04507801, -0.02980338, -0.0229477, -0.01771003, -0.02387986,
         -0.02716674, 0.02153583, 0.142815, 0.205348, 0.1867637),
        (7.058931, 7.47931, 9.57199, 11.88069, 13.38039, 13.34044, 11.22955, 9.181708, 7.803569, 6.87104, 6.264443,
         6.470644, 5.308203),
    ),
    _atmos(
        "specific_humidity", "q", "kg kg**-1",
        (2.67818e-06, 2.633677e-06, 5.254625e-06, 1.940632e-05, 5.773618e-05, 0.0001273861, 0.0003855659,
         0.0008529599, 0.001541429, 0.002431637, 0.004575618, 0.006033134, 0.007030342),
        (3.571687e-07, 5.703754e-07, 3.794077e-06, 2.267534e-05, 7.446644e-05, 0.0001684361, 0.0005078644,
         0.001079294, 0.001769722, 0.002549169, 0.004112368, 0.005071058, 0.005913548),
    ),
    _atmos(
        "geopotential", "z", "m**2 s**-2",
        (199373.0, 157642.1, 133141.4, 115330.0, 101223.1, 89414.15, 69980.38, 54115.37, 40648.33, 28928.82,
         13749.78, 7015.005, 738.1545),
        (5875.553, 5510.64, 5823.912, 5820.169, 5536.585, 5091.916, 4150.851, 3353.187, 2695.808, 2136.436, 1470.321,
         1228.997, 1072.307),
    ),
    _atmos(
        "carbon_monoxide", "co", "kg kg**-1",
        _ZERO,
        (3.3898e-08, 1.388527e-07, 2.058023e-07, 2.400079e-07, 2.535403e-07, 2.594617e-07, 2.967479e-07,
         3.763697e-07, 6.095697e-07, 1.084358e-06, 3.787436e-06, 9.559742e-06, 1.811231e-05),
    ),
    _atmos(
        "nitrogen_monoxide", "no", "kg kg**-1",
        _ZERO,
        (5.58877e-10, 1.177009e-09, 1.501596e-09, 1.021288e-09, 7.026757e-10, 5.380344e-10, 4.131051e-10,
         1.647942e-09, 1.724509e-08, 2.791792e-08, 1.478467e-07, 2.51289e-07, 4.063175e-07),
    ),
    _atmos(
        "nitrogen_dioxide", "no2", "kg kg**-1",
        _ZERO,
        (1.184771e-09, 1.906433e-09, 2.686828e-09, 1.976612e-09, 1.646603e-09, 1.461818e-09, 1.455373e-09,
         1.834311e-09, 1.515983e-08, 2.405975e-08, 9.421924e-08, 1.3786e-07, 1.931397e-07),
    ),
    _atmos(
        "ozone", "go3", "kg kg**-1",
        _ZERO,
        (6.646655e-06, 3.564464e-06, 1.939059e-06, 1.180154e-06, 7.915061e-07, 5.601596e-07, 2.986021e-07,
         2.056183e-07, 1.70049e-07, 1.860511e-07, 2.341993e-07, 2.428035e-07, 2.332223e-07),
    ),
    _atmos(
        "sulphur_dioxide", "so2", "kg kg**-1",
        _ZERO,
        (7.246278e-12, 1.636122e-09, 3.668129e-09, 8.572589e-09, 1.255334e-08, 1.881883e-08, 4.548033e-08,
         1.476261e-07, 2.777121e-07, 9.13161e-08, 5.244673e-07, 5.512759e-07, 6.046371e-07),
    ),
)

STATIC = (
    "lsm",
    "z",
    "slt",
    "static_ammonia",
    "static_ammonia_log",
    "static_co",
    "static_co_log",
    "static_nox",
    "static_nox_log",
    "static_so2",
    "static_so2_log",
)
