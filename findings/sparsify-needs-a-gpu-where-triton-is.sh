#!/usr/bin/env bash
# eai-sparsify 1.3.3 with torch 2.15.0 (PyPI, Linux x86-64), on a machine without a GPU: a SparseCoder on the CPU encodes, but its forward and decode end in
# triton's "RuntimeError: 0 active drivers ([]). There should only be one." Sparsify takes its GPU kernel wherever the package triton can be imported, and
# torch's wheels for Linux bring triton whatever the machine is. Nothing in the message names a remedy: with SPARSIFY_DISABLE_TRITON=1 in the environment before
# the import, the same call gives a reconstruction.
#
# Seen on 2026-11-30: encode gives (4, 2) activations; forward raises RuntimeError; with the variable, forward gives (4, 8).
# Ends with 1 if forward works without the variable, or does not with it. Needs a machine without an NVIDIA or AMD GPU.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.15.0 eai-sparsify==1.3.3 natsort==8.4.0 einops numpy==2.4.6

cat > "$folder/forward.py" <<'PYTHON'
import sys
from importlib.metadata import version

import torch
from sparsify.config import SparseCoderConfig
from sparsify.sparse_coder import SparseCoder

print(*(f"{name} {version(name)}" for name in ("torch", "triton", "eai-sparsify")))
sae = SparseCoder(8, SparseCoderConfig(num_latents=16, k=2))
x = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
with torch.no_grad():
    print("encode", tuple(sae.encode(x)[0].shape))
    try:
        print("forward", tuple(sae(x).sae_out.shape))
    except RuntimeError as error:
        print("forward", type(error).__name__, str(error)[:60])
        sys.exit(3)
PYTHON
without=0
"$folder/venv/bin/python" "$folder/forward.py" || without=$?
SPARSIFY_DISABLE_TRITON=1 "$folder/venv/bin/python" "$folder/forward.py"
test "$without" = 3
