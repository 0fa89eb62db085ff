#!/usr/bin/env bash
# microsoft-aurora 2.0.1: on some global grids with both poles the first forward ends in
#   AssertionError: The input tensor is not within the configured range `[0.01, 720]`.
# though rows and columns are multiples of the patch: where one row of patches is centred on the equator, numpy.linspace(90, -90, n)
# puts the centre 1e-15 beside it for some n, and the position encoding takes 0 and what is at least 0.01 away, nothing between.
# With latitudes that are negatives of their mirror images, (lat - lat[::-1]) / 2, all of them pass.
# Seen on 2026-11-28 (torch 2.15.0), rows from 9 to 159 that fail:
#   27 39 51 57 69 87 99 105 111 123 135 141 147 153 159; with symmetric latitudes none
# Ends with 1 if that list changes or a symmetric grid fails.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet microsoft-aurora==2.0.1 torch==2.15.0 torchvision==0.29.2

"$folder/venv/bin/python" - <<'PYTHON'
import importlib.metadata
import sys

import numpy as np
import torch
from aurora.model.fourier import pos_expansion, scale_expansion
from aurora.model.posencoding import pos_scale_enc

EXPECTED = [27, 39, 51, 57, 69, 87, 99, 105, 111, 123, 135, 141, 147, 153, 159]


def fails(latitudes):
    longitudes = torch.arange(36, dtype=torch.float64) * 10
    try:
        pos_scale_enc(64, torch.tensor(latitudes), longitudes, 3, pos_expansion=pos_expansion, scale_expansion=scale_expansion)
    except AssertionError:
        return True
    return False


print("microsoft-aurora", importlib.metadata.version("microsoft-aurora"), "torch", torch.__version__)
rows = range(9, 160, 3)
plain = [n for n in rows if fails(np.linspace(90, -90, n))]
print("linspace fails for", *plain)
symmetric = [n for n in rows if fails((np.linspace(90, -90, n) - np.linspace(90, -90, n)[::-1]) / 2)]
print("symmetric fails for", *(symmetric or ["none"]))
sys.exit(plain != EXPECTED or bool(symmetric))
PYTHON
