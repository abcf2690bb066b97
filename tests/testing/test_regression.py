"""Spectra under test: the fixture in projects of its users, and what its verdicts are worth."""

import subprocess
import sys
import threading
import tomllib
from dataclasses import replace
from pathlib import Path

import matplotlib.backends.backend_agg  # noqa: F401
import numpy as np
import pytest
from scipy import stats

from mcplugin import Spectrum, simulate
from mcplugin.errors import InputError, OutputError
from mcplugin.testing import Histogram, compare_with_baseline, read_baseline, store_baseline
from mcplugin.testing.picture import draw_agreement, write_picture
from mcplugin.transport import fits  # noqa: F401

# pytester forgets all modules that a run of its has imported, and numpy and astropy bear no second
# import: so all that such a run needs is imported here.
pytest_plugins = ["pytester"]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# Each test on random photons fails by chance with this probability at most.
FALSE_ALARM = 1e-4

# Other plugins of this environment take their time to start, and may import what they like.
BARE = ["-pno:benchmark", "-pno:hypothesispytest"]

USER_TEST = """
from mcplugin import Spectrum

def test_corona(spectrum_regression):
    spectrum_regression.check(Spectrum.read("now.fits"), "corona")
"""


def _corona(seed, photons=40_000, hotter=1.0, **tally):
    """The corona of IC 4329A."""
    source = tomllib.loads((EXAMPLES / "ic4329a.toml").read_text(encoding="utf-8"))
    source["plasma"]["kt_kev"] *= hotter
    source["tally"] |= tally
    return simulate(source, photons=photons, seed=seed, threads=1).spectrum


@pytest.fixture(scope="module")
def corona():
    """A run of 40,000 photons."""
    return _corona(seed=1)


class Project:
    """The tests of a user, whose code has written ``now.fits``."""

    def __init__(self, pytester):
        self.pytester = pytester
        self.folder = pytester.path
        self.baseline = pytester.path / "test_code" / "corona.fits"
        self.write_test(USER_TEST)

    def write_test(self, text):
        """The one test file."""
        self.pytester.makepyfile(test_code=text)

    def now(self, spectrum):
        """What the code gives from now on."""
        spectrum.write(self.folder / "now.fits", overwrite=True)

    def run(self, *options, passed=0, failed=0):
        """Run the tests, warnings being errors, and give what pytest says."""
        result = self.pytester.runpytest_inprocess("-W", "error", *BARE, *options)
        result.assert_outcomes(passed=passed, failed=failed)
        return result.stdout.str()


@pytest.fixture
def project(pytester, corona):
    """A project without a baseline yet."""
    project = Project(pytester)
    project.now(corona)
    return project


# ---- the life of a baseline ----------------------------------------------------------------------


def test_first_run_stores_and_fails_and_the_second_compares(project):
    """As users of other regression fixtures know it."""
    output = project.run(failed=1)
    assert "there was no baseline to compare with" in output
    assert f"baseline stored as {Path('test_code', 'corona.fits')}" in output
    assert "commit it" in output
    assert "another such run: visible with probability 0.9" in output
    stored = project.baseline.read_bytes()
    project.now(_corona(seed=2))
    assert "spectra" not in project.run(passed=1)
    output = project.run("-v", passed=1)
    assert "corona: no difference found (p = " in output
    assert "visible with probability 0.9: a change of " in output
    assert "a shift of ln E by " in output
    assert "40000 photons; this run: 40000 photons" in output
    assert project.baseline.read_bytes() == stored
    assert [file.name for file in project.baseline.parent.iterdir()] == ["corona.fits"]


def test_baseline_is_a_spectrum_file(project, corona):
    """It keeps counts, E F_E, errors, grid, photons, seed, version and configuration."""
    project.run("--spectrum-baselines=store-missing", passed=1)
    stored = Spectrum.read(project.baseline)
    for column in ("energy_lo", "energy_hi", "counts", "efe", "efe_err"):
        np.testing.assert_array_equal(getattr(stored, column), getattr(corona, column))
    for key in ("photons", "seed", "version", "configuration"):
        assert stored.provenance[key] == corona.provenance[key]
    assert "seconds" not in stored.provenance


def test_store_missing_passes_and_compares_what_is_there(project):
    """The first run passes; a changed spectrum does not."""
    output = project.run("--spectrum-baselines=store-missing", passed=1)
    assert "baseline stored as" in output
    project.now(_corona(seed=2, hotter=1.5))
    project.run("--spectrum-baselines=store-missing", failed=1)


def test_store_replaces_baselines(project):
    """What was meant to change is stored anew, whatever was there."""
    project.run(failed=1)
    project.now(_corona(seed=2, hotter=1.5))
    project.run(failed=1)
    project.baseline.write_bytes(b"damaged")
    assert "baseline stored anew as" in project.run("--spectrum-baselines=store", passed=1)
    project.run(passed=1)
    assert read_baseline(project.baseline).provenance["seed"] == 2


def test_two_tests_share_a_baseline(project):
    """The first one stores it, the second one compares even then: here with hotter electrons."""
    project.write_test(
        """
        import pytest
        from mcplugin import Spectrum

        @pytest.mark.parametrize("file", ["now.fits", "hotter.fits"])
        def test_corona(file, spectrum_regression):
            assert spectrum_regression.stores("corona") == (file == "now.fits")
            spectrum_regression.check(Spectrum.read(file), "corona")
        """
    )
    _corona(seed=2, hotter=1.5).write(project.folder / "hotter.fits")
    output = project.run("--spectrum-baselines=store", passed=1, failed=1)
    assert "corona: the spectrum has moved" in output


def test_baselines_elsewhere(project):
    """The folder is a fixture, which a project may override."""
    project.pytester.makeconftest(
        """
        import pytest

        @pytest.fixture
        def spectrum_baseline_folder(request):
            return request.config.rootpath / "golden"
        """
    )
    project.run(failed=1)
    assert (project.folder / "golden" / "corona.fits").exists()
    assert not project.baseline.parent.exists()
    project.run(passed=1)


def test_changed_physics_is_caught(project):
    """Electrons 5 % hotter; 40,000 photons a run see it by 5 to 9 standard errors.

    Of 20 pairs at 20,000 photons 14 were missed, of 60 at 40,000 none: in 40 of these the drift at
    given order was 6.8 standard errors in the mean, of which 5.2 are needed.
    """
    project.run(failed=1)
    project.now(_corona(seed=2, hotter=1.05))
    output = project.run(failed=1)
    assert "corona: the spectrum has moved (p = " in output
    assert "photons by order: mean of ln E shifted by +" in output
    assert "visible with probability 0.9" in output
    assert "changed setting: plasma.kt_kev 50.0 → 52.5" in output
    assert "store the spectrum with --spectrum-baselines=store and commit it" in output
    path = next(line for line in output.splitlines() if line.startswith("picture: "))
    picture = Path(path.removeprefix("picture: "))
    assert picture.name == "test_code-corona.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_moved_bands_are_shown(project):
    """Electrons 50 % hotter move single bands: by how much, and how significantly."""
    project.run(failed=1)
    hot = _corona(seed=2, hotter=1.5)
    project.now(hot)
    output = project.run("--spectrum-pictures=moved", failed=1)
    agreement = compare_with_baseline(read_baseline(project.baseline), hot)
    band = agreement.moved_bands[0]
    assert abs(band.deviation) > 5.0
    row = next(line for line in output.splitlines() if f"photons, {band.part} " in line)
    assert band.energies in row
    assert f"{100 * (band.ratio - 1):+.2g} ± {100 * band.ratio_error:.2g} %" in row
    assert f"{band.deviation:+.1f} σ" in row
    assert [file.name for file in (project.folder / "moved").iterdir()] == ["test_code-corona.png"]


def test_picture_marks_moved_bands(corona, tmp_path):
    """Both spectra, ratios, and a shade for each band that has moved."""
    hot = _corona(seed=2, hotter=1.5)
    agreement = compare_with_baseline(corona, hot)
    figure = draw_agreement(corona, hot, agreement, "corona")
    moved = {
        (band.energy_lo, band.energy_hi)
        for band in agreement.moved_bands + agreement.moved_energies
    }
    assert len(moved) > 2
    for axes in figure.axes:
        assert len(axes.patches) == len(moved)
    assert len(figure.axes[0].containers) == 2
    with pytest.raises(OutputError, match="cannot write the picture"):
        write_picture(figure, Path("/dev/null/folder"), "corona")
    same = compare_with_baseline(corona, _corona(seed=3))
    assert not draw_agreement(corona, corona, same, "corona").axes[0].patches


def test_reports_reach_junit(project):
    """What was seen, and could have been, is a property of the test."""
    project.run(failed=1)
    project.now(_corona(seed=2))
    project.run("--junit-xml=report.xml", passed=1)
    report = (project.folder / "report.xml").read_text(encoding="utf-8")
    assert 'name="spectrum_regression" value="corona: no difference found' in report


# ---- seeds ---------------------------------------------------------------------------------------


def test_same_run_is_bit_identical(project):
    """Fine, and said; there is nothing to warn of."""
    project.run(failed=1)
    output = project.run("-v", passed=1)
    assert "corona: bit-identical (p = 1" in output
    assert "note: seed 1, as the baseline: the same run again" in output
    assert "warning" not in output


def test_same_seed_is_warned_of(corona):
    """Equal seeds of different runs: agreement proves nothing, a difference still does."""
    agreement = compare_with_baseline(corona, _corona(seed=1, hotter=1.0001))
    assert not agreement.identical
    assert not agreement.moved
    assert "agreement proves nothing statistical; take another seed" in agreement.warnings[0]
    assert compare_with_baseline(corona, _corona(seed=1, hotter=1.5)).moved
    assert not compare_with_baseline(corona, _corona(seed=2)).warnings


def test_seed_without_effect_is_warned_of(project, corona):
    """The same bits from two seeds: the terminal says so without being asked."""
    project.run(failed=1)
    project.now(replace(corona, provenance=corona.provenance | {"seed": 2}))
    output = project.run(passed=1)
    assert "corona: bit-identical in spite of seeds 1 and 2: is the seed used?" in output


# ---- what verdicts are worth ---------------------------------------------------------------------


def test_false_alarms_of_runs():
    """Of 60 pairs of runs at a false-alarm rate of 0.2 no more fail than the rate allows."""
    failed = 0
    for k in range(60):
        one = _corona(seed=5000 + k, photons=15_000)
        other = _corona(seed=6000 + k, photons=10_000)
        failed += compare_with_baseline(one, other, false_alarm=0.2).moved
    assert stats.binom(60, 0.2).sf(failed - 1) > FALSE_ALARM


EDGES = np.geomspace(0.1, 100.0, 61)


def _foreign(rng, photons=20_000, shift=0.0, weighted=False, **more):
    """A power law with a fifth of its photons absorbed, each of random weight if asked for."""
    energy = 0.1 / rng.random(photons) * np.exp(shift)
    energy = energy[rng.random(photons) < 0.8]
    weight = energy * rng.exponential(size=energy.size) if weighted else energy
    counts, energies, squares = (
        np.histogram(energy, EDGES, weights=weight**power if power else None)[0]
        for power in (0, 1, 2)
    )
    return Histogram(EDGES, counts, photons, energies, squares, **more)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("photons", [(20_000, 20_000), (100_000, 10_000), (10_000, 100_000)])
def test_false_alarms_of_foreign_codes(photons, weighted):
    """The same in 300 pairs of histograms with energies, in all and by energy alone."""
    rng = np.random.default_rng(11)
    failed = by_energy = 0
    for _ in range(300):
        one, other = (_foreign(rng, n, weighted=weighted).to_spectrum() for n in photons)
        agreement = compare_with_baseline(one, other, false_alarm=0.2)
        failed += agreement.moved
        by_energy += agreement.energies.differ
    assert stats.binom(300, 0.2).sf(failed - 1) > FALSE_ALARM
    assert stats.binom(300, 0.1).sf(by_energy - 1) > FALSE_ALARM


def test_visible_shift_is_seen_with_probability_0_9():
    """Photons shifted in ln E by what is said to be visible: the drift sees it in 90 % of pairs.

    A little more often, since Holm's procedure is kinder than the level assumed.
    """
    rng = np.random.default_rng(12)
    seen = 0
    for _ in range(200):
        one = _foreign(rng).to_spectrum()
        shift, view = compare_with_baseline(one, _foreign(rng).to_spectrum()).visible_shift
        assert view == "total"
        # Photons that leave the grid at its ends take part of the shift of the mean with them.
        inside = np.diff(1.0 / EDGES)
        moved = np.diff(np.minimum(np.exp(shift) / EDGES, 1.0 / EDGES[0]))
        centre = np.log(EDGES[1:] * EDGES[:-1]) / 2.0
        mean, mean_moved = np.average(centre, weights=inside), np.average(centre, weights=moved)
        two = _foreign(rng, shift=shift**2 / (mean_moved - mean)).to_spectrum()
        agreement = compare_with_baseline(one, two)
        drift = agreement.counts.views[0].drift_p_adjusted
        seen += drift <= agreement.counts.false_alarm
    assert 0.8 < seen / 200 < 0.97


def test_rate_is_set_and_stated(corona):
    """A test may afford more or fewer false alarms; all parts together keep to it."""
    other = _corona(seed=2)
    for rate in (1e-6, 0.01):
        agreement = compare_with_baseline(corona, other, false_alarm=rate)
        assert f"fails with probability {rate:.2g} at most" in str(agreement)
        spent = agreement.counts.false_alarm + agreement.energies.false_alarm
        assert spent == pytest.approx(rate)
    careful = compare_with_baseline(corona, other, false_alarm=1e-9)
    assert careful.visible[1] > agreement.visible[1]
    assert careful.visible_shift[0] > agreement.visible_shift[0]
    with pytest.raises(InputError, match="false_alarm"):
        compare_with_baseline(corona, other, false_alarm=0.0)


def test_normalisation_is_under_test(corona):
    """E F_E off by 10 % leaves all counts as they are; the energies show it."""
    other = _corona(seed=2)
    agreement = compare_with_baseline(corona, replace(other, efe=1.1 * other.efe))
    assert not agreement.counts.differ
    assert agreement.moved
    assert not agreement.moved_bands
    assert agreement.moved_energies
    assert "energy: χ² = " in str(agreement)
    assert not compare_with_baseline(corona, other).moved


# ---- spectra of other codes ----------------------------------------------------------------------


def test_arrays_of_a_foreign_code(project):
    """A mapping of plain arrays: stored, compared, caught, with its settings."""
    project.write_test(
        """
        import json
        from pathlib import Path
        import numpy as np

        def test_code(spectrum_regression):
            run = json.loads(Path("settings.json").read_text())
            rng = np.random.default_rng(run["seed"])
            energy = rng.lognormal(run["mean"], 1.0, 50_000)
            edges = np.geomspace(0.01, 100.0, 41)
            spectrum = {
                "edges": edges,
                "counts": np.histogram(energy, edges)[0],
                "photons": energy.size,
                "seed": run["seed"],
                "code": {"name": "mocassin", "mean": run["mean"]},
            }
            spectrum_regression.check(spectrum, "lognormal")
        """
    )
    settings = project.folder / "settings.json"
    settings.write_text('{"seed": 1, "mean": 0.0}', encoding="utf-8")
    project.run(failed=1)
    settings.write_text('{"seed": 2, "mean": 0.0}', encoding="utf-8")
    output = project.run("-v", passed=1)
    assert "note: energies are not known: counts alone were compared" in output
    settings.write_text('{"seed": 3, "mean": 0.1}', encoding="utf-8")
    output = project.run(failed=1)
    assert "mean of ln E shifted by +0.1" in output
    assert "changed setting: code.mean 0.0 → 0.1" in output


def test_energies_of_a_foreign_code(tmp_path):
    """Squares or errors say the same, through a file as well; weights off by 10 % are caught."""
    rng = np.random.default_rng(13)
    run, other = (_foreign(rng, 100_000, weighted=True, seed=seed) for seed in (1, 2))
    variance = other.energy_squared - other.energy**2 / other.photons
    by_error = replace(other, energy_squared=None, energy_error=np.sqrt(np.maximum(variance, 0.0)))
    path = tmp_path / "baseline.fits"
    store_baseline(run.to_spectrum(), path)
    baseline = read_baseline(path)
    one, two = (compare_with_baseline(baseline, each.to_spectrum()) for each in (other, by_error))
    assert not one.moved
    assert not one.notes
    assert one.p_value == pytest.approx(two.p_value)
    heavier = replace(other, energy=1.1 * other.energy, energy_squared=1.21 * other.energy_squared)
    agreement = compare_with_baseline(baseline, heavier.to_spectrum())
    assert agreement.energies.differ
    assert not agreement.counts.differ
    without = Histogram(EDGES, other.counts, other.photons).to_spectrum()
    agreement = compare_with_baseline(baseline, without)
    assert agreement.energies is None
    assert agreement.notes == (
        "energies are known of one of the runs alone and were not compared",
        "seeds are not known: if they are equal, agreement proves nothing statistical",
    )


def test_energies_that_few_photons_carry():
    """No test is made of such sums, and the report says so."""
    counts = np.full(60, 1000)
    energy = counts * EDGES[1:]
    run = Histogram(EDGES, counts, 10**5, energy, energy**2 / 10, seed=1).to_spectrum()
    agreement = compare_with_baseline(run, replace(run, provenance=run.provenance | {"seed": 2}))
    assert agreement.energies is not None
    run = Histogram(EDGES, counts, 10**5, energy, energy**2, seed=1).to_spectrum()
    agreement = compare_with_baseline(run, run)
    assert agreement.energies is None
    assert "energies were not compared: a few photons carry most" in agreement.notes


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"edges": EDGES[::-1]}, "increasing"),
        ({"edges": [0.0, *EDGES[1:]]}, "positive"),
        ({"counts": [1, 2]}, r"shape \(60,\)"),
        ({"counts": np.full(60, 0.5)}, "whole numbers"),
        ({"counts": np.full(60, -1)}, "outside"),
        ({"photons": 59}, "60 photons are counted of 59 followed"),
        ({"photons": 10.5}, "whole number"),
        ({"energy": np.ones(60)}, "either energy_squared or energy_error"),
        ({"energy_error": np.ones(60)}, "without energy"),
        ({"energy": np.full(60, 2.0), "energy_squared": np.ones(60)}, "counts × energy_squared"),
        ({"energy": np.full(60, np.nan), "energy_squared": np.ones(60)}, "not finite"),
        ({"seed": "one"}, "seed"),
        ({"code": {"grid": EDGES}}, "plain numbers and strings"),
    ],
)
def test_refused_histograms(change, complaint):
    """Arrays that are no spectrum: an error that says why."""
    arrays = {"edges": EDGES, "counts": np.ones(60), "photons": 100}
    with pytest.raises(InputError, match=complaint):
        Histogram(**arrays | change).to_spectrum()


# ---- refusals ------------------------------------------------------------------------------------


def test_damaged_baselines(tmp_path, corona):
    """Cut short, one bit flipped, or none at all: refused by name, with the remedy."""
    path = tmp_path / "corona.fits"
    store_baseline(corona, path)
    content = path.read_bytes()
    assert read_baseline(path).provenance["seed"] == 1
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    for damaged in (content[: len(content) // 2], bytes(flipped), b"", b"SIMPLE"):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"corona\.fits is damaged.*restore the file"):
            read_baseline(path)


def test_newer_format_and_other_spectra(tmp_path, corona):
    """What a later version has stored is not guessed at; a run's own file is no baseline."""
    path = tmp_path / "corona.fits"
    newer = replace(corona, provenance=corona.provenance | {"baseline": {"format": 2}})
    newer.write(path)
    with pytest.raises(InputError, match=r"corona\.fits has format 2.*install a newer mcplugin"):
        read_baseline(path)
    corona.write(path, overwrite=True)
    with pytest.raises(InputError, match="not stored as a baseline"):
        read_baseline(path)


@pytest.mark.parametrize(
    "tally", [{"bins": 60}, {"energy_max_kev": 999.0}, {"angle_bins": 4}, {"orders": 9}]
)
def test_other_grid(project, tally):
    """A failure that names the baseline and says what to do; nothing is overwritten."""
    project.run(failed=1)
    stored = project.baseline.read_bytes()
    project.now(_corona(seed=2, photons=5_000, **tally))
    output = project.run(failed=1)
    assert f"no comparison with the baseline {Path('test_code', 'corona.fits')}" in output
    assert "different grids" in output
    assert "store it anew with --spectrum-baselines=store" in output
    assert project.baseline.read_bytes() == stored


def test_foreign_grids():
    """Histograms on other edges are refused too."""
    counts = np.full(60, 100)
    one = Histogram(EDGES, counts, 10**4).to_spectrum()
    with pytest.raises(InputError, match="different grids of energies"):
        compare_with_baseline(one, Histogram(2.0 * EDGES, counts, 10**4).to_spectrum())
    with pytest.raises(InputError, match="different grids of energies"):
        compare_with_baseline(one, Histogram(EDGES[:-1], counts[:-1], 10**4).to_spectrum())


def test_what_is_never_stored(project, corona):
    """Partial runs, runs that nothing can be compared with, and names that are none."""
    partial = corona.provenance | {"interrupted": True, "photons": 40_000}
    project.now(replace(corona, provenance=partial))
    assert "is not stored" in project.run(failed=1)
    project.now(_corona(seed=1, photons=50))
    assert "too few photons" in project.run(failed=1)
    project.now(replace(corona, provenance={}))
    assert "does not say how many photons" in project.run(failed=1)
    assert not project.baseline.exists()
    for spectrum, name, complaint in (
        ('"now.fits"', "corona", "a mapping with edges, counts and photons, not str"),
        ("{'edges': [1.0, 2.0]}", "corona", "entries of Histogram: missing"),
        ("{}", "../corona", "no name for a file"),
        ("{}", "", "no name for a file"),
    ):
        project.write_test(
            f"def test(spectrum_regression): spectrum_regression.check({spectrum}, {name!r})"
        )
        assert complaint in project.run(failed=1)


def test_folder_that_cannot_be_written(corona, tmp_path):
    """A typed error, and nothing is left behind."""
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot write the baseline"):
        store_baseline(corona, tmp_path / "file" / "corona.fits")
    (tmp_path / "folder" / "corona.fits").mkdir(parents=True)
    with pytest.raises(OutputError, match="cannot write the baseline"):
        store_baseline(corona, tmp_path / "folder" / "corona.fits")
    assert [file.name for file in (tmp_path / "folder").iterdir()] == ["corona.fits"]


def test_baselines_appear_whole(corona, tmp_path):
    """Several writers at once, and a reader who never sees half a file."""
    path = tmp_path / "corona.fits"
    store_baseline(corona, path)
    failures = []
    read = 0
    writing = True

    def store():
        try:
            for _ in range(10):
                store_baseline(corona, path)
        except Exception as error:
            failures.append(error)

    writers = [threading.Thread(target=store) for _ in range(4)]
    for writer in writers:
        writer.start()
    while writing:
        writing = any(writer.is_alive() for writer in writers)
        np.testing.assert_array_equal(read_baseline(path).counts, corona.counts)
        read += 1
    for writer in writers:
        writer.join()
    assert not failures
    assert read > 1
    assert [file.name for file in tmp_path.iterdir()] == ["corona.fits"]


# ---- those who do not use it ---------------------------------------------------------------------


def test_plugin_costs_nothing():
    """A module below 5 ms, which imports nothing that pytest has not."""
    program = """
import importlib, sys, time
import pytest
before = set(sys.modules)
seconds = []
for _ in range(5):
    sys.modules.pop("mcplugin_pytest", None)
    started = time.perf_counter()
    importlib.import_module("mcplugin_pytest")
    seconds.append(time.perf_counter() - started)
print(min(seconds), *sorted(set(sys.modules) - before))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    seconds, *imported = done.stdout.split()
    assert imported == ["mcplugin_pytest"]
    assert float(seconds) < 0.005


def test_runs_without_the_fixture_do_not_import_mcplugin(pytester):
    """In a pytest of its own, with the plugin registered and its options known."""
    pytester.makepyfile(
        """
        import sys

        def test_imports(pytestconfig):
            assert pytestconfig.pluginmanager.hasplugin("mcplugin")
            assert not {"mcplugin", "numba", "matplotlib", "torch"} & set(sys.modules)
        """
    )
    pytester.runpytest_subprocess(*BARE).assert_outcomes(passed=1)
    output = pytester.runpytest_subprocess("--help", *BARE).stdout.str()
    assert "--spectrum-baselines={compare,store-missing,store}" in output
    assert "--spectrum-pictures=FOLDER" in output


def test_fixture_imports_neither_torch_nor_matplotlib(project):
    """A comparison that passes needs no picture."""
    project.run(failed=1)
    project.write_test(
        USER_TEST + "    import sys\n    assert not {'torch', 'matplotlib'} & set(sys.modules)\n"
    )
    result = project.pytester.runpytest_subprocess("-W", "error", *BARE)
    result.assert_outcomes(passed=1)
