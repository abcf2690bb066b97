"""``mcplugin run``: what it writes, what it says, and what it leaves behind when it cannot."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import types
from importlib.metadata import version

import h5py
import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner

from mcplugin import ElectronVelocitySampler, Spectrum, simulate
from mcplugin.cli import main
from mcplugin.errors import OutputError
from mcplugin.transport import checkpoint

CONFIG = """\
[plasma]
geometry = "slab"
kt_kev = 150.0
tau = 0.5

[seed]
spectrum = "disk-blackbody"
kt_in_kev = 0.2

[tally]
bins = 30
angle_bins = 3
orders = 4

[run]
photons = 3000
seed = 5
"""
DESIGNED_KEYS = {
    "photons",
    "escaped",
    "absorbed",
    "cut",
    "mean_scatterings",
    "amplification",
    "amplification_error",
    "photons_per_second",
    "electron_draws",
    "sampler",
    "seed",
    "version",
}
PHYSICS = (
    "photons",
    "escaped",
    "absorbed",
    "cut",
    "scatterings",
    "electron_draws",
    "amplification",
    "amplification_error",
    "energy_kev",
    "configuration",
)
ARRAYS = ("energy_lo", "energy_hi", "counts", "efe", "efe_err", "seed_efe", "cosine_edges")
FILES = {"spectrum.fits", "spectrum.png", "summary.json"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder that holds a configuration and nothing else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corona.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def call(*arguments):
    """Run the command within this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def run(*arguments):
    """Run ``mcplugin run corona.toml`` and insist that it succeeds."""
    result = call("run", "corona.toml", *arguments)
    assert result.exit_code == 0, result.output
    return result


def refused(*arguments):
    """Run a command that must be refused with exit status 2 and one line; give the line."""
    result = call(*arguments)
    assert result.exit_code == 2, (result.output, result.exception)
    assert result.stdout == ""
    assert re.fullmatch(r"Error: [^\n]+\n", result.stderr), result.stderr
    return result.stderr.strip()


def spawn(*arguments, **options):
    """Start the command as a real process."""
    return subprocess.Popen(
        [sys.executable, "-m", "mcplugin", *(str(argument) for argument in arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def names(folder):
    """Everything in a folder, hidden or not, at any depth."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def summary_of(folder):
    """The content of summary.json."""
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))


def with_photon_list(folder):
    """Ask for the photon list in the configuration."""
    text = CONFIG.replace("[tally]", "[tally]\nphoton_list = true")
    (folder / "corona.toml").write_text(text, encoding="utf-8")


def test_a_run_writes_spectrum_picture_and_summary(folder):
    """The folder is named after the configuration and holds three files, all readable."""
    result = run()
    assert names(folder) == {"corona.toml", "corona", *(f"corona/{name}" for name in FILES)}
    summary = summary_of(folder / "corona")
    spectrum = Spectrum.read(folder / "corona" / "spectrum.fits")
    assert spectrum.provenance == summary
    assert spectrum.counts.shape == (30,)
    assert spectrum.by_angle.counts.shape == (3, 30)
    assert spectrum.by_order.counts.shape == (5, 30)
    assert 0 < spectrum.counts.sum() <= summary["escaped"]
    assert (folder / "corona/spectrum.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "3,000" in result.stdout
    assert "corona/spectrum.fits" in result.stdout
    assert result.stderr == ""


def test_the_summary_tells_what_was_run_and_what_came_of_it(folder):
    """All designed entries are there, and they agree with each other."""
    run("--threads", 2)
    summary = summary_of(folder / "corona")
    assert set(summary) >= DESIGNED_KEYS
    assert summary["version"] == version("mcplugin")
    assert (summary["sampler"], summary["seed"], summary["workers"]) == ("rejection", 5, 2)
    assert summary["photons"] == summary["photons_requested"] == 3000
    assert summary["interrupted"] is False
    assert summary["escaped"] + summary["absorbed"] + summary["cut"] == 3000
    assert min(summary["escaped"], summary["absorbed"]) > 0
    assert summary["mean_scatterings"] == summary["scatterings"] / 3000
    assert summary["electron_draws"] >= summary["scatterings"] > 0
    assert summary["photons_per_second"] > 0
    energy = summary["energy_kev"]
    ended = energy["escaped"] + energy["absorbed"] + energy["cut"]
    assert ended == pytest.approx(energy["seed"] + energy["gained"], rel=1e-12)
    assert summary["amplification"] == pytest.approx(energy["escaped"] / energy["seed"], rel=1e-12)
    assert 0 < summary["amplification_error"] < summary["amplification"]
    assert summary["configuration"]["plasma"]["tau"] == 0.5


def test_options_override_the_configuration(folder):
    """What is said on the command line holds, and the results say so."""
    result = run(
        "--sampler", "table", "--photons", "1_500", "--seed", 9, "--threads", 1, "--out", "other"
    )
    assert "other/spectrum.fits" in result.stdout
    assert names(folder) == {"corona.toml", "other", *(f"other/{name}" for name in FILES)}
    summary = summary_of(folder / "other")
    assert (summary["sampler"], summary["photons"], summary["seed"]) == ("table", 1500, 9)
    configured = summary["configuration"]["run"]
    assert (configured["sampler"], configured["photons"], configured["seed"]) == ("table", 1500, 9)


def test_photons_may_be_given_in_powers_of_ten(folder):
    """1e3 photons are a thousand."""
    run("--photons", "1e3")
    assert summary_of(folder / "corona")["photons"] == 1000


def test_the_result_depends_on_the_seed_and_not_on_the_number_of_threads(folder):
    """The same seed gives the same bits on one, two or three threads; another gives others."""
    with_photon_list(folder)
    for threads in (1, 2, 3):
        run("--photons", 6000, "--threads", threads, "--out", f"on{threads}")
    run("--photons", 6000, "--seed", 6, "--out", "reseeded")
    one, other = (Spectrum.read(folder / name / "spectrum.fits") for name in ("on1", "reseeded"))
    for threads in (2, 3):
        many = Spectrum.read(folder / f"on{threads}" / "spectrum.fits")
        for name in ARRAYS:
            np.testing.assert_array_equal(getattr(many, name), getattr(one, name))
        for part in ("by_angle", "by_order"):
            for name in ("counts", "efe", "efe_err"):
                first, second = (getattr(getattr(s, part), name) for s in (one, many))
                np.testing.assert_array_equal(first, second)
        first, second = (summary_of(folder / f"on{n}") for n in (1, threads))
        assert {key: first[key] for key in PHYSICS} == {key: second[key] for key in PHYSICS}
        assert listed(folder / "on1") == listed(folder / f"on{threads}")
    assert not np.array_equal(one.counts, other.counts)


def listed(folder):
    """The photon list as bytes per column."""
    with h5py.File(folder / "photons.h5") as file:
        return {name: file[name][:].tobytes() for name in file}


def test_the_photon_list_agrees_with_the_summary(folder):
    """Every photon is listed: counts by fate, scatterings and energies add up to the summary."""
    with_photon_list(folder)
    text = (folder / "corona.toml").read_text(encoding="utf-8")
    (folder / "corona.toml").write_text(text + "max_scatterings = 2\n", encoding="utf-8")
    run()
    summary = summary_of(folder / "corona")
    assert names(folder / "corona") == FILES | {"photons.h5"}
    with h5py.File(folder / "corona/photons.h5") as file:
        photons = {name: file[name][:] for name in file}
        assert file["energy_kev"].attrs["unit"] == "keV"
        assert file["seed_energy_kev"].attrs["unit"] == "keV"
    assert {len(column) for column in photons.values()} == {3000}
    assert photons["scatterings"].sum() == summary["scatterings"]
    assert photons["scatterings"].max() == 2
    energy = summary["energy_kev"]
    assert photons["seed_energy_kev"].sum() == pytest.approx(energy["seed"], rel=1e-12)
    for fate, name in enumerate(("escaped", "absorbed", "cut")):
        ended = photons["fate"] == fate
        assert np.count_nonzero(ended) == summary[name] > 0
        assert photons["energy_kev"][ended].sum() == pytest.approx(energy[name], rel=1e-12)
    assert (photons["cosine"][photons["fate"] == 0] > 0).all()
    assert (photons["cosine"][photons["fate"] == 1] < 0).all()

    spectrum = Spectrum.read(folder / "corona/spectrum.fits")
    edges = np.append(spectrum.energy_lo, spectrum.energy_hi[-1])
    escaped = photons["energy_kev"][photons["fate"] == 0]
    np.testing.assert_array_equal(np.histogram(escaped, edges)[0], spectrum.counts)


def test_no_photon_list_is_written_unasked(folder):
    """A list of every photon is large, and therefore only on request."""
    run()
    assert names(folder / "corona") == FILES


def test_quiet_prints_nothing(folder):
    """With --quiet the files are all there is."""
    result = run("--quiet")
    assert result.output == ""
    assert names(folder / "corona") == FILES


def test_an_existing_folder_is_refused_and_left_untouched(folder):
    """Results are never overwritten unasked."""
    run()
    before = {path.name: path.read_bytes() for path in (folder / "corona").iterdir()}
    line = refused("run", "corona.toml", "--seed", "99")
    assert "corona exists" in line
    assert "--overwrite" in line
    after = {path.name: path.read_bytes() for path in (folder / "corona").iterdir()}
    assert after == before


def test_an_existing_folder_is_replaced_on_request(folder):
    """With --overwrite the results are new, and other files in the folder stay."""
    run()
    (folder / "corona/notes.txt").write_text("mine", encoding="utf-8")
    (folder / "corona/sub").mkdir()
    before = (folder / "corona/spectrum.fits").read_bytes()
    run("--seed", 99, "--overwrite")
    assert names(folder / "corona") == FILES | {"notes.txt", "sub"}
    assert (folder / "corona/notes.txt").read_text(encoding="utf-8") == "mine"
    assert (folder / "corona/spectrum.fits").read_bytes() != before
    assert summary_of(folder / "corona")["seed"] == 99


def test_overwrite_needs_nothing_to_overwrite(folder):
    """--overwrite on a new folder is no mistake."""
    run("--overwrite", "--out", "new/deep/folder")
    assert names(folder / "new/deep/folder") == FILES


@pytest.mark.parametrize(
    "out",
    ["/dev/null/results", "corona.toml/results", "corona.toml/a/b/c", "x" * 300],
    ids=["below a device", "below a file", "deep below a file", "name too long"],
)
@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)], ids=["", "overwrite"])
def test_a_folder_that_cannot_be_made_is_refused(folder, out, overwrite):
    """The refusal comes in one line that names the folder, and nothing is left behind."""
    assert out in refused("run", "corona.toml", "--out", out, *overwrite)
    assert names(folder) == {"corona.toml"}


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)], ids=["", "overwrite"])
def test_a_file_in_place_of_the_folder_is_refused(folder, overwrite):
    """A file is never replaced by a folder of results."""
    (folder / "results").write_text("mine", encoding="utf-8")
    assert "results" in refused("run", "corona.toml", "--out", "results", *overwrite)
    assert (folder / "results").read_text(encoding="utf-8") == "mine"
    assert names(folder) == {"corona.toml", "results"}


class Breaking(ElectronVelocitySampler):
    """Works until it meets a real batch of photons."""

    name = "breaking"
    theta_range = (1e-4, 1e2)

    def fill(self, theta, streams, u):
        """Raise once there is more than one photon."""
        u[:] = 1.0
        if len(u) > 1:
            raise RuntimeError("out of electrons")

    def quality(self, theta):
        """Nothing to tell."""
        return {}


@pytest.fixture
def breaking(monkeypatch, register_sampler):
    """A registered sampler that breaks in the middle of a run."""
    module = types.ModuleType("breaking_sampler")
    module.Breaking = Breaking
    monkeypatch.setitem(sys.modules, "breaking_sampler", module)
    register_sampler("breaking", "breaking_sampler:Breaking")


@pytest.mark.usefixtures("breaking")
def test_a_run_that_fails_leaves_nothing_behind(folder):
    """No folder, no parent folder, no unfinished file, and a line that names the sampler."""
    with_photon_list(folder)
    line = refused("run", "corona.toml", "--sampler", "breaking", "--out", "a/b/c")
    assert "'breaking'" in line
    assert "out of electrons" in line
    assert names(folder) == {"corona.toml"}


@pytest.mark.usefixtures("breaking")
def test_a_run_that_fails_leaves_older_results_as_they_were(folder):
    """Even with --overwrite the old results go only once the new ones are complete."""
    run()
    before = {path.name: path.read_bytes() for path in (folder / "corona").iterdir()}
    refused("run", "corona.toml", "--sampler", "breaking", "--overwrite")
    assert {path.name: path.read_bytes() for path in (folder / "corona").iterdir()} == before


def test_ctrl_c_before_the_first_photon_leaves_nothing_behind(folder, monkeypatch):
    """An interrupt while the run is being prepared leaves no trace."""

    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["mcplugin.cli.run"], "simulate", interrupted)
    result = call("run", "corona.toml", "--out", "a/b")
    assert result.exit_code not in (0, None)
    assert names(folder) == {"corona.toml"}


def test_an_interrupted_run_is_the_run_of_the_photons_done_so_far(folder):
    """Ctrl-C between two chunks: what is done counts, and the next Ctrl-C acts as before."""
    handler = signal.getsignal(signal.SIGINT)
    partial = simulate(
        "corona.toml",
        photons=10**12,
        threads=2,
        progress=lambda done, _all: signal.raise_signal(signal.SIGINT) if done <= 1024 else None,
    )
    assert signal.getsignal(signal.SIGINT) is handler
    assert partial.interrupted
    done = partial.summary["photons"]
    assert 0 < done < 1_000_000
    whole = simulate("corona.toml", photons=done, threads=1)
    assert not whole.interrupted
    for name in ARRAYS:
        np.testing.assert_array_equal(
            getattr(partial.spectrum, name), getattr(whole.spectrum, name)
        )
    for key in PHYSICS[:-1]:
        assert partial.summary[key] == whole.summary[key]
    partial.write(folder / "partial")
    assert summary_of(folder / "partial")["interrupted"] is True
    assert "interrupted" in partial.spectrum.plot().axes[0].get_title()


@pytest.mark.parametrize(
    ("arguments", "example"),
    [
        (("run", "--help"), "mcplugin run "),
        (("run", "-h"), "mcplugin run "),
        (("samplers", "--help"), "mcplugin samplers "),
    ],
)
def test_the_help_of_each_command_has_an_example(arguments, example):
    """A newcomer can copy the first command from the help."""
    result = call(*arguments)
    assert result.exit_code == 0
    assert example in result.stdout.split("Example:")[1]


def test_the_help_lists_the_commands_and_the_version_is_told():
    """``mcplugin --help`` and ``--version`` do what they do everywhere."""
    listing = call("--help").stdout
    assert set(main.commands) == {
        "run",
        "resume",
        "compare",
        "samplers",
        "train",
        "export",
        "validate",
        "config",
    }
    assert all(f"\n  {command} " in listing for command in main.commands)
    assert version("mcplugin") in call("--version").stdout


# Real processes from here on: what only a shell would see.


def test_process_only_the_report_goes_to_a_pipe(folder):
    """No progress bar, no colours, no warnings: five lines on standard output."""
    with spawn("run", "corona.toml", "--threads", "2") as process:
        output, errors = process.communicate(timeout=300)
    assert process.returncode == 0
    assert errors == ""
    assert [line.split()[0] for line in output.splitlines()] == [
        "photons",
        "scatterings",
        "amplification",
        "speed",
        "written",
    ]
    assert "\x1b" not in output
    assert "\r" not in output
    assert names(folder / "corona") == FILES


def test_process_a_damaged_seed_table_gives_one_line(folder):
    """The warnings of the libraries below do not surround the message."""
    Table({"energy": np.linspace(1.0, 2.0, 3000), "photons": np.ones(3000)}).write("seeds.fits")
    content = (folder / "seeds.fits").read_bytes()
    (folder / "seeds.fits").write_bytes(content[: len(content) // 2])
    text = CONFIG.replace('"disk-blackbody"\nkt_in_kev = 0.2', '"table"\nfile = "seeds.fits"')
    (folder / "corona.toml").write_text(text, encoding="utf-8")
    with spawn("run", "corona.toml") as process:
        output, errors = process.communicate(timeout=300)
    assert process.returncode == 2
    assert output == ""
    assert re.fullmatch(r"Error: [^\n]*seeds\.fits[^\n]*\n", errors), errors
    assert names(folder) == {"corona.toml", "seeds.fits"}


def test_process_ctrl_c_leaves_a_valid_partial_result(folder):
    """Interrupted runs end with status 130 and a result of the photons done so far."""
    with_photon_list(folder)
    with spawn("run", "corona.toml", "--photons", 10**12, "--threads", "2") as process:
        # The photon list is begun once the run listens for Ctrl-C.
        patience = time.monotonic() + 300
        while not list(folder.glob("corona/.unfinished-*/photons.h5")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < patience, "the run does not begin"
            time.sleep(0.02)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert re.fullmatch(r"interrupted: [^\n]+\n", errors), errors
    assert "Traceback" not in output + errors
    assert names(folder / "corona") == FILES | {"photons.h5"}
    summary = summary_of(folder / "corona")
    assert summary["interrupted"] is True
    assert 0 < summary["photons"] < summary["photons_requested"] == 10**12
    assert f"{summary['photons']:,} of 1,000,000,000,000" in errors
    assert summary["escaped"] + summary["absorbed"] + summary["cut"] == summary["photons"]
    spectrum = Spectrum.read(folder / "corona/spectrum.fits")
    assert spectrum.provenance == summary
    with h5py.File(folder / "corona/photons.h5") as file:
        assert len(file["energy_kev"]) == summary["photons"]


def test_process_on_a_terminal_shows_its_progress(folder):
    """On a terminal: a bar with share, photons/s and time left, one per worker, and the report."""
    master, terminal = pty.openpty()
    command = [sys.executable, "-m", "mcplugin", "run", "corona.toml", "--photons", "400000"]
    with subprocess.Popen(command, cwd=folder, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        shown = b""
        # The terminal's end is an error on Linux.
        with contextlib.suppress(OSError):
            while chunk := os.read(master, 65536):
                shown += chunk
    os.close(master)
    assert process.returncode == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "100% of 400,000 photons" in " ".join(text.split())
    assert "photons/s, left: 0:00:00" in " ".join(text.split())
    assert re.search(r"/\d+/\d+: [\d,]+ photons/s", text)
    assert "amplification" in text
    assert "Traceback" not in text


# ---- Workers, checkpoints, logs ----


def test_processes_and_threads_give_the_same_files(folder):
    """Two processes instead of two threads: the same numbers."""
    run("--threads", "2", "--out", "threads")
    run("--processes", "2", "--out", "processes")
    threads, processes = summary_of(folder / "threads"), summary_of(folder / "processes")
    assert {key: threads[key] for key in PHYSICS} == {key: processes[key] for key in PHYSICS}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--threads", "2", "--processes", "2"], "--threads and --processes exclude"),
        (["--processes", "2", "--dask", "tcp://x:1"], "--processes and --dask exclude"),
        (["--processes", "0"], "--processes = 0 is outside 1"),
        (["--processes", "1.5"], "--processes = 1.5"),
        (["--dask", "nowhere"], "no Dask scheduler answers at 'nowhere'"),
        (["--log", "missing/run.log"], "cannot write the log missing/run.log"),
        (["--checkpoint", "missing/run.h5"], "cannot write the checkpoint missing/run.h5"),
        (["--checkpoint", "corona.toml"], "corona.toml is not a checkpoint"),
        (["--checkpoint", "corona"], "corona is the checkpoint: choose another --out"),
    ],
)
def test_bad_workers_and_files(folder, options, named):
    """One line each, and nothing is left behind."""
    assert named in refused("run", "corona.toml", *options)
    assert names(folder) == {"corona.toml"}


def test_mpiexec_excludes_other_workers(folder, monkeypatch):
    """Under mpiexec its ranks are the workers."""
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    assert "--threads and mpiexec exclude" in refused("run", "corona.toml", "--threads", "2")


def test_checkpoint_and_resume(folder):
    """A run in two parts gives the numbers of one; the report is the same but for the speed."""
    run("--out", "whole")
    run("--photons", "1000", "--checkpoint", "run.h5", "--out", "first")
    done = call("resume", "run.h5", "--photons", "3000", "--out", "second")
    assert done.exit_code == 0, done.output
    whole, second = summary_of(folder / "whole"), summary_of(folder / "second")
    assert {key: whole[key] for key in PHYSICS} == {key: second[key] for key in PHYSICS}
    assert names(folder / "second") == FILES
    assert "3,000 in = " in done.output


def test_resume_names_the_folder_after_the_checkpoint(folder):
    """As `run` does after the configuration; what is there is not overwritten unasked."""
    run("--checkpoint", "long.h5")
    assert call("resume", "long.h5", "--quiet").output == ""
    assert names(folder / "long") == FILES
    assert "long exists: choose another --out" in refused("resume", "long.h5")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["missing.h5"], "cannot read the checkpoint missing.h5: No such file"),
        (["corona.toml"], "corona.toml is not a checkpoint of mcplugin"),
        (["run.h5", "--photons", "10"], "photons = 10 is below the 3,000 that run.h5 already"),
        (["run.h5", "--photons", "0"], "--photons = 0"),
    ],
)
def test_bad_resumptions(folder, arguments, named):
    """One line each, and nothing is left behind."""
    run("--checkpoint", "run.h5")
    before = names(folder)
    assert named in refused("resume", *arguments, "--out", "again")
    assert names(folder) == before


def test_a_checkpoint_that_cannot_be_kept_up_is_one_line(folder, monkeypatch):
    """The result is written, and the warning says that the old checkpoint is still valid."""
    write = checkpoint.Checkpoint.write

    def full(self, path):
        if self.tally.photons:
            raise OutputError(f"cannot write the checkpoint {path}: No space left on device")
        write(self, path)

    monkeypatch.setattr(checkpoint.Checkpoint, "write", full)
    errors = run("--checkpoint", "run.h5").stderr
    assert re.fullmatch(r"(Warning: cannot write [^\n]*No space[^\n]* still valid\n)+", errors)
    assert names(folder / "corona") == FILES


def test_the_log(folder):
    """A line of JSON per event; the chunks' photons add up; a later run is appended."""
    run("--log", "run.log", "--checkpoint", "run.h5")
    events = [json.loads(line) for line in (folder / "run.log").read_text("utf-8").splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds.count("run begins") == kinds.count("run ends") == 1
    assert {"chunk done", "checkpoint written"} < set(kinds)
    chunks = [event for event in events if event["event"] == "chunk done"]
    assert sum(chunk["count"] for chunk in chunks) == chunks[-1]["done"] == 3000
    assert [chunk["first"] for chunk in chunks] == sorted(chunk["first"] for chunk in chunks)
    assert all(chunk["seconds"] > 0.0 and chunk["worker"].count("/") == 2 for chunk in chunks)
    assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00$", event["time"]) for event in events)
    call("resume", "run.h5", "--log", "run.log")
    assert (folder / "run.log").read_text("utf-8").count("run ends") == 2
