"""All measures, in the order of the card, and with theirs all kinds of records. A new one is a folder with a `record.py`, and a line."""

from aurorascope.measures.atlas.record import ATLAS
from aurorascope.measures.boost.record import BOOST
from aurorascope.measures.fidelity.record import FIDELITY
from aurorascope.measures.held_out.record import HELD_OUT
from aurorascope.measures.stability.record import STABILITY
from aurorascope.records import KINDS

MEASURES = (HELD_OUT, FIDELITY, STABILITY, BOOST, ATLAS)
ALL_KINDS = {kind.name: kind for kind in (KINDS["sae"], *(measure.kind for measure in MEASURES), *KINDS.values())}
RELEASED_KINDS = [kind for kind in ALL_KINDS.values() if kind.index_key is not None and "{block}" in kind.path]
RELEASED_OF_STAGES = [kind for kind in ALL_KINDS.values() if kind.index_key is not None and "{stage}" in kind.path]
