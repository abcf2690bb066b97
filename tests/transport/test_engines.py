"""The same bits whoever follows the photons: threads, processes, a Dask cluster, MPI ranks."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import numpy as np
import pytest

from mcplugin import get_sampler, random_streams, sampler_names, simulate
from mcplugin.errors import (
    CheckpointError,
    InputError,
    MissingPackageError,
    OutputError,
    WorkerError,
)
from mcplugin.transport import chunks
from mcplugin.transport.checkpoint import Checkpoint
from mcplugin.transport.chunks import Task
from mcplugin.transport.configuration import Configuration
from mcplugin.transport.engines import (
    dask_cluster,
    launched_by_mpiexec,
    local_processes,
    mpi_ranks,
)

CONFIG = {
    "plasma": {"geometry": "slab", "kt_kev": 100.0, "tau": 1.5},
    "seed": {"spectrum": "blackbody", "kt_kev": 0.3},
    "run": {"photons": 60_000, "seed": 81},
}


@pytest.fixture(scope="module")
def serial():
    """The run on one thread."""
    return simulate(CONFIG, threads=1).tally.digest()


class Shuffled(Executor):
    """Does what it is given late and in a random order, each on what travelled as bytes."""

    def __init__(self, seed):
        self._random = np.random.default_rng(seed)
        self._waiting = []
        self._lock = threading.Condition()
        threading.Thread(target=self._work, daemon=True).start()

    def submit(self, fn, /, *args, **kwargs):
        """Put it in the bag."""
        future = Future()
        with self._lock:
            self._waiting.append((future, pickle.dumps((fn, args, kwargs))))
            self._lock.notify()
        return future

    def _work(self):
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._waiting)
                future, content = self._waiting.pop(self._random.integers(len(self._waiting)))
            if future.set_running_or_notify_cancel():
                fn, args, kwargs = pickle.loads(content)
                future.set_result(pickle.loads(pickle.dumps(fn(*args, **kwargs))))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_order_through_pickle(serial, seed, monkeypatch):
    """Chunks of other sizes, in a random order, from tasks that travelled as bytes."""
    monkeypatch.setattr(chunks, "_SMALLEST_CHUNK", 700 * seed)
    monkeypatch.setattr(chunks, "_LARGEST_CHUNK", 1300 * seed)
    assert simulate(CONFIG, executor=Shuffled(seed), workers=5).tally.digest() == serial


def test_threads_of_another(serial):
    """Any executor will do, and is not shut down."""
    with ThreadPoolExecutor(3) as executor:
        assert simulate(CONFIG, executor=executor).tally.digest() == serial
        assert executor.submit(int, 7).result() == 7


def test_processes(serial):
    """Two processes, for two runs with different samplers."""
    with local_processes(2) as (executor, workers):
        assert workers == 2
        assert simulate(CONFIG, executor=executor, workers=workers).tally.digest() == serial
        table = simulate(CONFIG, "table", executor=executor, workers=workers)
    assert table.summary["workers"] == 2
    assert table.tally.digest() == simulate(CONFIG, "table").tally.digest()


def variants():
    """Every registered sampler in all its variants."""
    return [
        pytest.param(name, options, id="-".join([name, *map(str, options.values())]))
        for name in sampler_names()
        for options in get_sampler(name).variants
    ]


@pytest.mark.parametrize(("name", "options"), variants())
def test_samplers_travel(name, options):
    """A sampler that was pickled draws the same electrons."""
    sampler = get_sampler(name, **options)
    arrived = pickle.loads(pickle.dumps(sampler))
    assert type(arrived) is type(sampler)
    assert np.array_equal(
        arrived.sample(1.0, random_streams(5, 100)), sampler.sample(1.0, random_streams(5, 100))
    )


def test_a_process_prepares_a_task_once():
    """Chunks of one run share what is dear to make."""
    task = Task(Configuration.load(CONFIG), get_sampler("rejection"))
    first, second = (pickle.loads(pickle.dumps(task)) for _ in range(2))
    assert first is second
    assert first is not task


def test_a_worker_dies(serial, tmp_path):
    """The run ends with an error that says so; the checkpoint gives the same bits in the end."""
    path = tmp_path / "run.h5"
    config = {**CONFIG, "run": {**CONFIG["run"], "photons": 2_000_000_000}}

    def kill_one(done, total):
        if done > 50_000:
            for process in executor._processes.values():
                os.kill(process.pid, signal.SIGKILL)
                break

    with (
        local_processes(2) as (executor, workers),
        pytest.raises(WorkerError, match="gave no photons back: BrokenProcessPool"),
    ):
        simulate(config, executor=executor, workers=workers, progress=kill_one, checkpoint=path)
    done = Checkpoint.read(path).tally.photons
    assert 50_000 < done < 2_000_000_000
    total = done + 1000
    resumed = simulate(CONFIG, photons=total, checkpoint=path)
    assert resumed.tally.digest() == simulate(CONFIG, photons=total).tally.digest()


class Faulty(Executor):
    """Takes no work, or takes it and fails."""

    def __init__(self, error, at_once):
        self.error, self.at_once = error, at_once

    def submit(self, fn, /, *args, **kwargs):
        """Fail at once, or let the future fail."""
        if self.at_once:
            raise self.error
        future = Future()
        future.set_exception(self.error)
        return future


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("error", [RuntimeError("cannot\nschedule"), OSError(28, "no space")])
def test_an_executor_fails(error, at_once):
    """Whatever it raises becomes one line of a `WorkerError`."""
    with pytest.raises(WorkerError, match=r"^a worker gave no photons back: [^\n]+$"):
        simulate(CONFIG, executor=Faulty(error, at_once))


@pytest.mark.parametrize("error", [OutputError("full"), CheckpointError("bad")])
def test_errors_of_a_worker_keep_their_type(error):
    """The package's own errors come through as they are, also from another process."""
    with pytest.raises(type(error), match=str(error)):
        simulate(CONFIG, executor=Faulty(pickle.loads(pickle.dumps(error)), False))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"executor": "dask"}, "executor = 'dask' is no concurrent.futures.Executor"),
        ({"workers": 2}, "workers belongs to executor"),
        ({"executor": Shuffled(1), "threads": 2}, "threads are mcplugin's own"),
        ({"executor": Shuffled(1), "workers": 0}, "workers = 0 is outside 1"),
        ({"executor": Shuffled(1), "workers": 2.5}, "workers = 2.5"),
        ({"photon_list": "a.h5", "checkpoint": "b.h5"}, "cannot go on from a checkpoint"),
    ],
)
def test_bad_arguments(arguments, message):
    """Nothing is computed, and the message says what to give."""
    with pytest.raises(InputError, match=message):
        simulate(CONFIG, **arguments)


@pytest.mark.parametrize("count", [0, -1, 1.5, "two", None, 10**6])
def test_bad_process_counts(count):
    """Refused before any is started."""
    with pytest.raises(InputError, match="processes"), local_processes(count):
        pass


# ---- Dask ----


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes of one thread each, which a nanny starts anew when they die."""
    distributed = pytest.importorskip("distributed", reason="Dask is not covered: not installed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster


def test_dask_with_a_worker_killed(cluster):
    """One of the workers is killed in the middle of the run; Dask has its chunks done again."""
    with dask_cluster(cluster.scheduler_address) as (executor, workers):
        assert workers == 2
        victims = [worker.pid for worker in cluster.workers.values()]
        killed = []

        def kill_one(done, total):
            if not killed and done > total // 10:
                killed.append(victims[0])
                os.kill(victims[0], signal.SIGKILL)

        photons = 1_000_000
        run = simulate(
            CONFIG, photons=photons, executor=executor, workers=workers, progress=kill_one
        )
    assert killed
    assert run.tally.digest() == simulate(CONFIG, photons=photons).tally.digest()


def test_dask_from_the_command_line(cluster, tmp_path):
    """``--dask ADDRESS`` gives the files that the run gives here."""
    _same_files(tmp_path, ["--dask", cluster.scheduler_address])


def test_no_dask_scheduler():
    """Nobody answers: one line, with the address and an example."""
    dask = pytest.importorskip("dask", reason="Dask is not covered: not installed")
    with (
        dask.config.set({"distributed.comm.timeouts.connect": 0.2}),
        pytest.raises(InputError, match=r"^no Dask scheduler answers at 'tcp://127.0.0.1:1' .*tcp"),
        dask_cluster("tcp://127.0.0.1:1"),
    ):
        pass


# ---- MPI ----


@pytest.fixture
def mpiexec():
    """The launcher with two ranks, also where there are fewer cores and for root."""
    launcher = shutil.which("mpiexec")
    if launcher is None:
        pytest.skip("MPI is not covered: no mpiexec here")
    pytest.importorskip("mpi4py", reason="MPI is not covered: mpi4py is not installed")
    return [launcher, "--oversubscribe", "-n", "2"]


def test_mpi(mpiexec, tmp_path):
    """Two ranks give the files that the run gives here, and one report."""
    report = _same_files(tmp_path, [], mpiexec)
    assert report.count("amplification") == 1
    assert "1 workers" in report


def test_mpi_refuses_once(mpiexec, tmp_path):
    """A bad configuration is refused by the rank that drives; the others end in peace."""
    (tmp_path / "run.toml").write_text("[plasma]\n", encoding="utf-8")
    done = _mcplugin(tmp_path, ["run", "run.toml"], mpiexec)
    assert done.returncode == 2
    assert done.stderr.count("Error: run.toml") == 1


def test_mpi_is_recognised(monkeypatch):
    """More than one rank of Open MPI or of MPICH; nothing else."""
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert not launched_by_mpiexec()
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE"):
        monkeypatch.setenv(name, "1")
        assert not launched_by_mpiexec()
        monkeypatch.setenv(name, "3")
        assert launched_by_mpiexec()
        monkeypatch.delenv(name)


def _mcplugin(folder, arguments, launcher=()):
    environment = {
        **os.environ,
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }
    return subprocess.run(
        [*launcher, sys.executable, "-m", "mcplugin", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


CONFIG_FILE = """\
plasma = {geometry = "slab", kt_kev = 100.0, tau = 1.5}
seed = {spectrum = "blackbody", kt_kev = 0.3}
run = {photons = 60_000, seed = 81}
"""


def _same_files(folder, arguments, launcher=()):
    """Run CONFIG from the command line; compare its summary with a run in this process."""
    (folder / "run.toml").write_text(CONFIG_FILE, encoding="utf-8")
    done = _mcplugin(folder, ["run", "run.toml", "--out", "out", *arguments], launcher)
    assert done.returncode == 0, done.stderr
    expected = simulate(CONFIG).summary
    summary = json.loads((folder / "out" / "summary.json").read_text(encoding="utf-8"))
    for key in ("photons", "escaped", "absorbed", "electron_draws", "energy_kev", "amplification"):
        assert summary[key] == expected[key]
    return done.stdout


# ---- What is missing ----


@pytest.mark.parametrize(
    ("package", "engine", "extra"),
    [
        ("distributed", lambda: dask_cluster("tcp://127.0.0.1:1"), "dask"),
        ("mpi4py.futures", mpi_ranks, "mpi"),
    ],
)
def test_missing_packages(monkeypatch, package, engine, extra):
    """The message holds the line that installs them."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=rf"pip install 'mcplugin\[{extra}\]'"), engine():
        pass


def test_processes_do_not_outlive_their_parent():
    """Killed without a chance to clean up, a run leaves no workers behind."""
    code = (
        "import os, time\n"
        "from mcplugin.transport.engines import local_processes\n"
        "if __name__ == '__main__':\n"
        "    with local_processes(2) as (executor, workers):\n"
        "        pids = {f.result() for f in [executor.submit(os.getpid) for _ in range(50)]}\n"
        "        print(*pids, flush=True)\n"
        "        time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert pids
    patience = time.monotonic() + 20.0
    while any(_runs(pid) for pid in pids):
        assert time.monotonic() < patience
        time.sleep(0.05)


def _runs(pid):
    """Whether a process lives; a zombie, which nobody here can bury, does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
