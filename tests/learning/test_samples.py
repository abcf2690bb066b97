"""Learning electrons that have no formula here, from a file of samples alone."""

import numpy as np
import pytest
from astropy.table import Table

from mcplugin import get_sampler, random_streams
from mcplugin.errors import InputError
from mcplugin.learning.targets import SampleTarget
from mcplugin.learning.training import Training, TrainingConfiguration

GROUPS = (0.0, 0.05, 0.1, 0.2)
EACH = 40_000


def _mixture(fraction, count, seed):
    """Thermal electrons at theta = 0.3, and a fraction of a power law u^-3.5 above u = 2."""
    rng = np.random.default_rng(seed)
    u = get_sampler("rejection").sample(0.3, random_streams(seed, count))
    accelerated = rng.random(count) < fraction
    u[accelerated] = 2.0 * rng.random(accelerated.sum()) ** (-1 / 2.5)
    return u


@pytest.fixture(scope="module")
def columns():
    """Fractions and four-velocities of 160,000 electrons."""
    u = np.concatenate([_mixture(f, EACH, 100 + k) for k, f in enumerate(GROUPS)])
    return np.repeat(GROUPS, EACH), u


def test_mixture_is_learned_from_its_file(columns, tmp_path):
    """D against the half of the file that was not learned from: near what noise alone gives.

    20,000 kept samples of each fraction have an expected distance of 0.87/√20000 = 6e-3 from
    their own parent; the trained map must be within twice that for every fraction.
    """
    fraction, u = columns
    Table({"fraction": fraction, "u": u}).write(tmp_path / "electrons.csv")
    training = Training(
        TrainingConfiguration.model_validate(
            {
                "target": {"kind": "samples", "file": str(tmp_path / "electrons.csv")},
                "generator": {"form": "free", "units": 8, "conditioning": 3},
                "stage": [
                    {"objective": "classic", "steps": 150, "batch": 1024, "learning_rate": 2e-3},
                    {
                        "objective": "optimal-1d",
                        "steps": 200,
                        "batch": 2048,
                        "learning_rate": 5e-3,
                        "polish": 150,
                    },
                ],
            }
        ),
        "cpu",
    )
    assert training.target.resolution == pytest.approx(0.8687 / np.sqrt(EACH / 2))
    assert training.run(every=100)
    assert training.distance()[0] < 2 * training.target.resolution
    assert training.weights().card["conditions"] == ["fraction"]


@pytest.mark.parametrize("suffix", [".csv", ".fits", ".h5"])
def test_formats_agree(columns, tmp_path, suffix):
    """CSV, FITS and HDF5 with the same columns are the same target."""
    fraction, u = (column[::20] for column in columns)
    path = tmp_path / f"electrons{suffix}"
    if suffix == ".h5":
        import h5py

        with h5py.File(path, "w") as file:
            file["fraction"], file["u"] = fraction, u
    else:
        Table({"fraction": fraction, "u": u}).write(path)
    read = SampleTarget.read(path)
    direct = SampleTarget(fraction[:, None], u, ("fraction",))
    assert read.conditions == ("fraction",)
    radius = np.linspace(0.1, 3.0, 20)[None]
    for group in GROUPS:
        np.testing.assert_allclose(
            read.matched(radius, np.array([[group]])), direct.matched(radius, np.array([[group]]))
        )


def test_no_conditions(tmp_path):
    """A file of u alone is one distribution."""
    u = _mixture(0.1, 5000, 7)
    Table({"u": u}).write(tmp_path / "u.csv")
    target = SampleTarget.read(tmp_path / "u.csv")
    assert target.conditions == ()
    conditions, draws = target.draw(np.random.default_rng(1), 100)
    assert conditions.shape == (100, 0)
    assert np.isin(draws, u).all()


def test_sparse_files_support_little(columns):
    """The resolution grows as samples get fewer, and too few are refused."""
    fraction, u = columns
    many = SampleTarget(fraction[:, None], u, ("fraction",)).resolution
    few = SampleTarget(fraction[::25, None], u[::25], ("fraction",)).resolution
    assert few == pytest.approx(5 * many, rel=1e-6)
    with pytest.raises(InputError, match="at least 1000"):
        SampleTarget(fraction[::100, None], u[::100], ("fraction",))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("u\n1.0\nfast\n", "cannot read|could not convert"),
        ("u\n" + "1.0\n" * 2000 + "-1.0\n", "positive"),
        ("u\n" + "1.0\n" * 2000 + "nan\n", "positive and finite"),
        ("theta,u\n" + "nan,1.0\n" * 2000, "conditions must be finite"),
        ("", "needs columns"),
    ],
)
def test_bad_files(tmp_path, content, said):
    """Each refusal says what is wrong."""
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=said):
        SampleTarget.read(path)
    for name in ("missing.csv", "electrons.pkl"):
        with pytest.raises(InputError):
            SampleTarget.read(tmp_path / name)
