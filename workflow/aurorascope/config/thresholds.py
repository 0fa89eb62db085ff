"""Every threshold of the labels by formula, those of a year of CAMS and those of the demo.

A threshold's name is a key of the configuration under `labels.thresholds`; its meaning and bounds are those of the key.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any


def _any(value: float, meaning: str) -> Any:
    return field(default=value, metadata={"description": meaning})


def _positive(value: float, meaning: str) -> Any:
    return field(default=value, metadata={"description": meaning, "minimum": 0})


def _percentile(value: float, meaning: str, most: float = 100) -> Any:
    return field(default=value, metadata={"description": meaning, "exclusiveMinimum": 0, "exclusiveMaximum": most})


@dataclass(frozen=True)
class Thresholds:
    """Where the labels begin. What each means, and in which unit, stands beside it; values are those of a year of CAMS.

    A name that ends in `percentile` is one over the training states, weighted with area (`labels.reference.Reference`).

    Raises:
        ValueError: a percentile that is none.
    """

    day_cosine: float = _any(0.0, "Least cosine of the sun's zenith angle by day, 1.")
    land_share: float = _positive(0.5, "Least share of land, 1.")
    high_ground_m: float = _positive(1500.0, "Height that high ground exceeds, m.")
    city_percentile: float = _percentile(98.0, "Percentile of static NOx emission, from which a place is a city.")
    jet_speed: float = _positive(30.0, "Least wind speed over 200 to 300 hPa, m/s.")
    jet_core_speed: float = _positive(50.0, "Least wind speed of a ridge of it, a jet's core, m/s.")
    line_km: float = _positive(250.0, "How far lines, jet cores and fronts, are widened, km.")
    low_rise: float = _positive(200.0, "Least rise of sea-level pressure around a low on all sides, Pa.")
    low_radius_degrees: float = _positive(5.5, "Great-circle distance within which sea-level pressure rises around a low, degrees.")
    low_disk_km: float = _positive(500.0, "Radius of the disk that a low is drawn as, km.")
    cyclone_fall: float = _positive(58.8, "Least fall of z300 - z500 around a warm core on all sides, m2 s-2.")
    cyclone_radius_degrees: float = _positive(6.5, "Great-circle distance within which z300 - z500 falls, degrees.")
    cyclone_offset_degrees: float = _positive(1.0, "Largest distance of the warm core from the low's middle, degrees.")
    cyclone_lat: float = _positive(40.0, "Highest latitude of a tropical cyclone, degrees.")
    vorticity: float = _positive(5e-5, "Least cyclonic vorticity at 850 hPa, 1/s.")
    river_transport: float = _positive(250.0, "Least IVT of an atmospheric river, kg m-1 s-1.")
    river_lat: float = _positive(20.0, "Lowest latitude of an atmospheric river, degrees.")
    river_length_km: float = _positive(2000.0, "Least length of an atmospheric river, km.")
    river_width_km: float = _positive(1000.0, "Largest width of an atmospheric river, area by length, km.")
    blocking_equatorward: float = _any(0.0, "Slope that the 500 hPa height exceeds towards the pole on the equator's side, m per degree.")
    blocking_poleward: float = _any(-10.0, "Slope that it stays below on the pole's side, m per degree.")
    blocking_lowest_lat: float = _positive(30.0, "Latitude from which blocking is looked for, degrees.")
    blocking_highest_lat: float = _positive(75.0, "Latitude to which it is, degrees.")
    front_gradient: float = _positive(4e-5, "Least gradient of equivalent potential temperature at 850 hPa, K/m.")
    front_length_km: float = _positive(500.0, "Least length of a front, km.")
    stratospheric_vorticity: float = _positive(2e-6, "Least potential vorticity of stratospheric air, K m2 kg-1 s-1 (1e-6 is 1 PVU).")
    stratospheric_lat: float = _positive(25.0, "Lowest latitude of stratospheric air, degrees.")
    stratospheric_ozone: float = _positive(100e-9, "Least mole fraction of ozone in stratospheric air, 1.")
    stratospheric_humidity: float = _positive(0.3, "Highest relative humidity of stratospheric air, 1.")
    inversion: float = _any(0.0, "Difference of the temperatures at 925 hPa and 2 m that an inversion exceeds, K.")
    dust_percentile: float = _percentile(95.0, "Percentile of PM10 from which air is dusty.")
    dust_ratio: float = _positive(0.5, "PM2.5 / PM10 that dust stays below, 1.")
    dust_salt: float = _positive(
        0.0,
        "PM10 that sea salt is allowed for, which dust exceeds by its percentile, by squared wind at 10 m, times the "
        "share of sea, kg s2 m-5; 0 where the ratio alone tells them apart.",
    )
    coarse_percentile: float = _percentile(95.0, "Percentile of PM10 - PM2.5.")
    smoke_percentile: float = _percentile(99.0, "Percentile of PM2.5 over land.")
    smoke_ratio: float = _positive(0.6, "Least PM2.5 / PM10 of smoke, 1.")
    smoke_tcco_percentile: float = _percentile(
        95.0,
        "Percentile of the column of carbon monoxide at each place, from which smoke has more than the place is used "
        "to.",
    )
    smoke_nox_percentile: float = _percentile(90.0, "Percentile of static NOx emission, below which smoke lies.")
    smoke_co_so2: float = _positive(0.0, "Least CO / SO2 by mass on the lowest level in smoke, 1; 0 where that is not asked.")
    urban_nox_percentile: float = _percentile(90.0, "Percentile of static NOx emission, from which air is urban.")
    salt_wind: float = _positive(10.0, "Least wind at 10 m where there is sea salt, m/s.")
    salt_percentile: float = _percentile(75.0, "Percentile of PM10 from which there is sea salt.")
    salt_tcco_percentile: float = _percentile(
        95.0,
        "Percentile of the column of carbon monoxide at each place, from which there is more than sea "
        "salt.",
    )
    salt_least_ratio: float = _positive(0.5, "Least PM2.5 / PM10 of sea salt, 1.")
    salt_largest_ratio: float = _positive(0.7, "Largest PM2.5 / PM10 of sea salt, 1.")
    no2_percentile: float = _percentile(95.0, "Percentile of the column of nitrogen dioxide.")
    so2_percentile: float = _percentile(99.9, "Percentile of the column of sulphur dioxide.")
    so2_emission_percentile: float = _percentile(90.0, "Percentile of static SO2 emission, below which volcanic air lies.")
    so2_below_hpa: float = _positive(700.0, "Pressure that the largest mixing ratio of volcanic sulphur dioxide lies below, hPa.")
    cold_ocean: float = _positive(271.35, "Temperature at 2 m that frozen sea stays below, K.")
    edge_percentile: float = _percentile(5.0, "Percentile of transport: its share at each end, %.", most=50)
    change_percentile: float = _percentile(95.0, "Percentile of changes over 12 hours, from which on a change has its label.")
    red_noise: float = _any(1.2816, "Field from which the control with red noise is on, standard deviations.")

    def by_name(self) -> dict[str, float]:
        """All values by their names."""
        return dataclasses.asdict(self)

    def __post_init__(self) -> None:
        for name, value in self.by_name().items():
            if name.endswith("percentile") and not 0 < value < 100:
                raise ValueError(f"{name} is {value}, expected between 0 and 100")


YEAR = Thresholds()
"""Those of a year of CAMS."""

DEMO = Thresholds(
    dust_percentile=25.0, dust_ratio=0.45, dust_salt=4e-8,
    smoke_percentile=40.0, smoke_ratio=0.2, smoke_tcco_percentile=5.0, smoke_nox_percentile=98.0, smoke_co_so2=130.0,
    salt_least_ratio=0.1,
    salt_largest_ratio=0.5,
)
"""Those of the demo, whose planted truth (`cams.demo_truth`) begins where a plume gives half of the PM10 or carbon monoxide, far
below the strongest hundredths of a year. Its salt is as coarse as its dust, and its cities' plumes as fine as its smoke: dust is told
from salt by the wind over the sea, smoke from cities by how little sulphur dioxide it has for its carbon monoxide. Fitted on the
training dates alone, by F1 against the truth."""

UNCHECKED = frozenset({
    "day_cosine", "jet_speed", "jet_core_speed", "vorticity",
    "blocking_equatorward", "blocking_poleward", "blocking_lowest_lat", "blocking_highest_lat",
    "front_gradient", "front_length_km", "stratospheric_vorticity", "stratospheric_lat", "stratospheric_ozone",
    "stratospheric_humidity", "so2_percentile", "so2_emission_percentile", "so2_below_hpa", "edge_percentile", "change_percentile",
    "red_noise",
})
"""Thresholds from memory, or our own judgement, that nobody has compared with their source yet; records mark them so."""
