"""Tables on a circuit's page: faithfulness beside matched sets, pairs of blocks, nodes, edges."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from aurorascope.circuits.finished import FinishedCircuit
from aurorascope.circuits.pairs import is_skip
from aurorascope.circuits.tables import ALL, CIRCUIT, ERROR
from aurorascope.pages.circuit_drawing import Place
from aurorascope.pages.study_tables import Cell, Table
from aurorascope.studies.wording import TENDENCIES, number

_SHOWN_NODES, _SHOWN_EDGES = 8, 15
_UNIT = f"Effect ({TENDENCIES})"


def faithfulness_table(record: Mapping[str, Any]) -> Table:
    """The circuit, all but it and all features beside the matched sets."""
    rows = []
    for errors, found in record["faithfulness"].items():
        sets = [each for each in found["sets"] if each is not None]
        spread = f"{number(min(sets))} to {number(max(sets))}" if sets else "not known"
        median = number(float(np.median(sets))) if sets else "not known"
        numbers = (found["circuit"], found["rest"], found["all"])
        rows.append([Cell(errors), *(Cell(number(each)) for each in numbers), Cell(median), Cell(spread), Cell(number(found["p"])), Cell(number(found["denominator"]))])
    caption = (
        "Share of the way from no features to the clean outcome (no unit), from means over dates; p: one more than the matched sets that are as "
        "near to 1, over one more than all"
    )
    titles = ("Errors", "Circuit", "All but it", "All features", "Matched sets, median", "their range", "p", f"Clean less none ({TENDENCIES})")
    return Table(caption, titles, (False, *(True,) * 7), rows)


def pair_table(record: Mapping[str, Any]) -> Table:
    """What edges of each pair of blocks amount to."""
    rows = []
    for pair in record["pairs"]:
        skip = " (over the skip, too)" if is_skip(pair["first"], pair["later"]) else ""
        shares = [f"{number(100 * pair[name] / pair['through'])} %" if pair["through"] else "not known" for name in ("nodes", "error")]
        counts = [str(pair["n_edges"]), str(pair["n_negative"])]
        rows.append([Cell(f"{pair['first']} → {pair['later']}{skip}"), *map(Cell, counts), Cell(number(pair["through"])), *map(Cell, shares), Cell(number(pair["rho"]))])
    caption = "Sums over the earlier block's nodes of the size of their effect through the later block, and of that the parts through its nodes and its error"
    titles = ("Blocks", "Edges", "that hold down", f"Through all of the later block ({TENDENCIES})", "through its nodes", "through its error", "Spearman, two sets of dates")
    return Table(caption, titles, (False, *(True,) * 6), rows)


def node_tables(circuit: FinishedCircuit, links: Mapping[Place, str], names: Mapping[Place, str]) -> list[Table]:
    """Nodes of each block, the strongest first, and last its error."""
    rows, found = circuit.nodes[circuit.nodes.role == CIRCUIT], []
    for block in circuit.record["blocks"]:
        facts = circuit.record["nodes"][block]
        cells = [_node_row(row, links, names) for row in rows[rows.block == block].to_dict("records")]
        shown = cells if len(cells) <= _SHOWN_NODES + 2 else [*cells[:_SHOWN_NODES], cells[-1]]
        more = [] if shown is cells else cells[_SHOWN_NODES:-1]
        share = "no feature has an effect" if facts["share"] is None else f"{number(100 * facts['share'])} % of the summed size of all effects"
        wanted = f"; the share asked for would take {facts['n_wanted']}" if facts["n_wanted"] > facts["n"] else ""
        caption = f"{block}: {facts['n']} of {facts['n_features']} features are nodes, with {share}{wanted}"
        titles = ("Node", "Label", _UNIT, "on one set of dates", "on the other", "On (% of tokens)")
        found.append(Table(caption, titles, (True, False, True, True, True, True), shown, more))
    return found


def _node_row(row: Mapping[str, Any], links: Mapping[Place, str], names: Mapping[Place, str]) -> list[Cell]:
    cell, name = _end(row["block"], row["kind"], row["feature"], row["sign"], links, names)
    density = "" if row["kind"] == ERROR else number(100 * row["density"])
    return [cell, Cell(name), *(Cell(number(row[each])) for each in ("effect", "effect_a", "effect_b")), Cell(density)]


def edge_tables(circuit: FinishedCircuit, links: Mapping[Place, str], names: Mapping[Place, str]) -> list[Table]:
    """Edges of each pair of blocks, the strongest first."""
    edges = circuit.edges[(circuit.edges.role == CIRCUIT) & (circuit.edges.later_kind != ALL)]
    found = []
    for (first, later), part in edges.groupby(["first", "later"], sort=False):
        order = part.effect.abs().sort_values(ascending=False, kind="stable").index
        rows = [_edge_row(row, links, names) for row in part.loc[order].to_dict("records")]
        titles = ("From", "To", _UNIT, "on one set of dates", "on the other", "The earlier one")
        caption = f"{first} → {later}: {len(rows)} edges"
        # All are in edges.parquet.
        found.append(Table(caption, titles, (False, False, True, True, True, False), rows[:_SHOWN_EDGES], rows[_SHOWN_EDGES : 4 * _SHOWN_EDGES]))
    return found


def _edge_row(row: Mapping[str, Any], links: Mapping[Place, str], names: Mapping[Place, str]) -> list[Cell]:
    ends = []
    for end in ("first", "later"):
        cell, name = _end(row[end], row[f"{end}_kind"], row[f"{end}_feature"], row[f"{end}_sign"], links, names)
        ends.append(Cell(f"{cell.text}, {name}" if name else cell.text, cell.link))
    does = "" if np.isnan(row["influence"]) else "raises the later one" if row["influence"] > 0 else "holds it down" if row["influence"] < 0 else "does nothing"
    return [*ends, *(Cell(number(row[each])) for each in ("effect", "effect_a", "effect_b")), Cell(does)]


def _end(block: str, kind: str, feature: Any, sign: Any, links: Mapping[Place, str], names: Mapping[Place, str]) -> tuple[Cell, str]:
    if kind == ERROR or pd.isna(feature):
        return Cell("error"), ""
    place = (block, kind, int(feature), int(sign))
    return Cell(f"{int(feature)}{' (negative)' if sign < 0 else ''}", links.get(place)), names.get(place, "")
