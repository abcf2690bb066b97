"""Generators as torch sees them while they learn, and the TorchScript form of a trained one."""

import math
import warnings
from abc import abstractmethod

import torch
from torch import Tensor, nn

from mcplugin.learning.radial_map import FREE, THERMAL, Array, thermal_map
from mcplugin.learning.weights import Weights

# While training, hidden units see (r - CENTRE)/SCALE, whose spread is of order one.
_CENTRE, _SCALE = 2.0, 2.0


class Generator(nn.Module):
    """A map of latent radii that can learn; :mod:`mcplugin.learning.radial_map` has the formulae.

    Parameters
    ----------
    units : int
        Hidden units n.
    conditioning : int
        Saturating functions k of the conditions.
    extra : int
        Parameters besides slopes, offsets and amplitudes of the hidden units.
    random : torch.Generator
        For the initial weights.
    """

    form: str

    def __init__(self, units: int, conditioning: int, extra: int, random: torch.Generator) -> None:
        super().__init__()
        self.units = units
        centres = torch.linspace(0.0, 5.0, units)
        slopes = torch.linspace(0.7, 1.3, units) + 0.2 * torch.randn(units, generator=random)
        offsets = -slopes * (centres - _CENTRE) / _SCALE
        amplitudes = 0.05 * torch.randn(units, generator=random)
        base = torch.cat([slopes, offsets, amplitudes, torch.zeros(extra)])
        modulation = 0.1 * torch.randn(conditioning, base.numel(), generator=random)
        self.base = nn.Parameter(base.double())
        self.modulation = nn.Parameter(modulation.double())

    @abstractmethod
    def forward(self, radius: Tensor, conditions: Tensor) -> Tensor:
        """ln(u/r) of latent radii (T, R) at conditions (T, C)."""

    def learned(self, radius: Tensor, saturation: Tensor) -> tuple[Tensor, Tensor]:
        """M (T, R) and all parameters (T, 1, P) for saturating functions (T, k)."""
        n = self.units
        parameters = (self.base + saturation @ self.modulation)[:, None, :]
        a = ((radius - _CENTRE) / _SCALE)[..., None] * parameters[..., :n]
        a = a + parameters[..., n : 2 * n]
        hidden = a * torch.rsqrt(1.0 + a * a)
        m = (hidden * parameters[..., 2 * n : 3 * n]).sum(-1) + parameters[..., 3 * n]
        return m, parameters

    def tensors(self) -> dict[str, Array]:
        """Parameters as :mod:`mcplugin.learning.radial_map` wants them."""
        n = self.units
        folded = {}
        for name, tensor in (("base", self.base), ("modulation", self.modulation)):
            values = tensor.detach().cpu().clone()
            values[..., n : 2 * n] -= values[..., :n] * _CENTRE / _SCALE
            values[..., :n] /= _SCALE
            folded[name] = values.numpy()
        return folded


class ThermalGenerator(Generator):
    """u = r √(Θ(1 + Θ(r²/4 + M²))), with the cold limit and the hot tail built in."""

    form = THERMAL

    def __init__(self, units: int, conditioning: int, random: torch.Generator) -> None:
        super().__init__(units, conditioning, 1, random)
        with torch.no_grad():
            self.base[-1] = 1.4
        scales = torch.linspace(math.log(0.06), math.log(2.0), conditioning)
        self.log_theta_scale = nn.Parameter(scales.double())

    def forward(self, radius: Tensor, conditions: Tensor) -> Tensor:
        """ln(u/r) of latent radii (T, R) at temperatures (T, 1)."""
        m, _ = self.learned(radius, conditions / (conditions + torch.exp(self.log_theta_scale)))
        stretch = conditions * (1.0 + conditions * (0.25 * radius * radius + m * m))
        return 0.5 * torch.log(stretch)

    def tensors(self) -> dict[str, Array]:
        """Parameters as :class:`~mcplugin.learning.radial_map.ThermalMap` wants them."""
        scale = torch.exp(self.log_theta_scale.detach()).cpu().numpy()
        return {**super().tensors(), "theta_scale": scale}


class FreeGenerator(Generator):
    """ln u = ln r + q r² + M, for electrons that are known by samples alone.

    ``limits`` (C, 2) are the ranges of the conditions, ``log_scale`` a typical ln u.
    """

    form = FREE

    def __init__(
        self,
        units: int,
        conditioning: int,
        random: torch.Generator,
        limits: Array,
        log_scale: float,
    ) -> None:
        super().__init__(units, conditioning, 2, random)
        bounds = torch.from_numpy(limits)
        self.register_buffer("limits", bounds)
        centre, half = bounds.mean(1), 0.5 * (bounds[:, 1] - bounds[:, 0])
        half = torch.where(half > 0.0, half, torch.ones_like(half))
        projection = torch.randn(conditioning, len(limits), generator=random).double()
        self.projection = nn.Parameter(projection / half)
        self.shift = nn.Parameter(-(projection / half) @ centre)
        with torch.no_grad():
            self.base[-2] = log_scale - math.log(1.6)

    def forward(self, radius: Tensor, conditions: Tensor) -> Tensor:
        """ln(u/r) of latent radii (T, R) at conditions (T, C)."""
        y = conditions @ self.projection.T + self.shift
        m, parameters = self.learned(radius, y * torch.rsqrt(1.0 + y * y))
        return parameters[..., -1] * radius * radius + m

    def tensors(self) -> dict[str, Array]:
        """Parameters as :class:`~mcplugin.learning.radial_map.FreeMap` wants them."""
        more = {
            "projection": self.projection,
            "shift": self.shift,
            "condition_range": self.get_buffer("limits"),
        }
        return {
            **super().tensors(),
            **{name: tensor.detach().cpu().numpy() for name, tensor in more.items()},
        }


class ThermalModule(nn.Module):
    """A trained thermal map for inference: elementwise operations alone.

    Every operation is correctly rounded and none sums over a dimension, so a draw has the same
    bits in a batch of any size.
    """

    base: Tensor
    modulation: Tensor
    theta_scale: Tensor

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        trained = thermal_map(weights)
        self.units = trained.units
        self.conditioning = trained.theta_scale.size
        self.register_buffer("base", torch.from_numpy(trained.base))
        self.register_buffer("modulation", torch.from_numpy(trained.modulation))
        self.register_buffer("theta_scale", torch.from_numpy(trained.theta_scale))

    def parameter(self, j: int, theta: Tensor) -> Tensor:
        """Parameter j at temperatures () or (n,)."""
        value = self.base[j].expand_as(theta)
        for k in range(self.conditioning):
            value = value + theta / (theta + self.theta_scale[k]) * self.modulation[k, j]
        return value

    @torch.jit.export
    def radial(self, radius: Tensor, theta: Tensor) -> Tensor:
        """|u| of latent radii (n,) at temperatures () or (n,)."""
        m = self.parameter(3 * self.units, theta)
        for j in range(self.units):
            a = radius * self.parameter(j, theta) + self.parameter(self.units + j, theta)
            m = m + a / torch.sqrt(a * a + 1.0) * self.parameter(2 * self.units + j, theta)
        stretch = radius * radius * 0.25 + m * m
        return radius * torch.sqrt(theta * (stretch * theta + 1.0))

    def forward(self, latent: Tensor, theta: Tensor) -> Tensor:
        """Four-velocities (n, 3) of standard normal latents (n, 3) at temperatures () or (n,)."""
        radius = torch.sqrt((latent * latent).sum(dim=1))
        stretch = self.radial(radius, theta) / torch.clamp(radius, min=1e-300)
        return latent * stretch[:, None]


def torchscript(weights: Weights) -> torch.jit.ScriptModule:
    """Compile a trained thermal generator to TorchScript, in double precision.

    Raises
    ------
    WeightsError
        If the weights are not those of a thermal generator.
    """
    with warnings.catch_warnings():
        # TorchScript is deprecated by its makers, yet it is what host programs can load today.
        warnings.simplefilter("ignore")
        scripted: torch.jit.ScriptModule = torch.jit.script(ThermalModule(weights))
    return scripted
