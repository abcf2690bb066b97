"""What can go wrong, as types: each message names the value, the allowed range and the remedy."""


class McpluginError(Exception):
    """Base of every error that mcplugin raises on purpose."""


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
