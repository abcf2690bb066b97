"""No tensor is left behind on the host when another device is asked for.

Torch's device ``meta`` has shapes but no numbers. Like a GPU it refuses, in all that works element
by element, to be mixed with tensors of the host, and it is there on every machine. What is found
right so is where tensors are, not what a GPU computes.
"""

from functools import partial

import numpy as np
import pytest
import torch

from mcplugin import random_streams
from mcplugin.learning.event_training import EventTraining, EventTrainingConfiguration
from mcplugin.learning.training import (
    Training,
    TrainingConfiguration,
    chosen_device,
)
from mcplugin.samplers.gan import TorchGanSampler

OBJECTIVES = ("classic", "wgan-gp", "energy", "optimal-1d")


@pytest.fixture
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


def electron_training(objective, device):
    """A training of two steps."""
    stage = {"objective": objective, "steps": 2, "batch": 128, "critic_warmup": 1, "polish": 0}
    configuration = {"target": {"kind": "analytic"}, "stage": [stage]}
    return Training(TrainingConfiguration.load(configuration), device)


def event_training(device):
    """A training of two steps."""
    stage = {"objective": "wgan-gp", "steps": 2, "batch": 128, "critic_warmup": 1}
    configuration = {"target": {"kind": "compton-event"}, "stage": [stage]}
    return EventTraining(EventTrainingConfiguration.load(configuration), device)


@pytest.mark.usefixtures("any_numbers")
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_training_of_electrons(objective, monkeypatch):
    """A step of the critic and one of the generator."""
    monkeypatch.setattr(Training, "_note", lambda training, *losses: 1.0)
    training = electron_training(objective, "meta")
    training._advance(training.configuration.stage[0], 1)
    assert {parameter.device.type for parameter in training.generator.parameters()} == {"meta"}


@pytest.mark.usefixtures("any_numbers")
def test_training_of_events():
    """A step of the critic and one of both networks."""
    training = event_training("meta")
    adversary = training._begin(training.configuration.stage[0])
    assert np.isfinite(adversary.step(training.configuration.stage[0], [1, 0, 0])).all()
    assert {parameter.device.type for parameter in adversary.both.parameters()} == {"meta"}


@pytest.mark.usefixtures("any_numbers")
@pytest.mark.parametrize("theta", [0.2, np.linspace(0.1, 1.0, 100)])
def test_draws(theta):
    """Latents go to the device, draws come back."""
    sampler = TorchGanSampler()
    sampler._device = torch.device("meta")
    sampler._module = sampler._module.to("meta")
    assert sampler.sample(theta, random_streams(1, 100)).shape == (100,)


def test_automatic_choice(monkeypatch):
    """A GPU if there is one."""
    for present, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda present=present: present)
        assert chosen_device("auto") == device


def test_training_on_a_gpu(tmp_path):
    """Both kinds of training begin on it as on the CPU, and go on from a checkpoint."""
    if not torch.cuda.is_available():
        pytest.skip("NOT COVERED: there is no GPU here, so training on CUDA was not tested")
    for make in (*(partial(electron_training, name) for name in OBJECTIVES), event_training):
        on_cpu, on_gpu = make("cpu"), make("cuda")
        for training in (on_cpu, on_gpu):
            training._advance(training.configuration.stage[0], 1)
        assert on_gpu.distance() == pytest.approx(on_cpu.distance(), rel=1e-6)
        on_gpu.save(tmp_path / "checkpoint")
        resumed = make("cuda")
        resumed.resume(tmp_path / "checkpoint")
        assert resumed.run()
