"""The demo's continents: land, mountains, soil and emissions, as smooth formulae that any grid can sample."""

import numpy as np

# Middle (degrees north, east), half widths (rows, columns), weight: rounded masses that add up to continents.
_MASSES = (
    (50, 258, 17, 30, 1.2), (62, 260, 10, 40, 0.9), (27, 258, 9, 12, 0.8), (-8, 300, 14, 17, 1.2),
    (-32, 293, 17, 8, 0.9), (56, 50, 15, 45, 1.3), (58, 105, 16, 40, 1.2), (33, 105, 14, 18, 1.1),
    (20, 78, 12, 9, 0.9), (43, 8, 8, 14, 0.7), (16, 12, 15, 22, 1.2), (-8, 26, 22, 13, 1.2), (26, 48, 9, 12, 0.8),
    (-25, 134, 10, 19, 1.2), (74, 320, 11, 16, 1.1), (-1, 112, 5, 14, 0.7), (13, 103, 8, 6, 0.7),
)
# The same, with the height in m2 s-2.
_RANGES = (
    (43, 250, 14, 8, 19000), (-22, 291, 24, 5, 27000), (34, 88, 7, 14, 46000), (74, 320, 9, 13, 24000),
    (5, 37, 14, 6, 14000), (46, 10, 4, 8, 11000), (33, 52, 6, 9, 13000), (50, 100, 8, 12, 12000),
    (-28, 27, 6, 6, 11000),
)
# Name, middle, strength: where people, industry and power stations emit.
CITIES = (
    ("new york", 41, 286, 0.8), ("los angeles", 35, 243, 0.6), ("mexico", 20, 261, 0.7), ("sao paulo", -22, 312, 0.7),
    ("london", 51, 2, 0.6), ("ruhr", 50, 10, 0.8), ("moscow", 56, 38, 0.6), ("cairo", 29, 31, 0.8),
    ("lagos", 8, 5, 0.8), ("johannesburg", -26, 28, 0.9), ("tehran", 35, 51, 0.7), ("delhi", 28, 78, 1.3),
    ("kolkata", 23, 86, 1.0), ("beijing", 39, 115, 1.4), ("shanghai", 31, 118, 1.3), ("jakarta", -5, 108, 0.7),
)
_ICE_SHEET = -70.0


def _distance(lat: np.ndarray, lon: np.ndarray, row: float, col: float, height: float, width: float) -> np.ndarray:
    """Squared distance to a point in units of half widths, shape (rows, columns)."""
    east = (lon - col + 180) % 360 - 180
    return ((lat - row) / height)[:, None] ** 2 + (east / width)[None, :] ** 2


def land_fraction(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Land in each cell, 0 to 1, shape (rows, columns)."""
    mass = sum(weight * np.exp(-_distance(lat, lon, *place)) for *place, weight in _MASSES)
    # A wobble with longitude keeps the coasts from looking drawn with compasses.
    wobble = 0.06 * np.sin(np.deg2rad(7 * lon))[None, :] * np.cos(np.deg2rad(5 * lat))[:, None]
    ice = 1 / (1 + np.exp((lat - _ICE_SHEET) / 1.5))[:, None]
    return np.maximum(1 / (1 + np.exp(-14 * (mass + wobble - 0.48))), ice)


def orography(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Surface geopotential, m2 s-2, at least 0, shape (rows, columns)."""
    land = land_fraction(lat, lon)
    height = sum(top * np.exp(-_distance(lat, lon, *place)) for *place, top in _RANGES)
    ice = 27000 / (1 + np.exp((lat - _ICE_SHEET + 6) / 4))[:, None]
    return land * (1500 + height + ice)


def emission_map(lat: np.ndarray, lon: np.ndarray, width: float) -> np.ndarray:
    """Emission strength around the cities, about 0 to 1.5, shape (rows, columns)."""
    total = sum(top * np.exp(-_distance(lat, lon, row, col, width, 1.3 * width)) for _, row, col, top in CITIES)
    return total * land_fraction(lat, lon)


def demo_static(lat: np.ndarray, lon: np.ndarray) -> dict[str, np.ndarray]:
    """The 11 static fields of the demo, under Aurora's names.

    Emissions (kg m-2 s-1) are positive everywhere, so that their base-10 logarithms, fields of their own, are finite.

    Args:
        lat: degrees north, shape (rows,).
        lon: degrees east, shape (columns,).

    Returns:
        Fields of shape (rows, columns), float32; `z` in m2 s-2, `slt` in classes 0 (sea) to 7.
    """
    lat, lon = np.asarray(lat, np.float64), np.asarray(lon, np.float64)
    land = land_fraction(lat, lon)
    belts = 1 + np.floor(3.5 * (1 + np.cos(np.deg2rad(4 * lat))[:, None] * np.cos(np.deg2rad(3 * lon))[None, :]))
    fields = {"lsm": land, "z": orography(lat, lon), "slt": np.where(land > 0.5, np.clip(belts, 1, 7), 0)}
    farms = emission_map(lat, lon, 13.0)
    towns = emission_map(lat, lon, 7.0)
    plants = emission_map(lat, lon, 5.0)
    for name, pattern, top in (
        ("static_ammonia", farms, 9e-11),
        ("static_co", towns, 1.4e-10),
        ("static_nox", towns**1.2, 1.2e-9),
        ("static_so2", plants, 2.5e-11),
    ):
        field = top * (pattern + 0.02 * land + 1e-4)
        fields[name], fields[f"{name}_log"] = field, np.log10(field)
    return {name: np.ascontiguousarray(field, np.float32) for name, field in fields.items()}
