"""Gradients of another kind: what scales a path through the model is held constant, so that a change is followed and not its scale.

    with scales_held(model), graph_from(model, block) as start:
        ...

Held constant are the denominators of layer norms, the patterns of attention, and the gate of each GELU, z * (GELU(z) / z), as in layer-wise
relevance propagation (rule `RelP`, Jafari et al. 2025, arXiv:2508.21258). Forecasts are the same but for rounding. Where a unit is
ablated to zero its gate tells the whole of its effect, its slope what the first bit of it would be.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from aurora import AuroraAirPollution
from aurora.model.perceiver import PerceiverAttention
from aurora.model.swin3d import WindowAttention


@contextlib.contextmanager
def scales_held(model: AuroraAirPollution) -> Iterator[None]:
    """Hold scales constant in gradients of forwards inside the `with`; backwards belong inside, too.

    Args:
        model: the model, in eval mode.
    """
    handles = []
    try:
        for module in model.modules():
            handles += [part.register_forward_hook(hook) for part, hook in _hooks(module)]
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hooks(module: torch.nn.Module) -> list[tuple[torch.nn.Module, Callable[..., Any]]]:
    if isinstance(module, torch.nn.LayerNorm):
        return [(module, _norm)]
    if isinstance(module, torch.nn.GELU):
        return [(module, _gate)]
    # Queries and keys make the pattern, values go through it.
    if isinstance(module, WindowAttention):
        parts = [part for part in (module.qkv, module.lora_qkv) if isinstance(part, torch.nn.Module)]
        return [(part, _first_constant(2 / 3)) for part in parts]
    if isinstance(module, PerceiverAttention):
        return [(module.to_q, _first_constant(1)), (module.to_kv, _first_constant(1 / 2))]
    return []


def _norm(module: torch.nn.LayerNorm, args: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
    (x,) = args
    if not x.requires_grad:
        return output
    dims = tuple(range(-len(module.normalized_shape), 0))
    with torch.no_grad():
        scale = torch.rsqrt(x.float().var(dim=dims, correction=0, keepdim=True) + module.eps).to(output.dtype)
    found = (x - x.mean(dim=dims, keepdim=True)) * scale
    if module.weight is not None:
        found = found * module.weight
    return found if module.bias is None else found + module.bias


def _gate(_module: torch.nn.GELU, args: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
    (z,) = args
    if not z.requires_grad:
        return output
    with torch.no_grad():
        # Half of z near zero.
        gate = torch.where(z.abs() > torch.finfo(z.dtype).tiny, output / z, 0.5)
    return z * gate


def _first_constant(share: float) -> Callable[..., Any]:
    def hook(_module: torch.nn.Module, _args: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        if not isinstance(output, torch.Tensor) or not output.requires_grad:
            return output
        n = round(share * output.shape[-1])
        return torch.cat([output[..., :n].detach(), output[..., n:]], dim=-1)

    return hook
