"""No tensor is left behind on the host when another device is asked for.

Torch's device ``meta`` has shapes but no numbers. Like a GPU it refuses, in all that works element
by element, to be mixed with tensors of the host, and it is there on every machine. What is found
right so is where tensors are, not what a GPU computes.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mcplugin import random_streams  # noqa: E402
from mcplugin.learning.event_training import EventTraining, EventTrainingConfiguration  # noqa: E402
from mcplugin.learning.training import Training, TrainingConfiguration  # noqa: E402
from mcplugin.samplers.gan import TorchGanSampler  # noqa: E402


@pytest.fixture(autouse=True)
def any_numbers(monkeypatch):
    """Wherever numbers of the device are wanted on the host, they are ones."""
    monkeypatch.setattr(torch.Tensor, "item", lambda tensor: 1.0)
    monkeypatch.setattr(torch.Tensor, "__float__", lambda tensor: 1.0)
    monkeypatch.setattr(
        torch.Tensor, "cpu", lambda tensor: torch.ones(tensor.shape, dtype=tensor.dtype)
    )


def test_what_is_left_behind_is_noticed():
    """The device of these tests refuses tensors of the host: they can fail."""
    with pytest.raises(RuntimeError, match="meta"):
        torch.ones(3, device="meta") * torch.ones(3)


@pytest.mark.parametrize("objective", ["classic", "wgan-gp", "energy", "optimal-1d"])
def test_training_of_electrons(objective, monkeypatch):
    """A step of the critic and one of the generator."""
    monkeypatch.setattr(Training, "_note", lambda training, *losses: 1.0)
    stage = {"objective": objective, "steps": 2, "batch": 128, "critic_warmup": 1, "polish": 0}
    target = {"kind": "analytic"}
    training = Training(TrainingConfiguration.load({"target": target, "stage": [stage]}), "meta")
    training._advance(training.configuration.stage[0], 1)
    assert {parameter.device.type for parameter in training.generator.parameters()} == {"meta"}


def test_training_of_events():
    """A step of the critic and one of both networks."""
    stage = {"objective": "wgan-gp", "steps": 2, "batch": 128, "critic_warmup": 1}
    configuration = {"target": {"kind": "compton-event"}, "stage": [stage]}
    training = EventTraining(EventTrainingConfiguration.load(configuration), "meta")
    adversary = training._begin(training.configuration.stage[0])
    assert np.isfinite(adversary.step(training.configuration.stage[0], [1, 0, 0])).all()
    assert {parameter.device.type for parameter in adversary.both.parameters()} == {"meta"}


@pytest.mark.parametrize("theta", [0.2, np.linspace(0.1, 1.0, 100)])
def test_draws(theta):
    """Latents go to the device, draws come back."""
    sampler = TorchGanSampler()
    sampler._device = torch.device("meta")
    sampler._module = sampler._module.to("meta")
    assert sampler.sample(theta, random_streams(1, 100)).shape == (100,)
