"""Training a generator of Compton events in small: both critics teach, interruptions do no harm."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from mcplugin.cli import main
from mcplugin.errors import ConfigurationError
from mcplugin.learning import event_adversary, event_training
from mcplugin.learning.event_fit import Fit, gradient, initial_network
from mcplugin.learning.event_generator import (
    EventGenerator,
    Network,
    NetworkShape,
    evaluate,
    load_event_weights,
)
from mcplugin.learning.event_targets import Lesson, lessons
from mcplugin.learning.event_training import (
    EventTraining,
    EventTrainingConfiguration,
    without_constants,
)
from mcplugin.scattering.event_distribution import angle_cdf, momentum_cdf

TARGET = {
    "kind": "compton-event", "x_min": 1e-4, "x_max": 0.1, "theta_min": 0.02, "theta_max": 0.2,
}  # fmt: skip
CLOSED = {"objective": "optimal-1d", "steps": 6, "temperatures": 3, "energies": 3}
ADVERSARIAL = {"objective": "wgan-gp", "steps": 4, "batch": 64, "critic_width": 8,
               "critic_warmup": 4}  # fmt: skip


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Fewer events to learn from, and fewer places where D is measured."""
    monkeypatch.setattr(event_adversary, "_TEMPERATURES", 32)
    monkeypatch.setattr(event_adversary, "_EVENTS", 500)
    monkeypatch.setattr(event_training, "_SIDE", 3)
    monkeypatch.setattr(event_training, "_FINAL_SIDE", 2)


def configuration(*stages, **more):
    """A small training."""
    generator = {"cosine_units": [4], "momentum_units": [4, 3], "conditioning": 2}
    return EventTrainingConfiguration.load(
        {"target": TARGET, "stage": list(stages), "generator": generator} | more
    )


# ---- Closed form ---------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [(5,), (5, 4)])
def test_gradient_is_the_derivative(hidden):
    """Against central differences, and its outputs are those of the network."""
    random = np.random.default_rng(1)
    shape = NetworkShape(2, 3, hidden)
    parameters = initial_network(shape, 2, random).fold(0.3)
    inputs, features = random.normal(size=(7, 2)), random.random((7, 3))
    out, by_parameter = gradient(shape, parameters, inputs, features)
    np.testing.assert_allclose(out, evaluate(shape, parameters, inputs, features), rtol=1e-14)
    assert by_parameter.shape == (7, shape.size)
    for j in range(shape.size):
        step = 1e-6 * (np.arange(shape.size) == j)
        ahead, behind = (evaluate(shape, parameters + s, inputs, features) for s in (step, -step))
        np.testing.assert_allclose(by_parameter[:, j], (ahead - behind) / 2e-6, atol=1e-8)


def test_fit_finds_the_minimum():
    """What one network says at several temperatures is learned by another, to 1e-6 in squares."""
    random = np.random.default_rng(2)
    shape = NetworkShape(1, 1, (3,))
    teacher = initial_network(shape, 1, random)
    given = []
    for theta in (0.01, 0.1, 1.0, 10.0):
        inputs, features = random.random((40, 1)), random.random((40, 1))
        target = evaluate(shape, teacher.fold(theta), inputs, features)
        given.append(Lesson(theta, inputs, features, target, np.full(40, 1 / 13), False))
    pupil = Network(shape, 0.8 * teacher.base, 0 * teacher.modulation, np.array([0.5]))
    fit = Fit(pupil, given, ridge=1e-14)
    before = fit.squares
    for _ in range(100):
        fit.step()
    assert before > 1e-3
    assert fit.squares < 1e-6 * before
    assert all(
        np.abs(evaluate(shape, fit.network.fold(each.theta), each.inputs, each.features)
               - each.target).max() < 1e-2
        for each in given
    )  # fmt: skip


def test_a_step_that_overflows_is_refused(monkeypatch):
    """Where numbers are no longer finite nothing is better: another step is taken."""
    random = np.random.default_rng(5)
    shape = NetworkShape(1, 1, (2,))
    lesson = Lesson(0.1, random.random((20, 1)), random.random((20, 1)), np.ones(20),
                    np.full(20, 0.2), False)  # fmt: skip
    fit = Fit(initial_network(shape, 1, random), [lesson], 0.0)
    sensible = fit._changes
    leap = np.full(fit.parameters.size, 1e4)
    monkeypatch.setattr(fit, "_changes", lambda *given: [leap, *sensible(*given)])
    before = fit.squares
    assert fit.step()
    assert np.abs(fit.parameters).max() < 100
    assert fit.squares < before


def test_ridge_keeps_parameters_small():
    """With a strong one, they end smaller."""
    random = np.random.default_rng(3)
    shape = NetworkShape(1, 1, (3,))
    inputs, features = random.random((30, 1)), random.random((30, 1))
    lesson = Lesson(0.1, inputs, features, np.sin(9 * inputs[:, 0]), np.full(30, 0.2), False)
    sizes = []
    for ridge in (0.0, 1e-2):
        fit = Fit(initial_network(shape, 1, random), [lesson], ridge)
        for _ in range(30):
            fit.step()
        sizes.append(np.abs(fit.parameters[:-1]).max())
    assert sizes[1] < 0.5 * sizes[0]


@pytest.mark.parametrize("theta", [1e-3, 10.0])
def test_lessons_are_quantiles(theta):
    """Events that the lessons ask for have the probability of their latents, to 1e-5."""
    cosine, momentum = (
        of_all[0] for of_all in lessons((0.5, 2.0), (1.2 * theta, 1.3 * theta), 3, 2)
    )
    assert cosine.theta == momentum.theta == pytest.approx(theta)
    v, x = cosine.inputs[:40, 0], cosine.features[0, 0]
    h = v / (v + np.exp(cosine.target[:40]) * (1 - v))
    np.testing.assert_allclose(angle_cdf(h, x, theta), v, atol=1e-9)
    (z, s), (transfer, _, _) = momentum.inputs.T, momentum.features.T
    for i in (0, 6, 12, 13 * 9 + 4, 13 * 15 + 8):
        zeta = z[i] + np.sqrt(theta / (1 + theta)) * momentum.target[i]
        cdf = momentum_cdf(zeta, s[i] ** 2, transfer[i] / s[i], theta)
        assert float(cdf) == pytest.approx(0.5 * (1 + _erf(z[i])), abs=1e-7, rel=1e-3)


def _erf(z):
    from scipy.special import erf

    return erf(z / np.sqrt(2))


def test_weights_do_not_depend_on_the_grid():
    """Residuals of 1 in the latent make a mean square of order one, so that ridges are alike."""
    squares = []
    for temperatures, energies in ((3, 3), (6, 5)):
        _, momentum = lessons((1e-3, 1.0), (0.01, 1.0), energies, temperatures)
        squares.append(sum(float(np.sum(each.weight**2)) for each in momentum))
    assert 0.05 < squares[0] < 1.0
    assert squares[1] == pytest.approx(squares[0], rel=0.3)


# ---- Stages --------------------------------------------------------------------------------------


def test_both_critics_bring_the_generator_nearer():
    """A learned critic first, the closed form second: D falls in both, to below 5e-3 at last."""
    first = {**ADVERSARIAL, "steps": 60, "batch": 128, "critic_width": 16, "critic_warmup": 60,
             "learning_rate": 1e-2, "critic_learning_rate": 1e-2}  # fmt: skip
    second = {**CLOSED, "steps": 30, "temperatures": 4, "energies": 4}
    training = EventTraining(configuration(first, second), "cpu")
    before = training.distance()[1]
    assert training.run(every=60)
    learned, closed = training.progress.stages
    assert learned["distance_mean"] < 0.7 * before
    assert closed["distance_max"] < 5e-3 < learned["distance_max"] / 10
    assert (learned["objective"], closed["objective"]) == ("wgan-gp", "optimal-1d")
    card = training.weights().card
    assert card["distance_max"] == closed["distance_max"]
    assert card["accuracy"]["theta <= 0.3"]["mean_gain_error_max"] < 5e-3
    assert card["hidden"] == {"cosine": [4], "momentum": [4, 3]}


def _tensors(training):
    return {name: tensor.copy() for name, tensor in training.weights().tensors.items()}


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_resumed_training_is_the_uninterrupted_one(stop_after, tmp_path, monkeypatch):
    """Stopped at a checkpoint and resumed from the file: the same weights, bit by bit."""
    monkeypatch.setattr(EventTraining, "distance", lambda self: (1.0, 1.0))
    monkeypatch.setattr(EventTraining, "_accuracy", lambda self: {})
    settings = configuration(ADVERSARIAL, {**CLOSED, "steps": 4})
    whole = EventTraining(settings, "cpu")
    whole.run(every=2)

    reports = []
    first = EventTraining(settings, "cpu")
    first.run(
        lambda progress, _: reports.append(progress.step),
        every=2,
        checkpoint=tmp_path,
        stop=lambda: len(reports) >= stop_after,
    )
    second = EventTraining(settings, "cpu")
    second.resume(tmp_path)
    assert second.run(every=2)
    for name, tensor in _tensors(whole).items():
        np.testing.assert_array_equal(_tensors(second)[name], tensor)
    assert second.progress.history == whole.progress.history


def test_constant_functions_of_temperature_are_left_out():
    """The network says the same without them, and has fewer parameters."""
    network = initial_network(NetworkShape(2, 3, (5, 4)), 3, np.random.default_rng(6))
    network = Network(network.shape, network.base, network.modulation, np.array([1e-30, 0.3, 2.0]))
    smaller = without_constants(network, 1e-3)
    np.testing.assert_array_equal(smaller.root_theta_scale, [0.3, 2.0])
    assert smaller.modulation.shape == (2, network.shape.size)
    for theta in (1e-3, 0.1, 10.0):
        np.testing.assert_allclose(smaller.fold(theta), network.fold(theta), rtol=1e-12)


def test_checkpoint_of_another_training(tmp_path):
    """Refused."""
    EventTraining(configuration(CLOSED, seed=1), "cpu").save(tmp_path)
    with pytest.raises(ConfigurationError, match="another training"):
        EventTraining(configuration(CLOSED, seed=2), "cpu").resume(tmp_path)


def test_torch_evaluates_the_same_network():
    """The form in which the adversary trains, against numpy."""
    random = np.random.default_rng(4)
    network = initial_network(NetworkShape(2, 3, (5, 4)), 3, random)
    theta = np.array([0.01, 2.0])
    inputs, features = random.normal(size=(2, 6, 2)), random.random((2, 6, 3))
    learning = event_adversary.TorchNetwork(network)
    out = learning(*(torch.from_numpy(a) for a in (theta, inputs, features))).detach().numpy()
    for i in range(2):
        expected = evaluate(network.shape, network.fold(theta[i]), inputs[i], features[i])
        np.testing.assert_allclose(out[i], expected, rtol=1e-13)
    back = learning.network()
    np.testing.assert_array_equal(back.modulation, network.modulation)


# ---- Command -------------------------------------------------------------------------------------

CONFIG = """
name = "small"
[target]
kind = "compton-event"
x_min = 1e-4
x_max = 0.1
theta_min = 0.02
theta_max = 0.2
[generator]
cosine_units = [4]
momentum_units = [4, 3]
conditioning = 2
[[stage]]
objective = "optimal-1d"
steps = 20
temperatures = 4
energies = 4
"""


def test_the_command_writes_usable_weights(tmp_path, monkeypatch):
    """Weights, card, history and curve; the weights make events."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(CONFIG)
    done = CliRunner().invoke(main, ["train", "small.toml", "--every", "10"])
    assert done.exit_code == 0, done.output
    assert "stage 1 step 20" in done.output
    assert "D <= " in done.output
    history = json.loads((tmp_path / "small/training.json").read_text())
    assert len(history["history"]) == 2
    assert (tmp_path / "small/training.png").stat().st_size > 1000
    weights = load_event_weights(tmp_path / "small/small.safetensors")
    assert weights.card["distance_max"] < 0.02
    x_out, cosine = EventGenerator(weights).fold(0.1)(0.01, 0.3, [-1.0, 1.0])
    assert (x_out > 0).all()
    assert (np.abs(cosine) <= 1).all()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("x_min = 1e-4", "x_min = 1.0", "x_min = 1 must be below x_max = 0.1"),
        ("theta_max = 0.2", "theta_max = 0.01", "theta_min = 0.02 must be below theta_max = 0.01"),
        ("theta_min = 0.02", "theta_min = 1e-9", "theta_min = 1e-09"),
        ("cosine_units = [4]", "cosine_units = []", "cosine_units"),
        ("cosine_units = [4]", "cosine_units = [4, 4, 4]", "cosine_units"),
        ("optimal-1d", "hope", "objective"),
        ("energies = 4", "energies = 1", "energies"),
        ("energies", "energy", "energies"),
    ],
)
def test_bad_configurations(tmp_path, old, new, said):
    """Each refusal names the file and the key, in one line and with status 2."""
    path = tmp_path / "small.toml"
    path.write_text(CONFIG.replace(old, new))
    done = CliRunner().invoke(main, ["train", str(path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert said in done.output
    assert "small.toml" in done.output
