#!/usr/bin/env bash
# microsoft-aurora 2.0.1: `import aurora` imports torch's compiler, which nothing of a forecast uses, and takes more than twice the CPU of
# `import torch`. aurora.model.util takes trunc_normal_ from timm, timm's layers take FrozenBatchNorm2d from torchvision.ops, and
# torchvision's operators import torch._dynamo, which brings torch._inductor, torch.distributed.fsdp and sympy. Who starts a process a
# block or a day pays for it each time; processes that only read what Aurora wrote should not import it.
# Seen on 2026-11-29 (torch 2.15.0, torchvision 0.29.2, timm 1.0.31, 2 cores, AMD EPYC), s of CPU of some runs:
#   import torch     1.7 to 2.6, no torch._dynamo, no sympy
#   import aurora    5.2 to 7.0, torch._dynamo, torch._inductor, sympy
# Ends with 1 if torch alone brings the compiler, too, or Aurora no longer does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet microsoft-aurora==2.0.1 torch==2.15.0 torchvision==0.29.2 timm==1.0.31

seen() {
  "$folder/venv/bin/python" -c "
import sys, time
start = time.process_time()
import $1
used = time.process_time() - start
there = [name for name in ('torch._dynamo', 'torch._inductor', 'torch.distributed.fsdp', 'sympy') if name in sys.modules]
print(f'import $1: {used:.1f} s of CPU, {len(sys.modules)} modules', file=sys.stderr)
print(' '.join(there) or 'none')"
}
seen torch >/dev/null
torch=$(seen torch) vision=$(seen torchvision.ops) aurora=$(seen aurora)
echo "of the compiler: torch $torch; torchvision.ops $vision; aurora $aurora"
all="torch._dynamo torch._inductor torch.distributed.fsdp sympy"
if [ "$torch" = none ] && [ "$vision" = "$all" ] && [ "$aurora" = "$all" ]; then
  echo "As stated."
else
  echo "Other than stated." >&2
  exit 1
fi
