"""How numbers stand in the tables of the model card."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any


def percent(value: float | None) -> str:
    """A share in percent; n/a where it is not defined."""
    return "n/a" if value is None else f"{100 * value:.1f}"


def span(values: Iterable[float | None]) -> str:
    """The smallest and the largest of some shares, in percent."""
    known = [value for value in values if value is not None]
    return f"{percent(min(known))} – {percent(max(known))}" if known else "n/a"


def small_span(values: Iterable[float | None]) -> str:
    """As `span`, with three digits however small they are."""
    known = [100 * value for value in values if value is not None]
    return f"{min(known):.3g} – {max(known):.3g}" if known else "n/a"


def cosine(value: float | None) -> str:
    """A cosine; n/a where it is not defined."""
    return "n/a" if value is None else f"{value:.3f}"


def by_stage(saes: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], list[Mapping[str, Any]]]:
    """Entries of the index, which are in forward order, by (component, stage)."""
    groups = itertools.groupby(saes, key=lambda sae: (sae["component"], sae["stage"]))
    return {stage: list(group) for stage, group in groups}
