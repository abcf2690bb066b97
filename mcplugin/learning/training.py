"""Training, stage by stage: adversarial first, the critic in closed form second.

Each step draws its random numbers from (seed, stage, step), so an interrupted training resumes to
the very weights that an uninterrupted one would have reached on the same machine.
"""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar

import numpy as np
import torch
from pydantic import BaseModel, Field, model_validator
from safetensors.torch import load_file, save_file
from torch import Tensor

from mcplugin.configuration_file import ConflictError, Section, Whole, read_toml, validated
from mcplugin.errors import ConfigurationError
from mcplugin.learning.critic import OBJECTIVES, LearnedObjective, Objective, OptimalTransport
from mcplugin.learning.generator import FreeGenerator, Generator, ThermalGenerator
from mcplugin.learning.polish import polish
from mcplugin.learning.radial_map import FREE, free_map, thermal_map
from mcplugin.learning.targets import MaxwellJuttnerTarget, SampleTarget, Target
from mcplugin.learning.weights import Weights


class TargetSettings(Section):
    """What to learn."""

    kind: Literal["analytic", "samples"]
    distribution: Literal["maxwell-juttner"] = "maxwell-juttner"
    theta_min: Annotated[float, Field(ge=1e-4, le=100.0)] = 1e-4
    theta_max: Annotated[float, Field(ge=1e-4, le=100.0)] = 100.0
    file: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "TargetSettings":
        if self.kind == "samples" and self.file is None:
            raise ConflictError("kind = 'samples' needs a file of them: give file", "kind")
        if not self.theta_min < self.theta_max:
            raise ConflictError(
                f"theta_min = {self.theta_min:g} must be below theta_max = {self.theta_max:g}",
                "theta_min",
            )
        return self


class GeneratorSettings(Section):
    """How large the generator is."""

    form: Literal["thermal", "free"] = "thermal"
    units: Annotated[Whole, Field(ge=1, le=256)] = 8
    conditioning: Annotated[Whole, Field(ge=1, le=64)] = 3


class Stage(Section):
    """One stage of training."""

    objective: Literal["classic", "wgan-gp", "energy", "optimal-1d"]
    steps: Annotated[Whole, Field(ge=0, le=10_000_000)]
    batch: Annotated[Whole, Field(ge=64, le=10_000_000)] = 2048
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 1e-3
    critic_steps: Annotated[Whole, Field(ge=1, le=100)] = 3
    critic_warmup: Annotated[Whole, Field(ge=1, le=100_000)] = 200
    critic_width: Annotated[Whole, Field(ge=1, le=4096)] = 64
    critic_learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 1e-3
    stop_at: Annotated[float, Field(ge=0.0)] = 0.0
    polish: Annotated[Whole, Field(ge=0, le=1_000_000)] = 0


class TrainingConfiguration(Section):
    """A complete training."""

    name: Annotated[str, Field(pattern=r"^\w[\w.+-]*$")] = "generator"
    target: TargetSettings
    generator: GeneratorSettings = GeneratorSettings()
    stage: Annotated[list[Stage], Field(min_length=1)]
    seed: Annotated[Whole, Field(ge=0, le=2**32 - 1)] = 1

    @model_validator(mode="after")
    def _generator_fits_the_target(self) -> "TrainingConfiguration":
        if self.generator.form == FREE and self.target.kind != "samples":
            raise ConflictError(
                "generator.form = 'free' is for target.kind = 'samples': use form = 'thermal'",
                *("generator", "form"),
            )
        return self

    @classmethod
    def load(cls, source: "Mapping[str, Any] | str | os.PathLike[str]") -> "TrainingConfiguration":
        """Read a training from a TOML file or a mapping of its sections.

        Relative paths inside a file are taken from the file's own folder.

        Raises
        ------
        ConfigurationError
            If the file cannot be read or does not describe a training; in one line with the file,
            the line, the key, what was given, what is allowed, and the nearest valid name.
        """
        if isinstance(source, Mapping):
            return validated(cls, source, "training configuration")
        content, text = read_toml(source)
        target = content.get("target")
        if isinstance(target, dict) and isinstance(target.get("file"), str):
            target["file"] = str(Path(source).parent / target["file"])
        return validated(cls, content, os.fspath(source), text)


@dataclass
class Progress:
    """Where a training stands.

    Attributes
    ----------
    stage, step : int
        Stage under way, and its steps done.
    history : list of dict
        Losses and D every so many steps.
    stages : list of dict
        What each finished stage reached.
    """

    stage: int = 0
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    stages: list[dict[str, Any]] = field(default_factory=list)


Report = Callable[[Progress, int], None]


class StageOfAnyKind(Protocol):
    """What every stage of a training says."""

    @property
    def objective(self) -> str:
        """Name of what is minimised."""

    @property
    def steps(self) -> int:
        """Most steps."""


AnyStage = TypeVar("AnyStage", bound=StageOfAnyKind)


class StagedTraining(ABC, Generic[AnyStage]):
    """A training under way, whatever it trains.

    Parameters
    ----------
    configuration : pydantic model
        What tells this training from any other.
    name : str
        That of the weights.
    stages : sequence of stages
        What to do, in order.

    Attributes
    ----------
    progress : Progress
        Where it stands.
    resolution : float
        Smallest D that can be told from zero; 0 where the truth is known exactly.
    """

    resolution = 0.0

    def __init__(self, configuration: BaseModel, name: str, stages: Sequence[AnyStage]) -> None:
        self.name = name
        self.stages = stages
        self.progress = Progress()
        self._described = configuration.model_dump_json()

    def run(
        self,
        report: Report | None = None,
        every: int = 50,
        checkpoint: Path | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Train until all stages are done or ``stop`` says so; give whether all are done.

        Parameters
        ----------
        report : callable, optional
            Called with the progress and the number of all steps, every ``every`` steps.
        every : int
            Steps between measurements of D, reports and checkpoints.
        checkpoint : path, optional
            Folder in which the state is kept after every report.
        stop : callable
            Asked after every report.
        """
        stages = self.stages
        all_steps = sum(stage.steps for stage in stages)
        while self.progress.stage < len(stages):
            stage = stages[self.progress.stage]
            finished = self._advance(stage, min(every, stage.steps - self.progress.step))
            if finished:
                self._close(stage)
            if checkpoint is not None:
                self.save(checkpoint)
            if report is not None:
                report(self.progress, all_steps)
            if stop():
                return self.progress.stage == len(stages)
        return True

    @abstractmethod
    def _advance(self, stage: AnyStage, steps: int) -> bool:
        """Some steps of a stage; gives whether the stage is over."""

    @abstractmethod
    def _remarks(self, stage: AnyStage) -> dict[str, Any]:
        """What a card says of a finished stage, besides its steps and what it reached."""

    @abstractmethod
    def distance(self) -> tuple[float, float]:
        """Largest and mean D over conditions that no step has seen."""

    @abstractmethod
    def weights(self) -> Weights:
        """The generator as it stands, with its card."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Keep the whole state of the training, without pickles, replacing an older one."""

    @abstractmethod
    def resume(self, folder: Path) -> None:
        """Take up a training where its checkpoint left it.

        Raises
        ------
        ConfigurationError
            If there is no checkpoint, or it is that of another training.
        """

    def _write_checkpoint(self, folder: Path, state: dict[str, Tensor]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / "checkpoint.part"
        about = {
            "configuration": self._described,
            "progress": json.dumps(vars(self.progress)),
        }
        save_file({k: v.detach().clone().contiguous() for k, v in state.items()}, unfinished, about)
        unfinished.replace(folder / "checkpoint.safetensors")

    def _read_checkpoint(self, folder: Path) -> dict[str, Tensor]:
        """Tensors of the state; the progress is taken up already."""
        from safetensors import safe_open

        path = folder / "checkpoint.safetensors"
        try:
            with safe_open(path, "pt") as file:
                about = file.metadata()
            state = load_file(path)
        except Exception as error:
            raise ConfigurationError(f"cannot resume from {path}: {error}") from error
        if about.get("configuration") != self._described:
            raise ConfigurationError(f"{path} belongs to another training configuration")
        self.progress = Progress(**json.loads(about["progress"]))
        return state

    def _note(self, generator_loss: float, critic_loss: float) -> float:
        """Measure D, add a row to the history, and give the largest D."""
        largest, mean = self.distance()
        self.progress.history.append(
            {
                "stage": self.progress.stage,
                "step": self.progress.step,
                "generator_loss": generator_loss,
                "critic_loss": critic_loss,
                "distance_max": largest,
                "distance_mean": mean,
            }
        )
        return largest

    def _close(self, stage: AnyStage) -> None:
        largest, mean = self.distance()
        self.progress.stages.append(
            {
                "objective": stage.objective,
                "steps": self.progress.step,
                **self._remarks(stage),
                "distance_max": largest,
                "distance_mean": mean,
            }
        )
        self.progress.stage += 1
        self.progress.step = 0


class Training(StagedTraining[Stage]):
    """The training of a generator of electrons.

    Parameters
    ----------
    configuration : TrainingConfiguration
        What to do.
    device : str
        ``"cpu"``, ``"cuda"``, or ``"auto"``: a GPU if there is one.

    Raises
    ------
    InputError
        If the target cannot be learned from.
    """

    def __init__(self, configuration: TrainingConfiguration, device: str = "auto") -> None:
        super().__init__(configuration, configuration.name, configuration.stage)
        self.configuration = configuration
        self.device = chosen_device(device)
        self.target = _target(configuration.target)
        self.resolution = self.target.resolution
        self.generator = _generator(configuration, self.target).to(self.device)
        self._began: tuple[int, Objective, torch.optim.Optimizer] | None = None

    def _advance(self, stage: Stage, steps: int) -> bool:
        """Some steps of a stage; gives whether the stage is over."""
        objective, optimiser = self._begin(stage)
        critic_loss = loss_value = 0.0
        for _ in range(steps):
            random = np.random.default_rng(
                [self.configuration.seed, self.progress.stage, self.progress.step]
            )
            # A critic that knows nothing would lead the generator astray: it begins alone.
            lessons = stage.critic_warmup if self.progress.step == 0 else stage.critic_steps
            for _ in range(lessons):
                critic_loss = objective.train_critic(
                    self.generator, self.target, random, stage.batch
                )
            # The learning rate falls to a hundredth along a quarter of a cosine.
            share = self.progress.step / stage.steps
            for group in optimiser.param_groups:
                group["lr"] = stage.learning_rate * (0.01 + 0.99 * np.cos(0.5 * np.pi * share))
            optimiser.zero_grad()
            loss = objective.generator_loss(self.generator, self.target, random, stage.batch)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            loss_value = float(loss.detach())
            self.progress.step += 1
        largest = self._note(loss_value, critic_loss)
        finished = self.progress.step >= stage.steps or largest <= stage.stop_at
        if finished and stage.polish and stage.objective == OptimalTransport.name:
            self._polish(stage)
        return finished

    def _remarks(self, stage: Stage) -> dict[str, Any]:
        return {"polish": stage.polish}

    def _begin(self, stage: Stage) -> tuple[Objective, torch.optim.Optimizer]:
        if self._began is None or self._began[0] != self.progress.stage:
            objective: Objective
            if stage.objective == OptimalTransport.name:
                objective = OptimalTransport()
            else:
                learned = OBJECTIVES[stage.objective]
                assert issubclass(learned, LearnedObjective)
                objective = learned(
                    self.target,
                    stage.critic_width,
                    stage.critic_learning_rate,
                    self.configuration.seed,
                    self.device,
                )
            betas = (0.9, 0.99) if stage.objective == OptimalTransport.name else (0.5, 0.9)
            optimiser = torch.optim.Adam(
                self.generator.parameters(), lr=stage.learning_rate, betas=betas
            )
            self._began = (self.progress.stage, objective, optimiser)
        return self._began[1], self._began[2]

    def _polish(self, stage: Stage) -> None:
        """Gauss-Newton steps on the closed-form critic's residuals, which Adam cannot finish."""
        objective = OptimalTransport()
        grid = objective.matched_grid(self.target)
        radius, conditions, log_u = (torch.from_numpy(a).to(self.device) for a in grid)
        squares = polish(
            self.generator,
            lambda generator: objective.residuals(generator, radius, conditions, log_u),
            stage.polish,
        )
        self._note(squares / radius.numel(), 0.0)

    def distance(self) -> tuple[float, float]:
        """Largest and mean D over conditions that no step has seen."""
        weights = self.weights(measured=False)
        evaluate = free_map(weights) if weights.card["form"] == FREE else thermal_map(weights)
        if weights.card["form"] == FREE:
            d = self.target.distance(evaluate)[1]
        else:
            d = self.target.distance(lambda r, c: evaluate(r, float(c[0])))[1]
        return float(np.max(d)), float(np.mean(d))

    def weights(self, measured: bool = True) -> Weights:
        """The generator as it stands, with its card."""
        settings = self.configuration
        tensors = self.generator.tensors()
        card: dict[str, Any] = {
            "name": settings.name,
            "form": self.generator.form,
            "conditions": list(self.target.conditions),
            "theta_range": [settings.target.theta_min, settings.target.theta_max],
        }
        if measured:
            largest, mean = self.distance()
            card |= {
                "latent": "radius of a 3-D standard normal",
                "output": "four-velocity u = gamma beta",
                "parameters_per_condition": int(tensors["base"].size),
                "parameters": int(sum(t.size for t in tensors.values())),
                "distance_max": largest,
                "distance_mean": mean,
                "stages": self.progress.stages,
                "configuration": settings.model_dump(mode="json", exclude_none=True),
                "versions": {"mcplugin": version("mcplugin"), "torch": torch.__version__},
            }
        return Weights(tensors, card)

    def save(self, folder: Path) -> None:
        """Keep the whole state of the training, without pickles, replacing an older one."""
        state: dict[str, Tensor] = {
            f"generator/{k}": v for k, v in self.generator.state_dict().items()
        }
        if self._began is not None and self._began[0] == self.progress.stage:
            _, objective, optimiser = self._began
            optimisers = {"generator": optimiser}
            if isinstance(objective, LearnedObjective):
                optimisers["critic"] = objective.optimiser
                state |= {f"critic/{k}": v for k, v in objective.critic.state_dict().items()}
            state |= state_of(optimisers)
        self._write_checkpoint(folder, state)

    def resume(self, folder: Path) -> None:
        """Take up a training where its checkpoint left it.

        Raises
        ------
        ConfigurationError
            If there is no checkpoint, or it is that of another training.
        """
        state = self._read_checkpoint(folder)
        self.generator.load_state_dict(below(state, "generator/"))
        self._began = None
        if any(key.startswith("optimiser/") for key in state):
            objective, optimiser = self._begin(self.configuration.stage[self.progress.stage])
            optimisers = {"generator": optimiser}
            if isinstance(objective, LearnedObjective):
                objective.critic.load_state_dict(below(state, "critic/"))
                optimisers["critic"] = objective.optimiser
            restore(optimisers, state)


def below(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, named without it."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def state_of(optimisers: Mapping[str, torch.optim.Optimizer]) -> dict[str, Tensor]:
    """What optimisers remember, as tensors with names that begin with ``optimiser/``."""
    return {
        f"optimiser/{name}/{index}/{key}": value
        for name, optimiser in optimisers.items()
        for index, values in optimiser.state_dict()["state"].items()
        for key, value in values.items()
    }


def restore(optimisers: Mapping[str, torch.optim.Optimizer], state: dict[str, Tensor]) -> None:
    """Give optimisers back what :func:`state_of` kept of them."""
    for name, optimiser in optimisers.items():
        content = optimiser.state_dict()
        for place, value in below(state, f"optimiser/{name}/").items():
            index, key = place.split("/")
            content["state"].setdefault(int(index), {})[key] = value
        optimiser.load_state_dict(content)


def chosen_device(device: str) -> str:
    """The device itself, or for ``"auto"`` a GPU if there is one."""
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def _target(settings: TargetSettings) -> Target:
    if settings.kind == "analytic":
        return MaxwellJuttnerTarget(settings.theta_min, settings.theta_max)
    assert settings.file is not None
    return SampleTarget.read(settings.file)


def _generator(configuration: TrainingConfiguration, target: Target) -> Generator:
    settings = configuration.generator
    random = torch.Generator().manual_seed(configuration.seed)
    if settings.form == FREE:
        assert isinstance(target, SampleTarget)
        _, u = target.draw(np.random.default_rng(configuration.seed), 10_000)
        return FreeGenerator(
            settings.units,
            settings.conditioning,
            random,
            target.condition_range,
            float(np.median(np.log(u))),
        )
    if target.conditions != ("theta",):
        raise ConfigurationError(
            f"generator.form = 'thermal' needs the one condition theta, not {target.conditions}"
        )
    return ThermalGenerator(settings.units, settings.conditioning, random)
