"""Runs that faithfulness asks for: features of all blocks of a circuit at their position means, but for those that stay live.

With h W what the features of a block's output x write, R its position mean, x_bar that of the output, and D the sum over some features j of
(h_j - b_j) W_j, where all is of the run itself, edited blocks before this one included, x becomes

    only these live      x - (h W - R) + D    with errors kept        x_bar + D                with errors removed
    all but these live   x - D                                        x_bar + (h W - R) - D
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from aurora import AuroraAirPollution

from aurorascope.backbone.splice import Replacement, splice
from aurorascope.circuits.site import Site
from aurorascope.circuits.usual import sizes_of, tiles, written
from aurorascope.features.forward import encode
from aurorascope.sae.feature_ids import FeatureId


@dataclass(frozen=True, eq=False)
class Run:
    """What stays live.

    Attributes:
        named: features by block id; of blocks that it lacks none.
        is_only: whether the named ones alone stay live; otherwise all but these do.
        keeps_errors: whether the autoencoders' errors stay live.
    """

    named: Mapping[str, Sequence[FeatureId]]
    is_only: bool
    keeps_errors: bool


@contextlib.contextmanager
def edited(model: AuroraAirPollution, sites: Sequence[Site], run: Run) -> Iterator[None]:
    """Have forwards inside the `with` run so.

    Args:
        model: the model.
        sites: the circuit's blocks, in forward order.
        run: what stays live.
    """
    with contextlib.ExitStack() as stack:
        for site in sites:
            stack.enter_context(splice(model, site.block, _replacement(site, run)))
        yield


def _replacement(site: Site, run: Run) -> Replacement:
    ids = tuple(run.named.get(site.block.id, ()))
    rows_fd, usual_nf = site.directions(ids), site.usual_nf[:, site.places(ids)]

    def replaced(x_td: torch.Tensor, at: slice) -> torch.Tensor:
        """Of some tokens; the same tensor where nothing changes, so that a run that changes nothing is the clean one to the bit."""
        needs_all = run.is_only == run.keeps_errors
        features = encode(site.sae, x_td) if ids or needs_all else None
        found_td = x_td if run.keeps_errors else site.usual_nd[at].to(x_td.device)
        if needs_all:
            away_td = written(features, site.sae.W_dec) - site.written_nd[at].to(x_td.device)
            found_td = found_td - away_td if run.keeps_errors else found_td + away_td
        if ids:
            away_tf = torch.from_numpy(sizes_of(features, ids) - usual_nf[at]).to(x_td.device)
            found_td = found_td + away_tf @ rows_fd if run.is_only else found_td - away_tf @ rows_fd
        return found_td

    def replace(x_nd: torch.Tensor) -> torch.Tensor:
        return torch.cat([replaced(x_nd[at], at) for at in tiles(len(x_nd))])

    return replace
