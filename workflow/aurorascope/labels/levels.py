"""Labels by formula and the levels without which each cannot be had, for planning: nothing heavy is imported here."""

_NONE = (
    "day", "land", "coast", "high_ground", "city", "control_sin_lon", "control_cos_lon", "control_lat", "control_cell_area",
    "control_weekday", "control_day_of_month", "control_red_noise",
)
# Each of these has a label of its change over 12 hours, too, but for the jet's core and the edge of a transport.
_EVENTS: dict[str, tuple[int, ...]] = {
    "jet": (250,), "low": (), "tropical_cyclone": (300, 500), "cyclonic_core": (850,),
    "atmospheric_river": (300, 500, 700, 850, 925, 1000), "blocking": (500,), "front": (850,),
    "stratospheric_air": (250, 300, 400, 500, 600), "inversion": (925,), "dust": (), "coarse_pm": (), "smoke": (), "sea_salt": (),
    "urban_no2": (), "volcanic_so2": (300, 500, 700, 850, 1000), "cold_ocean": (),
}
LEVELS_OF: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(_NONE, ()), **_EVENTS, "jet_core": (250,), "transport_edge": (925,),
    **{f"{name}_change": levels for name, levels in _EVENTS.items()},
}
"""hPa by label, as `labels.all.LABELS` has them; a test compares."""
