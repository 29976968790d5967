"""Numbers of options: all are finite."""

import math
from typing import Any

import click


class Real(click.FloatRange):
    """A finite number in a range: no comparison refuses NaN, and an open range has no end that refuses infinity."""

    def convert(
        self,
        value: Any,  # Any: click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """The number.

        Args:
            value: as it was given.
            param: of which option.
            ctx: of the command.
        """
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is no number.", param, ctx)
        if math.isinf(number):
            self.fail(f"{value!r} is no finite number. Give one, or leave the option out.", param, ctx)
        return number
