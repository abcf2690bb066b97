"""Levenberg-Marquardt with geodesic acceleration for networks whose parameters follow temperature.

The residuals curve so much that plain steps creep along narrow valleys for thousands of steps; a
second-order correction of each step, from one more evaluation along it, follows the valley
(Transtrum & Sethna 2012, arXiv:1201.5885). A ridge on the parameters keeps them from running off
along directions in which nothing changes.

The parameters of one temperature are base + Σⱼ hⱼ(Θ) modulationⱼ, so the normal equations of one
temperature are those of the folded parameters, times products of (1, hⱼ): only those few are ever
differentiated.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from mcplugin.learning.event_generator import Network, NetworkShape, evaluate
from mcplugin.learning.event_targets import Lesson

Array = NDArray[np.float64]

# Tries of one step, each with more damping, before the minimum is taken to be reached.
_TRIES = 25
# How far along a step the curvature is felt.
_PROBE = 0.1
# An acceleration larger than this part of the step says that its parabola does not hold.
_LARGEST_ACCELERATION = 0.75


def initial_network(shape: NetworkShape, conditioning: int, random: np.random.Generator) -> Network:
    """A network with random weights, and scales of temperature over the range that matters."""
    base = []
    for name, piece in shape.pieces():
        if name.startswith("slopes"):
            values = 1.2 * random.normal(size=piece) / math.sqrt(piece[1])
        elif name.startswith("offsets"):
            values = 0.7 * random.normal(size=piece)
        elif name == "amplitudes":
            values = 0.3 * random.normal(size=piece) / math.sqrt(piece[0])
        elif name == "log_scales":
            values = np.linspace(-1.0, 3.0, piece[0])
        else:
            values = np.zeros(piece)
        base.append(values.ravel())
    modulation = 0.05 * random.normal(size=(conditioning, shape.size))
    return Network(shape, np.concatenate(base), modulation, np.geomspace(0.1, 3.0, conditioning))


def gradient(
    shape: NetworkShape, parameters: Array, inputs: Array, features: Array
) -> tuple[Array, Array]:
    """Outputs (n,) of a folded network, and their derivatives (n, P) by its parameters."""
    named = shape.split(parameters)
    y = features * np.exp(named["log_scales"])
    saturating = y / (1.0 + y)
    arguments = np.concatenate([inputs, saturating], axis=1)
    layers, curvatures = [arguments], []
    for number in range(1, len(shape.hidden) + 1):
        a = layers[-1] @ named[f"slopes_{number}"].T + named[f"offsets_{number}"]
        root = 1.0 / np.sqrt(1.0 + a * a)
        layers.append(a * root)
        curvatures.append(root**3)
    out = layers[-1] @ named["amplitudes"] + arguments @ named["skip"] + named["bias"]

    count = len(out)
    pieces = [layers[-1], arguments, np.ones((count, 1))]
    back = named["amplitudes"] * curvatures[-1]
    for number in range(len(shape.hidden), 0, -1):
        outer = back[:, :, None] * layers[number - 1][:, None, :]
        pieces = [outer.reshape(count, -1), back, *pieces]
        back = back @ named[f"slopes_{number}"]
        if number > 1:
            back = back * curvatures[number - 2]
    by_argument = (back + named["skip"])[:, shape.inputs :]
    return out, np.concatenate([*pieces, by_argument * saturating * (1.0 - saturating)], axis=1)


@dataclass
class _Linear:
    """The residuals about the present parameters, at one temperature."""

    lesson: Lesson
    residuals: Array
    jacobian: Array
    conditions: Array
    by_log_scale: Array

    def folded(self, change: Array) -> Array:
        """Change of the folded parameters, to first order, when all parameters change."""
        k, size = self.by_log_scale.shape
        in_rows = change[: (k + 1) * size].reshape(k + 1, size)
        return np.asarray(self.conditions @ in_rows + change[(k + 1) * size :] @ self.by_log_scale)

    def unfolded(self, by_folded: Array) -> Array:
        """Derivatives by all parameters from those by the folded ones: the transpose."""
        return np.concatenate([np.kron(self.conditions, by_folded), self.by_log_scale @ by_folded])


class Fit:
    """A least-squares fit of a network to lessons, step by step.

    Parameters
    ----------
    network : Network
        Where to begin.
    lessons : list of Lesson
        One for each temperature.
    ridge : float
        By which the squares of all parameters are added to the sum of squares.
    damping : float
        With which to begin.

    Attributes
    ----------
    parameters : array
        The best so far: base, modulation and ln σ in a row.
    squares : float
        Their sum of squares without the ridge.
    damping : float
        That of the next step.
    """

    def __init__(
        self, network: Network, lessons: list[Lesson], ridge: float, damping: float = 1e-2
    ) -> None:
        self.damping = damping
        self._shape = network.shape
        self._functions = len(network.root_theta_scale)
        self._weights = (self._functions + 1) * network.shape.size
        self._lessons = lessons
        self._ridge = ridge
        self.parameters = np.concatenate(
            [network.base, network.modulation.ravel(), np.log(network.root_theta_scale)]
        )
        self.squares = self._squares(self.parameters)

    @property
    def network(self) -> Network:
        """The best network so far."""
        return self._network(self.parameters)

    def step(self) -> bool:
        """Improve the network by one step; give whether that was possible."""
        linear = [self._linear(lesson) for lesson in self._lessons]
        normal, slope = self._normal_equations(linear)
        cost = self.squares + self._penalty(self.parameters)
        diagonal = normal.diagonal()
        scale = diagonal + 1e-8 * diagonal.max()
        # A step may lead to where numbers overflow: it is then no better, and damped.
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(_TRIES):
                for change in self._changes(linear, normal, slope, scale):
                    candidate = self.parameters + change
                    squares = self._squares(candidate)
                    if squares + self._penalty(candidate) < cost:
                        self.parameters, self.squares = candidate, squares
                        self.damping = max(self.damping / 3.0, 1e-12)
                        return True
                self.damping *= 3.0
        return False

    def _changes(
        self, linear: list[_Linear], normal: Array, slope: Array, scale: Array
    ) -> list[Array]:
        """Steps to try: the accelerated one unless it bends too much, then the plain one."""
        damped = normal + np.diag(self.damping * scale)
        try:
            factor = scipy.linalg.cho_factor(damped, overwrite_a=True, check_finite=False)
        except scipy.linalg.LinAlgError:
            return []
        velocity = -scipy.linalg.cho_solve(factor, slope, check_finite=False)
        probed = self._network(self.parameters + _PROBE * velocity)
        bend = np.zeros_like(velocity)
        for at in linear:
            ahead = at.lesson.residuals(self._out(probed, at.lesson))
            straight = at.jacobian @ at.folded(velocity)
            second = (2.0 / _PROBE) * ((ahead - at.residuals) / _PROBE - straight)
            bend += at.unfolded(at.jacobian.T @ second)
        acceleration = -0.5 * scipy.linalg.cho_solve(factor, bend, check_finite=False)
        length, bent = (math.sqrt(float(scale @ v**2)) for v in (velocity, acceleration))
        if 2.0 * bent < _LARGEST_ACCELERATION * length:
            return [velocity + acceleration, velocity]
        return [velocity]

    def _linear(self, lesson: Lesson) -> _Linear:
        network = self.network
        root = math.sqrt(lesson.theta)
        h = root / (root + network.root_theta_scale)
        out, jacobian = gradient(
            self._shape, network.fold(lesson.theta), lesson.inputs, lesson.features
        )
        jacobian *= lesson.slopes(out)[:, None]
        # dh/d ln σ = -h(1 - h).
        by_log_scale = -(h * (1.0 - h))[:, None] * network.modulation
        conditions = np.concatenate([[1.0], h])
        return _Linear(lesson, lesson.residuals(out), jacobian, conditions, by_log_scale)

    def _normal_equations(self, linear: list[_Linear]) -> tuple[Array, Array]:
        rows, size, weights = self._functions + 1, self._shape.size, self._weights
        normal = np.zeros((self.parameters.size, self.parameters.size))
        in_blocks = np.zeros((rows, size, rows, size))
        slope = np.zeros(self.parameters.size)
        for at in linear:
            gram = at.jacobian.T @ at.jacobian
            in_blocks += (
                np.outer(at.conditions, at.conditions)[:, None, :, None] * (gram[None, :, None, :])
            )
            to_scales = gram @ at.by_log_scale.T
            normal[:weights, weights:] += np.kron(at.conditions[:, None], to_scales)
            normal[weights:, weights:] += at.by_log_scale @ to_scales
            slope += at.unfolded(at.jacobian.T @ at.residuals)
        normal[:weights, :weights] = in_blocks.reshape(weights, weights)
        normal[weights:, :weights] = normal[:weights, weights:].T
        ridged = np.arange(weights)
        normal[ridged, ridged] += self._ridge
        slope[:weights] += self._ridge * self.parameters[:weights]
        return normal, slope

    def _network(self, parameters: Array) -> Network:
        rows = parameters[: self._weights].reshape(self._functions + 1, self._shape.size)
        return Network(self._shape, rows[0], rows[1:], np.exp(parameters[self._weights :]))

    def _out(self, network: Network, lesson: Lesson) -> Array:
        return evaluate(self._shape, network.fold(lesson.theta), lesson.inputs, lesson.features)

    def _squares(self, parameters: Array) -> float:
        network = self._network(parameters)
        return sum(
            float(np.sum(lesson.residuals(self._out(network, lesson)) ** 2))
            for lesson in self._lessons
        )

    def _penalty(self, parameters: Array) -> float:
        weights = parameters[: self._weights]
        return self._ridge * float(weights @ weights)
