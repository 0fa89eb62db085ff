"""The model card (README.md of the release), generated from the index: no number in it is typed."""

import datetime
import re
from typing import Any

from aurorascope.measures.all import MEASURES
from aurorascope.measures.cells import by_stage, percent, span
from aurorascope.release.of_stages import stages_section

# The published card's ranges of FVE in percent, by (component, stage); what ours are read beside.
PUBLISHED_FVE = {
    ("encoder", 0): "99.6 – 99.8", ("encoder", 1): "95.2 – 99.9", ("encoder", 2): "75.8 – 80.4",
    ("decoder", 0): "76.4 – 82.3", ("decoder", 1): "91.2 – 96.2", ("decoder", 2): "99.6 – 99.7",
}

_SEASON_DAYS = 92

_FRONT_MATTER = """---
license: mit
base_model: microsoft/aurora
library_name: pytorch
tags: [sparse-autoencoder, interpretability, mechanistic-interpretability, weather, climate, air-quality, aurora, cams]
---
"""

_USE = """## Use

```python
from aurora_sae import AuroraSAE

sae = AuroraSAE.from_file("FILENAME")
x_hat, features = sae(x)          # x: (n_tokens, d_model) float32, the block's output
```

With the code installed (`pip install '.[aurora]'` in a clone of it) and the results of a run, the features of a date:

```python
from pathlib import Path

import torch
from aurorascope import Suite, load_batch
from aurorascope.backbone.model import load_model

model = load_model(Path("results/scratch/checkpoint/checkpoint.json"), autocast=AUTOCAST, device=torch.device("cpu"))
outputs = []
block = model.get_submodule("HOOK")
handle = block.register_forward_hook(lambda module, inputs, output: outputs.append(output))
with torch.inference_mode():
    prediction = model(load_batch("DATE", hour=HOUR))
handle.remove()

sae = Suite.open("results")["ID"]
x = outputs[0].reshape(-1, sae.d_model)          # (latent levels x rows x columns, d_model)
with torch.inference_mode():
    x_hat, features = sae(x)
print("most active features:", features.sum(dim=0).topk(10).indices.tolist())
```

The block's output is a tensor (batch, latent levels x rows x columns, d_model), latent level outermost, longitude
fastest. Level 0 is the surface; levels 1 to 3 are learned mixtures of the pressure levels and carry no hPa. Give Aurora
times with `tzinfo=UTC`: it turns them into time stamps, and naive times make activations depend on the host's zone.
`sae_index.json` lists every SAE with its sizes, digests, training and metrics; `saelens/` holds each in SAELens' form.
"""

_CREDIT = """## Licence and attribution

The SAEs are released under the MIT licence. Aurora is Microsoft's (Bodnar et al. 2025, A Foundation Model for the Earth
System, Nature, <https://doi.org/10.1038/s41586-025-09005-y>); its code is under the MIT licence, and its
[model page](https://huggingface.co/microsoft/aurora) states that of its checkpoints. It is a research model and no
operational weather service; the same holds for its SAEs.

CREDIT_OF_DATA
"""

# What the licence of Copernicus products asks of whoever publishes them, or what is derived from them, with the years.
_CAMS = """Generated using Copernicus Atmosphere Monitoring Service information YEARS. Contains modified Copernicus
Atmosphere Monitoring Service information YEARS. Neither the European Commission nor ECMWF is responsible for any use that
may be made of the Copernicus information or data it contains. The dataset is
[CAMS global atmospheric composition forecasts](https://ads.atmosphere.copernicus.eu/datasets/cams-global-atmospheric-composition-forecasts)."""

_NO_CAMS = "The training data are an idealised atmosphere that the workflow made; no CAMS data are in these SAEs."


def _use(index: dict[str, Any]) -> str:
    """How to use the first SAE, at the first held-out snapshot."""
    sae, time = index["saes"][0], index["activations"]["held_out_snapshots"][0]
    words = {
        "FILENAME": sae["filename"],
        "AUTOCAST": str(index["base_model"]["autocast"]),
        "HOOK": sae["hook"],
        "DATE": time[:10],
        "HOUR": str(int(time[11:13])),
        "ID": sae["id"],
    }
    return re.sub(r"\b[A-Z]+\b", lambda match: words.get(match[0], match[0]), _USE)


def _credit(index: dict[str, Any]) -> str:
    """Licence of the SAEs, and the attribution that their training data ask for."""
    acts = index["activations"]
    years = sorted({time[:4] for time in (*acts["train_snapshots"], *acts["held_out_snapshots"])})
    span = years[0] if len(years) == 1 else f"{years[0]}–{years[-1]}"
    is_demo = acts["dataset"].startswith("demo")
    return _CREDIT.replace("CREDIT_OF_DATA", _NO_CAMS if is_demo else _CAMS.replace("YEARS", span))


def stage_table(saes: list[dict[str, Any]]) -> str:
    """Ranges over the blocks of each stage, beside the published card's."""
    lines = [
        "| stage | SAEs | d_model → d_hidden | tokens a snapshot | FVE % | anomaly FVE % | mean map's FVE % | PCA's FVE % "
        "| L0 | dead % | published FVE % |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (component, stage), group in by_stage(saes).items():
        first, metrics = group[0], [s["metrics"] for s in group]
        grid = first["token_grid"]
        l0 = [m["l0"] for m in metrics]
        lines.append(
            f"| {component} {stage} | {len(group)} | {first['d_model']} → {first['d_hidden']} "
            f"| {grid['latent_levels'] * grid['lat'] * grid['lon']:,} | {span([m['fve'] for m in metrics])} "
            f"| {span([m['fve_anom'] for m in metrics])} | {span([m['fve_climatology'] for m in metrics])} "
            f"| {span([m['fve_pca'] for m in metrics])} | {min(l0):.0f} – {max(l0):.0f} "
            f"| {span([m['frac_dead'] for m in metrics])} | {PUBLISHED_FVE[component, stage]} |"
        )
    return "\n".join(lines)


def block_table(saes: list[dict[str, Any]]) -> str:
    """Every SAE with what an evaluation says of it."""
    lines = [
        "| block | d_model → d_hidden | FVE % | anomaly FVE % | area FVE % | PCA's FVE %, anomaly FVE % | L0 (median, p95) "
        "| dead % | > 10 % dense % | sha256 |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for s in saes:
        m = s["metrics"]
        lines.append(
            f"| `{s['id']}` | {s['d_model']} → {s['d_hidden']} | {percent(m['fve'])} | {percent(m['fve_anom'])} "
            f"| {percent(m['fve_area'])} | {percent(m['fve_pca'])}, {percent(m['fve_anom_pca'])} "
            f"| {m['l0']:.1f} ({m['l0_median']:.0f}, {m['l0_p95']:.0f}) "
            f"| {percent(m['frac_dead'])} | {percent(m['frac_dense_10pct'])} | `{s['sha256'][:12]}` |"
        )
    return "\n".join(lines)


def _season(times: list[str]) -> str:
    """A remark where all times lie within one season of the year."""
    days = (datetime.date.fromisoformat(times[-1][:10]) - datetime.date.fromisoformat(times[0][:10])).days
    return ", one season only" if days < _SEASON_DAYS else ""


def coefficient(training: dict[str, Any], d_model: int) -> str:
    """What the sparsity term is multiplied by, where the loss names it."""
    if "l1_coeff" not in training["loss"]:
        return ""
    text = f" l1_coeff is {training['l1_coeff']:g}."
    if training["lambda_sum"] is None:
        return text
    return f"{text} At its final value and with both terms summed, it would read {training['lambda_sum']:g} at d_model {d_model}."


def _data(index: dict[str, Any]) -> str:
    base, acts, first = index["base_model"], index["activations"], index["saes"][0]
    train, held_out, t = acts["train_snapshots"], acts["held_out_snapshots"], first["training"]
    return "\n".join(
        [
            "## Data and training",
            "",
            f"- Base model: {base['class']} ({base['package']} {base['package_version']}), checkpoint "
            f"`{base['checkpoint_name']}`, sha256 `{base['checkpoint_sha256'][:12]}`.",
            f"- Data: {acts['dataset']}; {len(train)} training snapshots from {train[0]} to {train[-1]}; "
            f"{len(held_out)} held-out snapshots from {held_out[0]} to {held_out[-1]}{_season(held_out)}; "
            f"no state in common, at least {acts['gap_hours']} h between a training and a held-out state.",
            f"- Recipe `{t['recipe']}`: {t['optimizer']}, learning rate {t['lr']:g}, {t['loss']}; {t['reductions']}."
            f"{coefficient(t, first['d_model'])}",
            f"- {t['epochs']:g} epochs of {'one step a snapshot' if t['shuffle'] == 'snapshots' else 'shuffled rows'}: "
            f"{t['n_steps']:,} steps; decoder rows at unit norm after each.",
            f"- {index['suite']['total_parameters']:,} parameters in {index['suite']['n_saes']} SAEs.",
        ]
    )


def model_card(index: dict[str, Any]) -> str:
    """The model card of an index, Markdown with the front matter of a model hub."""
    suite = index["suite"]
    flags = "\n".join(f"> **Note:** {flag}.\n>" for flag in suite["flags"]).removesuffix("\n>")
    definitions = "\n".join(f"- `{name}`: {text}." for name, text in index["metric_definitions"].items())
    parts = [
        _FRONT_MATTER,
        f"# AuroraScope\n\n{suite['n_saes']} of {suite['n_expected']} sparse autoencoders, one for every transformer block "
        "of the Swin3D backbone of Microsoft's Aurora Air Pollution model.",
        flags,
        "![The SAEs of the suite](figures/suite.png)",
        "## Quality by stage\n\nOn held-out snapshots. The last column is the range that the published model card gives "
        "for its own SAEs, whose formula, dates and sparsity it does not state.",
        stage_table(index["saes"]),
        "How to read it: FVE counts geography as variance to explain, which a mean map alone explains; anomaly FVE does "
        "not. An FVE without its L0 says little, since a denser SAE reconstructs more easily: PCA keeps as many components as "
        "the SAE has features on, and where L0 reaches d_model it explains everything.",
        "![Explained variance by latent level and latitude, a panel a stage](figures/levels.png)",
        *(measure.section(index["saes"]) for measure in MEASURES),
        stages_section(index),
        _data(index),
        _use(index),
        "## All SAEs",
        block_table(index["saes"]),
        f"## Definitions\n\n{definitions}",
        "## Limits\n\nFeatures need not be monosemantic. The SAEs belong to this checkpoint and no other. Only encoder stage 0 feeds the decoder's skip connection; stages 1 and 2 of the encoder do not.",
        _credit(index),
    ]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"
