"""List the SAEs of a folder, open one in PyTorch, in NumPy and in SAELens, and see that the features are the same.

Needs torch and safetensors, and of this project only what lies in the folder: results of a run, or a copied release.

    PYTHONPATH=results .venv/bin/python docs/examples/open_the_suite.py
"""

import json
from pathlib import Path

import aurora_sae
import numpy as np
import torch
from safetensors.numpy import load_file

results = Path(aurora_sae.__file__).parent
saes = json.loads((results / "sae_index.json").read_text())["saes"]
print(*(f"{s['id']}  {s['d_model']} to {s['d_hidden']}  FVE {s['metrics']['fve']}" for s in saes), sep="\n")
x = load_file(results / saes[0]["golden_file"])["x"]  # eight tokens of this block's output

with torch.inference_mode():
    x_hat, features = aurora_sae.AuroraSAE.from_file(results / saes[0]["filename"])(torch.from_numpy(x))
print(f"{saes[0]['id']} in PyTorch: {int((features != 0).sum())} active features in {len(x)} tokens")


def compare(library: str, found: np.ndarray) -> None:
    """Say whether features are those that PyTorch gave, to float32's rounding."""
    difference = float(np.abs(found - features.numpy()).max() / features.abs().max())
    print(f"{library}: {'the same' if difference < 1e-5 else 'DIFFERENT'} features, {difference:.1g} of the largest apart")


folder = (results / saes[0]["alternates"][0]["filename"]).parent
w, cfg = load_file(folder / "sae_weights.safetensors"), json.loads((folder / "cfg.json").read_text())
left, found = x - w["b_dec"], np.zeros(features.shape, np.float32)
for _ in range(cfg.get("max_iterations", 0)):  # a pursuit's alone
    j = (left @ w["W_dec"].T).argmax(1)
    a = np.maximum((left * w["W_dec"][j]).sum(1), 0)
    found[np.arange(len(x)), j] += a
    left -= a[:, None] * w["W_dec"][j]
if "W_enc" in w:
    z = left @ w["W_enc"] + w["b_enc"]
    size = np.abs(z) if cfg["architecture"] == "abstopk" else z
    # Only the top-k family has a k; without one, the smallest of each token is the bound, which all pass.
    kth = np.sort(size)[:, [-cfg.get("k", 0)]]
    found = np.where((size >= kth) & (size > w.get("threshold", 0)), z, 0)
compare("NumPy", found)

try:
    from sae_lens import SAE
except ImportError:
    print("SAELens is not installed here (pip install sae-lens).")
else:
    with torch.inference_mode():
        compare("SAELens", SAE.load_from_disk(str(folder)).encode(torch.from_numpy(x)).numpy())
