"""Objectives: how the distance between generated and true electrons is judged.

Three learned critics (networks that see draws and try to tell them apart) and one in closed form.
In one dimension the optimal critic needs no network: sorted draws are matched in order, which is
the optimal transport plan.
"""

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mcplugin.learning.generator import Generator
from mcplugin.learning.radial_map import Array
from mcplugin.learning.targets import Target, radius_quantile

# Floor of the weight below: how much the far tails count beyond their probability.
_TAIL_WEIGHT = 0.03
# Latents beyond this radius have a probability of 2e-17.
LARGEST_RADIUS = 9.0


class Critic(nn.Module):
    """A network that scores a value of ln u under its conditions.

    Both are standardised with the mean and spread of true draws; polynomial and wave features of
    the standardised ln u let a small network see deviations of the cdf.

    Parameters
    ----------
    conditions, u : arrays (n, C), (n,)
        True draws to standardise with.
    width : int
        Neurons of each of the two hidden layers.
    random : torch.Generator
        For the initial weights.
    """

    _WAVES = 6

    def __init__(self, conditions: Array, u: Array, width: int, random: torch.Generator) -> None:
        super().__init__()
        # A condition that spans decades, like a temperature, is seen in its logarithm.
        smallest, largest = conditions.min(axis=0), conditions.max(axis=0)
        decades = (smallest > 0.0) & (largest > 10.0 * smallest)
        self.register_buffer("decades", torch.from_numpy(decades))
        c = self._scaled(torch.from_numpy(conditions)).numpy()
        self.register_buffer("centre", torch.from_numpy(c.mean(0)))
        self.register_buffer("spread", torch.from_numpy(c.std(0) + 1e-9))
        # Mean and spread of ln u as polynomials of the standardised conditions.
        powers = self._powers(torch.from_numpy(conditions)).numpy()
        log_u = np.log(u)
        mean = np.linalg.lstsq(powers, log_u, rcond=None)[0]
        residual = log_u - powers @ mean
        log_spread = np.linalg.lstsq(powers, np.log(np.abs(residual) + 1e-9), rcond=None)[0]
        spread = np.exp(powers @ log_spread)
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("log_spread", torch.from_numpy(log_spread))
        self.register_buffer("unit", torch.tensor(float(np.std(residual / spread))))
        inputs = conditions.shape[1] + 2 + 2 * self._WAVES
        self.network = nn.Sequential(
            nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(),
            nn.Linear(width, 1),
        ).double()  # fmt: skip
        with torch.no_grad():
            for parameter in self.network.parameters():
                if parameter.dim() == 2:
                    bound = parameter.shape[1] ** -0.5
                    parameter.uniform_(-bound, bound, generator=random)
                else:
                    parameter.zero_()

    def _scaled(self, conditions: Tensor) -> Tensor:
        decades = self.get_buffer("decades")
        return torch.where(decades, torch.log(conditions.clamp_min(1e-300)), conditions)

    def _standardised(self, conditions: Tensor) -> Tensor:
        centred = self._scaled(conditions) - self.get_buffer("centre")
        return centred / self.get_buffer("spread")

    def _powers(self, conditions: Tensor) -> Tensor:
        c = self._standardised(conditions)
        ones = torch.ones_like(c[:, :1]) if c.shape[1] else torch.ones(len(c), 1).double()
        return torch.cat([ones, *(c**p for p in range(1, 6))], dim=1)

    def forward(self, log_u: Tensor, conditions: Tensor) -> Tensor:
        """Scores (n,) of ln u (n,) under conditions (n, C)."""
        powers = self._powers(conditions)
        spread = torch.exp(powers @ self.get_buffer("log_spread")) * self.get_buffer("unit")
        s = ((log_u - powers @ self.get_buffer("mean")) / spread)[:, None]
        squashed = s * torch.rsqrt(1.0 + s * s / 9.0)
        waves = [f(np.pi * k * squashed / 4.0) for k in range(1, self._WAVES + 1)
                 for f in (torch.sin, torch.cos)]  # fmt: skip
        features = [self._standardised(conditions), squashed, squashed**2, *waves]
        scores: Tensor = self.network(torch.cat(features, dim=1))[:, 0]
        return scores


class Objective(ABC):
    """A way to judge a generator against a target: the loss that the generator descends."""

    name: str

    @abstractmethod
    def generator_loss(
        self, generator: Generator, target: Target, random: np.random.Generator, batch: int
    ) -> Tensor:
        """Loss of the generator on a fresh batch of about ``batch`` draws."""

    def train_critic(
        self, generator: Generator, target: Target, random: np.random.Generator, batch: int
    ) -> float:
        """One step of the critic, where there is one; gives its loss."""
        return 0.0

    def networks(self) -> list[nn.Module]:
        """Networks of the objective that learn along, if any."""
        return []


class LearnedObjective(Objective):
    """A critic network and its optimiser.

    Parameters
    ----------
    target : Target
        Standardises the critic's inputs.
    width : int
        Neurons of each hidden layer of the critic.
    learning_rate : float
        Of the critic.
    seed : int
        Of the critic's weights.
    device : str
        Where the critic lives.
    """

    def __init__(
        self, target: Target, width: int, learning_rate: float, seed: int, device: str = "cpu"
    ) -> None:
        conditions, u = target.draw(np.random.default_rng([seed, 0xC]), 20_000)
        random = torch.Generator().manual_seed(seed)
        self.critic = Critic(conditions, u, width, random).to(device)
        self.device = device
        self.optimiser = torch.optim.Adam(
            self.critic.parameters(), lr=learning_rate, betas=(0.5, 0.9)
        )

    def networks(self) -> list[nn.Module]:
        """The critic."""
        return [self.critic]

    def _fake(
        self, generator: Generator, conditions: Tensor, random: np.random.Generator
    ) -> Tensor:
        radius = torch.from_numpy(radius_quantile(random.random(len(conditions))))
        radius = radius.to(self.device)[:, None]
        log_u: Tensor = torch.log(radius) + generator(radius, conditions)
        return log_u[:, 0]

    def _real(
        self, target: Target, random: np.random.Generator, batch: int
    ) -> tuple[Tensor, Tensor]:
        conditions, u = target.draw(random, batch)
        return (
            torch.from_numpy(conditions).to(self.device),
            torch.from_numpy(np.log(u)).to(self.device),
        )

    def train_critic(
        self, generator: Generator, target: Target, random: np.random.Generator, batch: int
    ) -> float:
        """One Adam step of the critic on fresh draws."""
        conditions, real = self._real(target, random, batch)
        with torch.no_grad():
            fake = self._fake(generator, conditions, random)
        self.optimiser.zero_grad()
        loss = self.critic_loss(real, fake, conditions, random)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return float(loss.detach())

    def generator_loss(
        self, generator: Generator, target: Target, random: np.random.Generator, batch: int
    ) -> Tensor:
        """What the generator minimises, on fresh draws."""
        conditions, _ = self._real(target, random, batch)
        return self.fooling_loss(self.critic(self._fake(generator, conditions, random), conditions))

    @abstractmethod
    def critic_loss(
        self, real: Tensor, fake: Tensor, conditions: Tensor, random: np.random.Generator
    ) -> Tensor:
        """What the critic minimises."""

    @abstractmethod
    def fooling_loss(self, scores: Tensor) -> Tensor:
        """What the generator minimises, given the critic's scores of its draws."""


class NonSaturating(LearnedObjective):
    """The classic GAN with the non-saturating generator loss (Goodfellow et al. 2014)."""

    name = "classic"

    def critic_loss(
        self, real: Tensor, fake: Tensor, conditions: Tensor, random: np.random.Generator
    ) -> Tensor:
        """Logistic loss of true against generated."""
        return (
            functional.softplus(-self.critic(real, conditions)).mean()
            + functional.softplus(self.critic(fake, conditions)).mean()
        )

    def fooling_loss(self, scores: Tensor) -> Tensor:
        """Logistic loss of being taken for generated."""
        return functional.softplus(-scores).mean()


class WassersteinGP(LearnedObjective):
    """Wasserstein distance with gradient penalty (Gulrajani et al. 2017, arXiv:1704.00028).

    Only slopes above one are penalised (Petzka et al. 2018, arXiv:1709.08894): a critic that may be
    flat where both distributions agree lets the generator come to rest there.
    """

    name = "wgan-gp"
    _PENALTY = 10.0

    def critic_loss(
        self, real: Tensor, fake: Tensor, conditions: Tensor, random: np.random.Generator
    ) -> Tensor:
        """Difference of mean scores, and the penalty on slopes above one."""
        share = torch.from_numpy(random.random(len(real))).to(real.device)
        between = (share * real + (1.0 - share) * fake).requires_grad_(True)
        scores = self.critic(between, conditions)
        (slope,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
        penalty = self._PENALTY * (functional.relu(slope.abs() - 1.0) ** 2).mean()
        scores_fake, scores_real = self.critic(fake, conditions), self.critic(real, conditions)
        loss: Tensor = scores_fake.mean() - scores_real.mean() + penalty
        return loss

    def fooling_loss(self, scores: Tensor) -> Tensor:
        """Minus the mean score."""
        return -scores.mean()


class EnergyBased(LearnedObjective):
    """A critic that gives an energy, low for true draws (Zhao et al. 2017, arXiv:1609.03126)."""

    name = "energy"
    _MARGIN = 1.0

    def critic_loss(
        self, real: Tensor, fake: Tensor, conditions: Tensor, random: np.random.Generator
    ) -> Tensor:
        """Energy of true draws, and what generated ones lack to the margin."""
        true_energy = functional.softplus(self.critic(real, conditions))
        fake_energy = functional.softplus(self.critic(fake, conditions))
        return true_energy.mean() + functional.relu(self._MARGIN - fake_energy).mean()

    def fooling_loss(self, scores: Tensor) -> Tensor:
        """Mean energy of the generated draws."""
        return functional.softplus(scores).mean()


class OptimalTransport(Objective):
    """The critic in closed form: draws sorted by u meet latents sorted by r.

    The cost of moving a draw is the square of the cdf that it crosses, which to first order is
    dF = r χ₃(r) d ln u, with a floor that keeps the far tails in sight.
    """

    name = "optimal-1d"
    _PER_GROUP = 64

    def residuals(
        self, generator: Generator, radius: Tensor, conditions: Tensor, log_u: Tensor
    ) -> Tensor:
        """Weighted errors (T, R) of ln u; their mean square is the loss."""
        weight = (
            np.sqrt(2.0 / np.pi) * radius**3 * torch.exp(-0.5 * radius * radius)
        ).clamp_min(_TAIL_WEIGHT)  # fmt: skip
        errors: Tensor = weight * (torch.log(radius) + generator(radius, conditions) - log_u)
        return errors

    def generator_loss(
        self, generator: Generator, target: Target, random: np.random.Generator, batch: int
    ) -> Tensor:
        """Mean square residual of stratified draws, half of them spread evenly in r."""
        groups = max(batch // self._PER_GROUP, 1)
        radius, conditions, log_u = self.matched_draws(target, random, groups, self._PER_GROUP)
        device = generator.base.device
        return self.residuals(
            generator, *(torch.from_numpy(a).to(device) for a in (radius, conditions, log_u))
        ).square().mean()  # fmt: skip

    def matched_draws(
        self, target: Target, random: np.random.Generator, groups: int, per_group: int
    ) -> tuple[Array, Array, Array]:
        """Sorted latents (T, R), conditions (T, C), and the ln u (T, R) they should map to."""
        half = per_group // 2
        strata = (np.arange(half) + random.random((groups, half))) / half
        spread = (np.arange(half) + random.random((groups, half)) + 1e-3) / half
        radius = np.concatenate([radius_quantile(strata), LARGEST_RADIUS * spread], axis=1)
        radius = np.clip(np.sort(radius, axis=1), 1e-3, LARGEST_RADIUS)
        conditions = target.choose(groups, random)
        return radius, conditions, np.log(target.matched(radius, conditions))

    def matched_grid(self, target: Target) -> tuple[Array, Array, Array]:
        """As `matched_draws`, at even conditions and even radii: what the last polish uses."""
        groups, per_group = target.grid_shape
        radius = np.tile(np.linspace(0.02, LARGEST_RADIUS, per_group), (groups, 1))
        conditions = target.choose(groups)
        return radius, conditions, np.log(target.matched(radius, conditions))


OBJECTIVES: dict[str, type[Objective]] = {
    objective.name: objective
    for objective in (NonSaturating, WassersteinGP, EnergyBased, OptimalTransport)
}
