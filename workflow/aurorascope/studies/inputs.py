"""What a study is run on: model, SAEs, states by date, and features of the same label, opened from a results folder."""

import functools
import importlib.metadata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from aurora import AuroraAirPollution, Batch

from aurorascope.backbone.batch import snapshot_batch
from aurorascope.backbone.model import load_model
from aurorascope.backbone.static import load_static
from aurorascope.config.model import Config
from aurorascope.files import check_file, find_record
from aurorascope.interventions.ids import FeatureId
from aurorascope.provenance import device_name
from aurorascope.records import KINDS
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.opening import open_sae
from aurorascope.studies.claim import previous
from aurorascope.studies.clean_runs import CleanRuns
from aurorascope.studies.needs import Needs

# Dates of a study in memory: 6 GB at full size.
_KEPT = 16


class Batches(Mapping[str, Batch]):
    """Inputs by date, read when they are asked for; the last few stay in memory, since a study asks several times for each.

    Args:
        scratch: `results/scratch`.
        times: time of each date's snapshot.
        static: static variables.
        device: of the model.
        kept: how many stay, in the computer's memory.
    """

    def __init__(
        self, scratch: Path, times: Mapping[str, str], static: dict[str, np.ndarray], device: torch.device, kept: int = 1
    ) -> None:
        self._times, self._device = dict(times), device

        @functools.lru_cache(kept)
        def read(date: str) -> Batch:
            return snapshot_batch(scratch, self._times[date], previous(self._times[date]), static)

        self._read = read

    def __getitem__(self, date: str) -> Batch:
        """The batch of a date; whoever changes its tensors changes what the next caller gets."""
        return self._read(date).to(self._device)

    def __contains__(self, date: object) -> bool:
        return date in self._times

    def __iter__(self) -> Iterator[str]:
        return iter(self._times)

    def __len__(self) -> int:
        return len(self._times)


@dataclass(frozen=True, eq=False)
class Inputs:
    """Everything that is read.

    Attributes:
        model: Aurora, in eval mode.
        saes: by block id.
        batches: by date of the study.
        quiet: by quiet date.
        labels: folder of days of labels; None where none is read.
        clean: clean forecasts that studies share.
        scratch: a folder of the study's own, whose content goes when the study has run.
    """

    model: AuroraAirPollution
    saes: Mapping[str, AuroraSAE]
    batches: Batches
    quiet: Batches
    labels: Path | None
    clean: CleanRuns
    scratch: Path


def open_inputs(config: Config, needs: Needs, claim: Mapping[str, Any], results: Path, work: Path, device: torch.device) -> Inputs:
    """Open what a study needs.

    Args:
        config: the configuration.
        needs: what the study reads.
        claim: what it is made from.
        results: the results folder.
        work: the study's own folder.
        device: where Aurora runs.

    Raises:
        UserError: a file is missing, damaged or not what its record says.
    """
    scratch = results / "scratch"
    model = load_model(KINDS["checkpoint"].where(results), autocast=config.aurora.autocast, device=device)
    static = load_static(KINDS["static"].where(results))
    saes = {block: open_sae(KINDS["sae"].where(results, block=block))[0] for block in needs.blocks}
    batches, quiet = (
        Batches(scratch, {date: needs.time(date) for date in dates}, static, device, kept)
        for dates, kept in ((needs.dates, _KEPT), (needs.quiet_dates, 1))
    )
    made_from = {key: claim[key] for key in ("checkpoint_sha256", "static_sha256", "config_sha256")} | made_with(device)
    clean = CleanRuns(scratch / "studies" / "clean", made_from, claim["states_sha256"])
    return Inputs(model, saes, batches, quiet, scratch / "labels" if needs.has_labels else None, clean, work)


def made_with(device: torch.device) -> dict[str, str]:
    """What numbers depend on beside what they are made from: nothing that was kept on another device or by other libraries is used."""
    versions = {name: importlib.metadata.version(name) for name in ("torch", "microsoft-aurora", "numpy")}
    return {"device": device_name(device), **versions}


def labelled_same(
    results: Path, block_id: str, sae_sha256: str, features: tuple[FeatureId, ...]
) -> tuple[frozenset[FeatureId], dict[str, Any]]:
    """Features that the block's atlas gives a label of one of the edited features, and what the study's record says of the atlas.

    Args:
        results: the results folder.
        block_id: the edited block.
        sae_sha256: of its SAE.
        features: number and sign of the edited features.

    Raises:
        UserError: the atlas's table is not the one that its summary names.
    """
    path = results / "atlas" / block_id / "summary.json"
    summary = find_record(path, "atlas")
    if summary is None:
        return frozenset(), {"is_used": False, "why": f"there was none of {block_id}"}
    if summary["sae_sha256"] != sae_sha256:
        return frozenset(), {"is_used": False, "why": f"that of {block_id} was of another SAE"}
    table = path.with_name("features.parquet")
    check_file(table, summary["features_sha256"], path)
    rows = pd.read_parquet(table, columns=["feature", "sign", "label"])
    ids = list(zip(rows.feature.tolist(), rows.sign.tolist(), strict=True))
    labels = {label for each, label in zip(ids, rows.label, strict=True) if each in features and label}
    same = frozenset(each for each, label in zip(ids, rows.label, strict=True) if label in labels and each not in features)
    note = {"is_used": True, "features_sha256": summary["features_sha256"], "labels": sorted(labels), "n_labelled_same": len(same)}
    return same, note
