"""Stability over seeds as a measure: its records in the index and its section of the card."""

from collections.abc import Mapping, Sequence
from typing import Any

from aurorascope.config.chosen import stability_blocks
from aurorascope.evaluation.cells import cosine, percent
from aurorascope.evaluation.measure import Measure
from aurorascope.evaluation.stability.formulas import STABILITY_FORMULAS
from aurorascope.records import KINDS


def _section(saes: Sequence[Mapping[str, Any]]) -> str:
    """How alike SAEs of other seeds are, by block; nothing where none was trained."""
    measured = [sae for sae in saes if sae["stability_file"] is not None]
    if not measured:
        return ""
    lines = [
        f"## Stability over seeds\n\nThe same training with {measured[0]['metrics']['n_stability_seeds']} seeds, every two of them "
        "compared: features that are on for some held-out token, matched one to one by the cosine of their directions. In each cell: "
        "the SAEs; random directions; random directions with the covariance of the activations.\n",
        "| block | features | mean matched cosine | matched above 0.7, % | mean largest cosine |",
        "|---|---|---|---|---|",
    ]
    for sae in measured:
        m = sae["metrics"]
        cells = [
            "; ".join(form(m[name + suffix]) for suffix in ("", "_random", "_random_pca"))
            for name, form in (("pw_mcc", cosine), ("share_matched", percent), ("mmcs", cosine))
        ]
        lines.append(f"| `{sae['id']}` | {m['n_stability_features']:.0f} | {' | '.join(cells)} |")
    return "\n".join(lines)


STABILITY = Measure(
    kind=KINDS["stability"],
    formulas=STABILITY_FORMULAS,
    blocks=stability_blocks,
    made_from={"sae_sha256": "sha256"},
    alike=("seeds", "stability_config_sha256"),
    section=_section,
)
