"""Write the page of one circuit: plain HTML beside the circuit's files, which needs no script, no server and no network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from aurorascope.atlas.read import read_atlas
from aurorascope.circuits.agreement import BEYOND
from aurorascope.circuits.circuit_file import MOST, SHARE
from aurorascope.circuits.finished import FinishedCircuit
from aurorascope.circuits.tables import CIRCUIT, FEATURE
from aurorascope.circuits.verdict import FAILS, PASSES, UNKNOWN
from aurorascope.files import find_record, write_text
from aurorascope.pages.circuit_drawing import MOST_EDGES, Place, draw_circuit
from aurorascope.pages.circuit_tables import edge_tables, faithfulness_table, node_tables, pair_table
from aurorascope.pages.html import STATIC, render
from aurorascope.pages.study_facts import Fact
from aurorascope.pages.study_page import STYLE, atlas_links
from aurorascope.studies.wording import TENDENCIES, number, outcome_words, several

_AGAIN = "rm -f results/circuits/{0}/record.json && .venv/bin/snakemake results/circuits/{0}/index.html --cores 2"
_MEANINGS = {
    PASSES: "The circuit is more faithful than matched sets of features, and its edges are the same on two sets of dates, more so than those of random features.",
    FAILS: "A control does as well as the circuit, and so nothing here says that these features, and these edges, are special. It is drawn grey.",
    UNKNOWN: "A control could not be made, and so the circuit is not judged. It is drawn grey.",
}


def write_circuit_page(circuit: FinishedCircuit, results: Path) -> None:
    """Write `index.html` and its styles into the circuit's folder.

    Args:
        circuit: that was traced.
        results: the results folder; what is there of an atlas is linked, and gives features their names.

    Raises:
        UserError: a table of an atlas is damaged.
    """
    record, links = circuit.record, atlas_links(results, circuit.record["blocks"])
    features, names = _features(circuit, links), _names(circuit, results)
    page = render(
        "circuits/circuit.html", name=circuit.name, question=_question(circuit), word=record["word"], meaning=_MEANINGS[record["word"]],
        against=record["against"], is_grey=record["word"] != PASSES, dates=f"{several(record['dates'])}, {record['hour']:02d} UTC",
        blocks=record["blocks"], links=links, has_atlas=(results / "atlas" / "index.html").is_file(),
        drawing=draw_circuit(circuit, features, names), most=MOST_EDGES, faithfulness=faithfulness_table(record), facts=_facts(record),
        pairs=pair_table(record), nodes=node_tables(circuit, features, names), edges=edge_tables(circuit, features, names), ran=_ran(record),
        again=_AGAIN.format(circuit.name), asked=_asked(record), files=sorted(Path(each).name for each in record["files"]),
    )
    names_of_styles = ("atlas.css", "studies/study.css", "circuits/circuit.css")
    write_text(circuit.folder / STYLE, "".join((STATIC / each).read_text(encoding="utf-8") for each in names_of_styles))
    page.write(circuit.folder / "index.html")


def _question(circuit: FinishedCircuit) -> str:
    record = circuit.record
    asked = {"kind": "linear", "name": record["outcome"], **record["asked_of_outcome"]}
    n = sum(each["n"] for each in record["nodes"].values())
    return f"Which features of {len(record['blocks'])} blocks carry the {outcome_words(asked)}, and through which features of later blocks? {n} features are nodes."


def _features(circuit: FinishedCircuit, links: Mapping[str, str]) -> dict[Place, str]:
    """Links of the circuit's features, as on pages of studies."""
    rows = circuit.nodes[(circuit.nodes.role == CIRCUIT) & (circuit.nodes.kind == FEATURE)]
    found = {}
    for block, feature, sign in zip(rows.block, rows.feature, rows.sign, strict=True):
        if block in links:
            found[block, FEATURE, int(feature), int(sign)] = f"{links[block]}#feature={feature}{'&sign=-1' if sign < 0 else ''}"
    return found


def _names(circuit: FinishedCircuit, results: Path) -> dict[Place, str]:
    """What the atlas calls the circuit's features; nothing where it is of other autoencoders, or shows no labels."""
    found = {}
    for block in circuit.record["blocks"]:
        folder = results / "atlas" / block
        summary = find_record(folder / "summary.json", "atlas")
        if summary is None or summary["sae_sha256"] != circuit.record["sae_sha256"][block]:
            continue
        atlas = read_atlas(folder, block, ("features",))
        if not atlas.shows_labels:
            continue
        rows: pd.DataFrame = atlas.tables["features"]
        for feature, sign, label in zip(rows.feature, rows.sign, rows.label, strict=True):
            if isinstance(label, str) and label:
                found[block, FEATURE, int(feature), int(sign)] = label
    return found


def _facts(record: Mapping[str, Any]) -> list[Fact]:
    """The numbers behind the word."""
    kept, removed, same = record["faithfulness"]["kept"], record["faithfulness"]["removed"], record["replication"]
    return [
        Fact("Faithful, errors kept", number(kept["circuit"]), "1: the circuit alone gives the clean outcome; 0: it does no more than no feature at all"),
        Fact("Faithful, errors removed", number(removed["circuit"]), f"the same with the autoencoders' errors at their means; all features: {number(removed['all'])}"),
        Fact("Complete, errors kept", number(kept["rest"]), "faithfulness of all features but the circuit's; 0 where it holds all that matters"),
        Fact("Complete, errors removed", number(removed["rest"]), "the same with the autoencoders' errors at their means"),
        Fact("Edges agree", number(same["rho"]), f"Spearman's correlation of {same['n_edges']} edges between two sets of dates; {_percent(same['same_sign'])} have the same sign"),
        Fact("Random edges agree", number(same["random_rho"]), f"the same of random features that are used as much, mean over {len(same['random_rhos'])} draws; {_percent(same['random_same_sign'])} have the same sign"),
        Fact("Beyond random", number(same["beyond"]), f"the difference of both, which must be above {BEYOND:g}"),
        Fact("Edges that hold down", str(sum(pair["n_negative"] for pair in record["pairs"])), f"of {sum(pair['n_edges'] for pair in record['pairs'])}: the later feature rises without the earlier one"),
    ]


def _percent(share: float | None) -> str:
    return "not known which share" if share is None else f"{number(100 * share)} %"


def _ran(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    asked, sets, halves = record["asked"], record["sets"], record["halves"]
    likes = [each["like"] for each in record["nodes"].values() if each["like"] is not None]
    alike = f"{number(100 * sum(likes) / len(likes))} % (mean over blocks)" if likes else "not known"
    n_drawn, n_matched = sets["n_nodes"] * len(sets["n_matched"]), sum(sets["n_matched"].values())
    return [
        ("Outcome", f"{record['outcome']}, in {TENDENCIES}: the root mean square by which the clean forecast differs from the input there"),
        ("Nodes", f"the fewest features with {number(100 * asked.get('share', SHARE))} % of the summed size of all effects, at most {asked.get('most', MOST)} a block; by the rule {record['rule']}"),
        ("Quiet dates, which say what is usual", several(record["quiet_dates"])),
        ("Two sets of dates", f"{several(halves[0])}; {several(halves[1])}" if halves else "none, since there is one date alone"),
        ("Nodes that both sets of dates alone would give", alike),
        ("Sets and draws of other features", f"{len(sets['n_matched'])}; {n_matched} of their {n_drawn} features are as dense and as large as their node within a factor of 2"),
    ]


def _asked(record: Mapping[str, Any]) -> str:
    """The circuit's file and its outcome's as they can be written again."""
    taken = {"hour": record["hour"], "quiet_dates": record["quiet_dates"]}
    parts = (
        (f"# circuits/{record['circuit']}.yaml", record["asked"]), (f"# outcomes/{record['outcome']}.yaml", record["asked_of_outcome"]),
        ("# Filled in by the run where the outcome's file does not say it:", taken),
    )
    return "\n".join(f"{head}\n{yaml.safe_dump(dict(each), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)}" for head, each in parts)
