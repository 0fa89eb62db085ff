"""The configuration as frozen dataclasses, one per section; meanings and defaults are in schemas/config.schema.yaml."""

import dataclasses
import types
import typing
from dataclasses import dataclass
from typing import Any

from aurorascope.blocks import BLOCK_IDS
from aurorascope.config.measured import Evaluation, Features, Reproduce
from aurorascope.config.sae import Sae


@dataclass(frozen=True)
class Split:
    """Dates of one split, ISO strings, UTC.

    Attributes:
        start: first date, or None where `dates` is given.
        end: last date, included.
        dates: explicit dates, which beat start and end.
    """

    start: str | None
    end: str | None
    dates: tuple[str, ...] | None


@dataclass(frozen=True)
class Ads:
    """Patience with the Atmosphere Data Store.

    Attributes:
        wait_hours: how long one run waits for one day.
        tries: how often one call is tried.
        retry_s: seconds before the second try; doubled for each further one.
        poll_s: most seconds between two looks at a job.
        timeout_s: seconds of silence after which a connection is given up.
    """

    wait_hours: float
    tries: int
    retry_s: float
    poll_s: float
    timeout_s: float


@dataclass(frozen=True)
class Cams:
    """Which CAMS states exist and where they come from.

    Attributes:
        source: "demo", "local" or "ads".
        directory: folder of the user's files, or glob patterns of them, for "local".
        levels: pressure levels in hPa.
        train: dates of the training split.
        held_out: dates of the held-out split.
        gap_hours: least distance between states of the two splits.
        init_hours: hours (UTC) of the snapshots.
        missing_dates: dates absent from the archive.
        demo_grid: rows and columns of the demo atmosphere.
        keep_zips: keep a downloaded zip once its states are verified.
        ads: patience with the data store.
    """

    source: str
    directory: str | tuple[str, ...] | None
    levels: tuple[int, ...]
    train: Split
    held_out: Split
    gap_hours: int
    init_hours: tuple[int, ...]
    missing_dates: tuple[str, ...]
    demo_grid: tuple[int, int]
    keep_zips: bool
    ads: Ads


@dataclass(frozen=True)
class Static:
    """Aurora's static fields.

    Attributes:
        source: "demo", "official" or "file".
        path: the file, for "file".
        sha256: digest that a pickle must have before it is opened.
    """

    source: str
    path: str | None
    sha256: str | None


@dataclass(frozen=True)
class DemoTraining:
    """How the demo checkpoint is trained.

    Attributes:
        grid: rows and columns it is trained on.
        steps: optimiser steps.
        seed: seed of the initial weights.
    """

    grid: tuple[int, int]
    steps: int
    seed: int


@dataclass(frozen=True)
class Aurora:
    """The base model.

    Attributes:
        checkpoint: "demo", "official" or a path.
        revision: commit of the model repository for official files.
        embed_dim: width of the first stage.
        autocast: bfloat16 autocast in the backbone.
        device: "auto", "cpu", "cuda" or "cuda:N".
        demo: training of the demo checkpoint.
    """

    checkpoint: str
    revision: str
    embed_dim: int
    autocast: bool
    device: str
    demo: DemoTraining

    @property
    def checkpoint_kind(self) -> str:
        """"demo", "official" or "file"."""
        return self.checkpoint if self.checkpoint in ("demo", "official") else "file"


@dataclass(frozen=True)
class Activations:
    """How activations reach the training.

    Attributes:
        mode: "dump" or "live".
        dtype: stored precision, "float16" or "float32".
        keep: keep the chunks of a block when all its consumers are done.
    """

    mode: str
    dtype: str
    keep: bool


@dataclass(frozen=True)
class Compute:
    """Resources that can change last bits.

    Attributes:
        threads: CPU threads of every numeric job.
        portable: the same bits on every x86-64 machine, at a cost in time.
    """

    threads: int
    portable: bool


@dataclass(frozen=True)
class Storage:
    """Where heavy files go.

    Attributes:
        scratch: target of the link results/scratch, or None.
    """

    scratch: str | None


@dataclass(frozen=True)
class Plan:
    """Rates that turn costs into hours.

    Attributes:
        download_mb_s: megabytes a second from the data store.
        disk_mb_s: megabytes a second to and from scratch.
        tflops: sustained 1e12 operations a second.
    """

    download_mb_s: float
    disk_mb_s: float
    tflops: float


@dataclass(frozen=True)
class Config:
    """The whole configuration.

    Attributes:
        cams: the analyses.
        static: the static fields.
        aurora: the base model.
        blocks: "all" or ids.
        activations: how activations are kept.
        sae: the autoencoders.
        evaluation: the metrics.
        features: the feature files.
        reproduce: what reproductions are compared with.
        compute: threads.
        storage: folders.
        plan: rates for the estimate of hours.
        replace_results: let another identity take over this folder.
    """

    cams: Cams
    static: Static
    aurora: Aurora
    blocks: str | tuple[str, ...]
    activations: Activations
    sae: Sae
    evaluation: Evaluation
    features: Features
    reproduce: Reproduce
    compute: Compute
    storage: Storage
    plan: Plan
    replace_results: bool

    @property
    def block_ids(self) -> tuple[str, ...]:
        """Configured block ids in forward order."""
        return BLOCK_IDS if self.blocks == "all" else tuple(b for b in BLOCK_IDS if b in self.blocks)


def _build(kind: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{field.name: _build(hints[field.name], value[field.name]) for field in dataclasses.fields(kind)})
    if isinstance(kind, types.UnionType):
        wants_tuple = [arg for arg in typing.get_args(kind) if typing.get_origin(arg) is tuple]
        return tuple(value) if isinstance(value, list) and wants_tuple else value
    return tuple(value) if typing.get_origin(kind) is tuple else value


def from_mapping(mapping: dict[str, Any]) -> Config:
    """The typed configuration from a resolved mapping (`resolve.resolve`)."""
    return _build(Config, mapping)
