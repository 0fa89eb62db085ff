"""How the demo's Aurora begins: so that what tells one date from another gets through all of its 48 blocks.

Aurora's own initial weights suit a width of 512 and training for weeks. At width 32 the path through the merged grids then
comes back with a hundredth of the skip connection's size, and a short training learns to do without it: 36 blocks that
the forecast does not depend on. Here every matrix keeps the size of what it is given, the merged grids begin as local
means, and no input that is the same on all dates drowns the others.
"""

from collections.abc import Iterator

import torch
from aurora import AuroraAirPollution

# Of a block's two additions, against a stream of about 1. Larger ones drown it, over 18 blocks, in what all dates share.
_ADDED = 0.15
# Of what comes back from the merged grids, where it is added to the first stage's output, whose size is about 2.
_RETURNED = 3.0
# Inputs that Aurora makes of the time alone; these differ by date with nothing in the atmosphere that would follow.
_DATE_INPUTS = ("dow_cos", "dow_sin", "doy_cos", "doy_sin")
_TIME_INPUTS = ("tod_cos", "tod_sin", *_DATE_INPUTS)


def begin(model: AuroraAirPollution, static: dict[str, torch.Tensor]) -> None:
    """Replace a fresh model's initial weights, in place; draws from torch's global generator.

    Args:
        model: the model.
        static: its static fields, (rows, columns), as it is given them: normalised where Aurora does so.
    """
    with torch.no_grad():
        _begin_blocks(model)
        _begin_merging(model)
        _begin_inputs(model, static)


def _begin_blocks(model: AuroraAirPollution) -> None:
    for module in model.backbone.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=module.in_features**-0.5)
    for layer in (*model.backbone.encoder_layers, *model.backbone.decoder_layers):
        for block in layer.blocks:
            for norm in (block.norm1, block.norm2):
                modulation = norm.ln_modulation[-1]
                torch.nn.init.zeros_(modulation.weight)
                _shift, scale = modulation.bias.chunk(2)
                scale.fill_(_ADDED)


def haar(width: int) -> torch.Tensor:
    """Merge 2 x 2 tokens into their mean and, by turns over the channels, one of two differences: (2 width, 4 width).

    The rows are orthonormal (Haar's wavelets), so that the transpose splits again, without what was dropped. The four
    tokens lie behind each other as Aurora puts them: row by row, from west to east.
    """
    one, none = torch.eye(width), torch.zeros(width, width)
    east_west = torch.where(torch.arange(width)[:, None] % 2 == 0, one, none)
    north_south = one - east_west
    mean = torch.cat([one, one, one, one], 1)
    difference = torch.cat([east_west + north_south, north_south - east_west, east_west - north_south, -one], 1)
    return torch.cat([mean, difference]) / 2


def _begin_merging(model: AuroraAirPollution) -> None:
    merging = [layer.downsample for layer in model.backbone.encoder_layers if layer.downsample is not None]
    splitting = [layer.upsample for layer in model.backbone.decoder_layers if layer.upsample is not None]
    for merge, split in zip(merging, reversed(splitting), strict=True):
        weights = haar(merge.dim)
        merge.reduction.weight.copy_(weights)
        split.lin1.weight.copy_(weights.T)
        torch.nn.init.eye_(split.lin2.weight)
    splitting[-1].lin2.weight.mul_(_RETURNED)


def fixed_inputs(model: AuroraAirPollution) -> Iterator[tuple[str, torch.nn.Module, torch.nn.Parameter]]:
    """Embeddings of the inputs that say nothing of the atmosphere: an input's name, the embedding it is part of, its weights."""
    embeddings = [("", model.encoder.surf_token_embeds)]
    embeddings += [("static_", embedding) for embedding in model.encoder.atmos_token_embeds.layers.values()]
    for prefix, embedding in embeddings:
        for name in (*model.static_vars, *_TIME_INPUTS):
            yield name, embedding, embedding.weights[prefix + name]


def _begin_inputs(model: AuroraAirPollution, static: dict[str, torch.Tensor]) -> None:
    for name, embedding, weights in fixed_inputs(model):
        if name in _DATE_INPUTS:
            torch.nn.init.zeros_(weights)
        elif name in static:
            size = float(static[name].square().mean().sqrt())
            # Logarithms of emissions are about -13 everywhere, where other inputs are about 1.
            if size > 1:
                weights.div_(size)
                embedding.bias.sub_(weights.sum((1, 2, 3, 4)) * float(static[name].mean()))
