"""All measures, in the order of the card. A new one is a folder with a `record.py`, a kind in `records.py`, and a line here."""

from aurorascope.evaluation.fidelity.record import FIDELITY
from aurorascope.evaluation.record import HELD_OUT
from aurorascope.evaluation.stability.record import STABILITY

MEASURES = (HELD_OUT, FIDELITY, STABILITY)
