"""The benchmark that trains the published GAN, at sizes that take a moment."""

import dataclasses
import importlib.util
import json
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

BENCH = Path(__file__).resolve().parents[1] / "bench"


@pytest.fixture(scope="module")
def bench():
    """The script, imported from its file, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCH)
        path = BENCH / "published_gan.py"
        specification = importlib.util.spec_from_file_location("published_gan", path)
        module = importlib.util.module_from_spec(specification)
        # Dataclasses look their module up by name.
        patch.setitem(sys.modules, "published_gan", module)
        specification.loader.exec_module(module)
        yield module
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def shipped(bench):
    """The settings that come with the script."""
    return bench.Settings(**tomllib.loads(bench.CONFIG.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def tiny(shipped):
    """A few steps of small networks."""
    return dataclasses.replace(
        shipped,
        thetas=[0.2, 0.8],
        generator=[8, 8],
        discriminator=[4, 3],
        batch=64,
        steps=7,
        check_every=3,
        check_draws=500,
        draws=10_000,
        single_samples=4,
        single_size=2_000,
    )


def test_shipped_settings_are_the_published_ones(bench, shipped):
    """What the paper states: temperatures and layers."""
    assert shipped.thetas == [0.2, 0.4, 0.6, 0.8]
    generator = bench.Generator(shipped.latents, shipped.generator)
    sizes = [layer.out_features for layer in generator.layers if hasattr(layer, "out_features")]
    assert sizes == [400, 400, 1]
    critic = bench.perceptron(1, shipped.discriminator)
    assert [p.shape[0] for p in critic.parameters() if p.ndim == 2] == [40, 20, 1]


def test_scaled_speed_and_back(bench):
    """y = 2β - 1 in float32 loses no more of u than float32 can hold."""
    u = np.array([1e-3, 0.1, 1.0, 5.0])
    y = bench.scaled_speed(u)
    np.testing.assert_allclose(y[:, 0], 2.0 * u / np.sqrt(1.0 + u * u) - 1.0, atol=1e-7)
    np.testing.assert_allclose(bench.four_velocity(y), u, atol=1e-5)
    assert bench.scaled_speed(np.array([1e9])) < 1.0


def test_speeds_stay_below_that_of_light(bench, tiny):
    """In [-1, 1) after training, and where tanh itself would give 1."""
    trained = bench.train(0.4, tiny)
    y = trained.last.draw(10_000, torch.Generator().manual_seed(1)).detach()
    assert ((y >= -1.0) & (y < 1.0)).all()
    with torch.no_grad():
        trained.last.layers[-1].bias.fill_(100.0)
    assert (trained.last.draw(100, torch.Generator()) < 1.0).all()
    assert np.isfinite(trained.last.four_velocities(100, seed=1)).all()


def test_training_keeps_the_best_and_repeats(bench, tiny):
    """D is measured at steps 3, 6 and 7; the same seed gives the same networks."""
    first, second = bench.train(0.4, tiny), bench.train(0.4, tiny)
    assert len(first.distances) == 3
    assert first.best_step == [3, 6, 7][int(np.argmin(first.distances))]
    assert first.distances == second.distances
    assert np.array_equal(first.last.four_velocities(99, 1), second.last.four_velocities(99, 1))
    other = bench.train(0.4, tiny, index=1)
    assert other.distances != first.distances


def test_learning_reaches_the_target(bench, tiny):
    """Some hundred steps of a small network: D < 0.15, where an untrained one has more than 0.4."""
    settings = dataclasses.replace(
        tiny,
        generator=[32, 32],
        discriminator=[16, 8],
        batch=128,
        steps=500,
        check_every=100,
        check_draws=5000,
        generator_learning_rate=3e-4,
        discriminator_learning_rate=1e-2,
    )
    assert min(bench.train(0.4, tiny).distances) > 0.4
    assert min(bench.train(0.4, settings).distances) < 0.15


def test_table_sees_a_bad_network(bench, tiny, tmp_path, monkeypatch, capsys):
    """Every method at every temperature; a network of seven steps is refused, exact draws not."""
    config, out = tmp_path / "tiny.toml", tmp_path / "tiny.json"
    config.write_text("\n".join(f"{k} = {v}" for k, v in dataclasses.asdict(tiny).items()))
    monkeypatch.setattr(
        "sys.argv", ["published_gan.py", "--config", str(config), "--out", str(out), "--seed", "3"]
    )
    bench.main()
    printed = capsys.readouterr().out
    kept = json.loads(out.read_text())

    expected = [(theta, method) for theta in tiny.thetas for method in bench.METHODS]
    assert [(row["theta"], row["method"]) for row in kept["rows"]] == expected
    assert len({line.count("|") for line in printed.splitlines() if line.startswith("|")}) == 1
    for theta, method in expected:
        assert f"| {theta} | {method} |" in printed
    for row in kept["rows"]:
        if row["method"].startswith("published"):
            assert row["pooled_p"] < 1e-6
            assert row["all_p"] < 1e-6
            assert row["single_p_suspicious"] == tiny.single_samples
        else:
            assert row["all_p"] > 1e-6
            assert row["single_p_mean"] == pytest.approx(np.mean(row["single_p"]))
    assert kept["settings"]["seed"] == 3
    assert {"date", "command", "machine"} < kept.keys()
    assert "torch" in kept["machine"]
    assert all(row["exact_distance"] < 1e-4 for row in kept["rows"] if row["method"] == "gan")
