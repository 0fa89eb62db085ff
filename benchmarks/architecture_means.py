"""Means over blocks of a table of benchmarks/architectures.py, for each number of features and architecture.

    python benchmarks/architecture_means.py 8=TABLE.md 16,32=OTHER.md ...

Each file comes after the targets (`--l0`) that it was made with: within a block, an architecture comes once for each, in their order.
"events" and "labelled" are sums over blocks.
"""

import sys
from collections import Counter, defaultdict
from pathlib import Path

_SUMS = ("events", "labelled")


def rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of a table in Markdown."""
    lines = [line.strip().strip("|").split("|") for line in path.read_text().splitlines() if line.startswith("|")]
    heading, _, *rest = [[cell.strip() for cell in line] for line in lines]
    return heading, rest


def main() -> None:
    """Print the table of means, in the order in which architectures come first."""
    found, targets, heading = defaultdict(lambda: defaultdict(list)), [], []
    for word in sys.argv[1:]:
        first, _, path = word.partition("=")
        # `8,16=TABLE.md`: the targets of that file's rows.
        heading, table = rows(Path(path))
        of_file, seen = [float(each) for each in first.split(",")], Counter()
        targets += [each for each in of_file if each not in targets]
        for block, name, *cells in table:
            found[of_file[seen[block, name]], name][block].append([float(cell) for cell in cells])
            seen[block, name] += 1
    columns = heading[2:]
    print(f"| L0 aimed at | SAE | blocks | {' | '.join(columns)} |\n|{'---|' * (3 + len(columns))}")
    for (target, name), blocks in sorted(found.items(), key=lambda pair: targets.index(pair[0][0])):
        values = list(zip(*(cells for block in blocks.values() for cells in block), strict=True))
        told = [f"{sum(v):.0f}" if column in _SUMS else f"{sum(v) / len(v):.{3 + (column == 'FVE')}f}" for column, v in zip(columns, values, strict=True)]
        print(f"| {target:g} | {name} | {len(blocks)} | {' | '.join(told)} |")


if __name__ == "__main__":
    main()
