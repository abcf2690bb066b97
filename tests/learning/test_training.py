"""Training in small: every objective learns, stages follow, an interruption changes nothing."""

import numpy as np
import pytest
import torch

from mcplugin.errors import ConfigurationError, InputError
from mcplugin.learning.training import Training, TrainingConfiguration

ANALYTIC = {"kind": "analytic", "theta_min": 1e-3, "theta_max": 10.0}


def configuration(*stages, target=ANALYTIC, **more):
    """A small training."""
    return TrainingConfiguration.load(
        {"target": target, "stage": list(stages), "generator": {"units": 4, "conditioning": 2}}
        | more
    )


def stage(objective, steps=60, **more):
    """A short stage."""
    settings = {"batch": 256, "learning_rate": 5e-3, "critic_width": 16, "critic_warmup": 60}
    return {"objective": objective, "steps": steps, **settings, **more}


@pytest.mark.parametrize("objective", ["classic", "wgan-gp", "energy", "optimal-1d"])
def test_every_objective_brings_the_generator_nearer(objective):
    """From a map that makes electrons far too fast, the mean D falls to less than half."""
    training = Training(configuration(stage(objective, steps=90)), "cpu")
    with torch.no_grad():
        training.generator.base[-1] += 0.8
    before = training.distance()[1]
    assert before > 0.05
    assert training.run(every=45)
    assert training.distance()[1] < 0.5 * before
    assert training.progress.stages[0]["objective"] == objective
    assert len(training.progress.history) == 2


def test_adversarial_first_optimal_second():
    """Two stages and a short polish reach D below 1e-3, a hundredth of where they began."""
    training = Training(
        configuration(
            stage("classic", steps=100),
            stage("optimal-1d", steps=50, learning_rate=3e-3, polish=60),
        ),
        "cpu",
    )
    before = training.distance()[0]
    assert training.run(every=50)
    largest, mean = training.distance()
    assert largest < 1e-3
    assert largest < before / 100
    first, second = training.progress.stages
    assert second["distance_max"] == largest < first["distance_max"]
    assert mean <= largest


def _parameters(training):
    return torch.cat([p.detach().reshape(-1) for p in training.generator.parameters()])


@pytest.mark.parametrize("objective", ["wgan-gp", "optimal-1d"])
@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_resumed_training_is_the_uninterrupted_one(objective, stop_after, tmp_path):
    """Stopped at a checkpoint and resumed from the file: the same weights, bit by bit."""
    settings = configuration(stage(objective, steps=8), stage("optimal-1d", steps=4))
    whole = Training(settings, "cpu")
    whole.run(every=4)

    reports = []
    first = Training(settings, "cpu")
    finished = first.run(
        lambda progress, _: reports.append(progress.step),
        every=4,
        checkpoint=tmp_path,
        stop=lambda: len(reports) >= stop_after,
    )
    second = Training(settings, "cpu")
    second.resume(tmp_path)
    assert finished == (stop_after == 3)
    assert second.run(every=4)
    assert torch.equal(_parameters(second), _parameters(whole))
    assert second.progress.history == whole.progress.history


def test_checkpoint_of_another_training(tmp_path):
    """A checkpoint is taken up only by the training that left it."""
    Training(configuration(stage("optimal-1d", steps=1)), "cpu").run(checkpoint=tmp_path)
    other = Training(configuration(stage("optimal-1d", steps=2)), "cpu")
    with pytest.raises(ConfigurationError, match="another training"):
        other.resume(tmp_path)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"no checkpoint")
    with pytest.raises(ConfigurationError, match="cannot resume"):
        other.resume(tmp_path)
    with pytest.raises(ConfigurationError, match="cannot resume"):
        other.resume(tmp_path / "nowhere")


def test_early_stop():
    """A stage ends once D is below what was asked for."""
    training = Training(configuration(stage("optimal-1d", steps=10_000, stop_at=0.05)), "cpu")
    training.run(every=10)
    assert training.progress.stages[0]["steps"] < 10_000
    assert training.distance()[0] <= 0.05


def test_seeds():
    """The same seed trains the same weights; another seed others."""
    runs = []
    for seed in (1, 1, 2):
        training = Training(configuration(stage("optimal-1d", steps=5), seed=seed), "cpu")
        training.run()
        runs.append(_parameters(training))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_reports_and_card():
    """The card says what was done and reached, and the tensors are finite doubles."""
    training = Training(configuration(stage("optimal-1d", steps=3), name="small"), "cpu")
    training.run()
    weights = training.weights()
    assert weights.card["name"] == "small"
    assert weights.card["theta_range"] == [1e-3, 10.0]
    assert weights.card["parameters_per_condition"] == 13
    assert weights.card["distance_max"] == training.distance()[0]
    for tensor in weights.tensors.values():
        assert tensor.dtype == np.float64
        assert np.isfinite(tensor).all()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "target"),
        ("stage = []\n[target]\nkind = 'magic'", "kind"),
        ("stage = []\n[target]\nkind = 'analytic'\ntheta_min = 1e-9", "theta_min"),
        ("[target]\nkind = 'analytic'\n[[stage]]\nobjective = 'hope'\nsteps = 1", "objective"),
        ("[target]\nkind = 'analytic'\n[[stage]]\nobjective = 'energy'\nsteps = -1", "steps"),
        ("[target]\nkind = 'analytic'\n[[stage]]\nobjective = 'energy'\nstep = 1", "step"),
        ("not toml", "not valid TOML"),
    ],
)
def test_bad_configuration(tmp_path, content, said):
    """Each refusal names the file and the key."""
    path = tmp_path / "training.toml"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=said):
        TrainingConfiguration.load(path)
    with pytest.raises(ConfigurationError, match="cannot read"):
        TrainingConfiguration.load(tmp_path / "missing.toml")


def test_targets_that_cannot_be_learned():
    """Empty ranges, missing files, and forms that do not go with the target."""
    for target in (
        {"kind": "analytic", "theta_min": 1.0, "theta_max": 1.0},
        {"kind": "samples"},
        {"kind": "samples", "file": "nowhere.csv"},
    ):
        with pytest.raises(InputError):
            Training(configuration(stage("energy"), target=target), "cpu")
    with pytest.raises(ConfigurationError, match="free"):
        Training(configuration(stage("energy"), generator={"form": "free"}), "cpu")
