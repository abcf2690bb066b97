"""A run that is interrupted goes on to the same bits, or says why it cannot."""

import json
import multiprocessing
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest

from mcplugin import ElectronVelocitySampler, get_sampler, resume, simulate
from mcplugin.cli import main
from mcplugin.errors import (
    CheckpointError,
    CheckpointWarning,
    InputError,
    OutputError,
    SamplerError,
    UnknownSamplerError,
)
from mcplugin.transport import checkpoint as checkpoints
from mcplugin.transport.checkpoint import Checkpoint
from mcplugin.transport.tally import BinnedPhotons

CONFIG = {
    "plasma": {"geometry": "sphere", "theta": 0.3, "tau": 0.7},
    "seed": {"spectrum": "blackbody", "kt_kev": 0.3},
    "tally": {"bins": 40, "angle_bins": 2, "orders": 3},
    "run": {"photons": 20_000, "seed": 7},
}


class StoppedError(Exception):
    """What a test ends a run with."""


def stop_after(photons):
    """End the run by an error of the caller's own."""

    def progress(done, total):
        if done >= photons:
            raise StoppedError

    return progress


@pytest.fixture(scope="module")
def straight():
    """The run without a break."""
    return simulate(CONFIG)


@pytest.fixture
def half(tmp_path):
    """The checkpoint of a run that ended too early."""
    path = tmp_path / "half.h5"
    with pytest.raises(StoppedError):
        simulate(CONFIG, checkpoint=path, progress=stop_after(5000))
    assert 5000 <= Checkpoint.read(path).tally.photons < 20_000
    return path


def test_what_is_written_is_read(half):
    """Every number comes back, the integers beyond 64 bits among them."""
    saved = Checkpoint.read(half)
    assert max(saved.tally.totals) > 2**1000
    saved.write(half)
    again = Checkpoint.read(half)
    assert again.tally.digest() == saved.tally.digest()
    assert replace(again, tally=saved.tally) == saved


def test_it_is_an_hdf5_file(half):
    """Anybody's tools can look into it."""
    with h5py.File(half) as file:
        counted = file["by_angle/low"][..., 0].sum()
        assert json.loads(file["run"].asstr()[()])["counts"]["escaped"] == counted


@pytest.mark.parametrize("go_on", [resume, lambda path: simulate(CONFIG, checkpoint=path)])
def test_going_on(half, straight, go_on):
    """Both ways to go on give the bits of the run without a break, and count its time."""
    before = Checkpoint.read(half).clock
    run = go_on(half)
    assert run.tally.digest() == straight.tally.digest()
    assert not run.interrupted
    assert np.array_equal(run.spectrum.efe, straight.spectrum.efe)
    assert run.summary["seconds"] > before.seconds > 0.0
    assert run.summary["working_seconds"] > before.working_seconds
    assert run.summary["configuration"] == straight.summary["configuration"]


def test_more_photons_for_a_finished_run(tmp_path, straight):
    """Raised later, the number of photons gives what it would have given at once."""
    path = tmp_path / "run.h5"
    assert simulate(CONFIG, photons=3000, checkpoint=path).summary["photons"] == 3000
    assert resume(path).summary["photons"] == 3000
    assert resume(path, photons=20_000).tally.digest() == straight.tally.digest()
    # From now on that is what was asked for.
    assert Checkpoint.read(path).configuration.run.photons == 20_000


def test_raised_photons_are_remembered(half):
    """Killed after the number was raised, the run still knows."""
    with pytest.raises(StoppedError):
        resume(half, photons=10**9, progress=stop_after(0))
    assert Checkpoint.read(half).configuration.run.photons == 10**9


def test_other_workers_may_go_on(half, straight):
    """Neither threads nor pieces need to be those of the first part."""
    assert resume(half, threads=5).tally.digest() == straight.tally.digest()


def test_a_sampler_that_breaks_keeps_what_was_done(tmp_path):
    """An error in the middle loses no finished chunk."""

    class Breaking(ElectronVelocitySampler):
        name = "breaking"
        theta_range = (1e-4, 100.0)
        left = 3000

        def fill(self, theta, streams, u):
            if Breaking.left < 0:
                raise RuntimeError("out of electrons")
            Breaking.left -= len(u) if len(u) > 100 else 0
            get_sampler("table").fill(theta, streams, u)

        def quality(self, theta):
            return {}

    path = tmp_path / "run.h5"
    with pytest.raises(SamplerError, match="out of electrons"):
        simulate(CONFIG, Breaking(), checkpoint=path, threads=1)
    assert Checkpoint.read(path).tally.photons > 0
    with pytest.raises(UnknownSamplerError, match="breaking"):
        resume(path)


# ---- What is refused ----


def test_every_damage_is_seen(half):
    """A byte changed anywhere, or the file cut short anywhere, and it is refused by name."""
    content = half.read_bytes()
    random = np.random.default_rng(3)
    places = [*range(0, 110, 3), *random.integers(512, len(content), 150), len(content) - 1]
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << random.integers(8)
        half.write_bytes(changed)
        with pytest.raises(CheckpointError, match=r"half\.h5"):
            Checkpoint.read(half)
    for length in (0, 1, 40, 511, 512, 513, *random.integers(0, len(content), 50)):
        half.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r"half\.h5"):
            Checkpoint.read(half)
    half.write_bytes(content)
    Checkpoint.read(half)


def test_a_damaged_checkpoint_is_left_alone(half):
    """Whoever is refused can still look at the file."""
    content = half.read_bytes()[:-1]
    half.write_bytes(content)
    for again in (lambda: resume(half), lambda: simulate(CONFIG, checkpoint=half)):
        with pytest.raises(CheckpointError, match="is damaged"):
            again()
        assert half.read_bytes() == content


def test_a_later_format(half):
    """It says which format it has, which are known, and what to do."""
    content = half.read_bytes()
    half.write_bytes(content.replace(b"format 1\n", b"format 2\n", 1))
    with pytest.raises(CheckpointError, match=r"format 2.*up to 1: update mcplugin"):
        resume(half)


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\x89HDF\r\n\x1a\n" + bytes(600), "spectrum"])
def test_foreign_files(tmp_path, straight, content):
    """Something else is no checkpoint, and is not overwritten."""
    path = tmp_path / "other"
    if content == "spectrum":
        straight.spectrum.write(path)
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    for refused in (lambda: resume(path), lambda: simulate(CONFIG, checkpoint=path)):
        with pytest.raises(CheckpointError, match="is not a checkpoint of mcplugin"):
            refused()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"plasma": {**CONFIG["plasma"], "tau": 0.8}}, "plasma.tau = 0.7 and not 0.8"),
        ({"seed": {"spectrum": "blackbody", "kt_kev": 0.31}}, "seed.kt_kev = 0.3 and not 0.31"),
        ({"run": {**CONFIG["run"], "seed": 8}}, "run.seed = 7 and not 8"),
        ({"run": {**CONFIG["run"], "sampler": "table"}}, "run.sampler = 'rejection' and not"),
        ({"tally": {**CONFIG["tally"], "bins": 41}}, "tally.bins = 40 and not 41"),
        ({"run": {**CONFIG["run"], "photons": 100}}, "photons = 100 is below the"),
    ],
)
def test_another_run(half, change, message):
    """The message names what differs; the checkpoint is left as it was."""
    content = half.read_bytes()
    with pytest.raises(CheckpointError, match=re.escape(message)):
        simulate({**CONFIG, **change}, checkpoint=half)
    assert half.read_bytes() == content


def test_other_electrons(half, monkeypatch):
    """If photons no longer end as they did, old and new ones must not be mixed."""
    sampler = type(get_sampler("rejection"))
    fill = sampler.fill

    def another(self, theta, streams, u):
        fill(self, theta, streams, u)
        u *= 1.0 + 1e-15

    monkeypatch.setattr(sampler, "fill", another)
    with pytest.raises(CheckpointError, match="photons end differently now"):
        resume(half)


@pytest.mark.parametrize(
    "damage",
    [
        lambda header: header.pop("totals"),
        lambda header: header["counts"].pop("cut"),
        lambda header: header["configuration"]["plasma"].update(tau=-1.0),
        lambda header: header.update(totals=["x"]),
        lambda header: header.update(clock=3),
    ],
)
def test_valid_checksum_and_wrong_content(half, damage, monkeypatch):
    """A file that is whole but was written by somebody else."""
    dumps = json.dumps

    def spoiled(header):
        damage(header)
        return dumps(header)

    saved = Checkpoint.read(half)
    monkeypatch.setattr(checkpoints.json, "dumps", spoiled)
    saved.write(half)
    with pytest.raises(CheckpointError, match=r"half\.h5"):
        Checkpoint.read(half)


@pytest.mark.parametrize("photons", [0, -1, 1.5, "many", 10**16])
def test_bad_numbers_of_photons(half, photons):
    """As for a new run."""
    with pytest.raises(InputError, match="photons"):
        resume(half, photons=photons)


@pytest.mark.parametrize("path", ["missing.h5", ".", "no/such/run.h5", "nul\0.h5"])
def test_missing_checkpoints(tmp_path, monkeypatch, path):
    """There is nothing to go on from."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="cannot read the checkpoint"):
        resume(path)


@pytest.mark.parametrize("path", ["no/such/run.h5", "nul\0.h5"])
def test_unwritable_checkpoints(tmp_path, monkeypatch, path):
    """Said before a photon is born."""
    monkeypatch.chdir(tmp_path)
    born = []
    with pytest.raises(OutputError, match="cannot write the checkpoint"):
        simulate(CONFIG, checkpoint=path, progress=lambda done, total: born.append(done))
    assert born == []


# ---- A disk that is full ----


def test_a_write_that_fails(tmp_path, straight, monkeypatch):
    """The run warns, keeps the last valid checkpoint, goes on, and tries again."""
    path = tmp_path / "run.h5"
    monkeypatch.setattr(checkpoints, "_SHARE_OF_TIME", 1e9)
    monkeypatch.setattr(checkpoints, "_SECONDS_TO_NEXT_TRY", 0.0)
    monkeypatch.setattr("mcplugin.transport.chunks._LARGEST_CHUNK", 2000)
    kept = []

    def full_disk(done, total):
        kept.append(path.read_bytes())
        limit = 100 if 3000 < done < 12_000 else resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.warns(CheckpointWarning, match="File too large; the last one .* still valid"):
            run = simulate(CONFIG, checkpoint=path, progress=full_disk, threads=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        signal.signal(signal.SIGXFSZ, handler)
    assert run.tally.digest() == straight.tally.digest()
    assert Checkpoint.read(path).tally.digest() == straight.tally.digest()
    assert [name for name in os.listdir(tmp_path) if name != "run.h5"] == []
    for content in kept:
        path.write_bytes(content)
        Checkpoint.read(path)


def test_a_full_disk(tmp_path):
    """On a file system of 256 kB that somebody else fills, the last checkpoint stays valid."""
    mounting = ["unshare", "--user", "--map-root-user", "--mount"]
    if os.geteuid() == 0:
        mounting = ["unshare", "--mount"]
    script = (
        "import sys, pytest\n"
        "from mcplugin import resume, simulate\n"
        "from mcplugin.errors import CheckpointWarning\n"
        "from mcplugin.transport import checkpoint\n"
        "checkpoint._SHARE_OF_TIME = 1e9\n"
        "checkpoint._SECONDS_TO_NEXT_TRY = 0.0\n"
        f"config = {CONFIG!r}\n"
        "def fill(done, total):\n"
        "    if 3000 < done:\n"
        "        with open('disk/other', 'ab', buffering=0) as file:\n"
        "            try:\n"
        "                while file.write(bytes(512)): pass\n"
        "            except OSError: pass\n"
        "with pytest.warns(CheckpointWarning, match='No space left'):\n"
        "    run = simulate(config, checkpoint='disk/run.h5', progress=fill, threads=1)\n"
        "kept = checkpoint.Checkpoint.read('disk/run.h5').tally.photons\n"
        "assert 0 < kept < 20_000, kept\n"
        "import os; os.unlink('disk/other')\n"
        "assert resume('disk/run.h5').tally.totals == run.tally.totals\n"
        "assert sorted(os.listdir('disk')) == ['run.h5']\n"
        "print('kept', kept)\n"
    )
    (tmp_path / "disk").mkdir()
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    mount = "mount -t tmpfs -o size=256k tmpfs disk"
    allowed = (
        shutil.which("unshare")
        and not subprocess.run(
            [*mounting, "sh", "-c", mount], cwd=tmp_path, capture_output=True, check=False
        ).returncode
    )
    if not allowed:
        pytest.skip("a full disk is covered by a limit on file sizes only: mounting is forbidden")
    done = subprocess.run(
        [*mounting, "sh", "-c", f"{mount} && exec {sys.executable} -B script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "kept" in done.stdout


# ---- kill -9 ----

LONG = """\
plasma = {geometry = "sphere", theta = 0.3, tau = 3.0}
seed = {spectrum = "monochromatic", energy_kev = 1.0}
tally = {bins = 40, angle_bins = 2, orders = 3}
run = {photons = 1e12, seed = 11}
"""


def work_until_killed(folder):
    """Run the command line in this (other) process, with a checkpoint after every chunk."""
    os.chdir(folder)
    checkpoints._SHARE_OF_TIME = 1e9
    main(["run", "long.toml", "--checkpoint", "run.h5", "--overwrite", "--quiet"])


def test_killed_twenty_times(tmp_path):
    """Killed at random moments, twenty times: the same bits in the end, and progress till then.

    Every life but the first goes on from what the one before had kept; the file is valid after
    every death, and holds more than before.
    """
    (tmp_path / "long.toml").write_text(LONG, encoding="utf-8")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mcplugin.cli", "mcplugin.transport.picture"])
    path = tmp_path / "run.h5"
    random = np.random.default_rng(20)
    held = [0]
    for _life in range(20):
        process = context.Process(target=work_until_killed, args=(tmp_path,))
        process.start()
        # Not before it got anywhere, or the test would test nothing.
        while not (path.exists() and Checkpoint.read(path).tally.photons > held[-1]):
            assert process.is_alive()
            time.sleep(0.01)
        time.sleep(random.uniform(0.0, 0.3))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        held.append(Checkpoint.read(path).tally.photons)
        assert held[-1] > held[-2]
    photons = held[-1] + 1000
    expected = simulate(tmp_path / "long.toml", photons=photons)
    assert resume(path, photons=photons).tally.digest() == expected.tally.digest()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(
    ("workers", "chunks"),
    # With the first chunk of one process, another is still starting.
    [(("--threads", "2"), 6), (("--processes", "3"), 1), (("--processes", "2"), 6)],
)
def test_asked_to_stop(tmp_path, number, status, workers, chunks):
    """The chunks in hand are finished and kept; the status says which signal it was."""
    (tmp_path / "long.toml").write_text(LONG, encoding="utf-8")
    arguments = ["run", "long.toml", "--checkpoint", "run.h5", "--log", "run.log", *workers]
    process = subprocess.Popen(
        [sys.executable, "-m", "mcplugin", *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    log = tmp_path / "run.log"
    while not (log.exists() and log.read_text(encoding="utf-8").count("chunk done") >= chunks):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    # To the whole group, as a terminal and a batch system do.
    os.killpg(process.pid, number)
    _output, errors = process.communicate(timeout=60)
    assert process.returncode == status, errors
    assert "go on with: mcplugin resume run.h5" in errors
    summary = json.loads((tmp_path / "long" / "summary.json").read_text(encoding="utf-8"))
    saved = Checkpoint.read(tmp_path / "run.h5")
    assert saved.tally.photons == summary["photons"] > 0
    assert summary["interrupted"]
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    counted = [event["count"] for event in events if event["event"] == "chunk done"]
    assert sum(counted) == summary["photons"]
    assert events[-1]["event"] == "run interrupted"
    assert events[-1]["done"] == summary["photons"]


# ---- Sums that do not overflow ----


def test_bins_of_a_very_long_run():
    """A bin of 10¹⁵ photons at its upper edge, put together from chunks, is what it should be."""
    one = np.zeros((1, 3, 3), dtype=np.int64)
    one[0, 1] = (2**34, 2**34 * 2**28, 2**34 * 2**28 // 3)
    binned = BinnedPhotons.of(one)
    photons = 2**34
    while photons < 10**15:
        binned, photons = binned + binned, 2 * photons
    assert binned.count[0, 1] == photons
    assert binned.energy[0, 1] == photons * 2.0**28
    assert binned.energy_squared[0, 1] == pytest.approx(photons * 2.0**28 / 3, rel=1e-12)
    both = BinnedPhotons(np.repeat(binned.low, 2, axis=0), np.repeat(binned.high, 2, axis=0))
    assert both.summed().count[0, 1] == 2 * photons
