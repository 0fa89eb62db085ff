"""Write one block's atlas: four tables, and last the summary that names their digests."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aurorascope.atlas.badges import Limits
from aurorascope.atlas.encoding import is_signed
from aurorascope.atlas.maps import MapSettings, maps_table
from aurorascope.atlas.naming import Name
from aurorascope.atlas.nulls import DATE_SHIFT, ROTATION
from aurorascope.atlas.read import TABLES
from aurorascope.atlas.score import Scored
from aurorascope.atlas.splits import DROPPED
from aurorascope.atlas.tables import examples_table, features_table, labels_table, names_of
from aurorascope.files import sha256_file, write_json, write_table
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.tokens import TokenGrid


def make_tables(
    scored: Scored, sae: AuroraSAE, grid: TokenGrid, limits: Limits | None = None, maps: MapSettings | None = None
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The tables by name, and the summary without their digests."""
    signed, names = is_signed(sae), names_of(scored)
    maps = MapSettings() if maps is None else maps
    W_hd = sae.W_dec.detach().cpu().numpy()
    tables = {
        "features": features_table(scored, names, grid, W_hd, signed, Limits() if limits is None else limits),
        "labels": labels_table(scored, names, signed),
        "examples": examples_table(scored, grid, signed),
        "maps": maps_table(scored, names, signed, maps),
    }
    return tables, {**summary(scored, names), "maps": {**maps.as_dict(), "n": int(tables["maps"]["mean"].notna().sum())}}


def summary(scored: Scored, names: list[Name] | None) -> dict[str, Any]:
    """What an atlas was made with and what came of it, in plain JSON: settings, dates, nulls, gate, labels, how many of each verdict."""
    splits = scored.splits
    found: dict[str, Any] = {
        "settings": scored.settings.as_dict(),
        "splits": {
            "reason": splits.reason or None,
            "select": {"n_blocks": splits.n_blocks[0], "n_dates": splits.n_dates[0]},
            "test": {"n_blocks": splits.n_blocks[1], "n_dates": splits.n_dates[1]},
            "n_snapshots_dropped": int((splits.split == DROPPED).sum()),
        },
        "n_features": scored.entries.n_features,
        "n_alive": int((scored.density_f > 0).sum()),
        "n_snapshots": len(scored.used),
        "n_clipped": scored.entries.n_clipped,
        "value_unit": scored.entries.scale,
    }
    if scored.labelled is None or names is None:
        return found | {"verdict": splits.reason}
    labelled = scored.labelled
    gates = {kind: each.gate for kind, each in labelled.compared.items()}
    coarse = [each.kind for each in labelled.nulls if each.reason]
    verdicts = [gate["verdict"] for gate in gates.values()]
    if coarse:
        verdict = "too_coarse"
    elif not labelled.followed:
        verdict = "no label"
    else:
        verdict = "calibrated" if verdicts and all(each == "calibrated" for each in verdicts) else "uncalibrated"
    return found | {
        "verdict": verdict,
        "nulls": {
            each.kind: {
                "n_distinct": each.n_distinct, "n": len(each.shifts), "n_held_out": len(each.held_out), "rule": each.rule,
                "p_floor": 1 / (1 + len(each.shifts)), "reason": each.reason or None,
            }
            for each in labelled.nulls
        },
        "gate": gates,
        "climatology": labelled.rule,
        "verdicts": _counted([each.verdict for each in names]),
        "reasons": _counted([each.reason.split(" ")[0] if each.reason.startswith("tracks") else each.reason for each in names]),
        "labels": [_label(scored, names, label) for label in range(len(scored.labels.ids))],
    }


def write_atlas(folder: Path, tables: dict[str, pd.DataFrame], record: dict[str, Any]) -> None:
    """Write each of `TABLES` as Parquet, and then `summary.json` with their digests; each file whole or not at all.

    Args:
        folder: of the block.
        tables: by name.
        record: the summary, to which whoever calls adds what the atlas was made from.
    """
    digests = {}
    for name in TABLES:
        path = folder / f"{name}.parquet"
        write_table(path, tables[name])
        digests[f"{name}_sha256"] = sha256_file(path)
    write_json(folder / "summary.json", {"kind": "atlas", "format": 1, **record, **digests})


def _counted(words: list[str]) -> dict[str, int]:
    return {word: words.count(word) for word in sorted(set(words))}


def _label(scored: Scored, names: list[Name], label: int) -> dict[str, Any]:
    labelled = scored.labelled
    base = {split: found[label].base for split, found in labelled.scores.items()}
    verdicts = [str(word) for word, density in zip(labelled.verdict_lf[label], scored.density_f, strict=True) if density > 0]
    return {
        "id": scored.labels.ids[label],
        "status": labelled.status[label],
        "compared": label in labelled.followed,
        "base_rate": base,
        "f1_of_base_rate": 2 * base["test"] / (1 + base["test"]),
        "n_objects": {split: found[label].n_objects for split, found in labelled.scores.items()},
        "baselines": {
            each.kind: {"name": each.name, "f1_select": each.f1_select, "f1_test": each.f1_test} for each in labelled.baselines[label]
        },
        "best_f1_test": float(np.max(labelled.scores["test"][label].f1_f, initial=0.0)),
        "n_beat": {
            kind: int(labelled.compared[kind].beats(scored.settings)[label].sum())
            for kind in (ROTATION, DATE_SHIFT) if kind in labelled.compared
        },
        "verdicts": _counted(verdicts),
        "n_labelled": sum(each.label == scored.labels.ids[label] for each in names),
    }
