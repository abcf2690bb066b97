"""Electrons from a trained generator: ``gan-torch``, and ``gan``, which picks the engine.

Exactness is not promised here but measured: the card of the weights holds the distance D from the
exact distribution at every temperature, and ``quality`` reports it afresh.
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mcplugin.domain import array_within, instance_of, single, temperature
from mcplugin.errors import InputError, MissingPackageError
from mcplugin.jit import kernel
from mcplugin.learning.radial_map import RADIUS_MAX, ThermalMap, thermal_map
from mcplugin.learning.targets import MaxwellJuttnerTarget
from mcplugin.learning.weights import load_weights
from mcplugin.random_streams import Streams, random_bits
from mcplugin.samplers.base import ElectronVelocitySampler

if TYPE_CHECKING:
    import torch

Array = NDArray[np.float64]

# A word of 64 bits: 40 for a uniform number of the gamma, 24 for one of the beta distribution.
_GAMMA_SHIFT = np.uint64(24)
_BETA_MASK = np.uint64(2**24 - 1)

# On a CPU the many elementwise operations are fastest on blocks that its caches hold.
_CPU_BLOCK = 2**13

_DEVICES = "use 'cpu', or 'cuda' with a GPU"
INSTALL_TORCH = "gan-torch needs PyTorch: pip install 'mcplugin[torch]'"


@kernel
def draw_latent_radii(streams: Streams, radius: Array) -> None:
    """Draw |z| of 3-D standard normals, two words of random bits each.

    r²/2 has the gamma distribution of shape 3/2: a gamma of shape 2, -ln(U₁U₂), times a beta of
    shapes (3/2, 1/2), which is 1 - x² for the coordinate x of a point in the unit disc. With
    V = 1 - (radius of the point)² uniform, 1 - x² = V + (1 - V) sin²(azimuth): positive terms.
    libmcplugin draws the same numbers from the same streams, to 2e-7.
    """
    for i in range(radius.size):
        one, two = random_bits(streams, i), random_bits(streams, i)
        product = (np.float64(one >> _GAMMA_SHIFT) + 0.5) * (np.float64(two >> _GAMMA_SHIFT) + 0.5)
        v = (np.float64(one & _BETA_MASK) + 0.5) * 2.0**-24
        sine = math.sin(math.pi * ((np.float64(two & _BETA_MASK) + 0.5) * 2.0**-24 - 0.5))
        gamma = -math.log(product * 2.0**-80)
        radius[i] = math.sqrt(2.0 * gamma * (v + (1.0 - v) * sine * sine))


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """Keep torch from spreading small operations over threads that the caller already uses.

    Threads of a run call the sampler side by side; if each of them woke a team of torch's own,
    the teams would wait for each other far longer than they work. OpenMP keeps the number per
    calling thread, so nobody else's torch is slowed down.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class GenerativeSampler(ElectronVelocitySampler):
    """A sampler with a trained generator: a map of latent radii to four-velocities.

    Parameters
    ----------
    weights : path-like, optional
        A ``.safetensors`` file with its card; by default the generator of the package.

    Raises
    ------
    WeightsError
        If the file is damaged or not the one that its card describes.
    """

    def __init__(self, weights: str | os.PathLike[str] | None = None) -> None:
        self.weights = load_weights(weights)
        self.reference: ThermalMap = thermal_map(self.weights)
        self.theta_range = self.reference.theta_range
        self.options = {} if weights is None else {"weights": os.fspath(weights)}

    def _checked_latents(self, radius: ArrayLike, theta: ArrayLike) -> tuple[Array, Array]:
        """What :meth:`transform` is given, as contiguous arrays: one temperature, or n."""
        radius = np.ascontiguousarray(array_within("radius", radius, 0.0, RADIUS_MAX))
        theta = np.asarray(temperature(theta, *self.theta_range, self.theta_remedy), order="C")
        if radius.ndim != 1 or theta.shape not in ((), radius.shape):
            raise InputError(
                f"radius must have shape (n,) and theta () or (n,), not {radius.shape} and "
                f"{theta.shape}"
            )
        return radius, theta

    def quality(self, theta: float) -> dict[str, float]:
        """Distance D = sup |F(u) - F_exact(u)| at one temperature, computed without sampling."""
        theta = single("theta", temperature(theta, *self.theta_range))
        return {"distance": MaxwellJuttnerTarget.distance_at(self.reference, theta)}


class TorchGanSampler(GenerativeSampler):
    """The generator as TorchScript, on the CPU or a GPU.

    Parameters
    ----------
    device : str
        ``"cpu"`` or ``"cuda"`` (or ``"cuda:1"`` ...).
    weights : path-like, optional
        As for :class:`GenerativeSampler`.
    device_latents : bool
        Draw the latents on the device instead of from the caller's streams. Much less is copied
        then. Draws are reproducible by seed for the same batches, but they are not those of the
        streams: they depend on the first stream of a batch and on the batch's size.

    Raises
    ------
    MissingPackageError
        If torch is not installed.
    InputError
        If there is no such device.
    """

    name: ClassVar[str] = "gan-torch"

    def __init__(
        self,
        device: str = "cpu",
        weights: str | os.PathLike[str] | None = None,
        device_latents: bool = False,
    ) -> None:
        try:
            import torch
        except ImportError as error:
            raise MissingPackageError(INSTALL_TORCH) from error
        from mcplugin.learning.generator import torchscript

        super().__init__(weights)
        try:
            self._device = torch.device(instance_of("device", device, str, _DEVICES))
            present = self._device.type != "cuda" or torch.cuda.is_available()
        except (RuntimeError, TypeError, ValueError) as error:
            raise InputError(f"device = {device!r} is not known to torch: {_DEVICES}") from error
        if self._device.type not in ("cpu", "cuda") or not present:
            raise InputError(f"device = {device!r} is not here: {_DEVICES}")
        self._module = torchscript(self.weights).to(self._device)
        self._device_latents = bool(device_latents)
        self.per_stream = not self._device_latents
        self.options = {**self.options, "device": str(device), "device_latents": device_latents}

    def _on_device(self, array: Array) -> "torch.Tensor":
        import torch

        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    def transform(self, radius: ArrayLike, theta: ArrayLike) -> Array:
        """Map latent radii to four-velocities: pure, with no random numbers of its own.

        Parameters
        ----------
        radius : (n,) array
            Latent radii |z| of a 3-D standard normal z, 0 to 10⁶.
        theta : float or (n,) array
            Temperature within ``theta_range``.

        Returns
        -------
        (n,) array of float64
            Four-velocities u = γβ.

        Raises
        ------
        ThetaRangeError, InputError
            If a temperature or a radius is out of range, or the shapes do not go together.
        """
        import torch

        radius, theta = self._checked_latents(radius, theta)
        u = np.empty(radius.size)
        block = _CPU_BLOCK if self._device.type == "cpu" else max(radius.size, 1)
        with torch.inference_mode(), _one_torch_thread():
            for first in range(0, radius.size, block):
                piece = slice(first, first + block)
                own = theta if theta.ndim == 0 else theta[piece]
                drawn = self._module.radial(self._on_device(radius[piece]), self._on_device(own))
                u[piece] = drawn.cpu().numpy()
        return u

    def fill(self, theta: Array, streams: Streams, u: Array) -> None:
        """Draw a latent radius per stream (or per row on the device) and map it."""
        if not self._device_latents or u.size == 0:
            draw_latent_radii(streams, u)
            u[:] = self.transform(u, theta)
            return
        import torch

        # The first stream seeds the device's generator and is advanced, so that the next batch
        # of the same streams is another one.
        seed = int(streams[0, 0] ^ streams[0, 1]) & (2**63 - 1)
        draw_latent_radii(streams[:1], np.empty(1))
        generator = torch.Generator(self._device).manual_seed(seed)
        with torch.inference_mode():
            latent = torch.randn(
                (3, u.size), generator=generator, dtype=torch.float64, device=self._device
            )
            radius = torch.sqrt(latent[0] ** 2 + latent[1] ** 2 + latent[2] ** 2)
            drawn = self._module.radial(radius, self._on_device(theta))
        u[:] = drawn.cpu().numpy()


def gan(device: str = "cpu", **options: Any) -> GenerativeSampler:
    """The generator on the best engine for a device: libmcplugin on the CPU, torch on a GPU.

    Parameters
    ----------
    device : str
        ``"cpu"`` or ``"cuda"`` (or ``"cuda:1"`` ...).
    **options
        Passed to the engine's sampler.

    Raises
    ------
    MissingPackageError
        If what the engine needs is not installed.
    """
    from mcplugin.samplers.native import NativeGanSampler

    if instance_of("device", device, str, _DEVICES) == "cpu":
        return NativeGanSampler(**options)
    return TorchGanSampler(device=device, **options)
