"""Electrons on a GPU: the generator against exact rejection, resident there and copied to the host.

    python bench/gpu_draws.py --out bench/results/DATE-gpu-draws.json

Both engines are TorchScript in double precision on one device, take turns in rounds, and draw
batches of 10³ to 10⁸ at Θ = 0.1 and with one Θ per draw. ``resident`` leaves the electrons in the
device's memory, ``copied`` brings them to the host. What memory bandwidth allows is the rate at
which a perfect kernel could write its 8 bytes per electron (and read 8 more where each has a
temperature), with the bandwidth measured by a copy within the device. A batch that does not fit is
left out with its reason. ``--device cpu`` runs the same, to test the script where there is no GPU.
"""

import argparse
import math
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import keep, rounded, spread
from torch import Tensor

from mcplugin.domain import THETA_MAX, THETA_MIN
from mcplugin.learning.generator import torchscript
from mcplugin.learning.weights import load_weights

MISSING = "GPU FIGURES ARE MISSING: torch sees no CUDA device on this machine"
THETA = 0.1
BATCHES = tuple(10**k for k in range(3, 9))
WHERE = RESIDENT, COPIED = "resident", "copied"
ONE, EACH = f"Θ = {THETA:g}", "one Θ per draw"

# A timing is of as many calls as take this long together.
_SECONDS = 0.02
_COPIED_BYTES = 2**30
_BYTES_PER_FLOAT64 = 8
# What a perfect kernel would write and read per electron.
_BYTES = {ONE: _BYTES_PER_FLOAT64, EACH: 2 * _BYTES_PER_FLOAT64}

# Takes temperatures, () or (n,), and a number, and gives as many electrons on their device.
Engine = Callable[[Tensor, int, torch.Generator], Tensor]


def _propose(theta: Tensor, random: Tensor, normal: Tensor) -> tuple[Tensor, Tensor]:
    """Proposals of Zenitani & Nakano (2022, arXiv:2210.15118), and which of them are accepted.

    Gamma variates t of shapes 3/2 to 3 are sums of exponentials and of half the square of a normal.
    """
    a, b = 0.56, 0.35
    end_1 = torch.full_like(theta, 0.5 * math.sqrt(math.pi))
    end_2 = end_1 + a * torch.sqrt(0.5 * theta)
    end_3 = end_2 + 0.75 * math.sqrt(math.pi) * b * theta
    choice = random[0] * (end_3 + math.sqrt(2.0) * theta * torch.sqrt(theta))
    has_normal = (choice < end_1) | ((choice >= end_2) & (choice < end_3))
    # Uniform numbers may be 0, of which there is no logarithm, but not 1.
    product = (1.0 - random[1]) * torch.where(choice >= end_1, 1.0 - random[2], 1.0)
    product = product * torch.where(choice >= end_3, 1.0 - random[3], 1.0)
    t = torch.where(has_normal, 0.5 * normal * normal, 0.0) - torch.log(product)
    y = theta * t
    root = torch.sqrt(0.5 * y)
    envelope = 1.0 + a * root + b * y + y * root
    accepted = random[4] * envelope <= (1.0 + y) * torch.sqrt(1.0 + 0.5 * y)
    return torch.sqrt(y * (y + 2.0)), accepted


with warnings.catch_warnings():
    # TorchScript is deprecated by its makers, yet it is what the package's own engine is in.
    warnings.simplefilter("ignore")
    _scripted_propose = torch.jit.script(_propose)


def exact_rejection(theta: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Exact electrons: what is refused is proposed again until nothing is."""
    u, accepted = _proposals(theta, count, random)
    refused = torch.nonzero(~accepted).squeeze(1)
    while len(refused) > 0:
        own = theta if theta.ndim == 0 else theta[refused]
        u[refused], accepted = _proposals(own, len(refused), random)
        refused = refused[~accepted]
    return u


def _proposals(theta: Tensor, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    about: dict[str, Any] = {"generator": random, "dtype": torch.float64, "device": theta.device}
    uniform = torch.rand((5, count), **about)
    proposed: tuple[Tensor, Tensor] = _scripted_propose(theta, uniform, torch.randn(count, **about))
    return proposed


def generator(device: torch.device) -> Engine:
    """The package's generator, as ``gan-torch`` runs it with ``device_latents``."""
    module = torchscript(load_weights()).to(device)

    def draw(theta: Tensor, count: int, random: torch.Generator) -> Tensor:
        latent = torch.randn((3, count), generator=random, dtype=torch.float64, device=device)
        radius = torch.sqrt(latent[0] ** 2 + latent[1] ** 2 + latent[2] ** 2)
        u: Tensor = module.radial(radius, theta)
        return u

    return draw


def engines(device: torch.device) -> dict[str, Engine]:
    """Who takes turns."""
    return {"gan": generator(device), "rejection": exact_rejection}


def bandwidth(device: torch.device, rounds: int) -> dict[str, Any]:
    """Bytes per second that a copy within the device reads and writes."""
    count = (_COPIED_BYTES if device.type == "cuda" else _COPIED_BYTES // 16) // _BYTES_PER_FLOAT64
    source = torch.ones(count, dtype=torch.float64, device=device)
    target = torch.empty_like(source)
    times = [seconds_per_call(lambda: target.copy_(source), device) for _ in range(rounds)]
    return spread([2 * count * _BYTES_PER_FLOAT64 / t for t in times])


def seconds_per_call(call: Callable[[], object], device: torch.device) -> float:
    """Time of one call among as many as take a while together, after one that is not timed."""

    def of(calls: int) -> float:
        synchronise(device)
        start = time.perf_counter()
        for _ in range(calls):
            call()
        synchronise(device)
        return time.perf_counter() - start

    calls = max(1, min(1000, int(_SECONDS / of(1))))
    return of(calls) / calls


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(device: torch.device, batches: tuple[int, ...], rounds: int) -> dict[str, Any]:
    """All figures of the file."""
    random = torch.Generator(device).manual_seed(1)
    who = engines(device)
    allowed = bandwidth(device, rounds)
    rates: dict[tuple[str, int, str, str], list[float]] = defaultdict(list)
    left_out: dict[str, str] = {}
    with torch.inference_mode():
        for batch in batches:
            try:
                for temperatures, theta in temperatures_of(batch, random).items():
                    for draw in who.values():
                        # TorchScript compiles in its first calls.
                        for _ in range(3):
                            draw(theta, batch, random)
                    for _ in range(rounds):
                        for name, draw in who.items():
                            for where in WHERE:
                                call = partial(drawn, draw, theta, batch, random, where)
                                rate = batch / seconds_per_call(call, device)
                                rates[temperatures, batch, where, name].append(rate)
            except torch.cuda.OutOfMemoryError as error:
                left_out[f"batch {batch:,}"] = str(error).splitlines()[0]
                torch.cuda.empty_cache()
    return {
        "device": str(device),
        "bandwidth_bytes_per_second": allowed,
        "draws_per_second": [
            {"temperatures": temperatures, "batch": batch, "where": where, "engine": engine,
             **spread(values),
             "share_of_bandwidth": rounded(
                 float(np.median(values)) * _BYTES[temperatures] / allowed["median"])}
            for (temperatures, batch, where, engine), values in rates.items()
        ],
        "gan_times_as_fast": [
            {"temperatures": temperatures, "batch": batch, "where": where,
             **spread(np.array(values) / np.array(rates[temperatures, batch, where, "rejection"]))}
            for (temperatures, batch, where, engine), values in rates.items()
            if engine == "gan"
        ],
        "left_out": left_out,
    }  # fmt: skip


def drawn(draw: Engine, theta: Tensor, batch: int, random: torch.Generator, where: str) -> Tensor:
    """A batch that is there when this returns: on the device, or on the host."""
    u = draw(theta, batch, random)
    if where == COPIED:
        u = u.cpu()
    synchronise(theta.device)
    return u


def temperatures_of(batch: int, random: torch.Generator) -> dict[str, Tensor]:
    """One for all draws, and one per draw, log-uniform."""
    about: dict[str, Any] = {"dtype": torch.float64, "device": random.device}
    low, high = math.log(THETA_MIN), math.log(THETA_MAX)
    logs = low + (high - low) * torch.rand(batch, generator=random, **about)
    return {ONE: torch.tensor(THETA, **about), EACH: torch.exp(logs)}


def table(figures: dict[str, Any]) -> str:
    """Millions of electrons per second."""
    rates = {
        (cell["temperatures"], cell["batch"], cell["where"], cell["engine"]): cell
        for cell in figures["draws_per_second"]
    }
    ratios = {
        (cell["temperatures"], cell["batch"], cell["where"]): cell["median"]
        for cell in figures["gan_times_as_fast"]
    }
    lines = [
        "| 10⁶ electrons/s | batch | gan (of the bandwidth) | rejection (of the bandwidth) "
        "| gan is faster by | gan, copied to the host | rejection, copied | gan is faster by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for temperatures, batch in dict.fromkeys(place[:2] for place in ratios):
        resident, copied = (
            [rates[temperatures, batch, where, engine] for engine in ("gan", "rejection")]
            for where in WHERE
        )
        cells = [
            temperatures,
            f"{batch:,}",
            *(
                f"{cell['median'] / 1e6:.3g} ({100 * cell['share_of_bandwidth']:.2g} %)"
                for cell in resident
            ),
            f"{ratios[temperatures, batch, RESIDENT]:.2f}",
            *(f"{cell['median'] / 1e6:.3g}" for cell in copied),
            f"{ratios[temperatures, batch, COPIED]:.2f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [f"\nleft out: {what}: {reason}" for what, reason in figures["left_out"].items()]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, keep; say loudly if there is no GPU."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batches", default=",".join(map(str, BATCHES)))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, help="JSON file to keep the figures in")
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.exit(MISSING)
    # Where there is no GPU this is a test, which need not wake threads.
    torch.set_num_threads(1)
    figures = measure(device, tuple(map(int, options.batches.split(","))), options.rounds)
    print(table(figures))
    if device.type != "cuda":
        print(MISSING, file=sys.stderr)
    if options.out:
        words = f"--device {options.device} --batches {options.batches} --rounds {options.rounds}"
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "none"
        keep(
            options.out,
            f"python bench/gpu_draws.py {words}",
            figures,
            gpu=name,
            torch=torch.__version__,
        )


if __name__ == "__main__":
    main()
