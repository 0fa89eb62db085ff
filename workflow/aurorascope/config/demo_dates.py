"""The dates of the demo where the user names none: short runs over a year, held-out ones between them.

Runs rather than one stretch, since neighbouring days of weather say much of each other, and no season of it says anything of
another.
"""

_TRAIN = ("2022-01-10", "2022-02-24", "2022-04-12", "2022-06-01", "2022-07-15", "2022-08-26", "2022-10-07", "2022-11-21")
_HELD_OUT = ("2022-02-02", "2022-05-05", "2022-06-20", "2022-09-16", "2022-10-30")
_TRAIN_DAYS, _HELD_OUT_DAYS = 4, 2


def _run(first: str, n: int) -> list[str]:
    """Some consecutive dates; none of the runs leaves its month."""
    return [f"{first[:8]}{int(first[8:]) + i:02d}" for i in range(n)]


DEMO_DATES: dict[str, list[str]] = {
    "train": [date for first in _TRAIN for date in _run(first, _TRAIN_DAYS)],
    "held_out": [date for first in _HELD_OUT for date in _run(first, _HELD_OUT_DAYS)],
}
