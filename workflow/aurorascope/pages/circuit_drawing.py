"""A circuit as a drawing of the U-Net: which block lies where, its nodes, and the strongest edges between them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from aurorascope.blocks import BY_ID
from aurorascope.circuits.finished import FinishedCircuit
from aurorascope.circuits.tables import ALL, CIRCUIT, ERROR
from aurorascope.spec import DEPTHS
from aurorascope.studies.wording import number

WIDTH = 352
MOST_EDGES = 60
"""Edges that are drawn; the table has all."""
# In the drawing's units, of which a narrow phone shows one in a pixel.
_BOX, _LEFT, _TOP, _GAP, _PITCH, _A_ROW, _HEAD, _FOOT = 156, 4, 6, 34, 18, 8, 34, 8
_STRIP, _CELL = 24, 7

Place = tuple[str, str, int | None, int | None]
"""Block, kind, number and sign of a node; those of an error are None."""


@dataclass(frozen=True)
class Node:
    """A node.

    Attributes:
        x: middle.
        y: middle.
        size: half of its width.
        is_error: whether it is an autoencoder's error, which is a square.
        lowers: whether the outcome is lower without it.
        link: to the atlas, if its page is there.
        words: what it is.
    """

    x: float
    y: float
    size: float
    is_error: bool
    lowers: bool
    link: str | None
    words: str


@dataclass(frozen=True)
class Box:
    """A block.

    Attributes:
        block: its id.
        x: left edge.
        y: upper edge.
        width: of it.
        height: of it.
        strip: left edge of each block of its stage, and whether it is this one.
        nodes: of it.
    """

    block: str
    x: float
    y: float
    width: float
    height: float
    strip: Sequence[tuple[float, bool]]
    nodes: Sequence[Node]


@dataclass(frozen=True)
class Edge:
    """An edge.

    Attributes:
        path: of the line, as SVG writes it.
        width: of the line.
        lowers: whether the outcome is lower, through the later node, without the earlier one.
        holds_down: whether the earlier node holds the later one down.
    """

    path: str
    width: float
    lowers: bool
    holds_down: bool


@dataclass(frozen=True)
class Drawing:
    """The drawing.

    Attributes:
        width: of it.
        height: of it.
        strip_y: how far below a box's upper edge its strip lies.
        cell: width of a block in a strip.
        boxes: in forward order.
        edges: the strongest ones, the weakest first.
        n_edges: how many there are.
    """

    width: float
    height: float
    strip_y: float
    cell: float
    boxes: Sequence[Box]
    edges: Sequence[Edge]
    n_edges: int


def draw_circuit(circuit: FinishedCircuit, links: Mapping[Place, str], names: Mapping[Place, str]) -> Drawing:
    """The drawing of a circuit.

    Args:
        circuit: that was traced.
        links: of features to the atlas.
        names: what the atlas calls features.
    """
    rows = circuit.nodes[circuit.nodes.role == CIRCUIT]
    by_block = {block: part for block, part in rows.groupby("block", sort=False)}
    corners, height = _corners({block: len(part) for block, part in by_block.items()})
    largest = max(rows.effect.abs().max(), 1e-300)
    boxes, places = [], {}
    for block in circuit.record["blocks"]:
        x, y, tall = corners[block]
        nodes = []
        for at, row in enumerate(by_block[block].to_dict("records")):
            place = _place(block, row["kind"], row["feature"], row["sign"])
            middle = (x + 6 + _PITCH / 2 + _PITCH * (at % _A_ROW), y + _HEAD + _PITCH / 2 + _PITCH * (at // _A_ROW))
            places[place] = middle
            size = 3 + 5 * math.sqrt(abs(row["effect"]) / largest)
            name = f", {names[place]}" if place in names else ""
            words = f"{'error of the autoencoder' if row['kind'] == ERROR else _feature(place)}{name}: effect {number(row['effect'])}"
            nodes.append(Node(*middle, round(size, 2), row["kind"] == ERROR, row["effect"] < 0, links.get(place), words))
        boxes.append(Box(block, x, y, _BOX, tall, _strip(block, x), nodes))
    edges = circuit.edges[(circuit.edges.role == CIRCUIT) & (circuit.edges.later_kind != ALL) & (circuit.edges.effect != 0)]
    return Drawing(WIDTH, height, _STRIP, _CELL, boxes, _edges(edges, places), len(edges))


def _corners(n_nodes: Mapping[str, int]) -> tuple[dict[str, tuple[float, float, float]], float]:
    """Left and upper edge and height of each block's box, and the height of all: the encoder goes down on the left, the decoder up on the right."""
    columns = [[each for each in n_nodes if BY_ID[each].component == component] for component in DEPTHS]
    n_rows = max(map(len, columns))
    # Both end at the bottom, where the encoder turns into the decoder.
    placed = {each: (0, n_rows - len(columns[0]) + at) for at, each in enumerate(columns[0])}
    placed |= {each: (1, n_rows - 1 - at) for at, each in enumerate(columns[1])}
    tall = {each: _HEAD + _FOOT + _PITCH * math.ceil(n / _A_ROW) for each, n in n_nodes.items()}
    rows = [max(tall[each] for each, (_, row) in placed.items() if row == at) for at in range(n_rows)]
    tops = [_TOP + sum(rows[:at]) + _GAP * at for at in range(n_rows)]
    right = WIDTH - _LEFT - _BOX
    corners = {each: (float((_LEFT, right)[column]), float(tops[row]), float(tall[each])) for each, (column, row) in placed.items()}
    return corners, tops[-1] + rows[-1] + _TOP


def _strip(block: str, x: float) -> list[tuple[float, bool]]:
    """All blocks of its stage, side by side."""
    found = BY_ID[block]
    return [(x + 6 + (_CELL + 2) * at, at == found.block) for at in range(DEPTHS[found.component][found.stage])]


def _edges(edges: pd.DataFrame, places: Mapping[Place, tuple[float, float]]) -> list[Edge]:
    order = edges.effect.abs().sort_values(ascending=False, kind="stable").index[:MOST_EDGES]
    strongest = edges.loc[order]
    largest, found = max(strongest.effect.abs().max(), 1e-300) if len(strongest) else 1.0, []
    for row in strongest.iloc[::-1].to_dict("records"):
        (x, y), (x_to, y_to) = (
            places[_place(row[end], row[f"{end}_kind"], row[f"{end}_feature"], row[f"{end}_sign"])] for end in ("first", "later")
        )
        # Lines between columns leave sideways, those within one up or down.
        is_across = abs(x - x_to) > _BOX
        bent = ((x + x_to) / 2, y, (x + x_to) / 2, y_to) if is_across else (x, (y + y_to) / 2, x_to, (y + y_to) / 2)
        numbers = " ".join(f"{each:.1f}" for each in (*bent, x_to, y_to))
        width = 0.4 + 2.6 * math.sqrt(abs(row["effect"]) / largest)
        found.append(Edge(f"M{x:.1f} {y:.1f} C{numbers}", round(width, 2), row["effect"] < 0, bool(row["influence"] < 0)))
    return found


def _place(block: str, kind: str, feature: object, sign: object) -> Place:
    return (block, kind, None, None) if pd.isna(feature) else (block, kind, int(feature), int(sign))


def _feature(place: Place) -> str:
    return f"feature {place[2]}{' (negative)' if place[3] < 0 else ''}"
