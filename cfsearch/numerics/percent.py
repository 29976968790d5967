"""Shares as people read them: "92 %", with a space that does not break."""

from typing import Final

SPACE: Final = "\u202f"
"""Narrow and non-breaking, between a number and its unit."""


def percent(share: float, *, digits: int = 0) -> str:
    """A share in per cent.

    Args:
        share: of one; 0.917 is "92 %".
        digits: behind the point.

    Example:
        >>> percent(0.917).replace(SPACE, " "), percent(0.0704, digits=1).replace(SPACE, " ")
        ('92 %', '7.0 %')
    """
    return f"{share:.{digits}%}".replace("%", f"{SPACE}%")
