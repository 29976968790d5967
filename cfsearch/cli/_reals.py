"""Numbers of options: none is NaN."""

import math
from typing import Any

import click


class Real(click.FloatRange):
    """A number in a range; NaN, which no comparison refuses, is none."""

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
        return number
