"""An atlas of a block as wide as Aurora's widest, made of a small one's rows over and over."""

import dataclasses

import numpy as np
import pandas as pd

N = 16384


def large_atlas(atlas, n=N, n_maps=256):
    """`n` features with a small atlas's rows in turn, their densities and scores varied; maps of `n_maps` of them."""
    rng, tables = np.random.default_rng(0), atlas.tables
    small = len(tables["features"])
    found = {name: [] for name in tables}
    for first in range(0, n, small):
        for name, table in tables.items():
            found[name].append(table.assign(feature=table["feature"] + first))
    large = {name: pd.concat(each, ignore_index=True) for name, each in found.items()}
    large["features"] = large["features"].iloc[:n].copy()
    for name in ("density", "f1_test", "scale_km", "gain"):
        large["features"][name] *= rng.uniform(0.5, 1.0, n)
    mapped = large["maps"]["mean"].notna().cumsum() <= n_maps
    large["maps"].loc[~mapped, ["mean", "strongest"]] = None
    summary = {**atlas.summary, "n_features": n, "n_alive": int((large["features"]["density"] > 0).sum())}
    return dataclasses.replace(atlas, tables=large, summary=summary)
