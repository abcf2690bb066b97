"""Whole Compton events from one uniform and one normal number, evaluated with numpy.

A photon of energy x among electrons of temperature Θ leaves with x', turned by the angle whose half
has the sine s = √h. The event is made in three steps, of which the last is exact.

1. The deflection, from v uniform on (0, 1):

       h = v/(v + c(1 - v)),    ln c = arsinh N_μ(v, X; Θ).

   c = 1 is isotropic, and c = 1 + 2x the leading factor of Klein and Nishina. Since c > 0, h lies
   between 0 and 1 whatever the network says.

2. The momentum of the least energetic electron that can do it, from z standard normal:

       ζ = z + √(Θ/(1 + Θ)) N_ζ(z, s, X; Θ).

   Events have the density exp(-ζ²/2) times factors of ζ that vary slowly
   (:mod:`mcplugin.scattering.redistribution`), so that little is left to learn. The cold limit
   ζ = z is built in, and so is the tail: the hidden units are bounded and the skip is slight, so
   that ζ falls like a normal and x' like exp(-γ/Θ).

3. The energy x' = r(ζ, h; x, Θ) x, from the conservation of energy and momentum with that electron.
   It is exact for any weights: x' > 0; Compton's r = 1/(1 + 2xh) when Θ → 0; and the Doppler shift
   alone, independent of x, when x → 0.

The networks see energies through X = y/(1 + y), y = eˡ·feature, which are bounded and linear where
y is small, so that both reach their Thomson limit linearly in x. The features are (x, x, x) for N_μ
and (xs, xs, s) for N_ζ, 2xs being the momentum that a soft photon loses. With the arguments
I, that is v or (z, s) followed by the three X, the networks are

    N = w·H + k·I + b,   H = f(A₂f(A₁I + b₁) + b₂) or f(A₁I + b₁),   f(a) = a/√(1 + a²),

of two hidden layers or of one. Every parameter, each l too, depends on temperature as

    base + Σⱼ √Θ/(√Θ + σⱼ) · modulationⱼ,

which is computed once for all events of one temperature ("folding").
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mcplugin.domain import array_within, broadcast, instance_of, single, temperature
from mcplugin.errors import WeightsError
from mcplugin.learning.weights import Weights, default_weights, load_weights
from mcplugin.scattering.redistribution import energy_ratio

Array = NDArray[np.float64]

FORM = "compton-event"

# A normal number beyond this comes once in 10³² draws.
Z_MAX = 12.0


@dataclass(frozen=True)
class NetworkShape:
    """How many numbers a network has, and in which order they lie in a row.

    Attributes
    ----------
    inputs : int
        Arguments that are taken as they are.
    features : int
        Arguments that are taken as X = y/(1 + y).
    hidden : tuple of int
        Units of one or two hidden layers.
    """

    inputs: int
    features: int
    hidden: tuple[int, ...]

    def pieces(self) -> list[tuple[str, tuple[int, ...]]]:
        """Names and shapes of the parameters, in order."""
        arguments = self.inputs + self.features
        layers: list[tuple[str, tuple[int, ...]]] = []
        width = arguments
        for number, units in enumerate(self.hidden, 1):
            layers += [(f"slopes_{number}", (units, width)), (f"offsets_{number}", (units,))]
            width = units
        return [
            *layers,
            ("amplitudes", (width,)),
            ("skip", (arguments,)),
            ("bias", (1,)),
            ("log_scales", (self.features,)),
        ]

    @property
    def size(self) -> int:
        """Number of parameters at one temperature."""
        return sum(math.prod(shape) for _, shape in self.pieces())

    def split(self, parameters: Array) -> dict[str, Array]:
        """The parameters (size,) by name."""
        named, begin = {}, 0
        for name, shape in self.pieces():
            end = begin + math.prod(shape)
            named[name] = parameters[begin:end].reshape(shape)
            begin = end
        return named


COSINE_ARGUMENTS = (1, 3)
MOMENTUM_ARGUMENTS = (2, 3)


def cosine_arguments(x: Array, v: Array) -> tuple[Array, Array]:
    """What N_μ sees: inputs (n, 1) and features (n, 3)."""
    return v[:, None], np.stack([x, x, x], axis=1)


def momentum_arguments(x: Array, s: Array, z: Array) -> tuple[Array, Array]:
    """What N_ζ sees, s = √h: inputs (n, 2) and features (n, 3)."""
    transfer = x * s
    return np.stack([z, s], axis=1), np.stack([transfer, transfer, s], axis=1)


def momentum_scale(theta: float) -> float:
    """√(Θ/(1 + Θ)), by which N_ζ is multiplied."""
    return math.sqrt(theta / (1.0 + theta))


def deflection(v: Array, out: Array) -> Array:
    """The deflection h of uniform v where N_μ gives ``out``."""
    h: Array = v / (v + np.exp(np.arcsinh(out)) * (1.0 - v))
    return h


@dataclass(frozen=True)
class Network:
    """A network whose parameters are functions of temperature.

    Attributes
    ----------
    shape : NetworkShape
        Its layers.
    base : (P,) array
        Parameters in the cold limit.
    modulation : (k, P) array
        What the saturating functions of temperature add to them.
    root_theta_scale : (k,) array
        Values σ of √Θ at which these are half saturated.
    """

    shape: NetworkShape
    base: Array
    modulation: Array
    root_theta_scale: Array

    def fold(self, theta: float) -> Array:
        """Parameters (P,) at one temperature."""
        root = math.sqrt(theta)
        folded: Array = self.base + (root / (root + self.root_theta_scale)) @ self.modulation
        return folded


def evaluate(shape: NetworkShape, parameters: Array, inputs: Array, features: Array) -> Array:
    """Output (n,) of a folded network for inputs (n, i) and features (n, k)."""
    named = shape.split(parameters)
    y = features * np.exp(named["log_scales"])
    arguments = np.concatenate([inputs, y / (1.0 + y)], axis=1)
    hidden = arguments
    for number in range(1, len(shape.hidden) + 1):
        a = hidden @ named[f"slopes_{number}"].T + named[f"offsets_{number}"]
        hidden = a / np.sqrt(1.0 + a * a)
    out: Array = hidden @ named["amplitudes"] + arguments @ named["skip"] + named["bias"]
    return out


class FoldedEventGenerator:
    """The generator at one temperature, as :meth:`EventGenerator.fold` gives it.

    Attributes
    ----------
    theta : float
        Electron temperature.
    x_range : (float, float)
        Photon energies for which it was trained. It is valid for softer ones, too: both networks
        reach their Thomson limit linearly in x, and are there at the lower end.
    """

    def __init__(
        self, cosine: Network, momentum: Network, theta: float, x_range: tuple[float, float]
    ) -> None:
        self.theta = theta
        self.x_range = x_range
        self._cosine = cosine.shape, cosine.fold(theta)
        self._momentum = momentum.shape, momentum.fold(theta)

    def cosine(self, x: ArrayLike, v: ArrayLike) -> Array:
        """Cosine of the scattering angle.

        Parameters
        ----------
        x : array_like
            Photon energies hν/(mₑc²), 0 <= x <= ``x_range[1]``.
        v : array_like
            Uniform random numbers, 0 <= v <= 1.

        Returns
        -------
        array of float64
            -1 to 1, decreasing in v, of the shape to which the arguments are broadcast.

        Raises
        ------
        InputError
            If a value is out of range or not finite, or the shapes do not go together.
        """
        x, v = broadcast(x=array_within("x", x, 0.0, self.x_range[1]), v=array_within("v", v, 0, 1))
        return np.asarray(1.0 - 2.0 * self._deflection(x, v))

    def momentum(self, x: ArrayLike, h: ArrayLike, z: ArrayLike) -> Array:
        """Momentum ζ of the least energetic electron, given the deflection.

        Parameters
        ----------
        x : array_like
            Photon energies hν/(mₑc²), 0 <= x <= ``x_range[1]``.
        h : array_like
            Deflections, (1 - cosine)/2 of the scattering angle, 0 <= h <= 1.
        z : array_like
            Standard normal random numbers, -12 <= z <= 12.

        Returns
        -------
        array of float64
            ζ as :func:`~mcplugin.scattering.redistribution.energy_ratio` takes it, of the shape to
            which the arguments are broadcast.

        Raises
        ------
        InputError
            If a value is out of range or not finite, or the shapes do not go together.
        """
        x, h, z = broadcast(
            x=array_within("x", x, 0.0, self.x_range[1]),
            h=array_within("h", h, 0, 1),
            z=array_within("z", z, -Z_MAX, Z_MAX),
        )
        return self.momentum_of_latents(x, h, z)

    def __call__(self, x: ArrayLike, v: ArrayLike, z: ArrayLike) -> tuple[Array, Array]:
        """Scatter photons once.

        Parameters
        ----------
        x : array_like
            Photon energies hν/(mₑc²), 0 <= x <= ``x_range[1]``.
        v : array_like
            Uniform random numbers, 0 <= v <= 1.
        z : array_like
            Standard normal random numbers, -12 <= z <= 12, independent of v.

        Returns
        -------
        x_out, cosine : arrays of float64
            Photon energies afterwards and cosines of the scattering angles, of the shape to which
            the arguments are broadcast; the azimuth is uniform.

        Raises
        ------
        InputError
            If a value is out of range or not finite, or the shapes do not go together.
        """
        x, v, z = broadcast(
            x=array_within("x", x, 0.0, self.x_range[1]),
            v=array_within("v", v, 0, 1),
            z=array_within("z", z, -Z_MAX, Z_MAX),
        )
        h = self._deflection(x, v)
        ratio = energy_ratio(self.momentum_of_latents(x, h, z), h, x, self.theta)
        return np.asarray(x * ratio), np.asarray(1.0 - 2.0 * h)

    def _deflection(self, x: Array, v: Array) -> Array:
        out = evaluate(*self._cosine, *cosine_arguments(x.ravel(), v.ravel()))
        return deflection(v, out.reshape(v.shape))

    def momentum_of_latents(self, x: Array, h: Array, z: Array) -> Array:
        """ζ of checked arrays of one shape."""
        arguments = momentum_arguments(x.ravel(), np.sqrt(h.ravel()), z.ravel())
        out = evaluate(*self._momentum, *arguments).reshape(z.shape)
        return np.asarray(z + momentum_scale(self.theta) * out)


class EventGenerator:
    """The learned generator of Compton events.

    Parameters
    ----------
    weights : Weights
        Of the form ``compton-event``, as :func:`load_event_weights` reads them.

    Attributes
    ----------
    cosine, momentum : Network
        N_μ and N_ζ.
    x_range, theta_range : (float, float)
        Photon energies and temperatures for which it was trained.

    Raises
    ------
    WeightsError
        If the weights are of another form, or their shapes do not fit together.
    """

    def __init__(self, weights: Weights) -> None:
        instance_of("weights", weights, Weights, "take them from load_event_weights")
        if weights.card["form"] != FORM:
            raise WeightsError(
                f"the weights are of the form {weights.card['form']!r}, not {FORM!r} as Compton "
                "events need"
            )
        try:
            hidden = weights.card["hidden"]
            low, high = weights.card["x_range"]
            self.x_range = float(low), float(high)
            self.theta_range = weights.theta_range
            self.cosine = _network(weights, "cosine", COSINE_ARGUMENTS, hidden["cosine"])
            self.momentum = _network(weights, "momentum", MOMENTUM_ARGUMENTS, hidden["momentum"])
        except WeightsError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise WeightsError(f"the weights or their card are incomplete: {error!r}") from error

    def fold(self, theta: float) -> FoldedEventGenerator:
        """The generator at one temperature.

        Parameters
        ----------
        theta : float
            Electron temperature kT/(mₑc²) within ``theta_range``.

        Raises
        ------
        ThetaRangeError
            If the temperature is out of range.
        InputError
            If it is no single finite number.
        """
        theta = single("theta", temperature(theta, *self.theta_range))
        return FoldedEventGenerator(self.cosine, self.momentum, theta, self.x_range)


def _network(
    weights: Weights, name: str, arguments: tuple[int, int], hidden: Sequence[int]
) -> Network:
    shape = NetworkShape(*arguments, tuple(int(units) for units in hidden))
    base, modulation, scale = (
        weights.tensors[f"{name}_{part}"] for part in ("base", "modulation", "root_theta_scale")
    )
    if (
        base.shape != (shape.size,)
        or scale.ndim != 1
        or modulation.shape != (scale.size, shape.size)
        or (scale <= 0.0).any()
    ):
        raise WeightsError(
            f"{name}_base, {name}_modulation and {name}_root_theta_scale of the weights do not fit "
            f"together, nor hidden units {list(hidden)}"
        )
    return Network(shape, base, modulation, scale)


def default_event_weights() -> Path:
    """The generator of Compton events that comes with the package."""
    return default_weights(FORM)


def load_event_weights(path: str | os.PathLike[str] | None = None) -> Weights:
    """Read a generator of events and verify it against its card.

    Parameters
    ----------
    path : path-like, optional
        The ``.safetensors`` file; its card is the ``.json`` beside it. By default the generator
        that comes with the package.

    Raises
    ------
    WeightsError
        As :func:`~mcplugin.learning.weights.load_weights`.
    """
    return load_weights(default_event_weights() if path is None else path)
