#!/usr/bin/env bash
# microsoft-aurora 2.0.1: configure_activation_checkpointing() checkpoints the backbone, its stages and their blocks, one in the other. For
# one backward pass most blocks are then computed four times instead of twice: each checkpoint above it computes it again for itself alone.
# With the blocks alone, configure_activation_checkpointing(("Swin3DTransformerBlock",)), which keeps one output a block, gradients are the
# same. And a block's forward hook, which sees some of these computations to the end and not others (torch leaves a recomputation as soon
# as it has what it needs), fires 1 to 3 times with the default and once with the blocks alone: who adds up what a hook sees
# counts most blocks three times, and the last one right.
# Seen on 2026-11-29 (torch 2.15.0), random weights, depths 2, 4, 3 and 3, 4, 2, blocks in forward order, forwards begun in one forward and
# one backward, and forward hooks fired:
#   no checkpoints  begun 1 in every block                                     hooks 1 in every block
#   the default     begun 4, in the last blocks of encoder and decoder 3 or 2  hooks 3, in these 2 or 1
#   blocks alone    begun 2 in every block                                     hooks 1 in every block
# Ends with 1 if the default begins no block four times, or the blocks alone one more than twice, or gradients differ.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet microsoft-aurora==2.0.1 torch==2.15.0 torchvision==0.29.2

"$folder/venv/bin/python" - <<'PYTHON'
import datetime
import importlib.metadata
import sys

import torch
from aurora import Aurora, Batch, Metadata

LEVELS, SHAPE = (500, 850), (17, 32)


def run(names):
    """Forwards begun, forward hooks fired, by block in forward order, and the gradient at one weight."""
    torch.manual_seed(0)
    model = Aurora(
        encoder_depths=(2, 4, 3), encoder_num_heads=(2, 4, 8), decoder_depths=(3, 4, 2), decoder_num_heads=(8, 4, 2), embed_dim=32,
        num_heads=2, use_lora=False, autocast=False,
    ).eval()
    for parameter in model.parameters():
        if not parameter.any():
            # Aurora begins with blocks that add nothing.
            torch.nn.init.normal_(parameter, std=0.1)
    blocks = [block for stage in (*model.backbone.encoder_layers, *model.backbone.decoder_layers) for block in stage.blocks]
    weight = blocks[0].mlp.fc1.weight
    begun, fired = ([0] * len(blocks) for _ in range(2))

    def add(counts, at):
        counts[at] += 1

    for at, block in enumerate(blocks):
        block.register_forward_pre_hook(lambda *_, at=at: add(begun, at))
        block.register_forward_hook(lambda *_, at=at: add(fired, at))
    if names is not None:
        model.configure_activation_checkpointing(*names)
    batch = Batch(
        {name: torch.randn(1, 2, *SHAPE) for name in model.surf_vars}, {name: torch.randn(*SHAPE) for name in model.static_vars},
        {name: torch.randn(1, 2, len(LEVELS), *SHAPE) for name in model.atmos_vars},
        Metadata(torch.linspace(90, -90, 17), torch.linspace(0, 360, 33)[:-1], (datetime.datetime(2022, 1, 1),), LEVELS),
    )
    sum(field.sum() for field in model(batch).surf_vars.values()).backward()
    return begun, fired, weight.grad


print("microsoft-aurora", importlib.metadata.version("microsoft-aurora"), "torch", torch.__version__)
ways = {"no checkpoints": None, "the default": (), "blocks alone": (("Swin3DTransformerBlock",),)}
found = {name: run(names) for name, names in ways.items()}
for name, (begun, fired, _) in found.items():
    print(f"{name:15}", "begun", *begun, " hooks", *fired)
gradient = found["no checkpoints"][2]
off = [float((each[2] - gradient).abs().max() / gradient.abs().max()) for each in found.values()]
print("gradients off by", *(f"{each:.1e}" for each in off))
sys.exit(not (max(found["the default"][0]) >= 4 and max(found["blocks alone"][0]) <= 2 and max(off) < 1e-4))
PYTHON
