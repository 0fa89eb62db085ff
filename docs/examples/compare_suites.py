"""Compare two suites, such as the card's recipe with the tuned one: FVE and anomaly FVE against L0, block by block.

    .venv/bin/python docs/examples/compare_suites.py card/results tuned/results recipes.png

Each block's two SAEs are joined by a line, the second marked by a filled circle; `recipes.csv` has the numbers. Both must be of
the same checkpoint and the same held-out snapshots: otherwise they do not explain the same thing.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from aurorascope import Suite
from aurorascope.figures.style import STAGE_COLOURS, save

METRICS = {"fve": "FVE (%)", "fve_anom": "anomaly FVE (%)"}
COLUMNS = ["recipe", "architecture", *METRICS, "l0", "frac_dead"]

if len(sys.argv) != 4:
    sys.exit(f"expected two folders of results and a picture to write, found {len(sys.argv) - 1} words\n\n{__doc__}")
first, second = (Suite.open(folder) for folder in sys.argv[1:3])
png = Path(sys.argv[3])
for section, key in (("base_model", "checkpoint_sha256"), ("activations", "held_out_snapshots")):
    if first.index[section][key] != second.index[section][key]:
        sys.exit(f"{sys.argv[1]} and {sys.argv[2]} differ in {key}: their numbers cannot be compared")
left, right = (suite.table()[COLUMNS].add_suffix(f"_{side}") for suite, side in ((first, "first"), (second, "second")))
table = first.table()[["component", "stage"]].join([left, right], how="inner")

figure, axes = plt.subplots(1, len(METRICS), figsize=(11, 4.4))
for axis, (metric, label) in zip(axes, METRICS.items(), strict=True):
    values = 100 * table[[f"{metric}_first", f"{metric}_second"]]
    for block, row in table.iterrows():
        colour = STAGE_COLOURS[row["component"], row["stage"]]
        x, y = row[["l0_first", "l0_second"]], values.loc[block]
        axis.plot(x, y, color=colour, lw=0.6, alpha=0.6)
        axis.plot(x.iloc[0], y.iloc[0], "o", color=colour, markerfacecolor="white", markersize=5)
        axis.plot(x.iloc[1], y.iloc[1], "o", color=colour, markersize=5)
    low = max(0.0, float(values.min().min()))
    n_below = int((values < low).to_numpy().sum())
    axis.set(xlabel="L0 (active features per token)", ylabel=label, xlim=(0, None), ylim=(low - 0.05 * (100 - low), 100 + 0.05 * (100 - low)))
    axis.set_title(f"{n_below} SAEs below 0 are not shown" if n_below else "", loc="left", fontsize=8)
    axis.grid(alpha=0.25)
stages = list(dict.fromkeys(zip(table["component"], table["stage"], strict=True)))
handles = [plt.Line2D([], [], color=STAGE_COLOURS[stage], label=f"{stage[0]} {stage[1]}") for stage in stages]
names = ["/".join(pd.unique(table[f"recipe_{side}"])) for side in ("first", "second")]
handles += [
    plt.Line2D([], [], marker="o", color="black", markerfacecolor=face, linestyle="", label=f"{folder} ({name})")
    for folder, name, face in zip(sys.argv[1:3], names, ("white", "black"), strict=True)
]
figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
save(figure, table.reset_index(), png)
print(f"{len(table)} blocks in both; wrote {png} and {png.with_suffix('.csv')}")
