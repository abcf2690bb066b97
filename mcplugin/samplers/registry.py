"""What all samplers have in common, and how they are found by their tags.

There are two kinds: samplers of electrons (:mod:`mcplugin.samplers.base`), and samplers of whole
scatterings (:mod:`mcplugin.samplers.scattering`). Each has an entry-point group, under which any
package may register its own.
"""

import difflib
import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from mcplugin.domain import THETA_REMEDY
from mcplugin.errors import InputError, McpluginError, SamplerError, UnknownSamplerError

ELECTRONS = "mcplugin.samplers"
SCATTERINGS = "mcplugin.scattering_samplers"

_FUNCTIONS = {ELECTRONS: "get_sampler", SCATTERINGS: "get_scattering_sampler"}


class Sampler(ABC):
    """What both kinds of samplers are.

    Attributes
    ----------
    name : str
        The tag under which the sampler is registered.
    theta_range : (float, float)
        Electron temperatures kT/(mₑc²) at which it is valid.
    theta_remedy : str
        What to do about a temperature outside that range; ends the error message.
    options : mapping
        Constructor options that make this very sampler again; kept in a run's provenance.
    variants : tuple of mappings
        Sets of constructor options that are worth listing, testing and timing; the first is the
        default.
    per_stream : bool
        Whether a draw depends on its own stream and its own arguments alone. A run with a sampler
        that says no is valid, but another one on another number of threads.
    """

    name: ClassVar[str]
    theta_range: tuple[float, float]
    theta_remedy: str = THETA_REMEDY
    options: Mapping[str, Any] = MappingProxyType({})
    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)
    per_stream: bool = True

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as class and options, which make this very sampler again."""
        return functools.partial(type(self), **self.options), ()

    @abstractmethod
    def quality(self, theta: float) -> Mapping[str, float]:
        """How good the sampler is at one temperature, by its own account.

        Rejection samplers report their ``acceptance``; approximate ones their
        ``interpolation_error`` or ``distance``, sup |F - F_exact| of what they draw.
        """


Kind = TypeVar("Kind", bound=Sampler)


@functools.cache
def registered(group: str) -> dict[str, Any]:
    """Entry points of a group by tag."""
    return {entry.name: entry for entry in entry_points(group=group)}


def tags(group: str) -> list[str]:
    """Tags of all samplers of a group, third-party ones included."""
    return sorted(registered(group))


def find(sampler: Any, options: Mapping[str, Any], kind: type[Kind], group: str) -> Kind:
    """Find a sampler by its tag and construct it; an object of its kind is given back as it is.

    Raises
    ------
    UnknownSamplerError
        If nobody registered the tag; the message names the nearest one.
    InputError
        If the sampler does not know an option or its value, or has been constructed before.
    SamplerError
        If what is registered cannot be loaded or makes no sampler of this kind, or if that has no
        name or no range of temperatures.
    """
    if isinstance(sampler, kind):
        if options:
            raise InputError(f"options {sorted(options)} come too late for a constructed sampler")
        return _introduced(sampler, f"this {type(sampler).__name__}")
    tag, known = sampler, registered(group)
    if not isinstance(tag, str) or tag not in known:
        raise UnknownSamplerError(_unknown(tag, group))
    who = f"{known[tag].value}, registered as {tag!r},"
    try:
        constructor = known[tag].load()
    except Exception as error:
        raise SamplerError(f"{who} cannot be loaded: {error}") from error
    try:
        constructed = constructor(**options)
    except McpluginError:
        raise
    except TypeError as error:
        if options:
            raise InputError(f"sampler {tag!r} cannot take {options}: {error}") from error
        raise SamplerError(f"{who} makes no sampler: {error}") from error
    except Exception as error:
        raise SamplerError(
            f"{who} failed when it was made: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(constructed, kind):
        raise SamplerError(f"{who} makes no {kind.__name__}")
    return _introduced(constructed, who)


def _unknown(tag: Any, group: str) -> str:
    for other, function in _FUNCTIONS.items():
        if other != group and isinstance(tag, str) and tag in registered(other):
            return f"{tag!r} is a sampler of another kind: get it with mcplugin.{function}"
    known = registered(group)
    near = difflib.get_close_matches(str(tag), known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"no sampler is called {tag!r}: {hint}registered are {', '.join(sorted(known))}"


def _introduced(sampler: Kind, who: str) -> Kind:
    """Refuse a sampler that does not say what it is called and where it is valid."""
    name = getattr(sampler, "name", None)
    if not isinstance(name, str) or not name:
        raise SamplerError(f"{who} has name = {name!r}: set it to the sampler's tag")
    given = getattr(sampler, "theta_range", None)
    if not is_range(given):
        raise SamplerError(
            f"{who} has theta_range = {given!r}: set it to the lowest and highest temperature "
            "theta > 0 at which the sampler is valid"
        )
    return sampler


def is_range(given: Any) -> bool:
    """Whether this is a lowest and a highest number, positive and finite."""
    try:
        low, high = (float(end) for end in given)
        return 0.0 < low <= high < float("inf")
    except (TypeError, ValueError):
        return False
