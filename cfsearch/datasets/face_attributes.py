"""The thirteen face attributes of AttGAN, in its order, and those that exclude each other.

References:
    He et al. 2019, AttGAN: facial attribute editing by only changing what you want,
    https://doi.org/10.1109/TIP.2019.2916751.
"""

from typing import Final

ATTRIBUTES: Final[tuple[str, ...]] = (
    "Bald",
    "Bangs",
    "Black_Hair",
    "Blond_Hair",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Eyeglasses",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "No_Beard",
    "Pale_Skin",
    "Young",
)
"""Names as in CelebA."""

EXCLUSIVE_GROUPS: Final[tuple[tuple[str, ...], ...]] = (
    ("Bald", "Bangs"),
    ("Black_Hair", "Blond_Hair", "Brown_Hair"),
    ("Mustache", "No_Beard"),
)
"""Attributes of which at most one may be on; switching one on clears the others."""
