"""``mcplugin validate``: its verdict, its exit status, and what it leaves in the folder."""

import json
import sys
import types

import pytest
from click.testing import CliRunner

from mcplugin import (
    ElectronVelocitySampler,
    ScatteringSampler,
    get_sampler,
    get_scattering_sampler,
)
from mcplugin.cli import main
from mcplugin.fidelity import EventReport, Report
from mcplugin.samplers.registry import SCATTERINGS

# At the places that other tests of validations look at, too, whose tables are made once.
FEW_EVENTS = ("--events", "2e4", "--photons", 1000, "--cells", 2, "--seed", 3, "--threads", 2)
SMALL = ("--draws", 500, "--pooled", "1e4", "--thetas", 3, "--seeds", 4, "--threads", 2)


class Hot(ElectronVelocitySampler):
    """Electrons of a gas that is hotter than asked for."""

    name = "hot"
    theta_range = (1e-3, 1.0)

    def __init__(self, excess=0.2, device="cpu", exact=False):
        self.excess = 0.0 if exact is True else excess
        self.options = {"excess": excess, "device": device, "exact": exact}

    def fill(self, theta, streams, u):
        """Draw at a higher temperature."""
        get_sampler("rejection").sample((1 + self.excess) * theta, streams, out=u)

    def quality(self, theta):
        """Nothing is claimed."""
        return {}


class Backward(ScatteringSampler):
    """Exact scatterings, but for the sign of the cosine where it is asked for."""

    name = "backward"
    theta_range = (0.05, 0.25)
    x_range = (1e-3, 1.0)

    def __init__(self, sign=-1):
        self.sign = sign
        self.options = {"sign": sign}

    def fill(self, x, theta, streams, x_out, cosine):
        """Turn exact events round."""
        get_scattering_sampler("exact-native").sample(x, theta, streams, (x_out, cosine))
        cosine *= self.sign

    def quality(self, theta):
        """Nothing is claimed."""
        return {}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, register_sampler):
    """An empty working folder, with the samplers above among those registered."""
    monkeypatch.chdir(tmp_path)
    module = types.SimpleNamespace(Hot=Hot, Backward=Backward)
    monkeypatch.setitem(sys.modules, "own_samplers", module)
    register_sampler("hot", "own_samplers:Hot")
    register_sampler("backward", "own_samplers:Backward", SCATTERINGS)
    return tmp_path


def call(*arguments):
    """Run the command within this process."""
    return CliRunner().invoke(main, ["validate", *map(str, arguments)])


def names(folder):
    """Everything in a folder, hidden or not."""
    return {path.name for path in folder.iterdir()}


def report_of(folder):
    """The content of report.json."""
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def test_an_exact_sampler_passes(folder):
    """Status 0, the verdict first, and a folder named after the sampler."""
    result = call("table", *SMALL)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("verdict     indistinguishable from exact at 10,000 pooled")
    assert "validation-table/report.html" in result.stdout
    assert result.stderr == ""
    assert names(folder) == {"validation-table"}
    assert names(folder / "validation-table") == set(Report.FILES)
    content = report_of(folder / "validation-table")
    assert content["verdict"]["passed"] is True
    assert content["provenance"]["settings"] == {
        "draws": 500,
        "pooled": 10_000,
        "thetas": 3,
        "seeds": 4,
        "seed": 1,
    }
    assert content["provenance"]["threads"] == 2


def test_a_wrong_sampler_is_told_apart(folder):
    """Status 1 and the reason; the report is written all the same, and says how to repeat it."""
    result = call("hot", *SMALL, "--out", "hot", "--seed", 7)
    assert result.exit_code == 1, result.output
    assert result.stdout.startswith("verdict     told apart from exact by")
    content = report_of(folder / "hot")
    assert content["verdict"]["told_apart"] is True
    assert content["provenance"]["command"] == (
        "mcplugin validate hot --option excess=0.2 --option device=cpu --option exact=false "
        "--draws 500 --pooled 10000 --thetas 3 --seeds 4 --seed 7"
    )
    page = (folder / "hot" / "report.html").read_text(encoding="utf-8")
    assert page.index("Failed") < page.index("Told apart from exact by") < page.index("<h2>")


def test_a_scattering_sampler_passes(folder):
    """Status 0, the verdict first, one line for each bar, and a page like that of electrons."""
    result = call("backward", "--option", "sign=1", *FEW_EVENTS)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("verdict     indistinguishable from exact in 20,000 events")
    assert (
        "\nbar         KS distance of the energy given the cosine: typically below" in result.stdout
    )
    assert "validation-backward/report.html" in result.stdout
    assert result.stderr == ""
    assert names(folder / "validation-backward") == set(EventReport.FILES)
    content = report_of(folder / "validation-backward")
    assert content["verdict"]["passed"] is True
    assert content["provenance"]["settings"] == {
        "events": 20_000,
        "photons": 1000,
        "cells": 2,
        "seed": 3,
    }
    assert content["provenance"]["command"] == (
        "mcplugin validate backward --option sign=1 "
        "--events 20000 --photons 1000 --cells 2 --seed 3"
    )


def test_a_wrong_scattering_sampler_fails(folder):
    """Status 1 and the reason; the report is written all the same."""
    result = call("backward", *FEW_EVENTS, "--out", "turned")
    assert result.exit_code == 1, result.output
    assert "find errors that are not accepted" in result.stdout
    content = report_of(folder / "turned")
    assert content["verdict"]["passed"] is False
    assert content["verdict"]["not_accepted"] > 0
    page = (folder / "turned" / "report.html").read_text(encoding="utf-8")
    assert page.index("Failed") < page.index("not accepted") < page.index("<h2>")


@pytest.mark.parametrize(
    ("sampler", "option", "kind", "known"),
    [
        ("backward", "--pooled", "scatterings", "--events, --photons, --cells"),
        ("hot", "--events", "electrons", "--draws, --pooled, --thetas, --seeds"),
    ],
)
def test_numbers_of_the_other_kind_are_refused(folder, sampler, option, kind, known):
    """Electrons and scatterings are counted in different ways."""
    result = call(sampler, option, 10_000)
    assert result.exit_code == 2
    assert f"{option} is not for '{sampler}', a sampler of {kind}: give {known}" in result.stderr
    assert names(folder) == set()


def test_options_reach_the_sampler(folder):
    """Numbers as numbers, true as true, text as text."""
    given = ("excess=1e-1", "device=cuda", "exact=true")
    options = [word for option in given for word in ("--option", option)]
    result = call("hot", *SMALL, *options, "--quiet")
    assert (result.exit_code, result.output) == (0, "")
    content = report_of(folder / "validation-hot")
    assert content["options"] == {"excess": 0.1, "device": "cuda", "exact": True}
    assert (
        "--option excess=0.1 --option device=cuda --option exact=true"
        in (content["provenance"]["command"])
    )


def test_an_existing_folder_is_refused_unless_overwritten(folder):
    """Reports are never overwritten unasked; files of others stay where they are."""
    kept = folder / "validation-table" / "notes.txt"
    kept.parent.mkdir()
    kept.write_text("mine", encoding="utf-8")
    result = call("table", *SMALL)
    assert result.exit_code == 2
    assert "--overwrite" in result.stderr
    assert names(kept.parent) == {"notes.txt"}
    assert call("table", *SMALL, "--overwrite").exit_code == 0
    assert names(kept.parent) == {"notes.txt", *Report.FILES}


def test_ctrl_c_leaves_nothing_behind(folder, monkeypatch):
    """Status 130 and one line."""

    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("mcplugin.fidelity.validate", interrupted)
    result = call("table", *SMALL)
    assert result.exit_code == 130
    assert result.stderr == "interrupted: nothing was written\n"
    assert names(folder) == set()


def test_help_says_what_the_exit_status_means():
    """0, 1 and 2, with an example."""
    text = " ".join(call("--help").stdout.split())
    assert "1: the sampler is told apart from exact" in text
    assert "2: bad input" in text
    assert "Example: mcplugin validate rejection --option method=canfield" in text
