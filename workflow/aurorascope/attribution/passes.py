"""All passes of an attribution, date by date: effects of features by its rule, then exact ablations of the strongest."""

import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from aurora import AuroraAirPollution, Batch

from aurorascope.attribution.agreement import strongest
from aurorascope.attribution.checks import check_block
from aurorascope.attribution.gradient import by_gradient
from aurorascope.attribution.midpoint import by_midpoints
from aurorascope.attribution.needs import Needs
from aurorascope.attribution.parts import Effects, Parts
from aurorascope.attribution.projection import Projected
from aurorascope.attribution.record import mean_effect
from aurorascope.attribution.usual import Usual
from aurorascope.attribution.value import Value
from aurorascope.backbone.relevance import scales_held
from aurorascope.backbone.replay import Replay
from aurorascope.blocks import Block
from aurorascope.sae.aurora_sae import AuroraSAE

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Passes:
    """What the passes of one outcome read, and where they put what they find.

    Attributes:
        model: the model, in eval mode.
        saes: by block, in forward order, on the model's device.
        usual: by block.
        batches: inputs by date.
        needs: rule, points and number of exact ablations.
        value: what is attributed, by date.
        parts: by block; what is in them is not found again.
    """

    model: AuroraAirPollution
    saes: Mapping[Block, AuroraSAE]
    usual: Mapping[Block, Usual]
    batches: Mapping[str, Batch]
    needs: Needs
    value: Callable[[str], Value]
    parts: Mapping[Block, Parts]

    def find_effects(self) -> None:
        """Effects of all features of all blocks on all dates.

        Raises:
            UserError: a clean forecast is not finite, or does not move in the region.
        """
        for date in self.needs.dates:
            left = [block for block in self.saes if date not in self.parts[block].effects]
            if not left:
                continue
            if self.needs.points:
                self._by_midpoints(date, left)
            else:
                self._by_gradient(date, left)
            _LOG.info("%s: effects of the features of %d blocks, rule %s.", date, len(left), self.needs.rule)

    def _by_gradient(self, date: str, blocks: list[Block]) -> None:
        found: dict[Block, Projected] = {}
        value, saes = self.value(date), {block: self.saes[block] for block in blocks}
        with scales_held(self.model) if self.needs.rule == "relevance" else contextlib.nullcontext():
            y = by_gradient(self.model, self.batches[date], value, saes, self.usual, found.__setitem__)
        for block in blocks:
            self.parts[block].add_effects(date, Effects(found[block], y, value.floor()))

    def _by_midpoints(self, date: str, blocks: list[Block]) -> None:
        value, replay = self.value(date), Replay(self.model, self.batches[date])
        y = _clean(replay, blocks[0], value)
        for block in blocks:
            replay.advance(block)
            found = by_midpoints(self.model, replay, block, value, self.saes[block], self.usual[block], self.needs.points)
            self.parts[block].add_effects(date, Effects(found, y, value.floor()))

    def strongest(self) -> dict[Block, np.ndarray]:
        """Features of each block that are ablated, by the mean of their effects over dates."""
        dates, n = self.needs.dates, self.needs.exact
        return {block: strongest(mean_effect(dates, parts.effects), n) for block, parts in self.parts.items()}

    def check(self, features: Mapping[Block, np.ndarray]) -> None:
        """Ablate features exactly, and put each block to its mean; nothing by the rule `gradient` without exact ablations.

        Raises:
            UserError: as `find_effects`.
        """
        if not (self.needs.exact or self.needs.points):
            return
        for date in self.needs.dates:
            left = [block for block in self.saes if date not in self.parts[block].checks]
            if not left:
                continue
            value, replay = self.value(date), Replay(self.model, self.batches[date])
            y = _clean(replay, left[0], value)
            for block in left:
                replay.advance(block)
                sae, usual = self.saes[block], self.usual[block]
                found = check_block(self.model, replay, block, value, y, sae, usual, features[block])
                self.parts[block].add_checks(date, found)
                _LOG.info("%s, %s: %d features ablated exactly.", date, block.id, len(features[block]))


def _clean(replay: Replay, first: Block, value: Value) -> float:
    """The clean y, of whose forecast the value takes T."""
    replay.advance(first)
    forecast = replay.forecast()
    value.set_clean(forecast)
    return value.read(forecast)
