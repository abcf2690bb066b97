"""The validation of scattering samplers: exact ones pass, and wrong ones fail where they are wrong.

An exact sampler fails with a probability of 1e-3 at each seed; the seeds here are fixed.
"""

import dataclasses
import json
import re

import numpy as np
import pytest

from mcplugin import ScatteringSampler, get_scattering_sampler
from mcplugin.errors import InputError, OutputError, SamplerError, UnknownSamplerError
from mcplugin.fidelity import EventReport, validate_scattering
from mcplugin.fidelity.event_quadrature import EventQuadrature
from mcplugin.fidelity.event_validation import random_places

SMALL = {"events": 40_000, "photons": 1000, "cells": 2, "threads": 1}


class Spoilt(ScatteringSampler):
    """Exact scatterings, to be spoilt."""

    name = "spoilt"
    theta_range = (0.05, 0.25)
    x_range = (1e-3, 1.0)

    def fill(self, x, theta, streams, x_out, cosine):
        """Scatter exactly."""
        get_scattering_sampler("exact-native").sample(x, theta, streams, (x_out, cosine))

    def quality(self, theta):
        """Nothing is claimed."""
        return {}


class Hot(Spoilt):
    """1 % too hot."""

    name = "hot"

    def fill(self, x, theta, streams, x_out, cosine):
        """Scatter at 1.01 Θ."""
        super().fill(x, 1.01 * theta, streams, x_out, cosine)


class Isotropic(Spoilt):
    """Scatters into all directions alike, with the energies of exact events."""

    name = "isotropic"

    def fill(self, x, theta, streams, x_out, cosine):
        """Replace the cosine by a uniform one."""
        super().fill(x, theta, streams, x_out, cosine)
        cosine[:] = 1.0 - 2.0 * (streams[:, 0] >> np.uint64(11)) * 2.0**-53


class Correlated(Spoilt):
    """Every other photon copies its neighbour."""

    name = "correlated"

    def fill(self, x, theta, streams, x_out, cosine):
        """Let pairs of photons share a stream."""
        shared = streams.copy()
        last = len(shared) // 2 * 2
        shared[1:last:2] = shared[0:last:2]
        super().fill(x, theta, shared, x_out, cosine)
        streams[:] = shared


class Extrapolating(Spoilt):
    """Scatters whatever it is given, as its nearest temperature and energy scatter."""

    name = "extrapolating"

    def sample(self, x, theta, streams, out=None):
        """Clip instead of refusing, and instead of scattering exactly."""
        low, high = self.x_range
        inside = np.clip(np.nan_to_num(x), low, high)
        x_out, cosine = super().sample(inside, np.clip(np.nan_to_num(theta), 0.05, 0.25), streams)
        return x_out * (np.maximum(np.nan_to_num(x), 1e-9) / inside), cosine


@pytest.fixture(scope="module")
def exact():
    """Exact scatterings."""
    return validate_scattering(Spoilt(), seed=3, **SMALL)


def _failed(report):
    return {test.family for test, _ in report.condemnation.rejected}


def test_exact_scatterings_pass(exact):
    """Nothing fails; the verdict says how large an error would have been seen."""
    assert exact.passed
    assert not exact.verdict.told_apart
    assert exact.verdict.tests == len(exact.tests)
    assert exact.sentence.startswith("indistinguishable from exact in 40,000 events at 4 places")
    assert f"D >= {exact.visible_distance:.1e}" in exact.sentence
    assert exact.computed is None
    assert len(exact.judgements) == 7  # no place is above Θ = 0.3
    # 10⁴ events at a place show no error of a thousandth.
    assert {each.outcome for each in exact.judgements} <= {
        "kept",
        "not exceeded, as far as these events tell",
    }
    assert "more events would be needed" in exact.warnings[0]
    for each in exact.judgements:
        assert 0.0 <= each.typical < each.typical_limit < each.limit
        assert each.worst.noise < 10 * each.typical_limit
    assert all(refusal.refused for refusal in exact.refusals)
    assert [each.theta for each in exact.equilibrium] == [0.1]
    families = {test.family for test in exact.tests}
    assert families >= {"independence", "other energies", "classifier", "detailed balance"}
    assert exact.table_error < 1e-5


def test_a_report_is_a_function_of_its_seed(exact):
    """The same bits on another number of threads; other places from another seed."""

    def content(report):
        return {key: value for key, value in report.to_dict().items() if key != "provenance"}

    again = validate_scattering(Spoilt(), seed=3, **SMALL | {"threads": 2})
    assert content(again) == content(exact)
    assert random_places((1e-3, 1.0), (0.05, 0.25), 2, 3) == list(exact.places)
    assert random_places((1e-3, 1.0), (0.05, 0.25), 2, 4) != list(exact.places)


def test_places_are_one_in_each_cell():
    """Log-uniform in x and Θ, Θ ascending by rows."""
    places = np.log(random_places((1e-6, 10.0), (1e-3, 10.0), 7, 5))
    low = np.log([1e-6, 1e-3])
    step = np.log([1e7, 1e4]) / 7
    cells = np.floor((places - low) / step).astype(int)
    assert cells.tolist() == [[x, theta] for theta in range(7) for x in range(7)]


def test_a_hotter_gas_fails_in_equilibrium():
    """1 % too hot: ⟨x/Θ⟩ tends to 3.03, which is beyond the bar of 0.003 after 100."""
    found = validate_scattering(Hot(), seed=3, **SMALL | {"photons": 100_000})
    assert not found.passed
    assert _failed(found) == {"equilibrium"}
    (field,) = found.equilibrium
    assert field.deviation == pytest.approx(0.03, abs=4 * field.error[-1])
    (judgement,) = (each for each in found.judgements if "after 100" in each.name)
    assert judgement.outcome == "exceeded"
    assert "equilibrium, ⟨x/Θ⟩ − 3 after 100 at theta = 0.1, off by 0.0" in found.sentence


def test_isotropic_scattering_fails_by_the_cosine():
    """Thomson's 3/4 (1 + cos²) is off by D = 0.05 and more from a uniform cosine."""
    found = validate_scattering(Isotropic(), seed=3, **SMALL)
    assert not found.passed
    assert _failed(found) >= {"cosine", "energy given the cosine"}
    cosine = next(each for each in found.judgements if each.name == "KS distance of the cosine")
    assert cosine.outcome == "exceeded"
    assert cosine.typical > 0.04
    # The energies are exact, whatever the angles.
    assert not _failed(found) & {"energy", "moments", "tails", "equilibrium", "other energies"}


def test_correlated_streams_fail_by_independence():
    """Each event is exact; neighbouring ones are the same."""
    found = validate_scattering(Correlated(), seed=3, **SMALL)
    assert not found.passed
    failed = {(test.family, test.subject) for test, _ in found.condemnation.rejected}
    assert ("independence", "cosine: neighbouring streams, pairs") in failed
    assert ("independence", "energy given the cosine: neighbouring streams, ranks, lag 1") in failed


def test_extrapolation_fails():
    """Photons that must be refused, and those beyond the energies that must scatter exactly."""
    found = validate_scattering(Extrapolating(), seed=3, **SMALL)
    assert not found.passed
    assert _failed(found) == {"other energies"}
    answers = {refusal.answer for refusal in found.refusals if not refusal.refused}
    assert answers == {"photons were scattered"}
    assert (
        found.sentence.startswith("3 of") or "find errors that are not accepted" in found.sentence
    )
    assert "what must be refused is scattered" in found.sentence


def test_an_error_within_its_bar_passes(exact):
    """Told apart from exact by one test, which is within its bar: both are said."""
    worst = exact.tests[0]
    assert (worst.family, worst.subject) == ("cosine", "KS")
    off = dataclasses.replace(worst, deviation=8e-4, p_value=1e-12, beyond_bar=1.0)
    found = dataclasses.replace(exact, tests=(off, *exact.tests[1:]))
    assert found.passed
    assert found.verdict.told_apart
    assert found.sentence.startswith("told apart from exact by 1 of")
    assert found.sentence.endswith("off by 0.0008; no bar is exceeded")


@pytest.mark.parametrize(("distance", "passes"), [(9e-4, True), (1.1e-3, False)])
def test_what_is_computed_counts(exact, distance, passes):
    """A distance without sampling is held against the bar without any margin."""
    x, theta = np.array(exact.places).T
    none = np.zeros(x.size)
    cells, tails = np.zeros((x.size, 6)), np.zeros((x.size, 3))
    cells[2, 1] = distance
    computed = EventQuadrature(x, theta, none, none, cells, none, none, tails)
    found = dataclasses.replace(exact, computed=computed)
    assert found.passed is passes
    judgement = found.judgements[2]
    assert judgement.computed == distance
    assert judgement.computed_at == exact.places[2]
    assert judgement.outcome == ("kept" if passes else "exceeded")
    said = "KS distance of the energy given the cosine: 0.0011 without sampling, where 0.001"
    assert (said in found.sentence) is not passes


def test_what_is_written(exact, tmp_path):
    """JSON of plain numbers, PNGs, and one page that refers to nothing outside itself."""
    exact.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(EventReport.FILES)

    def refuse(constant):
        raise ValueError(constant)

    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    content = json.loads(text, parse_constant=refuse)
    assert content["verdict"]["passed"] is True
    assert content["verdict"]["sentence"] == exact.sentence
    assert len(content["tests"]) == content["verdict"]["tests"]
    assert all(0 <= test["p_value"] <= test["adjusted_p_value"] <= 1 for test in content["tests"])
    assert all(test["visible"] > 0 for test in content["tests"])
    assert [bar["bar"] for bar in content["bars"]] == [1e-3, 1e-3, 1e-3, 3e-4, 1e-2, 0.1, 3e-3]
    assert content["without_sampling"] is None
    (field,) = content["equilibrium"]
    assert len(field["mean_x_over_theta"]) == len(field["after"]) == 4
    assert content["provenance"]["command"] == (
        "mcplugin validate spoilt --events 40000 --photons 1000 --cells 2 --seed 3"
    )
    for name in EventReport.PICTURES:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|<script|<link|@import|url\(|<iframe|href=", page, re.I)
    assert page.count("data:image/png;base64,") == len(EventReport.PICTURES)
    assert page.index("Passed") < page.index("Indistinguishable from exact") < page.index("<h2>")
    for family in {test.family for test in exact.tests}:
        assert f"<summary>{family}" in page
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="taken"):
        exact.write(tmp_path / "taken")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"events": 99}, "events = 99 is outside"),
        ({"photons": 0.5}, "not a whole number"),
        ({"cells": 1}, "cells = 1 is outside"),
        ({"seed": -1}, "seed = -1 is outside"),
        ({"threads": 0}, "threads = 0 is outside"),
        ({"electrons": "gan", "magic": 1}, "magic"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    """Before anything is drawn, naming the value and the range."""
    with pytest.raises(InputError, match=message):
        validate_scattering("exact", **arguments)


def test_samplers_that_cannot_be_validated():
    """An unknown tag, ranges of its own, a sampler that fails, impossible photons."""

    class Elsewhere(Spoilt):
        x_range = (200.0, 300.0)

    class Failing(Spoilt):
        def fill(self, x, theta, streams, x_out, cosine):
            raise RuntimeError("no device")

    class Broken(Spoilt):
        def fill(self, x, theta, streams, x_out, cosine):
            x_out[:], cosine[:] = np.nan, 0.0

    with pytest.raises(UnknownSamplerError):
        validate_scattering("exakt")
    with pytest.raises(InputError, match="200 <= x <= 300"):
        validate_scattering(Elsewhere())
    with pytest.raises(SamplerError, match="no device"):
        validate_scattering(Failing())
    with pytest.raises(SamplerError, match="x' = nan"):
        validate_scattering(Broken(), seed=3, **SMALL)
