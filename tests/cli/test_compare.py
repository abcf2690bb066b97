"""``mcplugin compare``: its verdict, its exit status, and what it leaves in the folder."""

import contextlib
import json
import os
import pty
import re
import shlex
import subprocess
import sys
import types

import pytest
from click.testing import CliRunner

from mcplugin import ElectronVelocitySampler, get_sampler
from mcplugin.cli import main
from mcplugin.fidelity.comparison import Comparison

CONFIG = """\
[plasma]
geometry = "slab"
kt_kev = 50.0
tau = 2.0

[seed]
spectrum = "blackbody"
kt_kev = 0.02

[tally]
energy_min_kev = 0.001
energy_max_kev = 1000.0
bins = 30
angle_bins = 3
orders = 4

[run]
photons = 20_000
seed = 5
"""
SMALL = ("--rounds", 2)


class Hot(ElectronVelocitySampler):
    """Electrons of a gas that is hotter than asked for."""

    name = "hot"
    theta_range = (1e-3, 1.0)

    def __init__(self, excess=0.3):
        self.excess = excess
        self.options = {"excess": excess}

    def fill(self, theta, streams, u):
        """Draw at a higher temperature."""
        get_sampler("rejection").sample((1 + self.excess) * theta, streams, out=u)

    def quality(self, theta):
        """Nothing is claimed."""
        return {}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, register_sampler):
    """A working folder with a configuration, and the sampler ``hot`` among those registered."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "hot_sampler", types.SimpleNamespace(Hot=Hot))
    register_sampler("hot", "hot_sampler:Hot")
    (tmp_path / "corona.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def call(*arguments):
    """Run the command within this process."""
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


def names(folder):
    """Everything in a folder, hidden or not."""
    return {path.name for path in folder.iterdir()}


def comparison_of(folder):
    """The content of comparison.json."""
    return json.loads((folder / "comparison.json").read_text(encoding="utf-8"))


def test_equal_samplers_pass(folder):
    """Status 0, the verdict first, a line of speed for each, and a folder named after the file."""
    result = call("corona.toml", "--samplers", "rejection, table", *SMALL)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("verdict     table is not told apart from rejection with 20,000")
    assert lines[1].startswith("rejection   ")
    assert "1.00 times rejection" in lines[1]
    assert lines[2].startswith("table       ")
    assert lines[3].startswith("bound       an infinitely fast sampler would make the run 1.")
    assert "comparison-corona/comparison.html" in lines[4]
    assert result.stderr == ""
    assert names(folder) == {"corona.toml", "comparison-corona"}
    assert names(folder / "comparison-corona") == set(Comparison.FILES)
    content = comparison_of(folder / "comparison-corona")
    assert content["verdict"]["passed"] is True
    assert content["verdict"]["sentence"] == lines[0].removeprefix("verdict").strip()
    assert content["provenance"]["threads"] == 1
    assert [run["seeds"] for run in content["samplers"].values()] == [[5, 6], [7, 8]]


def test_a_wrong_sampler_is_told_apart(folder):
    """Status 1; the page is written all the same, and its command gives the same spectra again."""
    result = call(
        "corona.toml",
        *("--samplers", "hot,rejection,hot", "--reference", "rejection", "--photons", "1e4"),
        *("--seed", 11, "--threads", 2, "--out", "a/b", *SMALL),
    )
    assert result.exit_code == 1, result.output
    assert result.stdout.startswith("verdict     hot (")
    content = comparison_of(folder / "a/b")
    assert content["verdict"]["told_apart"] == ["hot", "hot (2)"]
    assert content["verdict"]["reference"] == "rejection"
    assert content["samplers"]["hot (2)"]["options"] == {"excess": 0.3}
    html = (folder / "a/b/comparison.html").read_text(encoding="utf-8")
    body = html.partition("<body>")[2]
    assert body.index("Told apart") < body.index("<p>hot (") < body.index("<h2>")
    command = content["provenance"]["command"]
    assert command in html
    assert command == (
        "mcplugin compare corona.toml --samplers hot,rejection,hot --reference rejection "
        "--photons 10000 --rounds 2 --seed 11 --threads 2"
    )
    again = call(*shlex.split(command)[2:], "--quiet", "--out", "again")
    assert (again.exit_code, again.output) == (1, "")
    repeated = comparison_of(folder / "again")
    assert repeated["comparisons"] == content["comparisons"]
    assert [run["spectrum"] for run in repeated["samplers"].values()] == [
        run["spectrum"] for run in content["samplers"].values()
    ]


def test_options_of_the_configuration_reach_its_sampler(folder):
    """A sampler that CONFIG describes is taken as described; the others as they come."""
    text = CONFIG + 'sampler = "rejection"\nsampler_options = { method = "canfield" }\n'
    (folder / "corona.toml").write_text(text, encoding="utf-8")
    result = call("corona.toml", "--samplers", "hot,rejection", "--photons", 5000, *SMALL)
    assert result.exit_code == 1, result.output
    samplers = comparison_of(folder / "comparison-corona")["samplers"]
    assert samplers["rejection"]["options"] == {"method": "canfield"}
    assert samplers["hot"]["options"] == {"excess": 0.3}


def test_a_temperature_that_one_sampler_refuses_is_refused_before_any_run(folder):
    """The line names the range; the exact sampler before it has not been run in vain."""
    text = CONFIG.replace("kt_kev = 50.0", "theta = 2.0").replace("20_000", "1_000_000_000")
    (folder / "corona.toml").write_text(text, encoding="utf-8")
    result = call("corona.toml", "--samplers", "rejection,hot")
    assert result.exit_code == 2
    assert "theta = 2 is outside 0.001 <= theta <= 1" in result.stderr
    assert names(folder) == {"corona.toml"}


def test_an_existing_folder_is_refused_unless_overwritten(folder):
    """Comparisons are never overwritten unasked; files of others stay; stale pictures go."""
    kept = folder / "comparison-corona" / "notes.txt"
    kept.parent.mkdir()
    kept.write_text("mine", encoding="utf-8")
    (kept.parent / "angle.png").write_text("of an older comparison", encoding="utf-8")
    arguments = ("corona.toml", "--samplers", "rejection,table", "--photons", 5000, *SMALL)
    result = call(*arguments)
    assert result.exit_code == 2
    assert "--overwrite" in result.stderr
    assert names(kept.parent) == {"notes.txt", "angle.png"}
    one_angle = CONFIG.replace("angle_bins = 3", "angle_bins = 1")
    (folder / "corona.toml").write_text(one_angle, encoding="utf-8")
    assert call(*arguments, "--overwrite").exit_code == 0
    assert names(kept.parent) == {"notes.txt", *Comparison.FILES} - {"angle.png"}


def test_ctrl_c_leaves_nothing_behind(folder, monkeypatch):
    """Status 130 and one line, whether between runs or in the midst of one."""

    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("mcplugin.fidelity.comparison.take_turns", interrupted)
    result = call("corona.toml", "--samplers", "rejection,table")
    assert result.exit_code == 130
    assert result.stderr == "interrupted: nothing was written\n"
    assert names(folder) == {"corona.toml"}


def test_an_interrupted_round_ends_the_comparison(folder, monkeypatch):
    """A partial result is valid alone, but no part of a fair comparison."""
    from dataclasses import replace

    from mcplugin.fidelity import turns

    simulate = turns.simulate

    def stopped(*arguments, **options):
        result = simulate(*arguments, **options)
        return replace(result, summary=result.summary | {"interrupted": True})

    monkeypatch.setattr(turns, "simulate", stopped)
    assert call("corona.toml", "--samplers", "rejection,table").exit_code == 130
    assert names(folder) == {"corona.toml"}


def test_help_says_what_the_exit_status_means():
    """0, 1 and 2, with an example."""
    text = " ".join(call("--help").stdout.split())
    assert "0: no sampler is told apart" in text
    assert "1: some sampler is" in text
    assert "2: bad input" in text
    assert (
        "Example: mcplugin compare examples/cygnus_x1.toml --samplers rejection,gan,table" in text
    )


def test_process_on_a_terminal_shows_its_progress(folder):
    """On a terminal: a bar that says what is running, and the verdict after it."""
    master, terminal = pty.openpty()
    arguments = ["corona.toml", "--samplers", "rejection,table", "--rounds", "1"]
    command = [sys.executable, "-m", "mcplugin", "compare", *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        shown = b""
        # The terminal's end is an error on Linux.
        with contextlib.suppress(OSError):
            while chunk := os.read(master, 65536):
                shown += chunk
    os.close(master)
    assert process.returncode == 0
    text = " ".join(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).split())
    assert "100% of 40,000 photons, table, round 1 of 1, left: 0:00:00" in text
    assert "verdict table is not told apart" in text
    assert "Traceback" not in text
