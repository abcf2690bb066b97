"""``mcplugin samplers``: the list that a user chooses from."""

import json
import sys
import types

import pytest
from click.testing import CliRunner

from mcplugin import ElectronVelocitySampler, sampler_names, scattering_sampler_names
from mcplugin.cli import main
from mcplugin.samplers.scattering import get_sampler_of_either_kind

THETAS = {"0.001", "0.01", "0.1", "1", "10", "100"}


@pytest.fixture(scope="module")
def listed():
    """The machine-readable list, made once."""
    result = CliRunner().invoke(main, ["samplers", "--json"])
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return json.loads(result.stdout)


def test_every_registered_sampler_is_listed_with_all_its_variants(listed):
    """The list has one entry for each variant of each registered sampler, in their order."""
    expected = [
        (name, dict(options))
        for name in [*sampler_names(), *scattering_sampler_names()]
        for options in get_sampler_of_either_kind(name).variants
    ]
    assert [(entry["sampler"], entry["options"]) for entry in listed] == expected
    assert {"rejection", "table", "exact", "gan-event"} <= {entry["sampler"] for entry in listed}


def test_each_entry_tells_its_range_and_its_quality_within_it(listed):
    """Quality is given at six temperatures, and is empty outside the range of the sampler."""
    for entry in listed:
        sampler = get_sampler_of_either_kind(entry["sampler"], **entry["options"])
        keys = {"sampler", "of", "options", "theta_range", "quality"}
        if entry["of"] == "scatterings":
            assert tuple(entry["x_range"]) == sampler.x_range
            keys |= {"x_range"}
        assert set(entry) == keys
        low, high = entry["theta_range"]
        assert (low, high) == sampler.theta_range
        assert set(entry["quality"]) == THETAS
        for theta, measures in entry["quality"].items():
            if low <= float(theta) <= high:
                assert measures == dict(sampler.quality(float(theta)))
                assert measures
                assert all(0.0 < value <= 1.0 for value in measures.values())
            else:
                assert measures == {}


def test_the_sobol_method_is_listed_as_unusable_in_cold_plasma(listed):
    """The one built-in method with a limit shows it."""
    (sobol,) = (entry for entry in listed if entry["options"] == {"method": "sobol"})
    assert sobol["theta_range"][0] == pytest.approx(0.0991, abs=2e-4)
    assert sobol["quality"]["0.01"] == {}
    assert sobol["quality"]["1"]["acceptance"] > 0.5


def test_the_table_for_readers_says_the_same(listed):
    """One line per variant with its range, one per measure with its values."""
    result = CliRunner().invoke(main, ["samplers"])
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["sampler", "theta", "range", "at", "0.01", "at", "1", "at", "100"]
    expected = []
    for entry in listed:
        if entry["sampler"] == scattering_sampler_names()[0]:
            expected.append(["of", "whole", "scatterings:"])
        options = ", ".join(f"{key}={value}" for key, value in entry["options"].items())
        low, high = entry["theta_range"]
        expected.append([entry["sampler"], *options.split(), f"{low:.3g}..{high:g}"])
        measures = {name for values in entry["quality"].values() for name in values}
        for measure in sorted(measures):
            values = [entry["quality"][theta].get(measure) for theta in ("0.01", "1", "100")]
            cells = ["-" if value is None else f"{value:.3g}" for value in values]
            expected.append([measure, *cells])
    assert [line.split() for line in lines[1:]] == expected
    assert max(len(line) for line in lines) <= 80


class Frozen(ElectronVelocitySampler):
    """Electrons that do not move."""

    name = "frozen"
    theta_range = (1e-4, 1e-2)

    def fill(self, theta, streams, u):
        """All at rest."""
        u[:] = 0.0

    def quality(self, theta):
        """Exact in its way."""
        return {"acceptance": 1.0}


@pytest.fixture
def register(monkeypatch, register_sampler):
    """Register one more sampler, as a third-party package would."""
    module = types.ModuleType("third_party")
    module.Frozen = Frozen
    module.number = 42
    monkeypatch.setitem(sys.modules, "third_party", module)
    return register_sampler


def test_a_third_party_sampler_is_listed_beside_the_others(register, listed):
    """Registering an entry point is all it takes."""
    register("frozen", "third_party:Frozen")
    result = CliRunner().invoke(main, ["samplers", "--json"])
    entries = json.loads(result.stdout)
    assert len(entries) == len(listed) + 1
    (frozen,) = (entry for entry in entries if entry["sampler"] == "frozen")
    assert frozen["theta_range"] == [1e-4, 1e-2]
    assert frozen["quality"]["0.001"] == {"acceptance": 1.0}
    assert frozen["quality"]["1"] == {}


@pytest.mark.parametrize("value", ["third_party:number", "no_such_module:Sampler"])
def test_a_broken_registration_is_named_in_one_line(register, value):
    """A package that registers what is no sampler is named; there is no traceback."""
    register("broken", value)
    result = CliRunner().invoke(main, ["samplers"])
    assert result.exit_code == 2, result.exception
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1
    assert "'broken'" in result.stderr
