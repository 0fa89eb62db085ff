"""Names, formula ids and definitions of what the index says of an atlas: text only, so that the index needs no numerics."""

# Verdict of a labelled feature, by metric.
VERDICT_METRICS = {"n_atlas_event": "event", "n_atlas_place": "place", "n_atlas_season": "zonal/season"}

_SHOWN = "features shown with a label whose score is beyond its shifts in"
ATLAS_FORMULAS = {
    "n_atlas_alive": ("alive_select", "features, signs counted apart where they differ, that are on at some date that chooses"),
    "n_atlas_event": ("labelled", f"{_SHOWN} longitude and in time; null with too few dates"),
    "n_atlas_place": ("labelled", f"{_SHOWN} longitude, not in time; null with too few dates"),
    "n_atlas_season": ("labelled", f"{_SHOWN} time, not in longitude; null with too few dates"),
}
