"""Fidelity as a measure: its records in the index and its section of the card."""

from collections.abc import Mapping, Sequence
from typing import Any

from aurorascope.evaluation.cells import by_stage, small_span, span
from aurorascope.evaluation.fidelity.formulas import FIDELITY_FORMULAS
from aurorascope.evaluation.measure import Measure
from aurorascope.records import KINDS


def _section(saes: Sequence[Mapping[str, Any]]) -> str:
    """What forecasts lose, by stage; nothing where it was not measured."""
    if saes[0]["fidelity_file"] is None:
        return ""
    lines = [
        "## Forecast fidelity\n\nAurora run with each SAE's reconstruction in the place of its block's output, on "
        f"{saes[0]['metrics']['n_fidelity_snapshots']} held-out snapshots. Divergences are in percent of the clean forecast's own "
        "12-hour tendency. Fidelity is the share, in squares, of an ablation's divergence that the SAE avoids; n/a where the "
        "ablation itself moves no variable by 1 % of its tendency. The demanding ablation is the training mean at each position.\n",
        "| stage | divergence, SAE | … position mean | … mean | … zero | fidelity %, position mean | mean | zero | RMSE change % |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (component, stage), group in by_stage(saes).items():
        metrics = [sae["metrics"] for sae in group]
        divergences = [f"divergence{suffix}" for suffix in ("", "_position_mean", "_mean", "_zero")]
        fidelities = [f"fidelity_{name}" for name in ("position_mean", "mean", "zero")]
        cells = [small_span([m[name] for m in metrics]) for name in divergences]
        cells += [span([m[name] for m in metrics]) for name in fidelities]
        cells.append(small_span([m["rmse_change"] for m in metrics]))
        lines.append(f"| {component} {stage} | {' | '.join(cells)} |")
    return "\n".join(lines)


FIDELITY = Measure(
    kind=KINDS["fidelity"],
    formulas=FIDELITY_FORMULAS,
    blocks=lambda config: config.block_ids if config.evaluation.fidelity.enabled else (),
    made_from={
        "sae_sha256": "sha256", "train_manifest_sha256": "activations_manifest_sha256", "checkpoint_sha256": "checkpoint_sha256",
    },
    alike=("fidelity_config_sha256", "checkpoint_sha256", "static_sha256", "snapshots"),
    section=_section,
)
