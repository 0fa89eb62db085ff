"""Architectures by name."""

from aurorascope.sae.abstopk import AbsTopK
from aurorascope.sae.batchtopk import BatchTopK
from aurorascope.sae.gated import Gated
from aurorascope.sae.jumprelu import JumpRelu
from aurorascope.sae.matryoshka import Matryoshka
from aurorascope.sae.objective import Objective
from aurorascope.sae.relu import Relu
from aurorascope.sae.topk import TopK

ARCHITECTURES: dict[str, type[Objective]] = {
    kind.architecture: kind for kind in (Relu, TopK, BatchTopK, JumpRelu, Gated, Matryoshka, AbsTopK)
}
