"""A run takes samplers of whole scatterings as it takes those of electrons."""

import sys
import types
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from mcplugin import (
    ScatteringSampler,
    get_sampler,
    get_scattering_sampler,
    random_streams,
    simulate,
)
from mcplugin.errors import SamplerError, ThetaRangeError
from mcplugin.fidelity.comparison import compare
from mcplugin.scattering import scatter
from mcplugin.scattering.compton import REFUSED
from mcplugin.transport.interaction import interaction

CORONA = {
    "plasma": {"geometry": "sphere", "kt_kev": 100.0, "tau": 1.0},
    "seed": {"spectrum": "blackbody", "kt_kev": 0.2},
    "run": {"photons": 20_000, "seed": 5},
}
# Electrons of 3 MeV make photons beyond the range of the learned scattering.
RELATIVISTIC = CORONA | {
    "plasma": {"geometry": "sphere", "theta": 9.0, "tau": 9.0},
    "seed": {"spectrum": "monochromatic", "energy_kev": 3000.0},
    "tally": {"energy_max_kev": 1e5},
}


class Borrowed(ScatteringSampler):
    """The exact event, under another name, in a narrow range of energies."""

    name = "borrowed"
    theta_range = (1e-4, 100.0)
    x_range = (1e-4, 1e-2)
    least = most = None

    def fill(self, x, theta, streams, x_out, cosine):
        self.see(x)
        x_out[:], cosine[:] = scatter(x, theta, get_sampler("rejection"), streams)

    def see(self, x):
        """Remember the extreme energies that were asked for."""
        kind = type(self)
        kind.least = min(x.min(), kind.least or np.inf)
        kind.most = max(x.max(), kind.most or 0.0)

    def quality(self, theta):
        return {}


def test_spectra_with_the_learned_scattering_are_those_of_exact_electrons():
    """10⁵ photons are not told apart; a difference of 15 % in the best band would be."""
    both = compare(CORONA, ["rejection", "gan-event"], photons=100_000, rounds=1, seed=11)
    assert both.passed, both.sentence
    (spectra,) = both.spectra.values()
    assert min(band.limit for band in spectra.views[0].bands) < 0.15


def test_exact_is_what_its_electrons_are():
    """``exact`` around a sampler of electrons gives the bits of that sampler."""
    one = simulate(CORONA, "rejection", threads=1)
    other = simulate(CORONA, "exact", threads=1)
    assert other.tally.digest() == one.tally.digest()
    assert other.summary["sampler"] == "exact"
    gan = simulate(CORONA, get_scattering_sampler("exact", electrons="gan"), threads=1)
    options = gan.summary["configuration"]["run"]["sampler_options"]
    assert options == {"electrons": "gan-native"}
    assert gan.tally.digest() == simulate(CORONA, "gan", threads=1).tally.digest()


@pytest.mark.parametrize("configuration", [CORONA, RELATIVISTIC], ids=["corona", "relativistic"])
def test_the_same_bits_on_any_number_of_workers(configuration):
    """Threads, and processes to which the sampler travels."""
    one = simulate(configuration, "gan-event", threads=1)
    assert simulate(configuration, "gan-event", threads=3).tally.digest() == one.tally.digest()
    with ProcessPoolExecutor(1, get_context("forkserver")) as pool:
        far = simulate(configuration, "gan-event", executor=pool)
    assert far.tally.digest() == one.tally.digest()


def test_photons_beyond_the_range_are_counted_and_exact():
    """They go through the exact event, and nothing is refused in the middle of a run."""
    soft = simulate(CORONA, "gan-event", threads=1).summary
    assert soft["exact_scatterings"] == soft["electron_draws"] == 0
    assert soft["scatterings"] > 20_000
    hard = simulate(RELATIVISTIC, "gan-event", threads=1).summary
    exact = simulate(RELATIVISTIC, "exact", threads=1).summary
    assert 0.01 < hard["exact_scatterings"] / hard["scatterings"] < 0.9
    assert exact["exact_scatterings"] == 0
    error = np.hypot(hard["amplification_error"], exact["amplification_error"])
    assert abs(hard["amplification"] - exact["amplification"]) < 5.0 * error


def test_a_sampler_sees_no_photon_beyond_its_range():
    """A third party's sampler is asked for what it says it can do, and the rest is exact."""
    Borrowed.least = Borrowed.most = None
    run = simulate(CORONA, Borrowed(), threads=1)
    exact = simulate(CORONA, "rejection", threads=1)
    assert 1e-4 <= Borrowed.least < Borrowed.most <= 1e-2
    assert 0.05 < run.summary["exact_scatterings"] / run.summary["scatterings"] < 0.9
    assert run.summary["sampler"] == "borrowed"
    error = 5.0 * np.hypot(run.summary["amplification_error"], exact.summary["amplification_error"])
    assert abs(run.summary["amplification"] - exact.summary["amplification"]) < error


def test_a_temperature_outside_is_refused_before_the_run():
    """The message says what to use instead."""
    hot = CORONA | {"plasma": {"geometry": "sphere", "theta": 20.0, "tau": 1.0}}
    with pytest.raises(ThetaRangeError, match=r"theta = 20 .*10; .*'rejection'"):
        simulate(hot, "gan-event")


def test_a_resumed_run_has_the_same_bits(tmp_path):
    """A checkpoint keeps the count of exact scatterings, too."""
    whole = simulate(RELATIVISTIC, "gan-event", threads=1)
    kept = tmp_path / "run.h5"
    simulate(RELATIVISTIC, "gan-event", photons=7000, threads=1, checkpoint=kept)
    again = simulate(RELATIVISTIC, "gan-event", threads=1, checkpoint=kept)
    assert again.tally.digest() == whole.tally.digest()
    assert again.summary["exact_scatterings"] == whole.summary["exact_scatterings"] > 0


def spoiled(**methods):
    """A sampler that breaks its contract."""
    return type("Spoiled", (Borrowed,), {"name": "spoiled", "x_range": (1e-9, 1e3)} | methods)


def _unwritten(self, x, theta, streams, x_out, cosine):
    Borrowed.fill(self, x, theta, streams, x_out, cosine)
    cosine[-1:] = np.frombuffer(np.uint64(0x7FF8_6D63_706C_7567).tobytes())


def _backwards(self, x, theta, streams, x_out, cosine):
    Borrowed.fill(self, x, theta, streams, x_out, cosine)
    cosine[0] = -1.5


def _vanished(self, x, theta, streams, x_out, cosine):
    Borrowed.fill(self, x, theta, streams, x_out, cosine)
    x_out[0] = 0.0


def _infinite(self, x, theta, streams, x_out, cosine):
    Borrowed.fill(self, x, theta, streams, x_out, cosine)
    x_out[-1] = np.inf


def _dead(self, x, theta, streams, x_out, cosine):
    Borrowed.fill(self, x, theta, streams, x_out, cosine)
    streams[0] = 0


def _by_place(self, x, theta, streams, x_out, cosine):
    Borrowed.fill(self, x, theta, streams, x_out, cosine)
    x_out[:] = x_out[::-1].copy()


def _fails(self, x, theta, streams, x_out, cosine):
    raise OSError("no network")


def _beyond(self, x, theta, streams, x_out, cosine):
    Borrowed.fill(self, x, theta, streams, x_out, cosine)
    end = len(x_out)
    np.lib.stride_tricks.as_strided(x_out, (end + 1,))[end] = 1.0


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        (_unwritten, "must write all of cosine"),
        (_backwards, "cosine -1.5 .* between -1 and 1"),
        (_vanished, "energy 0.0 .* finite and positive"),
        (_infinite, "energy inf .* finite and positive"),
        (_dead, "stream 0 of .* without a state"),
        (_by_place, "its own stream and arguments alone"),
        (_fails, "OSError: no network"),
        (_beyond, "wrote beyond"),
    ],
)
def test_a_sampler_that_breaks_the_contract_is_named(fill, said):
    """Before anything depends on it."""
    with pytest.raises(SamplerError, match=rf"'spoiled'.*{said}"):
        simulate(CORONA, spoiled(fill=fill)(), threads=1)


def test_refused_photons_ask_again():
    """With electrons, hard photons are refused by the Klein-Nishina cross-section and wait."""
    meet = interaction(get_sampler("rejection"), 0.2, 1000)
    meet.streams[:] = random_streams(3, 1000)
    x = np.full(1000, 2.0)
    effort = meet(x)
    refused = meet.cosine == REFUSED
    assert 0.2 < refused.mean() < 0.8
    assert (meet.x_out[refused] == 2.0).all()
    assert (np.abs(meet.cosine[~refused]) <= 1.0).all()
    assert effort.electron_draws == 1000
    events = interaction(get_scattering_sampler("gan-event"), 0.2, 1000)
    events.streams[:] = random_streams(3, 1000)
    effort = events(x)
    assert (np.abs(events.cosine) <= 1.0).all()
    assert effort.electron_draws == 0


def test_the_command_line_takes_either_kind(register_sampler, monkeypatch, tmp_path):
    """``--sampler`` with a registered third party's, as with a built-in one."""
    from click.testing import CliRunner

    from mcplugin.cli import main

    module = types.ModuleType("third_party_scattering")
    module.Borrowed = Borrowed
    monkeypatch.setitem(sys.modules, module.__name__, module)
    register_sampler("borrowed", "third_party_scattering:Borrowed", "mcplugin.scattering_samplers")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corona.toml").write_text(
        '[plasma]\ngeometry = "sphere"\nkt_kev = 100\ntau = 1\n'
        '[seed]\nspectrum = "blackbody"\nkt_kev = 0.2\n',
        encoding="utf-8",
    )
    for tag in ("borrowed", "gan-event"):
        call = ["run", "corona.toml", "--sampler", tag, "--photons", "500", "--out", tag]
        result = CliRunner().invoke(main, call)
        assert result.exit_code == 0, result.output
        # Some photons of the corona are beyond what the borrowed one says it can do.
        assert ("exactly, beyond the sampler's energies" in result.output) == (tag == "borrowed")
        assert (tmp_path / tag / "summary.json").is_file()
