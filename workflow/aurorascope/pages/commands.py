"""What to type to make a block's atlas again, to get one feature's values, and to put a changed feature into a forecast."""

# The page fills in {feature}, {date} and {sign}.
_AGAIN = "rm -f {path} && .venv/bin/snakemake {path} --cores 2"
_VALUES = ".venv/bin/snakemake results/features/{block}/{{date}}.nc --cores 2 --config 'features={{chosen: [{{feature}}]}}'"
_STEER = """\
from pathlib import Path
import torch
from aurorascope import Suite, load_batch
from aurorascope.backbone.model import load_model
from aurorascope.backbone.splice import splice
from aurorascope.blocks import BY_ID

sae = Suite.open("results")["{block}"]
model = load_model(Path("results/scratch/checkpoint/checkpoint.json"), autocast=False, device=torch.device("cpu"))

def twice(x):
    h = sae.encode(x)
    h_new = h.clone()
    on = {{sign}} * h[:, {{feature}}] > 0
    h_new[on, {{feature}}] *= 2
    return x + (h_new - h) @ sae.W_dec

batch = load_batch("{{date}}")
with torch.inference_mode(), splice(model, BY_ID["{block}"], twice):
    forecast = model(batch)
"""


def commands(block_id: str) -> list[dict[str, str]]:
    """Title and text of each, with gaps {feature}, {sign} and {date} that the page fills in."""
    return [
        {"title": "Make this block's atlas again", "text": _AGAIN.format(path=f"results/atlas/{block_id}/summary.json")},
        {"title": "Its values at every token of a date", "text": _VALUES.format(block=block_id)},
        {"title": "A forecast with twice this feature, in Python", "text": _STEER.format(block=block_id)},
    ]
