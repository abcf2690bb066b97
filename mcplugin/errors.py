"""What can go wrong, as types: each message names the value, the allowed range and the remedy."""


def reason_of(error: OSError | ValueError) -> str:
    """Why a file cannot be used, without the number and the path that an OSError prints with it."""
    return str(getattr(error, "strerror", None) or error)


class McpluginError(Exception):
    """Base of every error that mcplugin raises on purpose; its message is one line."""

    def __str__(self) -> str:
        # What was given may print on many lines, as arrays do.
        return " ".join(line.strip() for line in super().__str__().splitlines())


class InputError(McpluginError, ValueError):
    """An argument that no physics can be done with."""


class ThetaRangeError(InputError):
    """An electron temperature outside the range where a distribution or sampler is valid."""


class UnknownSamplerError(InputError):
    """A sampler tag that nobody has registered."""


class ConfigurationError(InputError):
    """A run configuration that is incomplete, misspelt or out of range."""


class SamplerError(McpluginError, RuntimeError):
    """A sampler broke its contract: wrong shape, wrong type, a value that no electron has."""


class WeightsError(InputError):
    """A file of weights that is missing, damaged, altered or of another version."""


class MissingPackageError(McpluginError, ImportError):
    """An optional package that is needed for what was asked, with the line that installs it."""


class OutputError(McpluginError, OSError):
    """Results cannot be written where they were asked for."""


class CheckpointError(InputError):
    """A checkpoint that is missing, damaged, of another run or of a later version."""


class WorkerError(McpluginError, RuntimeError):
    """Another process or machine did not give back the photons that it was given."""


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written: the run goes on, at the risk of what is not kept."""
