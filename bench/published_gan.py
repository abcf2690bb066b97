"""The published GAN for thermal electrons beside the one of this package and exact rejection.

    python bench/published_gan.py --out bench/results/DATE-published-gan.json

trains networks as in Isaac, Armour & Adámek (arXiv:2402.12396) at the temperatures of
``bench/published_gan.toml``, on one thread, and prints a table of how far each method is from the
exact distribution: what single samples cannot see, pooled ones can.

Taken over from the paper: a generator with two hidden layers of 400 units and a discriminator with
40 and 20, tanh throughout, the electron's speed scaled to [-1, 1) as the output, one network per
temperature, the classic objective of GANs. Not known from it, and chosen:

- The latents are 20 uniform numbers, as in an earlier notebook of the first author
  (github.com/ahabisaax/Sampling_from_-complex_distributions), whose networks are otherwise
  different ones: four hidden layers, SELU, plain gradient descent, 15 samples a batch.
- One pass of the generator gives one speed. In that notebook it gives 30, which the discriminator
  judges together; the paper, too, speaks of correlations within its samples. Here draws are
  independent and only their distribution is on trial, which favours the baseline.
- Optimiser (Adam), learning rates, their linear fall to zero, batch and number of steps are those
  that came nearest to the exact distribution at Θ = 0.4 among seventeen that were tried, within two
  minutes on one core each. Comparable rates for both networks never settled. Longer training may do
  better.
- The generator's loss is the non-saturating form.

Each network is shown twice: "last" is what training left, "best" what it had been at the lowest D
measured along the way, with other draws than the table's. The latter choice needs the exact
distribution and is the best case for the baseline.

D is sup |F_n - F| of all draws, of which about 0.9/√n is noise; p-values are those of the
Kolmogorov-Smirnov test. The single samples are the first of all draws, and pooled they are the
first of the two pooled samples.
"""

import argparse
import copy
import time
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from record import keep
from torch import Tensor, nn
from torch.nn.functional import softplus

from mcplugin import get_sampler, random_streams
from mcplugin.fidelity import ks_test

Array = NDArray[np.float64]
# Takes a number and a seed, gives as many four-velocities.
Draw = Callable[[int, int], Array]

CONFIG = Path(__file__).with_suffix(".toml")
METHODS = ("published, last", "published, best", "gan", "rejection")
# tanh can round to 1 in float32, but no electron has the speed of light.
BELOW_ONE = float(np.nextafter(np.float32(1.0), np.float32(0.0)))
SUSPICIOUS = 0.01
# Generator passes of this size stay in the processor's cache.
CHUNK = 4096


@dataclass(frozen=True)
class Settings:
    """The content of the configuration file."""

    thetas: list[float]
    generator: list[int]
    discriminator: list[int]
    latents: int
    batch: int
    steps: int
    generator_learning_rate: float
    discriminator_learning_rate: float
    adam_betas: list[float]
    check_every: int
    check_draws: int
    draws: int
    single_samples: int
    single_size: int
    seed: int


class Generator(nn.Module):
    """Uniform latents to scaled speeds y = 2β - 1 in [-1, 1)."""

    def __init__(self, latents: int, hidden: list[int]) -> None:
        super().__init__()
        self.latents = latents
        self.layers = perceptron(latents, hidden)

    def forward(self, latents: Tensor) -> Tensor:
        """Scaled speeds (n, 1) of latents (n, latents)."""
        return torch.tanh(self.layers(latents)).clamp(max=BELOW_ONE)

    def draw(self, count: int, random: torch.Generator) -> Tensor:
        """Scaled speeds (count, 1) of random latents."""
        return self(torch.rand(count, self.latents, generator=random))

    def four_velocities(self, count: int, seed: int) -> Array:
        """Drawn four-velocities (count,)."""
        random = torch.Generator().manual_seed(seed)
        sizes = [min(CHUNK, count - begin) for begin in range(0, count, CHUNK)]
        with torch.inference_mode():
            return four_velocity(torch.cat([self.draw(size, random) for size in sizes]))


@dataclass(frozen=True)
class Trained:
    """What a training left.

    Attributes
    ----------
    last, best : Generator
        As training ended, and at the lowest measured D.
    best_step : int
        Steps after which D was lowest.
    distances : list of float
        D along the way.
    seconds : float
        Time spent, measurements of D not counted.
    """

    last: Generator
    best: Generator
    best_step: int
    distances: list[float]
    seconds: float


def perceptron(inputs: int, hidden: list[int]) -> nn.Sequential:
    """Hidden layers with tanh, one linear output."""
    layers: list[nn.Module] = []
    for before, after in zip([inputs, *hidden], hidden, strict=False):
        layers += [nn.Linear(before, after), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], 1))


def scaled_speed(u: Array) -> Tensor:
    """Four-velocities (n,) as the networks see them: y = 2β - 1, shape (n, 1)."""
    y = 2.0 * u / np.sqrt(1.0 + u * u) - 1.0
    return torch.from_numpy(y.astype(np.float32)).clamp(max=BELOW_ONE)[:, None]


def four_velocity(y: Tensor) -> Array:
    """Scaled speeds (n, 1) as four-velocities u = β/√(1 - β²), shape (n,)."""
    beta = 0.5 * (1.0 + y[:, 0].numpy().astype(np.float64))
    u: Array = beta / np.sqrt((1.0 - beta) * (1.0 + beta))
    return u


def seed_of(*parts: int) -> int:
    """A seed of its own for every purpose."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def train(theta: float, settings: Settings, index: int = 0) -> Trained:
    """Train one network at one temperature, from exact draws.

    Parameters
    ----------
    theta : float
        Temperature kT/(mₑc²).
    settings : Settings
        Sizes, rates and steps.
    index : int
        Keeps the random numbers of this network apart from those of others.
    """
    start, latent, exact, check = (seed_of(settings.seed, index, use) for use in range(4))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(start)
        generator = Generator(settings.latents, settings.generator)
        discriminator = perceptron(1, settings.discriminator)
    first, second = settings.adam_betas
    fool = torch.optim.Adam(
        generator.parameters(), settings.generator_learning_rate, (first, second)
    )
    judge = torch.optim.Adam(
        discriminator.parameters(), settings.discriminator_learning_rate, (first, second)
    )
    fall = [
        torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, settings.steps)
        for optimiser in (judge, fool)
    ]
    random = torch.Generator().manual_seed(latent)
    streams = random_streams(exact, settings.batch)
    rejection = get_sampler("rejection")

    best, best_step, distances, seconds = generator, 0, [], 0.0
    for step in range(1, settings.steps + 1):
        began = time.perf_counter()
        real = scaled_speed(rejection.sample(theta, streams))
        with torch.no_grad():
            fake = generator.draw(settings.batch, random)
        # softplus(-logit) and softplus(logit) are -log of the probability that the discriminator
        # gives to "real" and to "generated".
        judge.zero_grad()
        loss = softplus(-discriminator(real)).mean() + softplus(discriminator(fake)).mean()
        loss.backward()
        judge.step()
        fool.zero_grad()
        softplus(-discriminator(generator.draw(settings.batch, random))).mean().backward()
        fool.step()
        for schedule in fall:
            schedule.step()
        seconds += time.perf_counter() - began

        if step % settings.check_every == 0 or step == settings.steps:
            distance, _ = ks_test(generator.four_velocities(settings.check_draws, check), theta)
            if distance < min(distances, default=np.inf):
                best, best_step = copy.deepcopy(generator), step
            distances.append(distance)
    return Trained(generator, best, best_step, distances, seconds)


def assess(draw: Draw, theta: float, settings: Settings, seed: int) -> dict[str, Any]:
    """Distance and p-values of what a sampler draws at one temperature.

    Parameters
    ----------
    draw : callable
        The sampler.
    theta : float
        Temperature.
    settings : Settings
        Numbers of draws.
    seed : int
        Seed of the draws.
    """
    u = draw(settings.draws, seed)
    pooled = u[: settings.single_samples * settings.single_size]
    single = [ks_test(part, theta)[1] for part in np.split(pooled, settings.single_samples)]
    distance, p_all = ks_test(u, theta)
    return {
        "distance": distance,
        "single_p": single,
        "single_p_mean": float(np.mean(single)),
        "single_p_suspicious": int(np.sum(np.array(single) < SUSPICIOUS)),
        "pooled_p": ks_test(pooled, theta)[1],
        "all_p": p_all,
    }


def drawn_by(name: str, theta: float) -> Draw:
    """Draws of a registered sampler."""
    sampler = get_sampler(name)
    return lambda count, seed: sampler.sample(theta, random_streams(seed, count))


def compare(settings: Settings) -> list[dict[str, Any]]:
    """All methods at all temperatures, a row each."""
    rows = []
    for index, theta in enumerate(settings.thetas):
        trained = train(theta, settings, index)
        draws: list[Draw] = [
            trained.last.four_velocities,
            trained.best.four_velocities,
            drawn_by("gan", theta),
            drawn_by("rejection", theta),
        ]
        about: list[dict[str, Any]] = [
            {"training_seconds": trained.seconds, "distances": trained.distances},
            {"best_step": trained.best_step},
            {"exact_distance": get_sampler("gan").quality(theta)["distance"]},
            {},
        ]
        for place, method in enumerate(METHODS):
            seed = seed_of(settings.seed, index, 10 + place)
            figures = assess(draws[place], theta, settings, seed)
            rows.append({"theta": theta, "method": method, **figures, **about[place]})
    return rows


def table(rows: list[dict[str, Any]], settings: Settings) -> str:
    """Markdown, one row per temperature and method."""
    single = f"{settings.single_samples} samples of {settings.single_size:,}"
    pooled = settings.single_samples * settings.single_size
    lines = [
        f"| Θ | method | D of {settings.draws:,} draws | D without sampling | {single}: mean p "
        f"| p < {SUSPICIOUS} | pooled {pooled:,}: p | {settings.draws:,}: p |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        exact = f"{row['exact_distance']:.1e}" if "exact_distance" in row else "-"
        lines.append(
            f"| {row['theta']} | {row['method']} | {row['distance']:.1e} | {exact} "
            f"| {_probability(row['single_p_mean'])} "
            f"| {row['single_p_suspicious']} of {settings.single_samples} "
            f"| {_probability(row['pooled_p'])} | {_probability(row['all_p'])} |"
        )
    return "\n".join(lines)


def _probability(p: float) -> str:
    if p < 1e-99:
        return "< 1e-99"
    return f"{p:.0e}" if p < 1e-3 else f"{p:.3f}"


def _from_root(path: Path) -> str:
    path, root = path.resolve(), CONFIG.resolve().parents[1]
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name


def main() -> None:
    """Train, compare, print, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=CONFIG, help="TOML file of the settings")
    parser.add_argument("--seed", type=int, help="instead of the configuration's")
    parser.add_argument("--out", type=Path, help="JSON file to keep the figures in")
    options = parser.parse_args()
    settings = Settings(**tomllib.loads(options.config.read_text(encoding="utf-8")))
    if options.seed is not None:
        settings = replace(settings, seed=options.seed)

    torch.set_num_threads(1)
    rows = compare(settings)
    print(table(rows, settings))
    seconds = [row["training_seconds"] for row in rows if "training_seconds" in row]
    print("\nTraining, seconds per network: " + ", ".join(f"{s:.0f}" for s in seconds))
    if options.out:
        command = (
            f"python {_from_root(Path(__file__))} "
            f"--config {_from_root(options.config)} --seed {settings.seed}"
        )
        figures = {"settings": asdict(settings), "rows": rows}
        keep(options.out, command, figures, torch=torch.__version__, threads=1)


if __name__ == "__main__":
    main()
