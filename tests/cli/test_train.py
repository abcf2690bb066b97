"""``mcplugin train`` and ``mcplugin export``: what they write, resume, and refuse."""

import json
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from mcplugin import get_sampler, random_streams
from mcplugin.cli import main
from mcplugin.learning.radial_map import thermal_map
from mcplugin.learning.weights import load_weights

CONFIG = """
name = "small"
seed = 3
[target]
kind = "analytic"
theta_min = 0.01
theta_max = 10.0
[generator]
units = 4
conditioning = 2
[[stage]]
objective = "classic"
steps = 6
batch = 64
critic_width = 8
critic_warmup = 5
[[stage]]
objective = "optimal-1d"
steps = 6
batch = 128
polish = 40
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a training configuration."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def call(*arguments):
    """Run the command within this process."""
    return CliRunner().invoke(main, arguments)


def test_training_gives_usable_weights(folder):
    """Weights, card, history and curve; the weights make a sampler as good as the card says."""
    done = call("train", "small.toml", "--out", "trained", "--every", "3", "--threads", "1")
    assert done.exit_code == 0, done.output
    names = {path.name for path in (folder / "trained").iterdir()}
    assert {"small.safetensors", "small.json", "training.json", "training.png"} <= names
    card = json.loads((folder / "trained/small.json").read_text())
    assert card["distance_max"] < 0.02
    assert [stage["objective"] for stage in card["stages"]] == ["classic", "optimal-1d"]
    history = json.loads((folder / "trained/training.json").read_text())
    assert len(history["history"]) == 5
    sampler = get_sampler("gan-torch", weights="trained/small.safetensors")
    assert sampler.theta_range == (0.01, 10.0)
    assert sampler.quality(0.5)["distance"] <= 1.5 * card["distance_max"]
    assert (sampler.sample(0.5, random_streams(1, 100)) > 0).all()
    assert "stage 2" in done.output
    assert "D <= " in done.output


def test_same_seed_same_weights(folder):
    """Two trainings of one configuration write the same file; --seed makes another."""
    for out, more in (("a", ()), ("b", ()), ("c", ("--seed", "4"))):
        assert call("train", "small.toml", "--out", out, "--quiet", *more).exit_code == 0
    a, b, c = ((folder / out / "small.safetensors").read_bytes() for out in "abc")
    assert a == b != c


def test_existing_folder(folder):
    """Refused, resumed, or begun anew."""
    assert call("train", "small.toml", "--quiet").exit_code == 0
    before = (folder / "small/small.safetensors").read_bytes()
    refused = call("train", "small.toml")
    assert refused.exit_code == 2
    assert "--resume or --overwrite" in refused.output
    assert call("train", "small.toml", "--resume", "--quiet").exit_code == 0
    assert call("train", "small.toml", "--overwrite", "--quiet").exit_code == 0
    assert (folder / "small/small.safetensors").read_bytes() == before


def test_process_interrupted_and_resumed(folder):
    """Ctrl-C ends with status 130 and a checkpoint; --resume gives the uninterrupted weights."""
    long = CONFIG.replace("steps = 6", "steps = 20").replace("polish = 40", "polish = 5")
    (folder / "small.toml").write_text(long, encoding="utf-8")
    command = [sys.executable, "-m", "mcplugin", "train", "small.toml", "--every", "5",
               "--threads", "1"]  # fmt: skip
    with subprocess.Popen([*command, "--out", "cut"], stderr=subprocess.PIPE, text=True) as process:
        while "step 5" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130, rest
    assert "go on with --resume" in rest
    done = subprocess.run([*command, "--out", "cut", "--resume"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    whole = subprocess.run([*command, "--out", "whole"], capture_output=True, check=False)
    assert whole.returncode == 0, whole.stderr
    for name in ("small.safetensors", "training.json"):
        assert (folder / "cut" / name).read_bytes() == (folder / "whole" / name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.toml",), "cannot read"),
        (("small.toml", "--seed", "-1"), "--seed"),
        (("small.toml", "--threads", "0"), "--threads"),
        (("small.toml", "--every", "0"), "--every"),
        (("small.toml", "--device", "abacus"), "abacus"),
        (("small.toml", "--out", "/dev/null/x"), "cannot write"),
        (("small.toml", "--out", "nothing", "--resume"), "cannot resume"),
        *([] if torch.cuda.is_available() else [(("small.toml", "--device", "cuda"), "no GPU")]),
    ],
)
def test_bad_command_lines(folder, arguments, said):
    """One line, exit status 2."""
    done = call("train", *arguments)
    assert done.exit_code == 2
    assert said in done.output
    errors = [line for line in done.output.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1


def test_exported_torchscript_is_the_generator(folder):
    """The file, loaded by torch alone, maps latents as the reference does."""
    done = call("export", "--out", "mj.pt")
    assert done.exit_code == 0, done.output
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.jit.load("mj.pt")
    radius = np.linspace(0.0, 8.0, 1000)
    u = module.radial(torch.from_numpy(radius), torch.tensor(0.3, dtype=torch.float64))
    np.testing.assert_allclose(u.numpy(), thermal_map(load_weights())(radius, 0.3), rtol=1e-12)
