"""The configuration as frozen dataclasses, one per section; meanings and defaults are in schemas/config.schema.yaml."""

import dataclasses
import types
import typing
from dataclasses import dataclass
from typing import Any

from aurorascope.blocks import BLOCK_IDS
from aurorascope.config.measured import Atlas, Evaluation, Features, Reproduce
from aurorascope.config.sae import Sae
from aurorascope.config.thresholds import Thresholds


@dataclass(frozen=True)
class Split:
    """Dates of one split, ISO strings, UTC."""

    start: str | None
    end: str | None
    dates: tuple[str, ...] | None


@dataclass(frozen=True)
class Ads:
    """Patience with the Atmosphere Data Store."""

    wait_hours: float
    tries: int
    retry_s: float
    poll_s: float
    timeout_s: float


@dataclass(frozen=True)
class Cams:
    """Which CAMS states exist and where they come from."""

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
    """Aurora's static fields."""

    source: str
    path: str | None
    sha256: str | None


@dataclass(frozen=True)
class DemoTraining:
    """How the demo checkpoint is trained."""

    grid: tuple[int, int]
    steps: int
    seed: int


@dataclass(frozen=True)
class Aurora:
    """The base model."""

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
    """How activations reach the training."""

    mode: str
    dtype: str
    keep: bool


@dataclass(frozen=True)
class Labels:
    """What the weather is, where: labels by formula, and the user's own."""

    thresholds: Thresholds
    own: str | None


@dataclass(frozen=True)
class Compute:
    """Resources that can change last bits."""

    threads: int
    portable: bool


@dataclass(frozen=True)
class Storage:
    """Where heavy files go."""

    scratch: str | None


@dataclass(frozen=True)
class Plan:
    """Rates that turn costs into hours."""

    download_mb_s: float
    disk_mb_s: float
    tflops: float


@dataclass(frozen=True)
class Config:
    """The whole configuration."""

    cams: Cams
    static: Static
    aurora: Aurora
    blocks: str | tuple[str, ...]
    activations: Activations
    sae: Sae
    evaluation: Evaluation
    labels: Labels
    atlas: Atlas
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
