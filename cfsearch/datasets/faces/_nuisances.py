"""What varies between faces beside the attributes: pose, build, colours, light, noise."""

from dataclasses import dataclass, fields
from typing import final

import numpy as np
from numpy.typing import NDArray

from cfsearch.errors import ShapeError

from ._attributes import F32, column, require_attributes, require_count


@final
@dataclass(frozen=True)
class Nuisances:
    """Continuous factors of ``n`` faces; take rows with ``nuisances[rows]``.

    Lengths are relative (1 is the mean build, a range of about 0.9 to 1.1) or, where signed,
    from -1 to 1. Colours are RGB in [0, 1].

    Shapes:
        ``(n,)`` each, but ``hair_phase`` ``(n, 3)``, ``background`` ``(n, 2, 3)`` and
        ``clothes`` ``(n, 3)``; ``noise_seed`` is uint32, all others float32.
    """

    tilt: F32  # of the head, radians, clockwise
    yaw: F32
    pitch: F32
    shift_x: F32  # of the head, in half image widths
    shift_y: F32
    scale: F32
    face_width: F32
    face_height: F32
    jaw: F32  # narrow to square
    eye_size: F32
    eye_spacing: F32
    eye_slant: F32
    eye_colour: F32  # 0 dark brown, brown, hazel, green, blue, 1 grey
    gaze: F32
    brow_height: F32
    brow_arch: F32
    nose_width: F32
    nose_length: F32
    mouth_width: F32
    mouth_height: F32
    lip_fullness: F32
    smile: F32
    skin_tone: F32  # 0 light to 1 dark
    skin_hue: F32
    hair_length: F32  # 0 above the ears to 1 below the shoulders
    hair_volume: F32
    hair_part: F32
    hairline: F32
    hair_shade: F32
    hair_hue: F32  # of no named colour: 0 ginger, .5 auburn, .85 grey, 1 silver
    hair_phase: F32
    beard_length: F32
    glasses_style: F32  # 0 square to 1 round
    glasses_hue: F32
    light_x: F32
    light_y: F32
    light_strength: F32
    background: F32
    background_angle: F32  # radians
    clothes: F32
    noise_level: F32  # standard deviation of the sensor's noise
    noise_seed: NDArray[np.uint32]

    def __post_init__(self) -> None:
        n = len(self.tilt)
        for field in fields(self):
            got = getattr(self, field.name).shape
            if got != (n, *_TAILS.get(field.name, ())):
                raise ShapeError(
                    f"Nuisances: expected `{field.name}` of shape "
                    f"{(n, *_TAILS.get(field.name, ()))}, got {got}. "
                    "Give one row for each face."
                )

    def __len__(self) -> int:
        return len(self.tilt)

    def __getitem__(self, rows: slice | NDArray[np.integer] | NDArray[np.bool_]) -> "Nuisances":
        return Nuisances(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


_TAILS: dict[str, tuple[int, ...]] = {"hair_phase": (3,), "background": (2, 3), "clothes": (3,)}


def sample_nuisances(n: int, *, rng: np.random.Generator, attributes: F32 | None = None) -> Nuisances:
    """Nuisances of ``n`` faces, independent of each other and of the attributes.

    The one exception: given ``attributes``, hair is long for 85 % of the women and 8 % of the
    men, as in portraits; without them, for half of all faces.

    Args:
        n: number of faces, >= 0.
        rng: source of randomness.
        attributes: the faces that the nuisances are for; only Male is read.

    Shapes:
        ``attributes`` ``(n, 13)``.

    Raises:
        ConfigError: ``n`` is negative.
        ShapeError: ``attributes`` has not ``n`` rows of 13.
    """
    require_count(n)
    long_rate = np.full(n, 0.5)
    if attributes is not None:
        require_attributes(attributes, who="sample_nuisances")
        if len(attributes) != n:
            raise ShapeError(
                f"sample_nuisances: expected attributes of {n} faces, got {len(attributes)}. "
                "Give one row for each face."
            )
        long_rate = 0.85 - 0.77 * attributes[:, column("Male")].astype(np.float64)

    def between(low: float, high: float, *tail: int) -> F32:
        return rng.uniform(low, high, (n, *tail)).astype(np.float32)

    def around(mean: float, spread: float, limit: float) -> F32:
        drawn = np.clip(rng.normal(0.0, spread, n), -limit, limit) + mean
        return drawn.astype(np.float32)

    is_long = rng.random(n) < long_rate
    is_grey = rng.random(n) < 0.35
    back = between(0.15, 0.9, 1, 1) + between(-0.15, 0.15, 1, 3)
    return Nuisances(
        tilt=around(0.0, 0.06, 0.14),
        yaw=around(0.0, 0.45, 1.0),
        pitch=around(0.0, 0.45, 1.0),
        shift_x=around(0.0, 0.025, 0.06),
        shift_y=around(0.0, 0.025, 0.06),
        scale=around(1.0, 0.035, 0.08),
        face_width=around(1.0, 0.035, 0.08),
        face_height=around(1.0, 0.025, 0.06),
        jaw=around(0.0, 0.4, 1.0),
        eye_size=around(1.0, 0.06, 0.13),
        eye_spacing=around(1.0, 0.035, 0.08),
        eye_slant=around(0.0, 0.5, 1.0),
        eye_colour=between(0.0, 1.0),
        gaze=around(0.0, 0.4, 1.0),
        brow_height=around(0.0, 0.4, 1.0),
        brow_arch=around(0.0, 0.5, 1.0),
        nose_width=around(1.0, 0.07, 0.16),
        nose_length=around(1.0, 0.05, 0.12),
        mouth_width=around(1.0, 0.06, 0.14),
        mouth_height=around(0.0, 0.4, 1.0),
        lip_fullness=around(1.0, 0.1, 0.25),
        smile=around(0.25, 0.45, 0.9),
        skin_tone=between(0.0, 1.0) ** np.float32(1.25),
        skin_hue=around(0.0, 0.5, 1.0),
        hair_length=np.where(is_long, between(0.45, 1.0), between(0.0, 0.16)),
        hair_volume=between(0.0, 1.0),
        hair_part=between(-1.0, 1.0),
        hairline=around(0.0, 0.4, 1.0),
        hair_shade=around(0.0, 0.4, 1.0),
        hair_hue=np.where(is_grey, between(0.85, 1.0), between(0.0, 0.5)),
        hair_phase=between(0.0, 1.0, 3),
        beard_length=between(0.0, 1.0),
        glasses_style=between(0.0, 1.0),
        glasses_hue=between(0.0, 1.0),
        light_x=between(-1.0, 1.0),
        light_y=between(-1.0, 1.0),
        light_strength=around(1.0, 0.05, 0.12),
        background=np.clip(back + between(-0.14, 0.14, 2, 3), 0.03, 0.97, dtype=np.float32),
        background_angle=between(0.0, 2.0 * np.pi),
        clothes=np.clip(between(0.1, 0.8, 1) + between(-0.2, 0.2, 3), 0.03, 0.95, dtype=np.float32),
        noise_level=between(0.004, 0.016),
        noise_seed=rng.integers(0, 2**32, n, dtype=np.uint32),
    )
