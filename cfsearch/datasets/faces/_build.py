"""The measures and colours of each face that several parts of it share."""

from dataclasses import dataclass
from typing import final

import numpy as np

from ._brush import Plane, Values, colour, mix, palette

_SKIN = {
    0.0: (0.91, 0.70, 0.57),
    0.35: (0.80, 0.57, 0.42),
    0.7: (0.60, 0.40, 0.28),
    1.0: (0.40, 0.255, 0.18),
}
_PALE = colour(0.97, 0.90, 0.875)
_BLACK_HAIR = colour(0.055, 0.05, 0.06)
_BLOND_HAIR = colour(0.90, 0.72, 0.38)
_BROWN_HAIR = colour(0.33, 0.185, 0.095)
_OTHER_HAIR = {
    0.0: (0.76, 0.33, 0.10),
    0.5: (0.58, 0.13, 0.07),
    0.85: (0.56, 0.56, 0.58),
    1.0: (0.80, 0.80, 0.82),
}
_GREY = colour(0.72, 0.72, 0.73)


@final
@dataclass(frozen=True, slots=True)
class Build:
    """Where the parts of a head are, and its colours.

    Shapes:
        lengths ``(n, 1, 1)``, colours ``(n, 3, 1, 1)``.
    """

    half_width: Plane  # of the head
    half_height: Plane
    centre_y: Plane
    eye_x: Plane
    eye_y: Plane
    eye_width: Plane  # half of it
    nose_y: Plane  # of the tip
    mouth_y: Plane
    mouth_width: Plane  # half of it
    skin: Plane
    hair: Plane
    facial_hair: Plane
    brows: Plane


def build(a: Values, z: Values, *, skin_tone: Plane, hair_hue: Plane) -> Build:
    """Measures and colours from attributes ``a`` and nuisances ``z``."""
    age = 1.0 - a["Young"]
    height = z["face_height"]

    skin = palette(skin_tone, _SKIN)
    skin = skin * (1.0 + z["skin_hue"][:, None] * colour(0.015, -0.01, -0.04))
    bare = skin
    skin = mix(skin, skin * colour(0.95, 0.94, 0.90), age[:, None])
    skin = mix(skin, _PALE, 0.90 * a["Pale_Skin"][:, None])

    black, blond, brown = (a[name][:, None] for name in ("Black_Hair", "Blond_Hair", "Brown_Hair"))
    other = np.maximum(1.0 - black - blond - brown, 0.0)
    named = black * _BLACK_HAIR + blond * _BLOND_HAIR + brown * _BROWN_HAIR
    hair: Plane = named + other * palette(hair_hue, _OTHER_HAIR)
    hair = hair / (black + blond + brown + other)
    hair = hair * (1.0 + 0.14 * z["hair_shade"][:, None])
    hair = mix(hair, _GREY, 0.20 * age[:, None])

    return Build(
        half_width=0.455 * z["face_width"],
        half_height=0.635 * height,
        centre_y=np.full_like(height, -0.03),
        eye_x=0.188 * z["face_width"] * z["eye_spacing"],
        eye_y=-0.045 * height,
        eye_width=0.106 * z["eye_size"],
        nose_y=0.175 * height * z["nose_length"],
        mouth_y=(0.365 + 0.012 * z["mouth_height"]) * height,
        mouth_width=0.158 * z["mouth_width"] * z["face_width"],
        skin=skin.astype(np.float32),
        hair=hair.astype(np.float32),
        facial_hair=_apart(hair * colour(0.55, 0.50, 0.46), bare).astype(np.float32),
        brows=_apart(hair * colour(0.66, 0.61, 0.57), bare).astype(np.float32),
    )


def _apart(hair: Plane, skin: Plane) -> Plane:
    """Hair of the face, darker where it would be lost against the skin in shade."""
    gap = hair - skin * 0.78
    near = 1.0 / (1.0 + 24.0 * (gap * gap).sum(axis=1, keepdims=True))
    parted: Plane = hair * (1.0 - 0.55 * near)
    return parted
