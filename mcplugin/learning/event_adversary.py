"""The learned critic of Compton events: networks learn from exact events alone, seen as draws.

Wasserstein distance with gradient penalty (Gulrajani et al. 2017, arXiv:1704.00028), of which only
slopes above one are penalised (Petzka et al. 2018, arXiv:1709.08894). One critic looks at
deflection and momentum together, at all photon energies and temperatures, so that both networks
learn at once.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mcplugin.learning.event_generator import Network
from mcplugin.random_streams import random_streams
from mcplugin.samplers.base import get_sampler
from mcplugin.scattering.compton import scatter
from mcplugin.scattering.redistribution import momentum_of

Array = NDArray[np.float64]

_PENALTY = 10.0
_BETAS = (0.5, 0.9)
# Events to learn from: temperatures, and events of each.
_TEMPERATURES, _EVENTS = 400, 4000
# Temperatures in a batch.
_GROUPS = 16
# Photons that are turned by less tell the momentum only to few digits.
_LEAST_DEFLECTION = 1e-7


class TorchNetwork(nn.Module):
    """A :class:`~mcplugin.learning.event_generator.Network` as torch sees it while it learns."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.shape = network.shape
        rows = np.concatenate([network.base[None], network.modulation])
        self.rows = nn.Parameter(torch.from_numpy(rows))
        self.log_scale = nn.Parameter(torch.from_numpy(np.log(network.root_theta_scale)))

    def forward(self, theta: Tensor, inputs: Tensor, features: Tensor) -> Tensor:
        """Outputs (G, n) at temperatures (G,) for inputs (G, n, i) and features (G, n, k)."""
        root = theta.sqrt()[:, None]
        parameters = self.rows[0] + root / (root + self.log_scale.exp()) @ self.rows[1:]
        named, begin = {}, 0
        for name, piece in self.shape.pieces():
            end = begin + math.prod(piece)
            named[name] = parameters[:, begin:end].reshape(-1, *piece)
            begin = end
        y = features * named["log_scales"].exp()[:, None, :]
        arguments = torch.cat([inputs, y / (1.0 + y)], dim=-1)
        hidden = arguments
        for number in range(1, len(self.shape.hidden) + 1):
            a = hidden @ named[f"slopes_{number}"].mT + named[f"offsets_{number}"][:, None, :]
            hidden = a * torch.rsqrt(1.0 + a * a)
        out: Tensor = (
            hidden @ named["amplitudes"][:, :, None] + arguments @ named["skip"][:, :, None]
        )
        return out[..., 0] + named["bias"]

    def network(self) -> Network:
        """What has been learned so far."""
        rows = self.rows.detach().cpu().numpy().copy()
        scale = self.log_scale.detach().cpu().numpy()
        return Network(self.shape, rows[0], rows[1:], np.exp(scale))


class EventAdversary(nn.Module):
    """Both networks and their critic.

    Parameters
    ----------
    cosine, momentum : Network
        N_μ and N_ζ to begin with.
    x_range, theta_range : (float, float)
        Photon energies and temperatures of the events, even in their logarithms.
    width : int
        Units of each of the critic's three hidden layers.
    learning_rate, critic_learning_rate : float
        For both networks, and for the critic.
    seed : int
        Of the critic's weights and of the events.
    device : str
        Where torch computes.
    """

    def __init__(
        self,
        cosine: Network,
        momentum: Network,
        x_range: tuple[float, float],
        theta_range: tuple[float, float],
        width: int,
        learning_rate: float,
        critic_learning_rate: float,
        seed: int,
        device: str,
    ) -> None:
        super().__init__()
        self.cosine = TorchNetwork(cosine)
        self.momentum = TorchNetwork(momentum)
        self.critic = nn.Sequential(
            nn.Linear(6, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2),
            nn.Linear(width, width), nn.LeakyReLU(0.2), nn.Linear(width, 1),
        ).double()  # fmt: skip
        random = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in self.critic.parameters():
                if parameter.dim() == 2:
                    bound = parameter.shape[1] ** -0.5
                    parameter.uniform_(-bound, bound, generator=random)
                else:
                    parameter.zero_()
        self.to(device)
        generators = [*self.cosine.parameters(), *self.momentum.parameters()]
        self.learning_rate = learning_rate
        self.optimiser = torch.optim.Adam(generators, learning_rate, _BETAS)
        self.critic_optimiser = torch.optim.Adam(
            self.critic.parameters(), critic_learning_rate, _BETAS
        )
        self._device = device
        self._x_range = x_range
        self._pool = [
            torch.from_numpy(a).to(device) for a in exact_events(x_range, theta_range, seed)
        ]

    def train_critic(self, random: np.random.Generator, batch: int) -> float:
        """One step of the critic; give its loss."""
        theta, x, h, zeta = self._draw(random, batch)
        with torch.no_grad():
            made = self._seen(theta, x, *self._generate(theta, x, random))
        real = self._seen(theta, x, h, zeta)
        share = self._tensor(random.random((*x.shape, 1)))
        between = (real + share * (made - real)).requires_grad_(True)
        (slope,) = torch.autograd.grad(self.critic(between).sum(), between, create_graph=True)
        penalty = functional.relu(slope.norm(dim=-1) - 1.0).square().mean()
        loss = self.critic(made).mean() - self.critic(real).mean() + _PENALTY * penalty
        self.critic_optimiser.zero_grad()
        loss.backward()
        self.critic_optimiser.step()
        return float(loss.detach())

    def train_networks(self, random: np.random.Generator, batch: int, share: float) -> float:
        """One step of both networks, at a share of their learning rate; give their loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = share * self.learning_rate
        theta, x, _, _ = self._draw(random, batch)
        loss: Tensor = -self.critic(self._seen(theta, x, *self._generate(theta, x, random))).mean()
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return float(loss.detach())

    def _draw(self, random: np.random.Generator, batch: int) -> list[Tensor]:
        """Temperatures (G,), and energies, deflections and momenta (G, n) of exact events."""
        theta, x, h, zeta = self._pool
        group = torch.from_numpy(random.integers(_TEMPERATURES, size=_GROUPS)).to(self._device)
        event = random.integers(_EVENTS, size=(_GROUPS, max(batch // _GROUPS, 1)))
        place = group[:, None], torch.from_numpy(event).to(self._device)
        return [theta[group], x[place], h[place], zeta[place]]

    def _generate(
        self, theta: Tensor, x: Tensor, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Deflections and momenta (G, n)."""
        v = self._tensor(random.uniform(1e-6, 1.0 - 1e-6, tuple(x.shape)))
        z = self._tensor(random.standard_normal(tuple(x.shape)))
        out = self.cosine(theta, v[..., None], torch.stack([x, x, x], dim=-1))
        h = v / (v + torch.asinh(out).exp() * (1.0 - v))
        s = h.sqrt()
        arguments = torch.stack([z, s], dim=-1), torch.stack([x * s, x * s, s], dim=-1)
        scale = (theta / (1.0 + theta)).sqrt()[:, None]
        return h, z + scale * self.momentum(theta, *arguments)

    def _seen(self, theta: Tensor, x: Tensor, h: Tensor, zeta: Tensor) -> Tensor:
        """What the critic sees of events, each of order one, (G, n, 6)."""
        theta = theta[:, None].expand_as(x)
        seen = (
            (theta.log() / 3.0 + 0.8),
            (x.log10() / 2.0 + 1.5),
            (x / (1.0 + x)).sqrt(),
            2.0 * h - 1.0,
            2.0 * (h + 1e-4).sqrt() - 1.0,
            zeta,
        )
        return torch.stack(seen, dim=-1)

    def _tensor(self, values: Array) -> Tensor:
        return torch.from_numpy(values).to(self._device)


def exact_events(
    x_range: tuple[float, float], theta_range: tuple[float, float], seed: int
) -> tuple[Array, Array, Array, Array]:
    """Temperatures (G,), and photon energies, deflections and momenta (G, n) of exact events."""
    random = np.random.default_rng(seed)
    theta = _evenly(random.random(_TEMPERATURES), *theta_range)
    x = _evenly(random.random((_TEMPERATURES, _EVENTS)), *x_range)
    h, zeta = np.empty((2, _TEMPERATURES, _EVENTS))
    electrons = get_sampler("rejection")
    for i in range(_TEMPERATURES):
        streams = random_streams(seed, _EVENTS, i * _EVENTS)
        x_out, cosine = scatter(x[i], theta[i], electrons, streams)
        turned = np.flatnonzero(cosine < 1.0 - 2.0 * _LEAST_DEFLECTION)
        # The few that are left out are made up for by the first ones, to fill the row.
        row = turned[np.arange(_EVENTS) % turned.size]
        x[i], x_out, h[i] = x[i][row], x_out[row], 0.5 * (1.0 - cosine[row])
        zeta[i] = momentum_of(x_out / x[i], h[i], x[i], theta[i])
    return theta, x, h, zeta


def _evenly(place: Array, low: float, high: float) -> Array:
    """From low to high as the place goes from 0 to 1, evenly in the logarithm."""
    return np.asarray(low * (high / low) ** place)
