"""Blocks or days dealt out among several jobs that run at a time: "1of2" is every other one, from the first on."""

import re
from collections.abc import Sequence

from aurorascope.errors import UserError

PATTERN = r"[1-9]\d*of[1-9]\d*"


def shares(n: int) -> list[str]:
    """Names of `n` shares."""
    return [f"{index}of{n}" for index in range(1, n + 1)]


def share_of(names: Sequence[str], share: str) -> list[str]:
    """The blocks or days of a share; neighbours, which cost alike, go to different ones.

    Raises:
        UserError: there is no such share.
    """
    index, n = map(int, share.split("of")) if re.fullmatch(PATTERN, share) else (1, 0)
    if index > n:
        raise UserError("--share", "the first to the last of some number, such as 1of2", share, "correct it")
    return list(names[index - 1 :: n])
