"""The generator of Compton events: against the exact distribution, exact events and physics."""

import json
import shutil

import numpy as np
import pytest
from scipy import stats

from mcplugin import get_sampler, random_streams
from mcplugin.errors import InputError, ThetaRangeError, WeightsError
from mcplugin.learning.event_accuracy import accuracy_grid, event_accuracy, event_distances
from mcplugin.learning.event_generator import (
    EventGenerator,
    default_event_weights,
    load_event_weights,
)
from mcplugin.learning.radial_map import thermal_map
from mcplugin.learning.weights import Weights, load_weights
from mcplugin.scattering import hot_cross_section, scatter
from mcplugin.scattering.redistribution import energy_ratio

# A test on random draws fails by chance with this probability.
FALSE_ALARM = 1e-6

X_RANGE, THETA_RANGE = (1e-6, 10.0), (1e-3, 10.0)


@pytest.fixture(scope="module")
def generator():
    """The one that comes with the package."""
    return EventGenerator(load_event_weights())


# ---- Distributions -------------------------------------------------------------------------------


@pytest.mark.parametrize(("x", "theta"), accuracy_grid(X_RANGE, THETA_RANGE, 5))
def test_events_have_the_exact_distribution(generator, x, theta):
    """Cosine, momentum given the cosine, mean gain and mean square, without sampling."""
    errors = event_accuracy(generator.fold(theta), x)
    assert errors.cosine <= 1e-3
    assert errors.momentum <= 1e-3
    assert abs(errors.gain) <= (3e-4 if theta <= 0.3 else 2e-3)
    assert abs(errors.square) <= 0.01


def test_accuracy_sees_what_is_wrong(generator, monkeypatch):
    """Momenta that are shifted by 0.01 are off by 0.01 φ(0) in their cdf, and cool the photons."""
    x, theta = 1e-3, 1e-2
    folded = generator.fold(theta)
    right = event_accuracy(folded, x)
    learned = folded.momentum_of_latents
    monkeypatch.setattr(folded, "momentum_of_latents", lambda *some: learned(*some) + 0.01)
    wrong = event_accuracy(folded, x)
    assert right.momentum < 1e-4
    assert wrong.momentum == pytest.approx(0.01 / np.sqrt(2 * np.pi), rel=0.05)
    assert wrong.gain < -0.5e-3
    assert wrong.cosine == right.cosine


@pytest.mark.parametrize(
    ("x", "theta"), [(1e-6, 1e-3), (0.3, 0.1), (1.0, 1.0), (10.0, 3e-3), (1e-4, 10.0)]
)
def test_events_are_those_of_the_exact_scatterer(generator, x, theta):
    """2·10⁵ events of each, by KS: energy, cosine, and the energy of photons turned back."""
    count = 200_000
    exact_x, exact_cosine = scatter(x, theta, get_sampler("rejection"), random_streams(5, count))
    random = np.random.default_rng(5)
    made_x, made_cosine = generator.fold(theta)(
        x, random.random(count), random.standard_normal(count)
    )
    for exact, made in (
        (exact_x, made_x),
        (exact_cosine, made_cosine),
        (exact_x[exact_cosine < 0], made_x[made_cosine < 0]),
    ):
        assert stats.ks_2samp(exact, made).pvalue > FALSE_ALARM / 15


def test_wien_photons_stay_in_equilibrium(generator):
    """After 20 scatterings ⟨x/Θ⟩ is 3 and ⟨(x/Θ)²⟩ is 12, as before, within 5 standard errors.

    Photons that are about to scatter have the density x² exp(-x/Θ) σ(x, Θ): the weights 1/σ undo
    that. Five errors of the first, 0.02, are what a mean gain wrong by 4e-4 per event would make.
    """
    theta, count = 0.3, 200_000
    random = np.random.default_rng(7)
    grid = np.geomspace(1e-4 * theta, 60 * theta, 2000)
    cross_sections = hot_cross_section(grid, theta)
    x = theta * random.gamma(3.0, size=2 * count)
    x = x[random.random(x.size) < np.interp(x, grid, cross_sections)][:count]
    folded = generator.fold(theta)
    for _ in range(20):
        x, _ = folded(x, random.random(x.size), random.standard_normal(x.size))
    weight = 1.0 / np.interp(x, grid, cross_sections)
    for power, expected in ((1, 3.0), (2, 12.0)):
        value = (x / theta) ** power
        error = np.std((value - expected) * weight) / (weight.mean() * np.sqrt(x.size))
        assert abs(np.average(value, weights=weight) - expected) < 5 * error
        assert error < 0.01 * expected


# ---- Physics by construction ---------------------------------------------------------------------


@pytest.mark.parametrize("theta", THETA_RANGE)
def test_energy_and_momentum_are_conserved(generator, theta):
    """The electron of ζ takes k - k' and lies on its mass shell before and after, to rounding."""
    x = np.geomspace(*X_RANGE, 8)[:, None, None]
    h = np.linspace(0.01, 1.0, 12)[:, None]
    z = np.linspace(-10.0, 10.0, 21)
    zeta = generator.fold(theta).momentum(x, h, z)
    x_out = x * energy_ratio(zeta, h, x, theta)
    gamma, p = 1 + 0.5 * theta * zeta**2, zeta * np.sqrt(theta * (1 + 0.25 * theta * zeta**2))
    loss, q = x - x_out, 2 * x * x_out * h
    transfer = np.sqrt(loss**2 + 2 * q)
    # (γ + loss)² - (p + transfer)² = γ² - p², divided by 2.
    balance = gamma * loss - p * transfer - q
    np.testing.assert_array_less(
        np.abs(balance), 1e-11 * (gamma * (x + x_out) + np.abs(p) * transfer + q)
    )


@pytest.mark.parametrize("theta", [*THETA_RANGE, 0.3])
def test_no_latent_gives_an_impossible_event(generator, theta):
    """The ends of v and of its precision, normals that no run will ever draw."""
    v = np.array([0.0, 5e-324, 1e-300, 1e-16, 1e-6, 0.5, 1 - 1e-6, np.nextafter(1.0, 0.0), 1.0])
    z = np.array([-12.0, -10.0, -5.0, 0.0, 5.0, 10.0, 12.0])
    x = np.geomspace(*X_RANGE, 15)
    x_out, cosine = generator.fold(theta)(x[:, None, None], v[:, None], z)
    assert x_out.shape == cosine.shape == (15, 9, 7)
    assert np.isfinite(x_out).all()
    assert (x_out > 0.0).all()
    assert (np.abs(cosine) <= 1.0).all()
    # Whatever electron: photons that are not turned keep their energy.
    np.testing.assert_array_equal(cosine[:, 0], 1.0)
    np.testing.assert_array_equal(x_out[:, 0], np.broadcast_to(x[:, None], (15, 7)))
    np.testing.assert_array_equal(cosine[:, -1], -1.0)


@pytest.mark.parametrize("theta", [*THETA_RANGE, 0.3])
def test_latents_and_events_correspond_one_to_one(generator, theta):
    """The cosine falls as v grows, the momentum grows with z, also far out in the tails."""
    folded = generator.fold(theta)
    x = np.geomspace(*X_RANGE, 15)[:, None]
    assert (np.diff(folded.cosine(x, np.linspace(0.0, 1.0, 1001)), axis=1) < 0.0).all()
    for h in (1e-6, 0.01, 0.3, 1.0):
        assert (np.diff(folded.momentum(x, h, np.linspace(-8.0, 8.0, 801)), axis=1) > 0.0).all()


def test_thomson_limit(generator):
    """Soft photons: the energy only scales, and the cosine does not depend on it at all."""
    random = np.random.default_rng(3)
    v, z = random.random(1000), np.clip(random.standard_normal(1000), -4, 4)
    for theta in (1e-3, 0.3, 10.0):
        folded = generator.fold(theta)
        (one, cosine_one), (two, cosine_two) = folded(1e-6, v, z), folded(2e-6, v, z)
        # Recoil is of the order of x(1 + 4Θ)...
        np.testing.assert_allclose(two, 2 * one, rtol=1e-3)
        np.testing.assert_allclose(cosine_two, cosine_one, atol=1e-3)
        # Photons softer than any in the training scatter as the softest of them.
        np.testing.assert_allclose(
            event_distances(folded, 1e-12), event_distances(folded, 1e-6), atol=2e-5
        )


def test_cold_limit(generator):
    """Θ = 1e-3: ζ is z but for -3√(Θh), by which moving electrons prefer to be met head-on.

    Electrons at rest give Compton's energy, to rounding.
    """
    theta = 1e-3
    z, h = np.linspace(-3.0, 3.0, 7), np.array([0.1, 0.5, 1.0])[:, None]
    zeta = generator.fold(theta).momentum(1e-6, h, z)
    np.testing.assert_allclose(zeta - z, -3 * np.sqrt(theta * h) + 0 * z, atol=10 * theta)
    x = np.geomspace(*X_RANGE, 8)
    np.testing.assert_allclose(energy_ratio(0.0, h, x, theta), 1 / (1 + 2 * x * h), rtol=1e-14)


# ---- Arguments and weights -----------------------------------------------------------------------


def test_scalars_and_arrays_agree(generator):
    """One event at a time or all at once, to rounding."""
    folded = generator.fold(0.2)
    x, v, z = np.array([1e-4, 0.3, 8.0]), np.array([0.2, 0.5, 0.9]), np.array([-1.0, 0.4, 2.0])
    together = folded(x, v, z)
    for i in range(3):
        alone = folded(x[i], v[i], z[i])
        assert alone[0].shape == ()
        np.testing.assert_allclose(alone, [together[0][i], together[1][i]], rtol=1e-13)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((-1e-9, 0.5, 0.0), "x = -1e-09"),
        ((10.5, 0.5, 0.0), "x = 10.5"),
        ((np.nan, 0.5, 0.0), "x = nan"),
        ((1.0, -1e-9, 0.0), "v = -1e-09"),
        ((1.0, 1.1, 0.0), "v = 1.1"),
        ((1.0, 0.5, 12.5), "z = 12.5"),
        ((1.0, 0.5, np.inf), "z = inf"),
        ((1.0, "half", 0.0), "v must be real numbers"),
        (([1.0, 2.0], [0.1, 0.2, 0.3], 0.0), "shapes"),
    ],
)
def test_bad_arguments(generator, arguments, said):
    """Refused by name, value and range."""
    with pytest.raises(InputError, match=said):
        generator.fold(0.1)(*arguments)


def test_bad_deflections_and_temperatures(generator):
    """As the others."""
    with pytest.raises(InputError, match=r"h = 1\.5 is outside"):
        generator.fold(0.1).momentum(1.0, 1.5, 0.0)
    for theta in (9e-4, 10.1):
        with pytest.raises(ThetaRangeError, match="theta"):
            generator.fold(theta)
    with pytest.raises(InputError, match="one number"):
        generator.fold([0.1, 0.2])


def test_shipped_weights_are_small_and_documented():
    """Below 100 kB, and the card says what a reader needs, with the accuracy that tests confirm."""
    path = default_event_weights()
    assert path.stat().st_size < 100_000
    card = load_event_weights().card
    assert (tuple(card["x_range"]), tuple(card["theta_range"])) == (X_RANGE, THETA_RANGE)
    assert card["stages"][0]["objective"] == "wgan-gp"
    assert card["stages"][-1]["objective"] == "optimal-1d"
    assert card["stages"][-1]["distance_max"] == card["distance_max"] <= 1e-3
    for part, gain in (("theta <= 0.3", 3e-4), ("theta > 0.3", 2e-3)):
        accuracy = card["accuracy"][part]
        assert accuracy["cosine_distance_max"] <= 1e-3
        assert accuracy["momentum_distance_max"] <= 1e-3
        assert accuracy["mean_gain_error_max"] <= gain
        assert accuracy["mean_square_error_max"] <= 0.01
    for key in ("latent", "output", "configuration", "versions", "sha256"):
        assert card[key]


@pytest.fixture
def copy(tmp_path):
    """The shipped weights, to be damaged."""
    for suffix in (".safetensors", ".json"):
        shutil.copy(default_event_weights().with_suffix(suffix), tmp_path / f"copy{suffix}")
    return tmp_path / "copy.safetensors"


def test_damaged_files(copy):
    """A byte short, a bit flipped, a card of another release, no file."""
    content = copy.read_bytes()
    for damaged in (content[:-1], content[:-1] + bytes([content[-1] ^ 1])):
        copy.write_bytes(damaged)
        with pytest.raises(WeightsError, match=r"copy\.safetensors is not the file"):
            load_event_weights(copy)
    copy.write_bytes(content)
    card = copy.with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | {"card_version": 99}))
    with pytest.raises(WeightsError, match="card version 99"):
        load_event_weights(copy)
    with pytest.raises(WeightsError, match="nowhere"):
        load_event_weights(copy.with_name("nowhere.safetensors"))


def test_arrays_that_do_not_fit():
    """Shapes that the card agrees with but the architecture does not, and what is missing."""
    weights = load_event_weights()
    for name, wrong in (
        ("cosine_base", np.ones(5)),
        ("momentum_modulation", np.ones((1, 2))),
        ("momentum_root_theta_scale", -np.ones(4)),
    ):
        with pytest.raises(WeightsError, match=f"{name.partition('_')[0]}_base.* do not fit"):
            EventGenerator(Weights({**weights.tensors, name: wrong}, weights.card))
    with pytest.raises(WeightsError, match=r"incomplete: KeyError.'cosine_base'"):
        EventGenerator(Weights({}, weights.card))
    for key in ("hidden", "x_range"):
        card = {name: value for name, value in weights.card.items() if name != key}
        with pytest.raises(WeightsError, match=f"incomplete: .*{key}"):
            EventGenerator(Weights(weights.tensors, card))
    for limits in ("wide", [1.0], ["a", "b"]):
        with pytest.raises(WeightsError, match="incomplete"):
            EventGenerator(Weights(weights.tensors, {**weights.card, "x_range": limits}))
    sizes = weights.card["hidden"]
    for hidden in ({"cosine": sizes["cosine"]}, sizes | {"cosine": 12}, "12"):
        with pytest.raises(WeightsError, match="incomplete"):
            EventGenerator(Weights(weights.tensors, {**weights.card, "hidden": hidden}))


def test_weights_of_another_form():
    """Those of electrons make no events, and the other way round."""
    with pytest.raises(WeightsError, match="of the form 'thermal', not 'compton-event'"):
        EventGenerator(load_weights())
    with pytest.raises(WeightsError, match="of the form 'compton-event', not 'thermal'"):
        thermal_map(load_event_weights())
    with pytest.raises(InputError, match="load_event_weights"):
        EventGenerator("compton-event.safetensors")
