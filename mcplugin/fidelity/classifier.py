"""Two samples told apart by a trained discriminator: what no single statistic may have looked for.

A logistic regression learns to tell the electrons of a sampler from those of exact rejection
(Lopez-Paz & Oquab 2017, ICLR, arXiv:1610.06545). Its score is a function of F(u) and Θ: piecewise
linear between 64 knots in F(u), refined into both tails, times polynomials in ln Θ. On draws that
it has never seen, the area under its ROC curve (AUC) is the probability that a drawn electron
scores above an exact one: ½ if nothing tells them apart.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, special, stats

from mcplugin.errors import SamplerError
from mcplugin.fidelity.distances import ExactCdf, interpolated_cdf
from mcplugin.fidelity.verdict import SampledTest, visible_to_z
from mcplugin.jit import kernel
from mcplugin.random_streams import random_streams
from mcplugin.samplers.base import ElectronVelocitySampler

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

# Knots in F(u): 50 even intervals, and an octave each down to 2⁻¹³ at both ends.
_TAILS = np.ldexp(1.0, -np.arange(13, 6, -1))
KNOTS: Array = np.unique(np.concatenate([np.linspace(0.0, 1.0, 51), _TAILS, 1.0 - _TAILS]))
# Polynomials in ln Θ: constant, linear, quadratic.
_POWERS = 3
# How smooth the score must be, from stiff to supple; the best on set-aside draws is used.
_STIFFNESS = (30.0, 0.3, 3e-3)
_LEAST_RIDGE = 1e-5
# Newton's method stops when a step would lower the mean loss by less than this.
_LEAST_GAIN = 1e-9
_MOST_STEPS = 50
# Training sees each draw at the centre of one of so many cells between two knots.
_CELLS = 16
# Of the training half, one draw in five chooses the stiffness.
_CHOOSING = 5


def hats(knots: int, cells: int) -> sparse.csr_array:
    """Share of each knot in a piecewise linear function, at the centres of cells between them.

    Parameters
    ----------
    knots : int
        Number of knots.
    cells : int
        Number of even cells between two of them.
    """
    centres = ((np.arange(cells) + 0.5) / cells)[:, None]
    left = sparse.kron(sparse.eye_array(knots - 1, knots), 1.0 - centres)
    right = sparse.kron(sparse.eye_array(knots - 1, knots, k=1), centres)
    return sparse.csr_array(left + right)


_HATS = hats(KNOTS.size, _CELLS)


@dataclass(frozen=True)
class Features:
    """Labelled draws as the discriminator sees them.

    Attributes
    ----------
    interval : (n,) array of int64
        Interval between two knots in which F(u) lies.
    place : (n,) array
        Where in it, 0 to 1.
    powers : (t, 3) array
        Polynomials of the logarithm of each of t temperatures.
    which : (n,) array of int64
        Index of the draw's temperature.
    sign : (n,) array
        1 for draws of the sampler, -1 for exact ones.
    """

    interval: Indices
    place: Array
    powers: Array
    which: Indices
    sign: Array

    def part(self, chosen: slice) -> "Features":
        """Some of the draws."""
        return Features(
            self.interval[chosen],
            self.place[chosen],
            self.powers,
            self.which[chosen],
            self.sign[chosen],
        )


@dataclass(frozen=True)
class Discrimination:
    """How well a trained discriminator does on held-out draws.

    Attributes
    ----------
    auc : float
        Probability that a held-out draw of the sampler scores above an exact one.
    error : float
        Its standard error (DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44, 837).
    null_error : float
        Standard error if nothing tells the two apart, √((2m + 1)/(12 m²)) (Mann & Whitney 1947).
    p_value : float
        Probability of a larger AUC then.
    draws : int
        Held-out draws m of either kind.
    """

    auc: float
    error: float
    null_error: float
    p_value: float
    draws: int


def discriminate(one: Array, other: Array, which: Indices, thetas: Array) -> Discrimination:
    """Train a discriminator of two samples on half of them and try it on the other half.

    Parameters
    ----------
    one, other : (n,) arrays
        Ranks F(u) of the sampler's draws and of exact ones.
    which : (n,) array of int64
        Index into ``thetas``, of both draws i; the same mixture in both halves.
    thetas : (t,) array
        Temperatures.
    """
    labelled = _features(one, other, which, thetas)
    half = labelled.sign.size // 2
    fitted = _train(labelled.part(slice(half)))
    held_out = labelled.part(slice(half, None))
    return judged(_scores(fitted, held_out), held_out.sign)


def judged(score: Array, sign: Array) -> Discrimination:
    """How well scores of held-out draws tell them apart, as many of either sign."""
    drawn, exact = score[sign > 0.0], score[sign < 0.0]
    auc, error = area_under_curve(drawn, exact)
    m = drawn.size
    null_error = math.sqrt((2.0 * m + 1.0) / (12.0 * m * m))
    p_value = float(special.ndtr((0.5 - auc) / null_error))
    return Discrimination(auc, error, null_error, p_value, m)


def area_under_curve(drawn: Array, exact: Array) -> tuple[float, float]:
    """AUC of two sets of scores and its standard error by DeLong's method, ties counted half."""
    together = stats.rankdata(np.concatenate([drawn, exact]))
    m, n = drawn.size, exact.size
    # For each score the share of the other set that lies below (or above) it.
    below = (together[:m] - stats.rankdata(drawn)) / n
    above = 1.0 - (together[m:] - stats.rankdata(exact)) / m
    auc = float(np.mean(below))
    return auc, math.sqrt(float(np.var(below, ddof=1) / m + np.var(above, ddof=1) / n))


def classifier_test(found: Discrimination, thetas: int) -> SampledTest:
    """The AUC as a test: a discriminator can only be better than chance."""
    return SampledTest(
        "classifier",
        f"AUC at {thetas} temperatures",
        None,
        found.draws,
        found.auc - 0.5,
        found.p_value,
        visible_to_z(found.null_error),
    )


def ranks(
    sampler: ElectronVelocitySampler,
    thetas: Array,
    which: Indices,
    tables: list[ExactCdf],
    seed: int,
    first: int,
) -> Array:
    """F(u) of one draw per stream, each with its own temperature ``thetas[which]``.

    Raises
    ------
    SamplerError
        If the sampler gives what no electron has.
    """
    u = np.asarray(sampler.sample(thetas[which], random_streams(seed, which.size, first)))
    if not (np.isfinite(u) & (u >= 0.0)).all():
        raise SamplerError(f"sampler {sampler.name!r} drew a four-velocity that no electron has")
    rank = np.empty(u.size)
    stacked = np.stack([exact.table for exact in tables])
    _rank_all(stacked, np.array([exact.nodes_per_rapidity for exact in tables]), which, u, rank)
    return rank


@kernel
def _rank_all(
    tables: Array, nodes_per_rapidity: Array, which: Indices, u: Array, rank: Array
) -> None:
    for i in range(u.size):
        k = which[i]
        rank[i] = interpolated_cdf(tables[k], nodes_per_rapidity[k], u[i])


def _features(one: Array, other: Array, which: Indices, thetas: Array) -> Features:
    # Alternating labels: every contiguous part is balanced.
    rank = np.column_stack([one, other]).ravel()
    interval = np.clip(np.searchsorted(KNOTS, rank, side="right") - 1, 0, KNOTS.size - 2)
    place = (rank - KNOTS[interval]) / np.diff(KNOTS)[interval]
    logarithm = np.log(thetas)
    spread = max(float(np.ptp(logarithm)), 1e-9)
    scaled = 2.0 * (logarithm - logarithm.min()) / spread - 1.0
    powers = np.polynomial.legendre.legvander(scaled, _POWERS - 1)
    sign = np.tile([1.0, -1.0], one.size)
    return Features(interval, place, powers, np.repeat(which, 2), sign)


@dataclass(frozen=True)
class Cells:
    """Draws counted in cells, which is all that training looks at.

    Attributes
    ----------
    drawn, exact : (t, cells) arrays
        Share of the draws of either kind in each cell, out of all draws of both kinds, at each of
        t conditions.
    powers : (t, k) array
        Polynomials of the conditions.
    hats : (cells, knots) sparse array
        Share of each knot in the score at the centre of a cell.
    """

    drawn: Array
    exact: Array
    powers: Array
    hats: sparse.csr_array

    @classmethod
    def counted(
        cls, cell: Indices, which: Indices, sign: Array, powers: Array, hats: sparse.csr_array
    ) -> "Cells":
        """Count labelled draws, each with its cell, its condition, and its sign (1 or -1)."""
        shape = (len(powers), hats.shape[0])
        place = cell + which * shape[1]
        counts = [
            np.bincount(place[sign == kind], minlength=shape[0] * shape[1]).reshape(shape)
            for kind in (1.0, -1.0)
        ]
        return cls(counts[0] / place.size, counts[1] / place.size, powers, hats)


def _counted(labelled: Features) -> Cells:
    cell = (labelled.place * _CELLS).astype(np.int64).clip(0, _CELLS - 1)
    cell += labelled.interval * _CELLS
    return Cells.counted(cell, labelled.which, labelled.sign, labelled.powers, _HATS)


def _train(labelled: Features) -> Array:
    """Weights (knots, powers) of the score; draws set aside choose how stiff it is."""
    kept = kept_for_training(labelled.sign.size)
    training, choosing = (
        _counted(labelled.part(part)) for part in (slice(kept), slice(kept, None))
    )
    bend = np.diff(np.eye(KNOTS.size), n=2, axis=0)
    return train(training, choosing, bend.T @ bend)


def kept_for_training(draws: int) -> int:
    """How many of the draws of a training half are trained with; the rest chooses the stiffness."""
    return draws // (2 * _CHOOSING) * 2 * (_CHOOSING - 1)


def train(training: Cells, choosing: Cells, roughness: Array) -> Array:
    """Weights (knots, k) of the score; draws set aside choose how stiff it is.

    Parameters
    ----------
    training, choosing : Cells
        Draws to learn from, and others that decide between the scores so learned.
    roughness : (knots, knots) array
        Quadratic form of the weights that a stiff score keeps small.
    """
    weights = np.zeros((len(roughness), training.powers.shape[1]))
    best, lowest = weights, math.inf
    for stiffness in _STIFFNESS:
        weights = _fit(training, stiffness * roughness, weights)
        loss, _ = _loss(weights, choosing)
        if loss < lowest:
            best, lowest = weights, loss
    return best


def _fit(training: Cells, roughness: Array, start: Array) -> Array:
    """Minimise mean logistic loss + ½ roughness of the weights + ½ ridge Σ weights².

    Newton's method with steps halved until the loss falls: the problem is convex.
    """
    penalty = roughness + _LEAST_RIDGE * np.eye(len(start))
    full_penalty = np.kron(penalty, np.eye(start.shape[1]))

    def objective(weights: Array) -> tuple[float, Array]:
        loss, gradient = _loss(weights, training)
        pull = penalty @ weights
        return loss + 0.5 * float(np.sum(weights * pull)), gradient + pull

    weights = start
    loss, gradient = objective(weights)
    for _ in range(_MOST_STEPS):
        hessian = _hessian(weights, training) + full_penalty
        step = -np.linalg.solve(hessian, gradient.ravel()).reshape(start.shape)
        gain = -float(np.sum(gradient * step))
        if gain < _LEAST_GAIN:
            break
        scale = 1.0
        while True:
            next_loss, next_gradient = objective(weights + scale * step)
            if next_loss <= loss - 0.1 * scale * gain:
                break
            scale *= 0.5
        weights, loss, gradient = weights + scale * step, next_loss, next_gradient
    return weights


def _loss(weights: Array, cells: Cells) -> tuple[float, Array]:
    """Mean of ln(1 + exp(∓score)) over drawn and exact electrons, and its gradient."""
    score = cells.powers @ (cells.hats @ weights).T
    loss = cells.drawn * np.logaddexp(0.0, -score) + cells.exact * np.logaddexp(0.0, score)
    chance = special.expit(score)
    slope = cells.exact * chance - cells.drawn * (1.0 - chance)
    return float(np.sum(loss)), np.asarray(cells.hats.T @ (slope.T @ cells.powers))


def _hessian(weights: Array, cells: Cells) -> Array:
    """Second derivatives of :func:`_loss`, (knots · powers) squared."""
    chance = special.expit(cells.powers @ (cells.hats @ weights).T)
    curvature = (cells.drawn + cells.exact) * chance * (1.0 - chance)
    size = weights.shape
    hessian = np.empty(size + size)
    for k in range(size[1]):
        for m in range(size[1]):
            each = (cells.powers[:, k] * cells.powers[:, m]) @ curvature
            hessian[:, k, :, m] = (cells.hats.T @ cells.hats.multiply(each[:, None])).toarray()
    return hessian.reshape(weights.size, weights.size)


def _scores(weights: Array, labelled: Features) -> Array:
    score = np.empty(labelled.sign.size)
    _score_all(weights, labelled.interval, labelled.place, labelled.powers, labelled.which, score)
    return score


@kernel
def _score_all(
    weights: Array, interval: Indices, place: Array, powers: Array, which: Indices, score: Array
) -> None:
    for i in range(score.size):
        knot, s, power = interval[i], place[i], powers[which[i]]
        total = 0.0
        for k in range(power.size):
            total += power[k] * ((1.0 - s) * weights[knot, k] + s * weights[knot + 1, k])
        score[i] = total
