"""How the command line says no: one clear line, exit status 2."""

from typing import Any

import click

from mcplugin.domain import whole_number
from mcplugin.errors import InputError, McpluginError


class Refusal(click.ClickException):
    """One line on standard error and exit status 2."""

    exit_code = 2

    def __init__(self, error: McpluginError | str) -> None:
        super().__init__(" ".join(str(error).split()))


class WholeNumber(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    """An integer in a range, also as 1e6 or 1_000_000."""

    name = "integer"

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Give the number or refuse it, naming the option, the value and the range."""
        name = param.name if param is not None and param.name else "value"
        try:
            number = int(value)
        except ValueError:
            try:
                number = float(value)  # type: ignore[assignment]
            except ValueError:
                raise Refusal(f"--{name} = {value!r} is not a whole number") from None
        try:
            return whole_number(f"--{name}", number, self.low, self.high)
        except InputError as error:
            raise Refusal(error) from error
