#!/usr/bin/env bash
# torch 2.15.0 (PyPI, Linux x86-64), CPU, one thread: the same float32 model gives other outputs by MKL's choice of kernel,
# which follows the CPU. Random Fourier features (x @ B, then sine and cosine) turn the last bit of a product into 2e-5 of the
# output's spread. MKL_CBWR=COMPATIBLE makes MKL take one path on all CPUs. MKL_ENABLE_INSTRUCTIONS, the documented way to
# make a CPU look older, changes the output on Intel, and nothing on AMD.
#
# Seen on 2026-11-28, AMD EPYC 7003:
#   default against MKL_CBWR=COMPATIBLE                                 2.0e-05 of the spread apart
#   default against MKL_ENABLE_INSTRUCTIONS=SSE4_2                      0.0e+00
#   COMPATIBLE against COMPATIBLE with MKL_ENABLE_INSTRUCTIONS=SSE4_2   0.0e+00
# Ends with 1 if default and COMPATIBLE no longer differ by 1e-6 to 1e-3, or COMPATIBLE moves.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.15.0 numpy==2.4.6

cat > "$folder/model.py" <<'PYTHON'
import sys
import torch

torch.set_num_threads(1)
draw = torch.Generator().manual_seed(0)
x, B = torch.rand(4096, 3, generator=draw), 16 * torch.randn(3, 256, generator=draw)
w = torch.randn(512, generator=draw) / 512**0.5
phase = 2 * torch.pi * (x @ B)
torch.save(torch.cat([phase.sin(), phase.cos()], 1) @ w, sys.argv[1])
PYTHON
cat > "$folder/compare.py" <<'PYTHON'
import platform
import sys
import torch

outputs = {name: torch.load(f"{sys.argv[1]}/{name}.pt", weights_only=True) for name in ("default", "narrow", "compatible", "both")}
apart = lambda a, b: float((outputs[a] - outputs[b]).abs().max() / outputs["default"].std())
vendor = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("vendor_id")), "unknown vendor")
print(f"torch {torch.__version__}, {platform.machine()}, {vendor}")
moved, narrowed, fixed = apart("default", "compatible"), apart("default", "narrow"), apart("compatible", "both")
print(f"default against MKL_CBWR=COMPATIBLE                                 {moved:.1e} of the spread apart")
print(f"default against MKL_ENABLE_INSTRUCTIONS=SSE4_2                      {narrowed:.1e}")
print(f"COMPATIBLE against COMPATIBLE with MKL_ENABLE_INSTRUCTIONS=SSE4_2   {fixed:.1e}")
sys.exit(not (1e-6 < moved < 1e-3 and fixed == 0 and (vendor != "AuthenticAMD" or narrowed == 0)))
PYTHON

unset MKL_CBWR MKL_ENABLE_INSTRUCTIONS ATEN_CPU_CAPABILITY ONEDNN_MAX_CPU_ISA
python=$folder/venv/bin/python
"$python" "$folder/model.py" "$folder/default.pt"
MKL_ENABLE_INSTRUCTIONS=SSE4_2 "$python" "$folder/model.py" "$folder/narrow.pt"
MKL_CBWR=COMPATIBLE "$python" "$folder/model.py" "$folder/compatible.pt"
MKL_CBWR=COMPATIBLE MKL_ENABLE_INSTRUCTIONS=SSE4_2 "$python" "$folder/model.py" "$folder/both.pt"
"$python" "$folder/compare.py" "$folder"
