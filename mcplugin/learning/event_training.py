"""Training a generator of Compton events, stage by stage, as that of electrons is trained.

Two kinds of stages: ``wgan-gp`` learns from draws of exact events by a learned critic, both
networks together; ``optimal-1d`` is the critic in closed form, each step being one of
Levenberg-Marquardt for each of the two networks.
"""

import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from mcplugin.configuration_file import ConflictError, Section, Whole, read_toml, validated
from mcplugin.learning.event_accuracy import accuracy_grid, event_accuracy, event_distances
from mcplugin.learning.event_adversary import EventAdversary
from mcplugin.learning.event_fit import Fit, initial_network
from mcplugin.learning.event_generator import (
    COSINE_ARGUMENTS,
    FORM,
    MOMENTUM_ARGUMENTS,
    FoldedEventGenerator,
    Network,
    NetworkShape,
)
from mcplugin.learning.event_targets import lessons
from mcplugin.learning.training import StagedTraining, below, chosen_device, restore, state_of
from mcplugin.learning.weights import Weights

Units = Annotated[list[Annotated[Whole, Field(ge=1, le=64)]], Field(min_length=1, max_length=2)]

# Photon energies, and temperatures, at which D is measured along the way, and in the end.
_SIDE, _FINAL_SIDE = 5, 10
# Above this temperature ⟨x'/x⟩ is no longer near 1, and errors of it are told apart.
_COLD = 0.3


class EventTargetSettings(Section):
    """What to learn: events of photons and temperatures within limits."""

    kind: Literal["compton-event"]
    x_min: Annotated[float, Field(ge=1e-8, le=50.0)] = 1e-6
    x_max: Annotated[float, Field(ge=1e-8, le=50.0)] = 10.0
    theta_min: Annotated[float, Field(ge=2e-4, le=50.0)] = 1e-3
    theta_max: Annotated[float, Field(ge=2e-4, le=50.0)] = 10.0

    @model_validator(mode="after")
    def _consistent(self) -> "EventTargetSettings":
        for name in ("x", "theta"):
            low, high = getattr(self, f"{name}_min"), getattr(self, f"{name}_max")
            if not low < high:
                raise ConflictError(
                    f"{name}_min = {low:g} must be below {name}_max = {high:g}", f"{name}_min"
                )
        return self


class EventGeneratorSettings(Section):
    """How large the two networks are."""

    cosine_units: Units = [10]  # noqa: RUF012
    momentum_units: Units = [14, 10]  # noqa: RUF012
    conditioning: Annotated[Whole, Field(ge=1, le=16)] = 4


class EventStage(Section):
    """One stage of training."""

    objective: Literal["wgan-gp", "optimal-1d"]
    steps: Annotated[Whole, Field(ge=1, le=1_000_000)]
    batch: Annotated[Whole, Field(ge=64, le=10_000_000)] = 2048
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 1e-3
    critic_steps: Annotated[Whole, Field(ge=1, le=100)] = 4
    critic_warmup: Annotated[Whole, Field(ge=1, le=100_000)] = 200
    critic_width: Annotated[Whole, Field(ge=1, le=4096)] = 64
    critic_learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 1e-3
    temperatures: Annotated[Whole, Field(ge=2, le=200)] = 30
    energies: Annotated[Whole, Field(ge=3, le=200)] = 14
    momentum_ridge: Annotated[float, Field(ge=0.0, le=1.0)] = 1e-13
    cosine_ridge: Annotated[float, Field(ge=0.0, le=1.0)] = 1e-14


class EventTrainingConfiguration(Section):
    """A complete training."""

    name: Annotated[str, Field(pattern=r"^\w[\w.+-]*$")] = "compton-event"
    target: EventTargetSettings
    generator: EventGeneratorSettings = EventGeneratorSettings()
    stage: Annotated[list[EventStage], Field(min_length=1)]
    seed: Annotated[Whole, Field(ge=0, le=2**32 - 1)] = 1

    @classmethod
    def load(
        cls, source: "Mapping[str, Any] | str | os.PathLike[str]"
    ) -> "EventTrainingConfiguration":
        """Read a training from a TOML file or a mapping of its sections.

        Raises
        ------
        ConfigurationError
            If the file cannot be read or does not describe a training; in one line with the file,
            the line, the key, what was given, what is allowed, and the nearest valid name.
        """
        if isinstance(source, Mapping):
            return validated(cls, source, "training configuration")
        content, text = read_toml(source)
        return validated(cls, content, os.fspath(source), text)


class _ClosedForm:
    """Least squares of both networks."""

    def __init__(
        self, networks: dict[str, Network], stage: EventStage, target: EventTargetSettings
    ) -> None:
        cosine, momentum = lessons(
            (target.x_min, target.x_max),
            (target.theta_min, target.theta_max),
            stage.energies,
            stage.temperatures,
        )
        self.fits = {
            "cosine": Fit(networks["cosine"], cosine, stage.cosine_ridge),
            "momentum": Fit(networks["momentum"], momentum, stage.momentum_ridge),
        }

    def networks(self) -> dict[str, Network]:
        return {name: fit.network for name, fit in self.fits.items()}

    def step(self, stage: EventStage, seed: list[int]) -> tuple[float, float]:
        """One step of each network; give the sum of their mean square residuals."""
        for fit in self.fits.values():
            fit.step()
        return sum(fit.squares for fit in self.fits.values()), 0.0

    def state(self) -> dict[str, Tensor]:
        return {
            f"{name}/{key}": torch.from_numpy(np.asarray(value))
            for name, fit in self.fits.items()
            for key, value in (
                *(("parameters", fit.parameters), ("damping", fit.damping)),
                ("squares", fit.squares),
            )
        }

    def load(self, state: dict[str, Tensor]) -> None:
        for name, fit in self.fits.items():
            fit.parameters = state[f"{name}/parameters"].numpy()
            fit.damping = float(state[f"{name}/damping"])
            fit.squares = float(state[f"{name}/squares"])


class _Adversarial:
    """Both networks against one learned critic."""

    def __init__(
        self,
        networks: dict[str, Network],
        stage: EventStage,
        target: EventTargetSettings,
        seed: int,
        device: str,
    ) -> None:
        self.both = EventAdversary(
            networks["cosine"],
            networks["momentum"],
            (target.x_min, target.x_max),
            (target.theta_min, target.theta_max),
            stage.critic_width,
            stage.learning_rate,
            stage.critic_learning_rate,
            seed,
            device,
        )

    def networks(self) -> dict[str, Network]:
        return {"cosine": self.both.cosine.network(), "momentum": self.both.momentum.network()}

    def step(self, stage: EventStage, seed: list[int]) -> tuple[float, float]:
        """One step of the networks after some of the critic; give both losses."""
        random = np.random.default_rng(seed)
        step = seed[-1]
        # A critic that knows nothing would lead the networks astray: it begins alone.
        for _ in range(stage.critic_warmup if step == 0 else stage.critic_steps):
            critic_loss = self.both.train_critic(random, stage.batch)
        # The learning rate falls to a hundredth along a quarter of a cosine.
        share = 0.01 + 0.99 * np.cos(0.5 * np.pi * step / stage.steps)
        return self.both.train_networks(random, stage.batch, float(share)), critic_loss

    def _optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"networks": self.both.optimiser, "critic": self.both.critic_optimiser}

    def state(self) -> dict[str, Tensor]:
        state = {f"module/{key}": value for key, value in self.both.state_dict().items()}
        return state | state_of(self._optimisers())

    def load(self, state: dict[str, Tensor]) -> None:
        self.both.load_state_dict(below(state, "module/"))
        restore(self._optimisers(), state)


class EventTraining(StagedTraining[EventStage]):
    """The training of a generator of Compton events.

    Parameters
    ----------
    configuration : EventTrainingConfiguration
        What to do.
    device : str
        Where the stages ``wgan-gp`` compute: ``"cpu"``, ``"cuda"``, or ``"auto"``: a GPU if there
        is one.
    """

    def __init__(self, configuration: EventTrainingConfiguration, device: str = "auto") -> None:
        super().__init__(configuration, configuration.name, configuration.stage)
        self.configuration = configuration
        self.device = chosen_device(device)
        settings = configuration.generator
        self.networks = {
            name: initial_network(
                NetworkShape(*arguments, tuple(units)),
                settings.conditioning,
                np.random.default_rng([configuration.seed, number]),
            )
            for number, (name, arguments, units) in enumerate(
                (
                    ("cosine", COSINE_ARGUMENTS, settings.cosine_units),
                    ("momentum", MOMENTUM_ARGUMENTS, settings.momentum_units),
                )
            )
        }
        self._began: tuple[int, _ClosedForm | _Adversarial] | None = None

    def _advance(self, stage: EventStage, steps: int) -> bool:
        critic = self._begin(stage)
        loss = critic_loss = 0.0
        for _ in range(steps):
            seed = [self.configuration.seed, self.progress.stage, self.progress.step]
            loss, critic_loss = critic.step(stage, seed)
            self.progress.step += 1
        self.networks = critic.networks()
        self._note(loss, critic_loss)
        return self.progress.step >= stage.steps

    def _begin(self, stage: EventStage) -> "_ClosedForm | _Adversarial":
        if self._began is None or self._began[0] != self.progress.stage:
            target = self.configuration.target
            critic: _ClosedForm | _Adversarial
            if stage.objective == "optimal-1d":
                critic = _ClosedForm(self.networks, stage, target)
            else:
                seed = self.configuration.seed
                critic = _Adversarial(self.networks, stage, target, seed, self.device)
            self._began = self.progress.stage, critic
        return self._began[1]

    def _remarks(self, stage: EventStage) -> dict[str, Any]:
        if stage.objective == "optimal-1d":
            return {"temperatures": stage.temperatures, "energies": stage.energies}
        return {"batch": stage.batch}

    def distance(self) -> tuple[float, float]:
        """Largest and mean D, of cosine or momentum given the cosine, over x and Θ."""
        distances = [
            max(event_distances(self._folded(theta), x))
            for x, theta in accuracy_grid(*self._ranges(), _SIDE)
        ]
        return max(distances), float(np.mean(distances))

    def weights(self) -> Weights:
        """The generator as it stands, with its card."""
        settings = self.configuration
        x_range, theta_range = self._ranges()
        tensors = {}
        for name, learned in self.networks.items():
            network = without_constants(learned, theta_range[0])
            tensors[f"{name}_base"] = network.base
            tensors[f"{name}_modulation"] = network.modulation
            tensors[f"{name}_root_theta_scale"] = network.root_theta_scale
        largest, mean = self.distance()
        card: dict[str, Any] = {
            "name": settings.name,
            "form": FORM,
            "conditions": ["x", "theta"],
            "x_range": list(x_range),
            "theta_range": list(theta_range),
            "hidden": {name: list(n.shape.hidden) for name, n in self.networks.items()},
            "latent": "v uniform on (0, 1) for the cosine, z standard normal for the momentum",
            "output": "x'/x and the cosine of the scattering angle",
            "parameters_per_condition": sum(n.shape.size for n in self.networks.values()),
            "parameters": int(sum(t.size for t in tensors.values())),
            "distance_max": largest,
            "distance_mean": mean,
            "accuracy": self._accuracy(),
            "stages": self.progress.stages,
            "configuration": settings.model_dump(mode="json"),
            "versions": {
                "mcplugin": version("mcplugin"),
                "numpy": np.__version__,
                "torch": torch.__version__,
            },
        }
        return Weights(tensors, card)

    def _accuracy(self) -> dict[str, Any]:
        """Errors over the whole range, those of the lower temperatures apart."""
        grid = accuracy_grid(*self._ranges(), _FINAL_SIDE)
        measured = [(theta, event_accuracy(self._folded(theta), x)) for x, theta in grid]
        summary: dict[str, Any] = {"grid": [_FINAL_SIDE, _FINAL_SIDE]}
        for key, some in (
            (f"theta <= {_COLD:g}", [m for theta, m in measured if theta <= _COLD]),
            (f"theta > {_COLD:g}", [m for theta, m in measured if theta > _COLD]),
        ):
            if some:
                summary[key] = {
                    "cosine_distance_max": max(m.cosine for m in some),
                    "momentum_distance_max": max(m.momentum for m in some),
                    "mean_gain_error_max": max(abs(m.gain) for m in some),
                    "mean_square_error_max": max(abs(m.square) for m in some),
                }
        return summary

    def _folded(self, theta: float) -> FoldedEventGenerator:
        return FoldedEventGenerator(
            self.networks["cosine"], self.networks["momentum"], theta, self._ranges()[0]
        )

    def _ranges(self) -> tuple[tuple[float, float], tuple[float, float]]:
        target = self.configuration.target
        return (target.x_min, target.x_max), (target.theta_min, target.theta_max)

    def save(self, folder: Path) -> None:
        """Keep the whole state of the training, without pickles, replacing an older one."""
        state = {}
        for name, network in self.networks.items():
            for part in ("base", "modulation", "root_theta_scale"):
                state[f"network/{name}/{part}"] = torch.from_numpy(getattr(network, part))
        if self._began is not None and self._began[0] == self.progress.stage:
            state |= {f"critic/{key}": value for key, value in self._began[1].state().items()}
        self._write_checkpoint(folder, state)

    def resume(self, folder: Path) -> None:
        """Take up a training where its checkpoint left it.

        Raises
        ------
        ConfigurationError
            If there is no checkpoint, or it is that of another training.
        """
        state = self._read_checkpoint(folder)
        self.networks = {
            name: Network(
                network.shape,
                *(
                    state[f"network/{name}/{part}"].numpy()
                    for part in ("base", "modulation", "root_theta_scale")
                ),
            )
            for name, network in self.networks.items()
        }
        self._began = None
        if critic := below(state, "critic/"):
            self._begin(self.configuration.stage[self.progress.stage]).load(critic)


def without_constants(network: Network, theta_min: float) -> Network:
    """The same network without functions of temperature that are 1, to 1e-12, from Θ_min on.

    Training makes some of them constant where fewer would do; they belong to the base.
    """
    constant = network.root_theta_scale < 1e-12 * np.sqrt(theta_min)
    return Network(
        network.shape,
        network.base + network.modulation[constant].sum(axis=0),
        network.modulation[~constant],
        network.root_theta_scale[~constant],
    )
