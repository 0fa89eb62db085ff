"""For how many latents a token a hierarchical dictionary is trained; without torch."""

PARTS = (8, 4, 2, 1)


def budgets(k: int) -> tuple[int, ...]:
    """K / 8, k / 4, k / 2 and k, rounded up, each once, ascending: 8, 16, 32 and 64 for 64."""
    return tuple(sorted({-(-k // part) for part in PARTS}))
