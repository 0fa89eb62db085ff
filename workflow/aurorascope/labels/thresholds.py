"""Every threshold of the labels by formula, those of a year of CAMS and those of the demo."""

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """Where the labels begin. A name that ends in `percentile` is one over the training states, weighted with area (`Reference`).

    Attributes:
        day_cosine: least cosine of the sun's zenith angle by day, 1.
        land_share: least share of land, 1.
        high_ground_m: height that high ground exceeds, m.
        city_percentile: of static NOx emission.
        jet_speed: least wind speed over 200 to 300 hPa, m/s.
        jet_core_speed: likewise of a ridge of wind speed, m/s.
        line_km: how far lines, jet cores and fronts, are widened, km.
        low_rise: least rise of sea-level pressure around a low on all sides, Pa.
        low_radius_degrees: great-circle distance within which it rises, degrees.
        low_disk_km: radius of the disk that a low is drawn as, km.
        cyclone_fall: least fall of z300 - z500 around a warm core on all sides, m2 s-2.
        cyclone_radius_degrees: great-circle distance within which it falls, degrees.
        cyclone_offset_degrees: largest distance of the warm core from the low's middle, degrees.
        cyclone_lat: highest latitude of a tropical cyclone, degrees.
        vorticity: least cyclonic vorticity at 850 hPa, 1/s.
        river_transport: least IVT of an atmospheric river, kg m-1 s-1.
        river_lat: its lowest latitude, degrees.
        river_length_km: its least length, km.
        river_width_km: its largest width, area by length, km.
        blocking_equatorward: slope that the 500 hPa height exceeds towards the pole on the equator's side, m per degree.
        blocking_poleward: slope that it stays below on the pole's side, m per degree.
        blocking_lowest_lat: latitude from which blocking is looked for, degrees.
        blocking_highest_lat: latitude to which it is, degrees.
        front_gradient: least gradient of equivalent potential temperature at 850 hPa, K/m.
        front_length_km: least length of a front, km.
        stratospheric_vorticity: least potential vorticity of stratospheric air, K m2 kg-1 s-1 (1e-6 is 1 PVU).
        stratospheric_lat: its lowest latitude, degrees.
        stratospheric_ozone: its least mole fraction of ozone, 1.
        stratospheric_humidity: its highest relative humidity, 1.
        inversion: difference of the temperatures at 925 hPa and 2 m that an inversion exceeds, K.
        dust_percentile: of PM10.
        dust_ratio: PM2.5 / PM10 that dust stays below, 1.
        dust_salt: PM10 that sea salt is allowed for, which dust exceeds by its percentile, by squared wind at 10 m, times the share
            of sea, kg s2 m-5; 0 where the ratio alone tells them apart.
        coarse_percentile: of PM10 - PM2.5.
        smoke_percentile: of PM2.5 over land.
        smoke_ratio: least PM2.5 / PM10 of smoke, 1.
        smoke_tcco_percentile: of the column of carbon monoxide at each place, from which smoke has more than the place is used to.
        smoke_nox_percentile: of static NOx emission, below which smoke lies.
        smoke_co_so2: least CO / SO2 by mass on the lowest level in smoke, 1; 0 where that is not asked.
        urban_nox_percentile: of static NOx emission, from which air is urban.
        salt_wind: least wind at 10 m where there is sea salt, m/s.
        salt_percentile: of PM10.
        salt_tcco_percentile: of the column of carbon monoxide at each place, from which there is more than sea salt.
        salt_least_ratio: least PM2.5 / PM10 of sea salt, 1.
        salt_largest_ratio: its largest, 1.
        no2_percentile: of the column of nitrogen dioxide.
        so2_percentile: of the column of sulphur dioxide.
        so2_emission_percentile: of static SO2 emission, below which volcanic air lies.
        so2_below_hpa: pressure that the largest mixing ratio of volcanic sulphur dioxide lies below, hPa.
        cold_ocean: temperature at 2 m that frozen sea stays below, K.
        edge_percentile: of transport: its share at each end, %.
        change_percentile: of changes over 12 hours, from which on a change has its label.
        red_noise: field from which the control with red noise is on, standard deviations.
    """

    day_cosine: float = 0.0
    land_share: float = 0.5
    high_ground_m: float = 1500.0
    city_percentile: float = 98.0
    jet_speed: float = 30.0
    jet_core_speed: float = 50.0
    line_km: float = 250.0
    low_rise: float = 200.0
    low_radius_degrees: float = 5.5
    low_disk_km: float = 500.0
    cyclone_fall: float = 58.8
    cyclone_radius_degrees: float = 6.5
    cyclone_offset_degrees: float = 1.0
    cyclone_lat: float = 40.0
    vorticity: float = 5e-5
    river_transport: float = 250.0
    river_lat: float = 20.0
    river_length_km: float = 2000.0
    river_width_km: float = 1000.0
    blocking_equatorward: float = 0.0
    blocking_poleward: float = -10.0
    blocking_lowest_lat: float = 30.0
    blocking_highest_lat: float = 75.0
    front_gradient: float = 4e-5
    front_length_km: float = 500.0
    stratospheric_vorticity: float = 2e-6
    stratospheric_lat: float = 25.0
    stratospheric_ozone: float = 100e-9
    stratospheric_humidity: float = 0.3
    inversion: float = 0.0
    dust_percentile: float = 95.0
    dust_ratio: float = 0.5
    dust_salt: float = 0.0
    coarse_percentile: float = 95.0
    smoke_percentile: float = 99.0
    smoke_ratio: float = 0.6
    smoke_tcco_percentile: float = 95.0
    smoke_nox_percentile: float = 90.0
    smoke_co_so2: float = 0.0
    urban_nox_percentile: float = 90.0
    salt_wind: float = 10.0
    salt_percentile: float = 75.0
    salt_tcco_percentile: float = 95.0
    salt_least_ratio: float = 0.5
    salt_largest_ratio: float = 0.7
    no2_percentile: float = 95.0
    so2_percentile: float = 99.9
    so2_emission_percentile: float = 90.0
    so2_below_hpa: float = 700.0
    cold_ocean: float = 271.35
    edge_percentile: float = 5.0
    change_percentile: float = 95.0
    red_noise: float = 1.2816

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
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
