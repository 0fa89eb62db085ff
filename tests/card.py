"""The published card's three Python snippets, their text unchanged but for the indentation it lost."""

LOAD = '''
import torch
import torch.nn as nn
import torch.nn.functional as F
from huggingface_hub import hf_hub_download
# The SAE module (also available as aurora_sae.py in this repo)
class AuroraSAE(nn.Module):
    def __init__(self, d_model: int = 2048, expansion_factor: int = 8, l1_coeff: float = 3e-4):
        super().__init__()
        self.d_hidden = d_model * expansion_factor
        self.l1_coeff = l1_coeff
        self.W_enc = nn.Parameter(torch.empty(d_model, self.d_hidden))
        self.b_enc = nn.Parameter(torch.zeros(self.d_hidden))
        self.W_dec = nn.Parameter(torch.empty(self.d_hidden, d_model))
        self.b_dec = nn.Parameter(torch.zeros(d_model))
    def forward(self, x):
        x_cent = x - self.b_dec
        h = F.relu(x_cent @ self.W_enc + self.b_enc)
        x_hat = h @ self.W_dec + self.b_dec
        return x_hat, h
# Download and load an SAE for encoder stage 1, block 5 (dim=1024, 8x)
path = hf_hub_download("hujason/aurorascope", "saes/sae_encoder_s1_b5.pt")
sae = AuroraSAE(d_model=1024, expansion_factor=8)
sae.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
sae.eval()
'''

HOOK = '''
from aurora import AuroraAirPollution
# Load Aurora
model = AuroraAirPollution()
model.load_checkpoint("microsoft/aurora", "aurora-0.4-air-pollution.ckpt")
model.eval()
# Register a forward hook on a specific backbone layer
activations = []
def hook_fn(module, input, output):
    x = output[0] # (batch, tokens, d_model)
    activations.append(x.detach())
# Hook encoder stage 1, block 5
handle = model.backbone.encoder_layers[1].blocks[5].register_forward_hook(hook_fn)
# Run inference (see mirora package for batch construction from CAMS data)
with torch.no_grad():
    pred = model(batch)
handle.remove()
# Extract SAE features
x = activations[0].reshape(-1, 1024) # (num_tokens, d_model)
x_hat, features = sae(x) # features: (num_tokens, 8192)
# Find the top-activating features
top_features = features.sum(dim=0).topk(10)
print("Top 10 most active features:", top_features.indices.tolist())
'''

INDEX = '''
import json
from huggingface_hub import hf_hub_download
# Load the index for programmatic access
index_path = hf_hub_download("hujason/aurorascope", "sae_index.json")
with open(index_path) as f:
    index = json.load(f)
# Find all SAEs for a specific stage
encoder_s1_saes = [s for s in index["saes"] if s["component"] == "encoder" and s["stage"] == 1]
for sae_info in encoder_s1_saes:
    print(f"Block {sae_info['block']}: dim={sae_info['d_model']}, "
          f"hidden={sae_info['d_hidden']}, file={sae_info['filename']}")
'''
