"""A TOML file and what it may say: read it, check it, and refuse it in one line.

Every refusal names the file, the line where that is known, the key, what was given, and what is
allowed or which valid name is nearest: ``corona.toml:4: plasma.tau = -1.0 is outside
1e-09 <= tau <= 1000``.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from mcplugin.errors import ConfigurationError


def plain_number(value: Any) -> Any:
    """Numpy scalars as Python numbers, since strict validation knows only the latter."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value


def _whole(value: Any) -> Any:
    value = plain_number(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Types of fields: numbers of numpy are welcome, and 1e6 is a whole number.
Real = Annotated[float, BeforeValidator(plain_number)]
Whole = Annotated[int, BeforeValidator(_whole)]


class Section(BaseModel):
    """A table of a configuration: it knows all its keys, and takes no other and no other type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=Section)
# Where something stands in a configuration: keys, and the numbers of tables in an array.
KeyPath = tuple[str | int, ...]


class ConflictError(ValueError):
    """What validators of a :class:`Section` raise if values do not go together.

    Parameters
    ----------
    message : str
        Names keys and values.
    *key : str
        Path of the key, within the section, at whose line the conflict is to be mended; by
        default that of the section itself.
    """

    def __init__(self, message: str, *key: str) -> None:
        super().__init__(message)
        self.key = key


def read_toml(path: str | os.PathLike[str]) -> tuple[dict[str, Any], str]:
    """Give the content of a TOML file, and its text.

    Raises
    ------
    ConfigurationError
        If the file cannot be read or is no TOML; the message names it, and the line if there is
        one.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8")
        return tomllib.loads(text), text
    except OSError as error:
        raise ConfigurationError(_one_line(f"cannot read {path}: {error.strerror}")) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigurationError(
            _one_line(f"{path}:{line} is not valid TOML, which is UTF-8: {error}")
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(_one_line(f"{path} is not valid TOML: {error}")) from error
    except RecursionError as error:
        raise ConfigurationError(_one_line(f"{path} is nested too deeply")) from error
    except (TypeError, ValueError) as error:
        raise ConfigurationError(_one_line(f"cannot read {path!r}: {error}")) from error


def validated(
    model: type[Model], content: Mapping[str, Any], origin: str, text: str | None = None
) -> Model:
    """Check a configuration against its schema.

    Parameters
    ----------
    model : type of Section
        The schema.
    content : mapping
        Sections, as TOML or Python has them.
    origin : str
        What messages call the configuration: the path of its file.
    text : str, optional
        The text of the file, in which the line is looked for.

    Raises
    ------
    ConfigurationError
        In one line.
    """
    try:
        return model.model_validate(dict(content))
    except ValidationError as error:
        key, complaint = _complaint(model, error)
        line = None if text is None else line_of(text, key)
        where = origin if line is None else f"{origin}:{line}"
        raise ConfigurationError(_one_line(f"{where}: {complaint}")) from error


def line_of(text: str, key: KeyPath) -> int | None:
    """The line, from 1, at which a key of a TOML file stands; None if it stands nowhere.

    Parameters
    ----------
    text : str
        A valid TOML file.
    key : tuple of str and int
        Such as ``("plasma", "tau")``, or ``("stage", 1, "steps")`` for the second ``[[stage]]``.
        For a key that is missing, or within an inline table, the line of what encloses it is
        given.
    """
    best, line, tables = 0, None, dict[KeyPath, int]()
    section: KeyPath = ()
    for number, words in _statements(text):
        header = re.match(r"(\[\[?)\s*(" + _KEY + r")\s*\]", words)
        entry = re.match(r"(" + _KEY + r")\s*=", words)
        if header:
            section = _parts_of(header[2])
            if header[1] == "[[":
                tables[section] = tables.get(section, -1) + 1
                section = (*section, tables[section])
            else:
                section = _within_last_tables(section, tables)
            here = section
        elif entry:
            here = (*section, *_parts_of(entry[1]))
        else:
            continue
        # An array of tables counts as one of its members, of which the first comes first.
        if best < len(here) <= len(key) and key[: len(here)] == here:
            best, line = len(here), number
    return line


_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_KEY = rf"{_PART}(?:\s*\.\s*{_PART})*"


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, without those that are inside a string of many lines."""
    inside = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if not inside:
            yield number, line.strip()
        for quotes in re.findall(r'"""|\'\'\'', line):
            if inside in ("", quotes):
                inside = "" if inside else quotes


def _parts_of(key: str) -> KeyPath:
    return tuple(part.strip("\"'") for part in re.findall(_PART, key))


def _within_last_tables(section: KeyPath, tables: Mapping[KeyPath, int]) -> KeyPath:
    """``[stage.x]`` belongs to the last ``[[stage]]`` before it."""
    for length in range(len(section), 0, -1):
        if section[:length] in tables:
            return (*section[:length], tables[section[:length]], *section[length:])
    return section


def _one_line(message: str) -> str:
    return " ".join(message.split())


def _complaint(model: type[BaseModel], error: ValidationError) -> tuple[KeyPath, str]:
    """The first complaint of a validation: where, and 'section.key = value: what is wrong'."""
    problems = error.errors(include_url=False)
    # A misspelt key is also a missing one; its spelling is the thing to say.
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    problem = (unknown or problems)[0]
    section, path = _located(model, problem["loc"])
    name, key, given = _name(path), str(path[-1]) if path else "", problem["input"]
    match problem["type"]:
        case "extra_forbidden":
            return path, f"unknown key {name!r}: {nearest(key, section.model_fields)}"
        case "missing":
            return path, f"{name} is missing"
        case "union_tag_not_found" | "union_tag_invalid":
            field = section.model_fields[key]
            tag, allowed = str(field.discriminator), list(_tagged(field))
            path, name = (*path, tag), f"{name}.{tag}"
            if problem["type"] == "union_tag_not_found":
                return path, f"{name} is missing: allowed are {', '.join(allowed)}"
            return path, f"{name} = {given[tag]!r}: {nearest(given[tag], allowed)}"
        case "literal_error":
            return path, f"{name} = {given!r}: {nearest(given, _literals(section, key))}"
        case "greater_than" | "greater_than_equal" | "less_than_equal":
            return path, f"{name} = {given!r} is outside {_range(section, key)}"
    conflict = problem.get("ctx", {}).get("error")
    if isinstance(conflict, ConflictError):
        path = (*path, *conflict.key)
    message = problem["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if not name:
        return path, message
    return path, f"{name}: {message}" if isinstance(
        given, dict
    ) else f"{name} = {given!r}: {message}"


def _located(model: type[BaseModel], loc: KeyPath) -> tuple[type[BaseModel], KeyPath]:
    """The section that holds the key at pydantic's location, and its path in the file."""
    holder = inner = model
    tagged: dict[str, type[BaseModel]] = {}
    path: KeyPath = ()
    for part in loc:
        if part in tagged:
            # Where several models are possible, the tag of the one that was chosen is no key.
            inner, tagged = tagged[str(part)], {}
            continue
        path = (*path, part)
        if isinstance(part, int):
            continue
        holder = inner
        field = holder.model_fields.get(part)
        if field is None:
            break
        tagged = _tagged(field)
        models = [each for each in (field.annotation, *_parts(field.annotation)) if _is_model(each)]
        inner = models[0] if models else inner
    return holder, path


def _tagged(field: FieldInfo) -> dict[str, type[BaseModel]]:
    """The models among which the value of one of their keys chooses, by that value."""
    if not isinstance(field.discriminator, str):
        return {}
    models = [each for each in _parts(field.annotation) if _is_model(each)]
    return {tag: each for each in models for tag in _literals(each, field.discriminator)}


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _name(path: KeyPath) -> str:
    """``stage[1].steps`` for ``("stage", 1, "steps")``."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).removeprefix(".")


def nearest(given: Any, allowed: Iterable[str]) -> str:
    """The allowed names as a remedy, the one most like what was given first of all."""
    names = list(allowed)
    near = difflib.get_close_matches(str(given), names, n=1, cutoff=0.4)
    return (f"did you mean {near[0]!r}? " if near else "") + f"allowed are {', '.join(names)}"


def _literals(section: type[BaseModel], key: str) -> list[str]:
    """All strings of a (possibly optional) Literal field."""
    return [part for part in _parts(section.model_fields[key].annotation) if isinstance(part, str)]


def _range(section: type[BaseModel], key: str) -> str:
    """The allowed values of a (possibly optional) number, to six digits."""
    field = section.model_fields[key]
    limits: dict[str, str] = {}
    for part in (*field.metadata, *_parts(field.annotation)):
        for constraint in getattr(part, "metadata", [part]):
            for name in ("gt", "ge", "le"):
                value = getattr(constraint, name, None)
                if value is not None:
                    limits[name] = f"{value:.6g}" if isinstance(value, float) else str(value)
    low = f"{limits['gt']} < " if "gt" in limits else f"{limits['ge']} <= "
    high = f" <= {limits['le']}" if "le" in limits else ""
    return f"{low}{key}{high}"


def _parts(annotation: Any) -> Iterator[Any]:
    """All arguments of a nested annotation."""
    for part in get_args(annotation):
        yield part
        yield from _parts(part)
