"""The whole validation: exact samplers pass, wrong ones are told apart, and the page says so."""

import json
import re

import numpy as np
import pytest
from scipy import special

from mcplugin import ElectronVelocitySampler, get_sampler
from mcplugin.electrons import maxwell_juttner as mj
from mcplugin.errors import InputError, OutputError, SamplerError, UnknownSamplerError
from mcplugin.fidelity import Report, validate
from mcplugin.jit import kernel
from mcplugin.random_streams import exponential_from, point_in_disc, random_bits

SMALL = {"draws": 1000, "pooled": 100_000, "thetas": 6, "seeds": 10, "threads": 2}


class Spoilt(ElectronVelocitySampler):
    """Exact electrons, to be spoilt."""

    name = "spoilt"
    theta_range = (1e-3, 10.0)

    def fill(self, theta, streams, u):
        """Draw exactly."""
        get_sampler("table").sample(theta, streams, out=u)

    def quality(self, theta):
        """Nothing is claimed."""
        return {}


class Hot(Spoilt):
    """1 % too hot."""

    name = "hot"

    def fill(self, theta, streams, u):
        """Draw at 1.01 Θ."""
        super().fill(1.01 * theta, streams, u)


@kernel
def _fill_gamma(streams, t):
    """Gamma numbers of shape 3/2."""
    for i in range(t.size):
        cosine, _, square = point_in_disc(streams, i)
        t[i] = -np.log(square) * cosine**2 / square + exponential_from(random_bits(streams, i))


class Maxwellian(Spoilt):
    """A plain Maxwellian of u, as a cold gas has it."""

    name = "maxwellian"
    theta_range = (0.09, 0.11)

    def fill(self, theta, streams, u):
        """u²/(2Θ) is half the square of a normal number plus an exponential one."""
        _fill_gamma(streams, u)
        u[:] = np.sqrt(2 * theta * u)


class Extrapolating(Spoilt):
    """Draws at any temperature."""

    name = "extrapolating"

    def sample(self, theta, streams, out=None):
        """Ask the nearest temperature instead of refusing."""
        return super().sample(np.clip(np.nan_to_num(theta), 1e-3, 10.0), streams, out)


class Mapped(Spoilt):
    """Claims to be a Maxwellian map, but draws exact electrons."""

    name = "mapped"

    def transform(self, radius, theta):
        """u = √Θ r."""
        return np.sqrt(theta) * radius


@pytest.fixture(scope="module")
def exact():
    """The table, which differs from exact by less than anybody can see."""
    return validate("table", seed=3, **SMALL)


def test_an_exact_sampler_passes(exact):
    """Nothing fails; the verdict says how large an error would have been seen."""
    assert exact.passed
    assert not exact.verdict.told_apart
    assert exact.verdict.false_alarm == 1e-3
    assert exact.verdict.tests == len(exact.tests) == 169
    # Kolmogorov's quantile at 1e-3/tests, and a margin of 0.82, over √n.
    assert 3.2 < exact.visible_distance * np.sqrt(100_000) < 3.6
    assert exact.sentence.startswith("indistinguishable from exact at 100,000 pooled draws")
    assert f"D >= {exact.visible_distance:.1e}" in exact.sentence
    assert exact.map_distance is None
    assert exact.warnings == ()
    assert all(check.refused for check in exact.range_checks)
    assert {"ThetaRangeError", "InputError"} == {
        check.answer.partition(":")[0] for check in exact.range_checks
    }


def test_a_report_is_a_function_of_its_seed(exact):
    """The same bits on another number of threads; other draws from another seed."""

    def content(report):
        return {key: value for key, value in report.to_dict().items() if key != "provenance"}

    again = validate("table", seed=3, **SMALL | {"threads": 1})
    assert content(again) == content(exact)
    other = validate("table", seed=4, **SMALL)
    assert not np.array_equal(other.theta, exact.theta)
    assert content(other)["p_values"] != content(exact)["p_values"]


def test_a_hotter_gas_is_told_apart():
    """1 % too hot, D = 2e-3 to 4e-3: found with 10⁶ draws by pools and by moments."""
    found = validate(Hot(), **SMALL | {"pooled": 1_000_000})
    assert found.verdict.told_apart
    assert not found.passed
    families = {test.family for test, _ in found.verdict.rejected}
    assert families >= {"pooled", "all pools together", "moments", "classifier"}
    assert found.sentence.startswith("told apart from exact by")
    assert found.refuses
    # What was found is about what there is.
    test = max(found.pooled_distances, key=lambda test: test.deviation)
    u = mj.quantile(np.linspace(0.01, 0.99, 500), test.theta)
    distance = np.max(np.abs(mj.cdf(u, 1.01 * test.theta) - mj.cdf(u, test.theta)))
    assert test.deviation == pytest.approx(distance, abs=1.5 / np.sqrt(1e6))


def test_a_cold_maxwellian_is_told_apart():
    """At Θ = 0.1 it is off by D = 0.09: 10⁴ draws, or a single sample, are plenty."""
    small = {"draws": 1000, "pooled": 10_000, "thetas": 2, "seeds": 2}
    found = validate(Maxwellian(), **small)
    failed = {(test.family, test.subject) for test, _ in found.verdict.rejected}
    assert failed >= {("pooled", "KS"), ("pooled", "AD"), ("moments", "⟨γ − 1⟩")}
    assert ("p-values", "single KS: the smallest") in failed
    assert all(0.08 < test.deviation < 0.11 for test in found.pooled_distances)


def test_extrapolation_fails():
    """Exact electrons, but at temperatures that must be refused."""
    found = validate(Extrapolating(), **SMALL | {"pooled": 10_000})
    assert not found.verdict.told_apart
    assert not found.passed
    assert found.sentence.endswith("draws electrons outside its range of temperatures")
    assert {check.answer for check in found.range_checks} == {"electrons were drawn"}


def test_the_map_is_measured_without_sampling():
    """A Maxwellian map is 0.001 off at Θ = 1e-3 and 0.9 at 10, however exact the draws."""
    found = validate(Mapped(), **SMALL | {"pooled": 10_000})
    assert not found.verdict.told_apart
    measured = found.map_distance
    assert measured.theta[[0, -1]].tolist() == [1e-3, 10.0]
    r = np.linspace(0.01, 6, 3000)
    for k, theta in ((0, 1e-3), (-1, 10.0)):
        expected = np.max(
            np.abs(special.gammainc(1.5, r**2 / 2) - mj.cdf(np.sqrt(theta) * r, theta))
        )
        assert measured.distance[k] == pytest.approx(expected, rel=1e-3)
    content = found.to_dict()["distance_without_sampling"]
    assert content["largest"] == measured.distance.max()
    assert content["monotone"] is True


def test_what_is_written(exact, tmp_path):
    """JSON of plain numbers, PNGs, and one page that refers to nothing outside itself."""
    exact.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(Report.FILES)

    def refuse(constant):
        raise ValueError(constant)

    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    content = json.loads(text, parse_constant=refuse)
    assert content["verdict"]["passed"] is True
    assert content["verdict"]["sentence"] == exact.sentence
    assert len(content["tests"]) == content["verdict"]["tests"]
    assert all(0 <= test["p_value"] <= test["adjusted_p_value"] <= 1 for test in content["tests"])
    assert all(test["visible"] > 0 for test in content["tests"])
    assert content["p_values"]["single_ks"]["number"] == 60
    assert content["p_values"]["pooled_ad"]["number"] == 6
    assert content["provenance"]["settings"]["seed"] == 3
    command = content["provenance"]["command"]
    assert command == (
        "mcplugin validate table --draws 1000 --pooled 100000 --thetas 6 --seeds 10 --seed 3"
    )
    for name in Report.PICTURES:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert_self_contained(page)
    assert page.count("data:image/png;base64,") == len(Report.PICTURES)
    assert page.index("Passed") < page.index("Indistinguishable from exact") < page.index("<h2>")
    assert "exact against exact (control)" in page
    for family in {test.family for test in exact.tests}:
        assert f"<summary>{family}" in page


def assert_self_contained(page):
    """No address of any kind, no script, no style sheet: everything is in the page itself."""
    assert not re.search(r"https?:|<script|<link|@import|url\(|<iframe", page, re.I)
    assert all(source.startswith("data:") for source in re.findall(r'src="([^"]*)', page))
    assert 'href="' not in page


def test_a_report_that_cannot_be_written(exact, tmp_path):
    """A file where the folder should be is named."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="taken"):
        exact.write(tmp_path / "taken")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"draws": 99}, "draws = 99 is outside"),
        ({"pooled": 1e11}, "pooled = 1000000"),
        ({"pooled": 0.5}, "not a whole number"),
        ({"thetas": 1}, "thetas = 1 is outside"),
        ({"seeds": 0}, "seeds = 0 is outside"),
        ({"seed": -1}, "seed = -1 is outside"),
        ({"threads": 0}, "threads = 0 is outside"),
        ({"method": "magic"}, "method = 'magic'"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    """Before anything is drawn, naming the value and the range."""
    with pytest.raises(InputError, match=message):
        validate("rejection", **arguments)


def test_samplers_that_cannot_be_validated():
    """An unknown tag, a range of its own, a sampler that fails, impossible draws."""

    class Elsewhere(Spoilt):
        theta_range = (200.0, 300.0)

    class Failing(Spoilt):
        def fill(self, theta, streams, u):
            raise RuntimeError("no device")

    class FailingLater(Spoilt):
        def fill(self, theta, streams, u):
            if u.size > 1:
                raise RuntimeError("out of memory")
            u[:] = 1.0

    class Broken(Spoilt):
        def fill(self, theta, streams, u):
            u[:] = np.nan

    with pytest.raises(UnknownSamplerError):
        validate("rejektion")
    with pytest.raises(InputError, match="200 <= theta <= 300"):
        validate(Elsewhere())
    with pytest.raises(SamplerError, match="no device"):
        validate(Failing())
    with pytest.raises(SamplerError, match="'spoilt' failed: out of memory"):
        validate(FailingLater(), pooled=10_000)
    with pytest.raises(SamplerError, match="drew u = nan"):
        validate(Broken(), pooled=10_000)


def test_progress_is_reported():
    """Every stage from nothing to all, in order."""
    calls = []
    validate(
        "table",
        draws=100,
        pooled=10_000,
        thetas=2,
        seeds=1,
        progress=lambda *call: calls.append(call),
    )
    stages = list(dict.fromkeys(stage for stage, _, _ in calls))
    assert stages[0] == "pooled samples"
    assert stages[-1] == "classifier"
    for stage in stages:
        steps = [(done, total) for name, done, total in calls if name == stage]
        total = steps[0][1]
        assert steps == [(done, total) for done in range(total + 1)]
