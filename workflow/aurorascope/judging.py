"""Where what a record says and what its tables give differ. Nothing heavy is imported here: pages and checks of records need it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

# Another version of NumPy may round a quantile otherwise.
_NEAR = 1e-9


def difference(expected: Any, found: Any, where: tuple[str, ...]) -> tuple[tuple[str, ...], Any, Any] | None:
    """Where two JSON values first differ, and what stands there in each."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        if other := sorted(expected.keys() ^ found.keys()):
            return (*where, other[0]), expected.get(other[0], "no such entry"), found.get(other[0], "no such entry")
        pairs = [(str(key), each, found[key]) for key, each in expected.items()]
    elif isinstance(expected, list) and isinstance(found, Sequence) and not isinstance(found, str) and len(expected) == len(found):
        pairs = [(str(at), *both) for at, both in enumerate(zip(expected, found, strict=True))]
    else:
        return None if _same(expected, found) else (where, expected, found)
    return next((other for key, *both in pairs if (other := difference(*both, (*where, key)))), None)


def _same(expected: Any, found: Any) -> bool:
    kinds = [isinstance(each, int | float) and not isinstance(each, bool) for each in (expected, found)]
    return math.isclose(expected, found, rel_tol=_NEAR) if all(kinds) else type(expected) is type(found) and expected == found
