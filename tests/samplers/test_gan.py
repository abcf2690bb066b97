"""What is particular to the generator's engines; the contract tests cover the rest."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from mcplugin import get_sampler, random_streams, simulate
from mcplugin.errors import InputError, ThetaRangeError, WeightsError
from mcplugin.fidelity import ks_test
from mcplugin.learning.generator import torchscript
from mcplugin.learning.radial_map import thermal_map
from mcplugin.learning.weights import load_weights

CUDA = torch.cuda.is_available()


def test_torchscript_is_the_reference_map():
    """TorchScript and numpy agree to 1e-12 for one temperature and for one per draw."""
    reference = thermal_map(load_weights())
    sampler = get_sampler("gan-torch")
    rng = np.random.default_rng(1)
    radius = rng.uniform(0.0, 8.5, 10_000)
    theta = np.exp(rng.uniform(np.log(1e-4), np.log(100.0), radius.size))
    np.testing.assert_allclose(sampler.transform(radius, theta), reference(radius, theta), 1e-12)
    for t in (1e-4, 0.03, 1.0, 100.0):
        np.testing.assert_allclose(sampler.transform(radius, t), reference(radius, t), 1e-12)


def test_one_temperature_or_the_same_for_each():
    """A scalar theta and a column of it give the same bits."""
    sampler = get_sampler("gan-torch")
    radius = np.random.default_rng(2).uniform(0.0, 6.0, 1001)
    assert np.array_equal(
        sampler.transform(radius, 0.7), sampler.transform(radius, np.full(radius.size, 0.7))
    )


def test_vectors_of_the_module():
    """forward(z, theta) stretches each latent along itself, by the radial map."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torchscript(load_weights())
    z = torch.randn(1000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    u = module(z, torch.tensor(0.5, dtype=torch.float64))
    radius = z.norm(dim=1)
    torch.testing.assert_close(
        u.norm(dim=1), module.radial(radius, torch.tensor(0.5).double()), rtol=1e-12, atol=0.0
    )
    torch.testing.assert_close(u / u.norm(dim=1)[:, None], z / radius[:, None], rtol=0, atol=1e-12)


def test_latents_on_the_device():
    """Drawn there: the exact distribution, reproducible by seed, not those of the streams."""
    sampler = get_sampler("gan-torch", device_latents=True)
    u = sampler.sample(0.5, random_streams(4, 500_000))
    assert ks_test(u, 0.5)[1] > 1e-6
    assert np.array_equal(u, sampler.sample(0.5, random_streams(4, 500_000)))
    assert not np.array_equal(u, get_sampler("gan-torch").sample(0.5, random_streams(4, 500_000)))
    streams = random_streams(4, 1000)
    assert not np.array_equal(sampler.sample(0.5, streams), sampler.sample(0.5, streams))
    assert sampler.sample(0.5, random_streams(4, 0)).size == 0


def test_gan_is_an_engine():
    """The tag picks an engine, whose name the results carry."""
    assert get_sampler("gan").name == "gan-native"
    config = {
        "plasma": {"geometry": "sphere", "theta": 0.2, "tau": 1.0},
        "seed": {"spectrum": "blackbody", "kt_kev": 0.1},
    }
    summary = simulate(config, "gan", photons=2000).summary
    assert summary["sampler"] == "gan-native"
    assert summary["sampler_quality"]["distance"] < 3e-5


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"device": "abacus"}, InputError, "abacus"),
        ({"device": "meta"}, InputError, "meta"),
        ({"device": 3.5}, InputError, "3.5"),
        ({"weights": "nowhere.safetensors"}, WeightsError, "nowhere"),
        ({"colour": "red"}, InputError, "colour"),
        *([] if CUDA else [({"device": "cuda"}, InputError, "GPU")]),
    ],
)
def test_bad_options(options, error, said):
    """Each refusal names the option's value."""
    with pytest.raises(error, match=said):
        get_sampler("gan-torch", **options)


def test_no_extrapolation():
    """Below and above the range of training nothing is drawn."""
    for theta in (0.9e-4, 101.0):
        with pytest.raises(ThetaRangeError):
            get_sampler("gan").sample(theta, random_streams(1, 3))


def test_without_torch():
    """Without torch everything works but its engine, which says why not."""
    code = (
        "import sys\n"
        "class NoTorch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'torch':\n"
        "            raise ModuleNotFoundError('No module named torch')\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        "import mcplugin, mcplugin.errors, mcplugin.fidelity, mcplugin.learning.weights\n"
        "mcplugin.learning.weights.load_weights()\n"
        "for name in ('rejection', 'table', 'gan', 'gan-exact'):\n"
        "    mcplugin.sample_four_velocity(0.2, 10, name)\n"
        "from click.testing import CliRunner\n"
        "from mcplugin.cli import main\n"
        "listed = CliRunner().invoke(main, ['samplers'])\n"
        "assert listed.exit_code == 0, listed.output\n"
        "assert 'pip install' in listed.output\n"
        "trained = CliRunner().invoke(main, ['train', 'x.toml'])\n"
        "assert trained.exit_code == 2 and 'pip install' in trained.output, trained.output\n"
        "try:\n"
        "    mcplugin.get_sampler('gan-torch')\n"
        "except mcplugin.errors.MissingPackageError as error:\n"
        "    assert \"pip install 'mcplugin[torch]'\" in str(error)\n"
        "else:\n"
        "    raise SystemExit('no error')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_torch_is_imported_only_when_asked_for():
    """Importing the package and running with exact electrons leaves torch alone."""
    code = (
        "import sys, mcplugin, mcplugin.cli\n"
        "mcplugin.sample_four_velocity(0.2, 10)\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_on_a_gpu():
    """CUDA and CPU agree to 1e-12, and device latents follow the distribution."""
    if not CUDA:
        pytest.skip("NOT COVERED: there is no GPU here, so gan-torch on CUDA was not tested")
    radius = np.linspace(0.0, 8.5, 10_000)
    on_gpu, on_cpu = get_sampler("gan-torch", device="cuda"), get_sampler("gan-torch")
    for theta in (1e-3, 0.3, 50.0):
        np.testing.assert_allclose(
            on_gpu.transform(radius, theta), on_cpu.transform(radius, theta), rtol=1e-12
        )
    drawn = get_sampler("gan-torch", device="cuda", device_latents=True)
    assert ks_test(drawn.sample(0.5, random_streams(5, 1_000_000)), 0.5)[1] > 1e-6
