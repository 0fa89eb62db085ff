"""Means over blocks of a table of benchmarks/architectures.py, for each number of features and architecture.

    python benchmarks/architecture_means.py TABLE.md

"events" and "labelled" are sums over blocks. A column that some block's row lacks has no mean.
"""

import sys
from collections import defaultdict
from pathlib import Path

_SUMS = ("events", "labelled")
_DIGITS = {"FVE": 4, "L0": 1, "CPU s": 1}


def rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of a table in Markdown."""
    lines = [line.strip().strip("|").split("|") for line in path.read_text().splitlines() if line.startswith("|")]
    heading, _, *rest = [[cell.strip() for cell in line] for line in lines]
    return heading, rest


def main() -> None:
    """Print the table of means, in the order in which targets and architectures come first."""
    found = defaultdict(dict)
    heading, table = rows(Path(sys.argv[1]))
    for target, block, name, *cells in table:
        # A peer's rate is another one from block to block.
        found[target, name.partition(",")[0]][block] = [None if cell == "–" else float(cell) for cell in cells]
    targets, columns = list(dict.fromkeys(target for target, _ in found)), heading[3:]
    print(f"| L0 aimed at | SAE | blocks | {' | '.join(columns)} |\n|{'---|' * (3 + len(columns))}")
    for (target, name), blocks in sorted(found.items(), key=lambda pair: targets.index(pair[0][0])):
        told = [mean(column, values) for column, values in zip(columns, zip(*blocks.values(), strict=True), strict=True)]
        print(f"| {target} | {name} | {len(blocks)} | {' | '.join(told)} |")


def mean(column: str, values: tuple[float | None, ...]) -> str:
    """A mean, a sum, or a dash."""
    if None in values:
        return "–"
    return f"{sum(values):.0f}" if column in _SUMS else f"{sum(values) / len(values):.{_DIGITS.get(column, 3)}f}"


if __name__ == "__main__":
    main()
