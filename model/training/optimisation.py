"""How weights change: AdamW, the learning rate over time, precision, and random numbers that belong to a step."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from model.training.config import OptimisationConfig, Precision

LAST_SHARE = 0.1  # of the highest learning rate, at the end


def make_optimiser(module: nn.Module, config: OptimisationConfig) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov and Hutter, 2019) over what is trained; biases, norms and scalars do not decay."""
    decaying: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            decays = parameter.dim() >= 2 and not name.endswith("bias")
            (decaying if decays else others).append(parameter)
    groups = [{"params": decaying, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=config.learning_rate)


def learning_rate(update: int, updates: int, config: OptimisationConfig) -> float:
    """Return the learning rate of an update (from 0): it rises in a line, then falls in half a cosine to a tenth."""
    warmup = math.ceil(updates * config.warmup)
    if update < warmup:
        return config.learning_rate * (update + 1) / warmup
    done = (update - warmup) / max(1, updates - 1 - warmup)
    return config.learning_rate * (LAST_SHARE + (1 - LAST_SHARE) * (1 + math.cos(math.pi * done)) / 2)


def reseed(seed: int, step: int) -> None:
    """Let torch draw the random numbers of a step: the same ones whatever was drawn before, and whenever it is run."""
    digest = hashlib.blake2b(f"{seed}/{step}".encode(), digest_size=8).digest()
    torch.manual_seed(int.from_bytes(digest, "big") >> 1)


def uses_bf16(precision: Precision, device: torch.device) -> bool:
    """Tell whether matrix products are made in bfloat16; `auto` takes it where there are instructions for it."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    # Without these, a CPU computes bfloat16 by way of fp32, slower than fp32 itself.
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16") or found.get("bf16"))


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Let torch use so many threads inside, as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
