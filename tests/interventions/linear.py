"""A stand-in for Aurora that is linear: y = A x, with three blocks that mix tokens and channels, on a grid of 18 x 36 cells."""

import datetime

import torch
from aurora import Batch, Metadata
from aurorascope.blocks import BY_ID
from aurorascope.sae.aurora_sae import AuroraSAE

from tests.architectures import of

WIDTH = 8
BLOCKS = [BY_ID[f"encoder_s0_b{at}"] for at in range(3)]
FIRST, SECOND, LAST = (block.id for block in BLOCKS)
N_TOKENS = 4 * 6 * 12


class Mixing(torch.nn.Module):
    """One block: y = mix @ x @ turn, with orthogonal matrices, so that nothing dies out."""

    def __init__(self, generator):
        super().__init__()
        shapes = ("mix", N_TOKENS), ("turn", WIDTH)
        for name, n in shapes:
            self.register_parameter(name, torch.nn.Parameter(torch.linalg.qr(torch.randn(n, n, generator=generator))[0]))

    def forward(self, x_bnd, c, resolution):
        return self.mix @ x_bnd @ self.turn


class Encoder(torch.nn.Module):
    """Tokens of a batch: what its surface variable says, one number each for the channels of the token's level and row."""

    def __init__(self, generator):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(N_TOKENS, WIDTH, generator=generator))

    def forward(self, batch, lead_times):
        return batch.surf_vars["2t"][:, -1].mean(dim=(1, 2))[:, None, None] * self.weight


class Linear(torch.nn.Module):
    """Its modules have the names that Aurora's have."""

    def __init__(self, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.encoder, self.backbone = Encoder(generator), torch.nn.Module()
        stage = torch.nn.Module()
        stage.blocks = torch.nn.ModuleList(Mixing(generator) for _ in BLOCKS)
        self.backbone.encoder_layers, self.backbone.embed_dim = torch.nn.ModuleList([stage]), WIDTH
        # The model adds no rounding of its own to what edits did.
        self.requires_grad_(False).double()

    def forward(self, batch):
        x_bnd = self.encoder(batch, lead_times=None)
        for block in self.backbone.encoder_layers[0].blocks:
            x_bnd = block(x_bnd, None, (4, 6, 12))
        return x_bnd

    def after(self, x_nd, block):
        """What comes out of the last block if x comes out of one."""
        for at in range(block.block + 1, len(BLOCKS)):
            x_nd = self.backbone.encoder_layers[0].blocks[at](x_nd, None, None)
        return x_nd


def batch_of(value=1.0, day=1, step=0, members=1, lat=None):
    """A batch whose surface variable has one value everywhere."""
    lat = torch.arange(85, -90, -10, dtype=torch.float64) if lat is None else lat
    lon = torch.arange(0, 360, 10, dtype=torch.float64)
    times = tuple(datetime.datetime(2022, 6, day, 12, tzinfo=datetime.UTC) for _ in range(members))
    field = torch.full((members, 2, len(lat), len(lon)), value, dtype=torch.float64)
    return Batch({"2t": field}, {}, {}, Metadata(lat, lon, times, (1000,), rollout_step=step))


def sae_of(architecture="relu", seed=0, width=WIDTH):
    """A random SAE with unit decoder rows, as releases have them, whose features are small beside a token's norm."""
    tensors = of(architecture, width, seed=seed)
    if architecture == "matching_pursuit":
        return AuroraSAE.from_tensors(tensors)
    for name in {"W_enc", "b_enc", "threshold"} & tensors.keys():
        tensors[name] *= 0.1
    tensors["W_dec"] /= tensors["W_dec"].norm(dim=1, keepdim=True)
    return AuroraSAE.from_tensors(tensors)


def output_of(model, batch, block_id):
    """A block's output, (n_tokens, d)."""
    found = []
    hook = BY_ID[block_id].module(model).register_forward_hook(lambda _m, _a, output: found.append(output[0].clone()))
    with torch.no_grad():
        model(batch)
    hook.remove()
    return found[0]


def features_of(sae, x_nd):
    """All features, float64, as the SAE computes them in float32."""
    with torch.no_grad():
        return sae.encode(x_nd.float()).double()


def rows_of(sae, features):
    """Directions of some features, float64."""
    return sae.W_dec.detach()[features].double()
