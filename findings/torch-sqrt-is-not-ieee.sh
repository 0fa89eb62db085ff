#!/usr/bin/env bash
# torch 2.15.0 (PyPI, Linux x86-64), CPU: torch.sqrt is not correctly rounded, though IEEE 754 asks it of a square root and every
# x86-64 CPU has an instruction that does it. Torch calls MKL's vsSqrt and vdSqrt, which on AMD CPUs, and with
# MKL_CBWR=COMPATIBLE on all, refine the approximate RSQRTPS, whose bits are each maker's own. So the square root is what makes
# a training on the CPU end in other bits on AMD than on Intel when all else is pinned. numpy.sqrt is exact.
#
# Seen on 2026-11-28, share of 200,000 float32 and float64 numbers whose root is not the exact one, rounded:
#   AMD EPYC 7003, whatever MKL_CBWR and ATEN_CPU_CAPABILITY are       15.7 %    1.2 %
#   Intel Haswell under qemu 7.2, default                               0         0
#   Intel Haswell under qemu 7.2, MKL_CBWR=COMPATIBLE                  13.1 %   14.0 %   (qemu's RSQRTPS is a third one)
# Ends with 1 if with MKL_CBWR=COMPATIBLE all are exact, or numpy's are not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.15.0 numpy==2.4.6

cat > "$folder/roots.py" <<'PYTHON'
import math
import os
import sys
from fractions import Fraction

import numpy as np
import torch


def exact(x, y):
    """Whether y is the closest float to the square root of x: x lies between the squares of the midpoints beside y."""
    low, high = (Fraction(float(y)) + Fraction(float(np.nextafter(y, y.dtype.type(end)))) for end in (0, math.inf))
    return low**2 <= 4 * Fraction(float(x)) <= high**2


is_numpy_exact, shares = True, []
for dtype in (np.float32, np.float64):
    x = (np.arange(1, 200_001) / 7).astype(dtype)
    roots = np.sqrt(x)
    is_numpy_exact &= all(exact(a, b) for a, b in zip(x[::97], roots[::97]))
    found = torch.from_numpy(x).sqrt().numpy()
    ulps = np.abs(found - roots) / np.spacing(roots)
    shares.append(float((found != roots).mean()))
    print(f"  {dtype.__name__}: {100 * shares[-1]:.1f} % not exact, by at most {ulps.max():.0f} in the last place")
print(f"  numpy.sqrt exact wherever looked: {is_numpy_exact}")
sys.exit(not (is_numpy_exact and (min(shares) > 0 or "MKL_CBWR" not in os.environ)))
PYTHON

unset MKL_CBWR MKL_ENABLE_INSTRUCTIONS ATEN_CPU_CAPABILITY
grep -m1 'model name' /proc/cpuinfo || true
"$folder/venv/bin/python" -c 'import numpy, torch; print("torch", torch.__version__, "numpy", numpy.__version__)'
echo 'default:'
"$folder/venv/bin/python" "$folder/roots.py"
echo 'MKL_CBWR=COMPATIBLE:'
MKL_CBWR=COMPATIBLE "$folder/venv/bin/python" "$folder/roots.py"
