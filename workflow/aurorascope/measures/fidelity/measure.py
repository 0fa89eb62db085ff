"""Run Aurora with each replacement at each block, and write what the forecasts lose.

The clean forecasts are shared by all blocks, and a spliced one goes on from its block (`backbone.replay`): the numbers of a
block are the same bits whichever blocks are measured with it.
"""

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from aurora import AuroraAirPollution, Batch

from aurorascope.activations.paths import StorePaths
from aurorascope.activations.reader import StoreReader
from aurorascope.backbone.batch import snapshot_batch
from aurorascope.backbone.device import make_repeatable, pick_device
from aurorascope.backbone.model import load_model
from aurorascope.backbone.replay import Replay
from aurorascope.backbone.splice import Replacement, ablation, reconstruction, splice
from aurorascope.backbone.static import load_static
from aurorascope.blocks import Block
from aurorascope.cams.states import load_state
from aurorascope.cams.variables import ATMOS, SURFACE
from aurorascope.config.model import Config
from aurorascope.files import read_record, sha256_file, write_json, write_table
from aurorascope.measures.fidelity.claim import KIND, make_claim
from aurorascope.measures.fidelity.formulas import ALL_FORMULAS, CONDITIONS, VERIFIED
from aurorascope.measures.fidelity.metrics import by_field, by_variable, headline
from aurorascope.measures.fidelity.sums import ForecastSums, row_areas
from aurorascope.progress import Progress
from aurorascope.sae.opening import open_sae
from aurorascope.waiting import Waiting

_LOG = logging.getLogger(__name__)
_NEWEST = -1


def _stacked(fields: Sequence[torch.Tensor], n_rows: int) -> torch.Tensor:
    """Fields, each ([level,] rows, columns), as one tensor fields x rows x columns, without rows that Aurora drops."""
    return torch.cat([field.reshape(-1, *field.shape[-2:])[:, :n_rows] for field in fields])


def _values(batch: Batch, n_rows: int) -> torch.Tensor:
    """The newest state of a batch, or a forecast: fields in the order of `field_names`, float32."""
    surface = [batch.surf_vars[v.aurora][0, _NEWEST] for v in SURFACE]
    return _stacked([*surface, *(batch.atmos_vars[v.aurora][0, _NEWEST] for v in ATMOS)], n_rows)


def field_names(levels: Sequence[int]) -> list[tuple[str, str, int | None]]:
    """Aurora's name, units and level (hPa; None at the surface) of each field."""
    surface = [(v.aurora, v.units, None) for v in SURFACE]
    return surface + [(v.aurora, v.units, int(level)) for v in ATMOS for level in levels]


class _Snapshot:
    """One held-out snapshot: its clean forecast, and whatever follows from a block on."""

    def __init__(self, model: AuroraAirPollution, batch: Batch, analysis: Sequence[np.ndarray] | None) -> None:
        self._model, self._replay = model, Replay(model, batch)
        self._n_rows = batch.spatial_shape[0] // model.patch_size * model.patch_size
        self._clean_vyx: torch.Tensor | None = None
        self.state_vyx = _values(batch, self._n_rows)
        device = self.state_vyx.device
        self.analysis_vyx = None
        if analysis is not None:
            self.analysis_vyx = _stacked([torch.from_numpy(field) for field in analysis], self._n_rows).to(device)

    def forecasts(self, block: Block, replacements: dict[str, Replacement]) -> dict[str, torch.Tensor]:
        """The clean forecast and one for each replacement of the block's output."""
        self._replay.advance(block)
        if self._clean_vyx is None:
            self._clean_vyx = _values(self._replay.forecast(), self._n_rows)
        found = {"clean": self._clean_vyx}
        for name, replace in replacements.items():
            with splice(self._model, block, replace):
                found[name] = _values(self._replay.forecast(), self._n_rows)
        return found


def _replacements(results: Path, block: Block, device: torch.device) -> dict[str, Replacement]:
    """What takes the place of the block's output, by condition; weights and means are checked against their records."""
    sae, _ = open_sae(results / "saes" / f"sae_{block.id}.json")
    reader = StoreReader(StorePaths.of(results / "scratch", block.id, "train").manifest)
    mean_d = torch.from_numpy(reader.moments()["mean"]).float()
    return {
        "sae": reconstruction(sae.to(device)),
        "zero": ablation(torch.zeros(1, device=device)),
        "mean": ablation(mean_d.to(device)),
        "position_mean": ablation(torch.from_numpy(reader.position_mean()).to(device)),
    }


def measure(config: Config, blocks: Sequence[Block], results: Path) -> None:
    """Measure every block whose record is neither there nor waiting, and leave its record waiting to be adopted.

    Raises:
        UserError: a file is missing, altered or of another run, or another process measures one of the blocks; blocks
            that were finished before are kept.
    """
    with contextlib.ExitStack() as stack:
        claims = {}
        for block in sorted(blocks, key=lambda block: block.depth_index):
            waiting, claim = Waiting(KIND, results, block.id), make_claim(config, block, results)
            if not waiting.is_made(claim):
                stack.enter_context(waiting.locked())
                claims[block] = claim
        if claims:
            _measure(config, claims, results)


def _measure(config: Config, claims: dict[Block, dict[str, Any]], results: Path) -> None:
    make_repeatable(config.compute)
    device = pick_device(config.aurora.device)
    wanted = next(iter(claims.values()))["snapshots"]
    n_spliced = len(CONDITIONS) * len(claims) * len(wanted)
    _LOG.info(
        "%d forecasts: %d clean ones, and %d for %d blocks with %d replacements each, which go on from their block.",
        len(wanted) + n_spliced, len(wanted), n_spliced, len(claims), len(CONDITIONS),
    )
    model = load_model(results / "scratch" / "checkpoint" / "checkpoint.json", autocast=config.aurora.autocast, device=device)
    static = load_static(results / "scratch" / "static" / "static.json")
    snapshots = [_opened(results / "scratch", snapshot, model, static, device) for snapshot in wanted]
    split = read_record(results / "scratch" / "states" / "held_out.json", "states")
    progress = Progress("Measuring forecasts", n_spliced, "forecast")
    for block, claim in claims.items():
        weights_y = row_areas(np.array(split["latitude"]))[: snapshots[0].state_vyx.shape[1]]
        sums = ForecastSums(weights_y, len(snapshots[0].state_vyx))
        replacements = _replacements(results, block, device)
        for snapshot in snapshots:
            sums.add(snapshot.state_vyx, snapshot.analysis_vyx, snapshot.forecasts(block, replacements))
            progress.step(block.id, len(CONDITIONS))
        _leave(Waiting(KIND, results, block.id), claim, sums, field_names(split["levels"]))
    progress.close()


def _opened(
    scratch: Path, snapshot: dict[str, Any], model: AuroraAirPollution, static: dict[str, np.ndarray], device: torch.device
) -> _Snapshot:
    batch = snapshot_batch(scratch, snapshot["time"], snapshot["previous"], static).to(device)
    analysis = None
    if snapshot["verifying"] is not None:
        state = load_state(scratch / "cams", snapshot["verifying"])
        analysis = [state[v.netcdf].values for v in SURFACE + ATMOS]
    return _Snapshot(model, batch, analysis)


def _leave(
    waiting: Waiting, claim: dict[str, Any], sums: ForecastSums, names: list[tuple[str, str, int | None]]
) -> None:
    found = by_field(sums)
    rows = [
        (metric, ALL_FORMULAS[metric][0], variable, level, units, value, sums.n_verified if metric in VERIFIED else sums.n)
        for metric, values in found.items()
        for (variable, units, level), value in zip(names, values, strict=True)
    ]
    columns = ["metric", "formula_id", "variable", "level", "units", "value", "n"]
    frame = pd.DataFrame(rows, columns=columns).astype({"level": "Int64", "value": "float64", "n": "int64"})
    metrics = headline(sums)
    content = {
        **claim,
        "metrics": metrics,
        "formula_ids": {name: ALL_FORMULAS[name][0] for name in metrics},
        "n_fields": {name: int((~np.isnan(found[name])).sum()) for name in metrics if name in found},
        "by_variable": by_variable(sums, [variable for variable, _, _ in names]),
        "n_verified": sums.n_verified,
    }
    record = KIND.where(waiting.results, block=claim["block"])
    table = record.with_suffix(".parquet")
    write_table(table, frame)
    write_json(record, {**content, "table_sha256": sha256_file(table)})
    waiting.leave()
