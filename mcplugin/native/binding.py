"""libmcplugin through cffi: the functions of its headers, with statuses turned into exceptions."""

import functools
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcplugin import native
from mcplugin.errors import (
    InputError,
    McpluginError,
    MissingPackageError,
    SamplerError,
    ThetaRangeError,
    WeightsError,
)

# MCP_TAIL_RADIUS of the header, which cffi cannot read.
TAIL_RADIUS = 8.0

_HEADERS = ("mcplugin.h", "mcplugin_streams.h")

# By the names of enum mcp_status; what is not here breaks a promise of this very module.
_ERRORS: dict[str, type[McpluginError]] = {
    "MCP_ERROR_ARGUMENT": InputError,
    "MCP_ERROR_THETA": ThetaRangeError,
    "MCP_ERROR_PHOTON": InputError,
    "MCP_ERROR_SPEC": InputError,
    "MCP_ERROR_FILE": WeightsError,
    "MCP_ERROR_WEIGHTS": WeightsError,
}


def _declarations(header: str) -> str:
    """What cffi understands of a header: everything but the preprocessor's and C++'s parts."""
    without_cpp = re.sub(r"#ifdef __cplusplus.*?#endif", "", header, flags=re.DOTALL)
    return re.sub(r"^#.*$|\bMCP_API\b", "", without_cpp, flags=re.MULTILINE)


class Library:
    """The loaded library.

    Parameters
    ----------
    path : Path, optional
        Its file; by default the installed one. Its header is the installed one in any case.

    Attributes
    ----------
    ffi, functions
        cffi's view of it, for calls that are not wrapped here.
    """

    def __init__(self, path: Path | None = None) -> None:
        try:
            import cffi
        except ImportError as error:
            raise MissingPackageError(
                "the samplers of libmcplugin need cffi: pip install cffi"
            ) from error
        self.ffi = cffi.FFI()
        headers = [(native.include_directory() / name).read_text("utf-8") for name in _HEADERS]
        for header in headers:
            self.ffi.cdef(_declarations(header))
        path = native.library() if path is None else path
        try:
            self.functions: Any = self.ffi.dlopen(str(path))
            found = self.functions.mcp_abi_version()
        except (OSError, AttributeError) as error:
            raise MissingPackageError(
                f"{path} cannot be used: {error}: reinstall mcplugin"
            ) from error
        expected = int(re.findall(r"#define MCP_ABI_VERSION (\d+)", headers[0])[0])
        if found != expected:
            raise MissingPackageError(
                f"{path} has the binary interface {found}, its header describes {expected}: "
                "reinstall mcplugin"
            )
        # Parsed once: a call costs microseconds, and parsing a type's name would be most of it.
        self._doubles = self.ffi.typeof("double[]")
        self._words = self.ffi.typeof("uint64_t[]")

    def check(self, status: int) -> None:
        """Raise what a status stands for, with the library's own sentence.

        Raises
        ------
        InputError, ThetaRangeError, WeightsError, SamplerError
            Unless the status is MCP_OK.
        """
        if status == self.functions.MCP_OK:
            return
        name = self.ffi.typeof("enum mcp_status").elements.get(status, "unknown status")
        raise _ERRORS.get(name, SamplerError)(self.error_text())

    def error_text(self) -> str:
        """``mcp_error_text``: what went wrong in the last failed call of this thread."""
        text: str = self.ffi.string(self.functions.mcp_error_text()).decode("utf-8", "replace")
        return text

    def create(
        self, spec: str, weights: bytes | None = None, tail_radius: float = TAIL_RADIUS
    ) -> Any:
        """Create a sampler that is released with the last reference to it.

        Parameters
        ----------
        spec : str
            As for ``mcp_sampler_create``.
        weights : bytes, optional
            Weights in their C form for "gan", "gan-exact" and "gan-event", instead of those
            compiled in.
        tail_radius : float
            Used with ``weights``: the latent radius, 1 to 20, at which gan-exact draws its tail
            from another proposal.
        """
        out = self.ffi.new("mcp_sampler **")
        if weights is None:
            status = self.functions.mcp_sampler_create(spec.encode(), out)
        else:
            status = self.functions.mcp_sampler_create_from_bytes(
                spec.encode(), weights, len(weights), tail_radius, out
            )
        self.check(status)
        return self.ffi.gc(out[0], self.functions.mcp_sampler_destroy)

    def sample_streams(
        self,
        sampler: Any,
        theta: NDArray[np.float64],
        streams: NDArray[np.uint64],
        u: NDArray[np.float64],
    ) -> None:
        """``mcp_sample_streams`` on contiguous arrays; other threads run meanwhile.

        ``theta`` is one temperature for all draws, of shape (), or one per draw.
        """
        if theta.ndim == 1 and u.size == 1:
            # To the library it would be the temperature of all draws, which has bits of its own.
            rows, drawn = np.repeat(streams, 2, axis=0), np.empty(2)
            self.sample_streams(sampler, np.repeat(theta, 2), rows, drawn)
            streams[:], u[:] = rows[:1], drawn[:1]
            return
        address = self.ffi.from_buffer
        self.check(
            self.functions.mcp_sample_streams(
                sampler,
                address(self._words, streams),
                u.size,
                address(self._doubles, theta),
                theta.size,
                address(self._doubles, u),
            )
        )

    def transform_radius(
        self,
        sampler: Any,
        theta: NDArray[np.float64],
        radius: NDArray[np.float64],
        u: NDArray[np.float64],
    ) -> None:
        """``mcp_transform_radius`` on contiguous arrays."""
        address = self.ffi.from_buffer
        self.check(
            self.functions.mcp_transform_radius(
                sampler,
                u.size,
                address(self._doubles, theta),
                theta.size,
                address(self._doubles, radius),
                address(self._doubles, u),
            )
        )

    def scatter_streams(
        self,
        sampler: Any,
        x: NDArray[np.float64],
        theta: NDArray[np.float64],
        streams: NDArray[np.uint64],
        x_out: NDArray[np.float64],
        cosine: NDArray[np.float64],
    ) -> None:
        """``mcp_scatter_streams`` on contiguous arrays; other threads run meanwhile."""
        address = self.ffi.from_buffer
        self.check(
            self.functions.mcp_scatter_streams(
                sampler,
                address(self._words, streams),
                x.size,
                address(self._doubles, x),
                address(self._doubles, theta),
                theta.size,
                address(self._doubles, x_out),
                address(self._doubles, cosine),
            )
        )

    def transform_event(
        self,
        sampler: Any,
        x: NDArray[np.float64],
        theta: NDArray[np.float64],
        v: NDArray[np.float64],
        z: NDArray[np.float64],
        x_out: NDArray[np.float64],
        cosine: NDArray[np.float64],
    ) -> None:
        """``mcp_transform_event`` on contiguous arrays."""
        address = self.ffi.from_buffer
        self.check(
            self.functions.mcp_transform_event(
                sampler,
                x.size,
                address(self._doubles, theta),
                theta.size,
                address(self._doubles, x),
                address(self._doubles, v),
                address(self._doubles, z),
                address(self._doubles, x_out),
                address(self._doubles, cosine),
            )
        )

    def photon_range(self, sampler: Any) -> tuple[float, float]:
        """``mcp_sampler_photon_range``."""
        return self._range(self.functions.mcp_sampler_photon_range, sampler)

    def acceptance(self, sampler: Any, theta: float) -> float:
        """``mcp_sampler_acceptance``."""
        out = self.ffi.new("double *")
        self.check(self.functions.mcp_sampler_acceptance(sampler, theta, out))
        return float(out[0])

    def theta_range(self, sampler: Any) -> tuple[float, float]:
        """``mcp_sampler_theta_range``."""
        return self._range(self.functions.mcp_sampler_theta_range, sampler)

    def _range(self, ask: Any, sampler: Any) -> tuple[float, float]:
        low, high = self.ffi.new("double *"), self.ffi.new("double *")
        self.check(ask(sampler, low, high))
        return float(low[0]), float(high[0])

    def instruction_set(self, sampler: Any) -> str:
        """``mcp_sampler_instruction_set``."""
        name: str = self.ffi.string(self.functions.mcp_sampler_instruction_set(sampler)).decode()
        return name


@functools.cache
def load() -> Library:
    """The library, loaded once per process.

    Raises
    ------
    MissingPackageError
        If it, or cffi, is not installed, or they do not belong together.
    """
    return Library()
