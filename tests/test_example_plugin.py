"""``examples/plugin``: installed as a user would, its sampler is there by its tag, and keeps faith.

It goes to a folder of its own, so that the environment of the tests stays as it is.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
TAG = "log-concave"


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """A copy of the example, in which an installation may leave its build folders."""
    return shutil.copytree(EXAMPLES / "plugin", tmp_path_factory.mktemp("source") / "plugin")


@pytest.fixture(scope="module")
def python(plugin, tmp_path_factory):
    """Runs Python with the example installed, and gives what it prints."""
    target = tmp_path_factory.mktemp("installed")

    def run(*arguments, path=(str(target),)):
        inherited = os.environ.get("PYTHONPATH")
        path = os.pathsep.join([*path, *([inherited] if inherited else [])])
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--no-cache-dir")
    run("-m", "pip", "install", "--quiet", *offline, "--target", target, plugin, path=())
    return run


def test_sampler_is_listed(python):
    """Once, with its range and its acceptance at every temperature."""
    listed = json.loads(python("-m", "mcplugin", "samplers", "--json"))
    (entry,) = (entry for entry in listed if entry["sampler"] == TAG)
    assert entry["theta_range"] == [1e-4, 100.0]
    assert len(entry["quality"]) > 3
    assert all(quality == {"acceptance": 0.25} for quality in entry["quality"].values())


def test_run_takes_the_sampler(python, tmp_path):
    """``mcplugin run --sampler`` follows all photons with it, and the summary says with which."""
    config = EXAMPLES / "cygnus_x1.toml"
    options = ("--sampler", TAG, "--photons", "1e4", "--threads", "2", "--out", tmp_path / "out")
    python("-m", "mcplugin", "run", config, *options)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["sampler"] == TAG
    assert summary["escaped"] + summary["absorbed"] == summary["photons"] == 10_000
    assert summary["mean_scatterings"] > 1.0


def test_own_tests_pass(python, plugin):
    """KS at 10⁵ draws, one Θ per draw, batches and threads, refusals: as in the example's tests."""
    said = python(
        "-m", "pytest", "-p", "no:cacheprovider", "--strict-markers", "-W", "error", plugin
    )
    (outcome,) = (line for line in said.splitlines() if " passed" in line)
    assert "skipped" not in outcome
    assert int(outcome.split(" passed")[0].split()[-1]) > 25


def test_readme_names_what_there_is(plugin):
    """Tag and files of the README are those of the package."""
    readme = (plugin / "README.md").read_text()
    registered = (plugin / "pyproject.toml").read_text()
    assert f'{TAG} = "mcplugin_log_concave:LogConcaveSampler"' in registered
    for name in (f"--sampler {TAG}", "mcplugin_log_concave.py", "tests/samplers/test_contract.py"):
        assert name in readme
    assert (EXAMPLES.parent / "tests" / "samplers" / "test_contract.py").exists()
