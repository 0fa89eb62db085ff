"""The evaluation on held-out tokens as a measure. Its tables stand in the card by themselves."""

from aurorascope.evaluation.formulas import FORMULAS
from aurorascope.evaluation.measure import Measure
from aurorascope.records import KINDS

HELD_OUT = Measure(
    kind=KINDS["evaluation"],
    formulas=FORMULAS,
    blocks=lambda config: config.block_ids,
    made_from={"sae_sha256": "sha256"},
    alike=("evaluate_config_sha256",),
)
