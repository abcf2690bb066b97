"""The README's tables, figures and pictures are what the files in bench/results give."""

import importlib
import json
import shutil
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"


@pytest.fixture(scope="module")
def report():
    """bench/report.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCH)
        # What it needs for a GPU alone it imports later.
        yield importlib.import_module("report")


@pytest.fixture
def copy(report, tmp_path):
    """Results, README and pictures of its own for a test that changes them."""
    shutil.copytree(report.RESULTS, tmp_path / "results")
    shutil.copy(report.README, tmp_path / "README.md")
    for name in report.PICTURES:
        shutil.copy(report.DOCS / name, tmp_path / name)
    return tmp_path


def differences(report, copy):
    """What --check would find in a copy."""
    return report.differences(report.Results(copy / "results"), copy / "README.md", copy)


def test_the_readme_is_what_the_files_give(report, monkeypatch, capsys):
    """As `python bench/report.py --check` says."""
    monkeypatch.setattr("sys.argv", ["report.py", "--check"])
    report.main()
    assert capsys.readouterr().out == ""


def test_a_changed_figure_is_found(report, copy):
    """One digit in the README."""
    readme = copy / "README.md"
    text = readme.read_text(encoding="utf-8")
    changed = text.replace("| Canfield, plain | exact | ", "| Canfield, plain | exact | 1")
    assert changed != text
    readme.write_text(changed, encoding="utf-8")
    assert differences(report, copy) == ["README.md"]


def test_a_new_measurement_is_found_and_written(report, copy):
    """The newest file counts, for the README and for both pictures."""
    old = report.Results(copy / "results").path("native-speed")
    figures = json.loads(old.read_text(encoding="utf-8"))
    for cell in figures["ns_per_electron"]:
        cell["median"] *= 3.0
    (copy / "results" / "2999-01-01-native-speed.json").write_text(json.dumps(figures))
    assert differences(report, copy) == ["README.md", *report.PICTURES]
    report.write(report.Results(copy / "results"), copy / "README.md", copy)
    assert differences(report, copy) == []
    assert "2999-01-01-native-speed.json" in (copy / "README.md").read_text(encoding="utf-8")


def test_a_missing_picture_is_found(report, copy):
    """Not only one of other figures."""
    (copy / "draw_time.png").unlink()
    assert differences(report, copy) == ["draw_time.png"]


def test_a_file_that_the_text_names_must_be_the_newest(report, copy):
    """Two files are named outside of the marked blocks."""
    old = report.Results(copy / "results").path("spectra")
    shutil.copy(old, copy / "results" / "2999-01-01-spectra.json")
    assert differences(report, copy) == ["README.md (which does not name 2999-01-01-spectra.json)"]


def test_a_block_that_nobody_knows_is_refused(report):
    """And so is a README that lost one."""
    text = report.README.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="nonsense"):
        report.rewritten(text + "\n<!-- nonsense -->\n\n<!-- end -->\n", report.Results())
    with pytest.raises(ValueError, match="c loop"):
        report.rewritten(text.replace("<!-- c loop -->", ""), report.Results())


def test_a_missing_file_is_named(report, tmp_path):
    """Rather than its table left out."""
    with pytest.raises(FileNotFoundError, match=r"DATE-native-speed\.json"):
        report.electrons_from_c(report.Results(tmp_path))


def test_figures_of_a_cpu_are_no_figures_of_a_gpu(report, tmp_path):
    """The README says that they are missing until a GPU has been measured."""
    results = report.Results(tmp_path)
    assert report.gpu(results) == report.GPU_MISSING
    cell = {"temperatures": "Θ = 0.1", "batch": 1000, "median": 2e9, "share_of_bandwidth": 0.5}
    figures = {
        "command": "python bench/gpu_draws.py",
        "device": "cpu",
        "draws_per_second": [
            {**cell, "where": where, "engine": engine}
            for where in ("resident", "copied")
            for engine in ("gan", "rejection")
        ],
        "gan_times_as_fast": [{**cell, "where": w, "median": 3.0} for w in ("resident", "copied")],
        "left_out": {},
    }
    path = tmp_path / "2026-01-01-gpu-draws.json"
    path.write_text(json.dumps(figures))
    assert report.gpu(results) == report.GPU_MISSING
    path.write_text(json.dumps({**figures, "device": "cuda"}))
    assert "| Θ = 0.1 | 1,000 | 2e+03 (50 %) | 2e+03 (50 %) | 3.00 |" in report.gpu(results)


def test_labels_keep_their_distance_and_their_order(report):
    """Those of curves that end at the same height."""
    values = [3.0, 1.0, 1.01, 1.02, 100.0]
    placed = report.pictures._apart(values, 1.2)
    assert placed[0] == pytest.approx(3.0)
    assert placed[4] == pytest.approx(100.0)
    assert placed[2] / placed[1] == pytest.approx(1.2)
    assert placed[3] / placed[2] == pytest.approx(1.2)
    assert placed[2] == pytest.approx((1.0 * 1.01 * 1.02) ** (1 / 3))


def test_a_sampler_that_no_picture_knows_is_not_dropped(report):
    """It has to be said how it is drawn."""
    results = report.Results()
    python = results["electron-speed"]
    python["distance"]["a new one"] = {"one theta": 0.0}
    with pytest.raises(ValueError, match="a new one"):
        report.pictures.error_cost(python, results["native-speed"])
