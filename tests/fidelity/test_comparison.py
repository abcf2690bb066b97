"""Samplers compared end to end: wrong ones are caught, equal ones are not, speeds are right."""

import base64
import json
import re
import time
import tomllib
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from mcplugin import ElectronVelocitySampler, get_sampler, simulate
from mcplugin.errors import InputError, OutputError, UnknownSamplerError
from mcplugin.fidelity import turns
from mcplugin.fidelity.comparison import Comparison, compare, plus_minus
from mcplugin.fidelity.spectra import compare_counts
from mcplugin.fidelity.turns import OverRounds, take_turns
from mcplugin.samplers.gan import draw_latent_radii

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# Each test on random photons fails by chance with this probability at most.
FALSE_ALARM = 1e-4


class Maxwellian(ElectronVelocitySampler):
    """What a code draws that forgets relativity: u = √Θ times a vector of three normals."""

    name = "maxwellian"
    theta_range = (1e-4, 1e2)

    def fill(self, theta, streams, u):
        """The length of such a vector, one per stream."""
        draw_latent_radii(streams, u)
        u *= np.sqrt(theta)

    def quality(self, theta):
        """Says nothing."""
        return {}


class TooHot(Maxwellian):
    """Exact electrons of a gas 1 % hotter than it was asked for."""

    name = "too-hot"
    theta_range = (1e-4, 99.0)

    def fill(self, theta, streams, u):
        """Rejection at 1.01 Θ."""
        get_sampler("rejection").fill(1.01 * theta, streams, u)


class Slow(Maxwellian):
    """Exact electrons that are late by 3 ms; knows how much time they took."""

    name = "slow"
    theta_range = (1e-4, 1e2)

    def __init__(self):
        self.seconds = 0.0

    def fill(self, theta, streams, u):
        """Wait, then reject."""
        started = time.perf_counter()
        time.sleep(3e-3)
        get_sampler("rejection").fill(theta, streams, u)
        self.seconds += time.perf_counter() - started


def _corona():
    """IC 4329A at Θ = 0.1, where all wrong samplers are asked for electrons."""
    source = tomllib.loads((EXAMPLES / "ic4329a.toml").read_text())
    del source["plasma"]["kt_kev"]
    source["plasma"]["theta"] = 0.1
    return source


@pytest.mark.parametrize(
    ("sampler", "photons", "pairs"),
    [(Maxwellian(), 8_000, 8), (TooHot(), 1_700_000, 3)],
    ids=["maxwellian", "too-hot"],
)
def test_wrong_electrons_are_told_apart_with_a_power_of_99_per_cent(sampler, photons, pairs):
    """A plain Maxwellian and a gas 1 % too hot at Θ = 0.1, in the corona of IC 4329A.

    All pairs are told apart, but so few of them cannot show a power of 99 %. The drift of ln E at
    given order can: it is normal with unit variance, and the verdict is certain once it passes the
    quantile of the level that Holm's procedure asks of the first of all tests. Its mean, measured
    over the pairs, less three errors of that mean, is beyond this by more than the 2.33 that 99 %
    need. Measured at these numbers of photons: 11 and 9 standard errors, of which 4.3 suffice.
    """
    significance = []
    for k in range(pairs):
        comparison = compare(
            _corona(), ["rejection", sampler], photons=photons, rounds=1, seed=9200 + 2 * k
        )
        assert not comparison.passed
        assert comparison.told_apart == (sampler.name,)
        by_order = comparison.spectra[sampler.name].views[2]
        significance.append(by_order.drift / by_order.drift_error)
    level = comparison.false_alarm / (3 * (len(by_order.bands) + 2))
    surely = abs(np.mean(significance)) - 3.0 / np.sqrt(pairs)
    assert surely - stats.norm.isf(level / 2.0) > stats.norm.isf(0.01)
    assert (np.mean(significance) < 0.0) == (sampler.name == "maxwellian")


def test_equal_samplers_are_told_apart_no_more_often_than_stated():
    """24 times three runs of rejection, at a stated false-alarm rate of 0.2 for all of them."""
    alarms = 0
    for k in range(24):
        comparison = compare(
            EXAMPLES / "cygnus_x1.toml",
            ["rejection"] * 3,
            photons=10_000,
            rounds=1,
            seed=9500 + 3 * k,
            false_alarm=0.2,
        )
        assert comparison.passed == (comparison.p_value > 0.2)
        alarms += not comparison.passed
    # Holm's procedure is nearly exact for tests that hardly depend on each other.
    assert stats.binom(24, 0.2).sf(alarms - 1) > FALSE_ALARM
    assert alarms > 0


@pytest.fixture(scope="module")
def comparison():
    """A wrong sampler, a right one, and the reference in between."""
    return compare(
        _corona(),
        [TooHot(), "rejection", Maxwellian(), "table"],
        reference="rejection",
        photons=100_001,
        rounds=2,
        seed=2**64 - 3,
    )


def test_verdict_names_the_wrong_sampler_alone(comparison):
    """A Maxwellian is told apart; 10⁵ photons do not show 1 %."""
    assert comparison.told_apart == ("maxwellian",)
    assert comparison.sentence.startswith("maxwellian (ratio 0.")
    assert comparison.sentence.endswith(
        "is told apart from rejection with 100,001 photons each; too-hot and table are not"
    )
    assert comparison.p_value == min(3.0 * s.p_value for s in comparison.spectra.values())
    assert all(
        spectra.false_alarm == pytest.approx(0.01 / 3) for spectra in comparison.spectra.values()
    )


def test_rounds_are_independent_runs_put_together(comparison):
    """Each round is a run with its own seed; a spectrum is that of the photons of all rounds."""
    seeds = [each.seed for run in comparison.runs for each in run.rounds]
    assert seeds == [2**64 - 3, 2**64 - 2, 2**64 - 1, 0, 1, 2, 3, 4]
    run = comparison.reference
    assert run.label == "rejection"
    assert [each.photons for each in run.rounds] == [50_001, 50_000]
    parts = [
        simulate(_corona(), run.label, photons=each.photons, seed=each.seed) for each in run.rounds
    ]
    np.testing.assert_array_equal(run.spectrum.counts, sum(p.spectrum.counts for p in parts))
    np.testing.assert_array_equal(
        run.spectrum.by_order.counts, sum(p.spectrum.by_order.counts for p in parts)
    )
    energy = [p.summary["energy_kev"]["seed"] for p in parts]
    for name in ("efe", "efe_err"):
        values = [getattr(p.spectrum, name) for p in parts]
        together = (
            np.average(values, axis=0, weights=energy) if name == "efe" else np.hypot(*values) / 2.0
        )
        np.testing.assert_allclose(
            getattr(run.spectrum, name), together, rtol=1e-9 if name == "efe" else 0.1, atol=1e-6
        )
    assert run.escaped + run.absorbed + run.cut == run.photons == 100_001
    escaped = sum(p.summary["energy_kev"]["escaped"] for p in parts)
    assert run.amplification == pytest.approx(escaped / sum(energy), rel=1e-9)
    errors = [p.summary["amplification_error"] for p in parts]
    assert run.amplification_error == pytest.approx(np.hypot(*errors) / 2.0, rel=1e-2)


def test_one_round_is_the_run_itself():
    """The spectrum of a single round is that of `simulate`, on any number of threads."""
    runs = take_turns(_corona(), ["table", "rejection"], photons=20_000, rounds=1, seed=5)
    again = take_turns(
        _corona(), ["table", "rejection"], photons=20_000, rounds=1, seed=5, threads=3
    )
    for run, same, seed in zip(runs, again, (5, 6), strict=True):
        alone = simulate(_corona(), run.label, photons=20_000, seed=seed)
        np.testing.assert_array_equal(run.spectrum.counts, alone.spectrum.counts)
        np.testing.assert_array_equal(run.spectrum.counts, same.spectrum.counts)
        np.testing.assert_allclose(run.spectrum.efe_err, alone.spectrum.efe_err, rtol=1e-12)
        assert run.amplification == alone.summary["amplification"]
        assert run.amplification_error == pytest.approx(alone.summary["amplification_error"])
        assert run.scatterings == alone.summary["scatterings"]


def test_samplers_take_turns(monkeypatch):
    """After a warm-up of each, every round has each sampler once and begins with another one."""
    seen = []

    def watched(configuration, sampler, photons, seed=None, **options):
        seen.append((sampler.name, photons, seed))
        return simulate(configuration, sampler, photons, seed, **options)

    monkeypatch.setattr(turns, "simulate", watched)
    take_turns(_corona(), ["rejection", "table", Maxwellian()], photons=3_001, rounds=2, seed=10)
    assert [name for name, _, seed in seen if seed is None] == ["rejection", "table", "maxwellian"]
    assert seen[3:] == [
        ("rejection", 1501, 10),
        ("table", 1501, 12),
        ("maxwellian", 1501, 14),
        ("table", 1500, 13),
        ("maxwellian", 1500, 15),
        ("rejection", 1500, 11),
    ]


def test_progress_counts_the_photons_of_all_samplers():
    """From the first chunk to the last, without going back, with what is running."""
    told = []
    take_turns(
        _corona(),
        ["rejection", "rejection"],
        photons=30_000,
        rounds=2,
        progress=lambda *each: told.append(each),
    )
    done = [count for _, count, _ in told]
    assert done == sorted(done)
    assert done[-1] == 60_000
    assert {total for *_, total in told} == {60_000}
    assert {running for running, *_ in told} == {
        f"{label}, round {k} of 2" for label in ("rejection", "rejection (2)") for k in (1, 2)
    }


def test_a_slow_sampler_is_seen_to_be_slow():
    """Its share is most of the run; time per draw is what it measured itself."""
    slow = Slow()
    comparison = compare(_corona(), ["rejection", slow], photons=20_000, rounds=2, seed=3)
    # The warm-up draws too, in 3 ms and a little for each of its passes.
    warm_up = Slow()
    simulate(_corona(), warm_up, photons=1000, threads=1)
    run = comparison.runs[1]
    assert run.figure("sampler_share").median > 0.5
    assert comparison.speed_up(run).median < 0.7
    per_draw = (slow.seconds - warm_up.seconds) / run.electron_draws * 1e9
    assert np.mean(run.figure("nanoseconds_per_draw").values) == pytest.approx(per_draw, rel=0.25)
    assert comparison.share_of_bound(run).median < comparison.speed_up(run).median
    assert comparison.passed


def test_amdahls_bound(comparison):
    """With a quarter of the time for electrons: 4/3; a run 1.2 times as fast reaches 90 % of it."""
    rates = {"rejection": (100.0, 200.0, 150.0), "table": (120.0, 240.0, 90.0)}
    timed = {
        run.label: replace(
            run,
            rounds=tuple(
                replace(run.rounds[0], photons_per_second=rate, sampler_share=share)
                for rate, share in zip(rates[run.label], (0.25, 0.25, 0.2), strict=True)
            ),
        )
        for run in comparison.runs
        if run.label in rates
    }
    of_two = replace(comparison, runs=tuple(timed.values()), reference=timed["rejection"])
    assert of_two.bound.values == pytest.approx((4 / 3, 4 / 3, 1.25))
    assert of_two.speed_up(timed["table"]).values == pytest.approx((1.2, 1.2, 0.6))
    reached = of_two.share_of_bound(timed["table"])
    assert reached.values == pytest.approx((0.9, 0.9, 0.48))
    assert reached.median == pytest.approx(0.9)
    assert reached.range == pytest.approx((0.48, 0.9))
    assert of_two.share_of_bound(timed["rejection"]).median == pytest.approx(0.75)


def test_visible_drift_is_seen_with_probability_0_9():
    """Histograms tilted until their mean of ln E has drifted by what is said to be visible."""
    rng = np.random.default_rng(97)
    edges = np.geomspace(0.1, 100.0, 25)
    photons = (100_000, 100_000)
    shares = np.full(24, 1.0 / 24.0)
    log_energy = np.log(edges[1:] * edges[:-1]) / 2.0
    from_mean = log_energy - log_energy.mean()
    view = compare_counts(*rng.multinomial(photons, shares), photons, edges).views[0]
    tilted = shares * (1.0 + view.drift_visible * from_mean / np.mean(from_mean**2))
    found = 0
    for _ in range(300):
        counts = rng.multinomial(photons[0], shares), rng.multinomial(photons[1], tilted)
        comparison = compare_counts(*counts, photons, edges)
        found += comparison.views[0].drift_p_adjusted <= comparison.false_alarm
    # Holm's procedure asks a little less of all but the first test.
    assert 0.84 < found / 300 < 0.95


def test_findings_in_words(comparison):
    """A band, a drift, a χ², or the limit on what was not found."""
    rng = np.random.default_rng(1)
    edges = np.geomspace(0.1, 100.0, 25)
    photons = (2_000_000, 2_000_000)
    flat = np.full(24, 50_000)
    noise = rng.choice([-1, 1], 12)
    # Three standard errors in every band, of no significance alone; without a change of the mean.
    ripple = (900 * np.concatenate([noise, noise[::-1]])).astype(int)
    tilt = np.linspace(-400, 400, 24).astype(int)
    found = {}
    for name, second in (("χ²", flat + ripple), ("ln E", flat + tilt), ("less", flat)):
        spectra = compare_counts(flat, second, photons, edges)
        assert spectra.largest_difference is None
        found[name] = replace(comparison, spectra={"table": spectra}).finding("table")
    assert found["χ²"].startswith("χ² = ")
    assert found["ln E"].startswith("mean of ln E off by 0.0")
    assert found["less"].startswith("less than 2")
    assert found["less"].endswith("keV")


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.02345, 0.0123, "1.023 ± 0.012"),
        (-0.0143, 0.0015, "-0.0143 ± 0.0015"),
        (1234.5, 120.0, "1234 ± 120"),
        (0.0, np.nan, "0"),
        (np.inf, np.nan, "inf"),
    ],
)
def test_a_value_with_its_error(value, error, text):
    """Both are given to the second digit of the error."""
    assert plus_minus(value, error) == text


def test_json_is_complete(comparison):
    """All that the page shows, as plain numbers."""
    content = json.loads(json.dumps(comparison.to_dict(), allow_nan=False))
    verdict = content["verdict"]
    assert verdict["told_apart"] == ["maxwellian"]
    assert verdict["passed"] is False
    assert verdict["reference"] == "rejection"
    assert verdict["sentence"] == comparison.sentence
    assert list(content["samplers"]) == ["too-hot", "rejection", "maxwellian", "table"]
    assert list(content["comparisons"]) == ["too-hot", "maxwellian", "table"]
    bins = len(content["grid"]["energy_lo_kev"])
    for label, sampler in content["samplers"].items():
        assert sampler["photons"] == 100_001
        assert len(sampler["seeds"]) == len(sampler["speed"]["photons_per_second"]["rounds"]) == 2
        assert len(sampler["spectrum"]["efe_err"]) == bins
        assert np.shape(sampler["spectrum"]["by_order"]["counts"]) == (11, bins)
        assert np.sum(sampler["spectrum"]["by_angle"]["counts"]) == np.sum(
            sampler["spectrum"]["counts"]
        )
        for figure in sampler["speed"].values():
            low, high = figure["range"]
            assert low <= figure["median"] <= high
        assert content["speed"]["speed_up"][label]["median"] > 0.0
        assert content["speed"]["share_of_bound"][label]["median"] > 0.0
    tests = 0
    for label, spectra in content["comparisons"].items():
        assert spectra["differ"] == (label in verdict["told_apart"])
        assert [view["name"] for view in spectra["views"]] == ["total", "angle", "order"]
        tests += sum(len(view["bands"]) + 2 for view in spectra["views"])
        assert all(view["drift_visible"] > 3.0 * view["drift_error"] for view in spectra["views"])
    assert verdict["tests"] == tests
    assert verdict["p_value"] == min(
        spectra["p_value_over_all_samplers"] for spectra in content["comparisons"].values()
    )
    assert verdict["visible"]["with_probability"] == 0.9
    provenance = content["provenance"]
    assert provenance["configuration"]["plasma"]["theta"] == 0.1
    assert provenance["seed"] == 2**64 - 3
    assert provenance["command"] is None
    assert {"processor", "cores", "python", "mcplugin", "numpy"} <= set(provenance["machine"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", provenance["date"])


def test_page_says_what_the_json_says(comparison, tmp_path):
    """One page without references to anything; verdict first; every test and speed is in it."""
    comparison.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(Comparison.FILES)
    content = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    html = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    text = unescape(re.sub(r"<[^>]*>", "|", html))
    body = html.partition("<body>")[2]
    assert body.index("Told apart") < body.index("<p>maxwellian (ratio") < body.index("<h2>")
    assert content["verdict"]["sentence"] in text
    assert f"{content['verdict']['tests']} tests" in text
    # Nothing is fetched: sources are data, and there are no links or scripts.
    assert not re.search(r"<link|<script|@import|href=|url\(", html)
    sources = re.findall(r'src="([^"]*)"', html)
    pictures = [base64.b64decode(s.removeprefix("data:image/png;base64,")) for s in sources]
    assert sorted(pictures) == sorted(
        (tmp_path / name).read_bytes() for name in Comparison.PICTURES
    )
    assert all(picture.startswith(b"\x89PNG\r\n\x1a\n") for picture in pictures)
    for label, spectra in content["comparisons"].items():
        for view, sorted_by in zip(
            spectra["views"], ("all photons", "by angle", "by scattering order"), strict=True
        ):
            fold = text.split(f"|{label}, {sorted_by}: {len(view['bands'])} bands|")[1]
            rows = fold.split("|keV|")[1].split("bands|")[0]
            for band in view["bands"]:
                assert f"|{band['counts'][0]:,}||{band['counts'][1]:,}|" in rows
                assert f"|{band['p_value']:.2g}|" in rows or band["p_value"] < 1e-99
    for label, sampler in content["samplers"].items():
        speed = sampler["speed"]
        row = re.search(
            rf"\|\|{label}\|\|([^|]*)\|\|[^|]*\|\|\|([^|]*)\|", text.split("|Speed|")[1]
        )
        assert row is not None, label
        assert float(row[1]) == pytest.approx(speed["photons_per_second"]["median"] / 1e6, rel=5e-3)
    bound = content["speed"]["amdahl_bound"]["median"]
    assert f"{bound:.2f} times faster" in text
    assert '"theta": 0.1' in text
    assert 'name="viewport"' in html


def test_one_angle_has_no_picture_of_angles(tmp_path):
    """A single bin of angles would only repeat the total; so would an empty view of it."""
    source = _corona()
    source["tally"] |= {"angle_bins": 1, "bins": 5000}
    comparison = compare(source, ["rejection", "table"], photons=5_000, rounds=1)
    comparison.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(Comparison.FILES) - {"angle.png"}
    assert "by angle:" not in (tmp_path / "comparison.html").read_text(encoding="utf-8")


def test_disjoint_spectra_are_drawn(tmp_path):
    """Bands in which one run has no photons have no finite ratio, but are shown and written."""

    class Frozen(Maxwellian):
        name = "frozen"

        def fill(self, theta, streams, u):
            """Electrons at rest."""
            u[:] = 0.0

    comparison = compare(_corona(), ["rejection", Frozen()], photons=20_000, rounds=1)
    assert comparison.told_apart == ("frozen",)
    bands = comparison.spectra["frozen"].views[0].bands
    assert any(band.counts[1] == 0 for band in bands)
    comparison.write(tmp_path)
    content = (tmp_path / "comparison.json").read_text(encoding="utf-8")
    assert json.loads(content)["comparisons"]["frozen"]["largest_difference"]["ratio"] == 0.0


@pytest.mark.parametrize(
    ("samplers", "arguments", "error", "message"),
    [
        (["rejection"], {}, InputError, "at least two"),
        ("rejection", {}, InputError, "at least two"),
        (["rejection", "table"], {"reference": "gan"}, InputError, "'gan' is not one of rejection"),
        (["rejection", "tabel"], {}, UnknownSamplerError, "did you mean 'table'"),
        (["rejection", "table"], {"rounds": 0}, InputError, "rounds = 0"),
        (["rejection", "table"], {"photons": 3}, InputError, "too few for 5 rounds"),
        (["rejection", "table"], {"photons": 50}, InputError, "too few photons"),
        (["rejection", "table"], {"threads": 0}, InputError, "threads = 0"),
        (["rejection", "table"], {"seed": -1}, InputError, "seed = -1"),
        (["rejection", "table"], {"false_alarm": 1.0}, InputError, "false_alarm = 1.0"),
    ],
)
def test_refusals(samplers, arguments, error, message):
    """What cannot be compared is refused with a reason."""
    with pytest.raises(error, match=message):
        compare(_corona(), samplers, **arguments)


def test_the_command_is_told_only_where_it_gives_the_same_again():
    """Samplers made in Python, mappings and other rates of false alarms are no command line."""
    path = EXAMPLES / "cygnus_x1.toml"
    asked = {"photons": 5_000, "rounds": 1}
    assert compare(path, ["rejection", "table"], **asked).command == (
        f"mcplugin compare {path} --samplers rejection,table --photons 5000 --rounds 1 --seed 1 "
        "--threads 1"
    )
    table = get_sampler("table")
    assert compare(path, ["rejection", table], **asked).command is None
    assert compare(path, ["rejection", "table"], **asked, false_alarm=0.1).command is None
    assert compare(_corona(), ["rejection", "table"], **asked).command is None


def test_a_folder_that_cannot_be_written_is_an_output_error(comparison, tmp_path):
    """The typed error, not the operating system's."""
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot write the comparison"):
        comparison.write(tmp_path / "file" / "below")


def test_over_rounds_is_not_moved_by_one_disturbed_round():
    """Median, and the whole range."""
    figure = OverRounds((3.0, 100.0, 2.0))
    assert figure.to_dict() == {"median": 3.0, "range": [2.0, 100.0], "rounds": [3.0, 100.0, 2.0]}
