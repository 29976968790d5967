"""From attributes and nuisances to pixels: the layers, back to front."""

from dataclasses import fields

import numpy as np

from cfsearch.datasets.face_attributes import ATTRIBUTES
from cfsearch.errors import ConfigError, ShapeError

from ._attributes import F32, require_attributes
from ._brush import CENTRE, ZOOM, Sheet, add_noise
from ._build import build
from ._features import paint_brows, paint_eyes, paint_glasses, paint_mouth
from ._hair import (
    grow_hair,
    paint_beard,
    paint_fringe,
    paint_hair,
    paint_hair_behind,
    paint_mustache,
    shade_under_hair,
)
from ._head import (
    outline_head,
    paint_background,
    paint_blush,
    paint_ears,
    paint_neck,
    paint_skin,
    shade_age,
    shade_features,
    shade_head,
)
from ._nuisances import Nuisances

_CHUNK_PIXELS = 8 * 64 * 64  # painted at once; small enough for the processor's cache


def render(attributes: F32, nuisances: Nuisances, *, size: int = 64) -> F32:
    """Pictures of the faces, each determined by its own row alone, to the last bit.

    Strengths between 0 and 1 fade a layer (glasses, hair, beard) or move a shape or colour;
    near strengths give near pictures. Faces in poses beyond those of ``sample_nuisances``
    may be cut off.

    Args:
        attributes: strengths in [0, 1], columns in the order of ``ATTRIBUTES``.
        nuisances: everything else about the faces.
        size: side in pixels, a multiple of 16 from 32.

    Shapes:
        ``attributes`` ``(n, 13)`` -> ``(n, 3, size, size)``, RGB in [0, 1].

    Raises:
        ConfigError: a strength is outside [0, 1], or ``size`` cannot be rendered.
        ShapeError: ``attributes`` is not ``(n, 13)``, or the nuisances are not of ``n``.
    """
    require_attributes(attributes, who="render")
    if size < 32 or size % 16:
        raise ConfigError(
            f"render: `size` must be a multiple of 16 and at least 32, got {size!r}. "
            "Render larger and shrink the pictures for other sizes."
        )
    if len(nuisances) != len(attributes):
        raise ShapeError(
            f"render: expected nuisances of {len(attributes)} faces, one for each row of "
            f"`attributes`, got {len(nuisances)}. Index both with the same rows."
        )
    images = np.empty((len(attributes), 3, size, size), dtype=np.float32)
    step = max(1, _CHUNK_PIXELS // (size * size))
    for start in range(0, len(attributes), step):
        rows = slice(start, start + step)
        _paint(images[rows], attributes[rows].astype(np.float32), nuisances[rows])
    return images


def _paint(image: F32, attributes: F32, nuisances: Nuisances) -> None:
    a = {name: attributes[:, i, None, None] for i, name in enumerate(ATTRIBUTES)}
    z = {
        f.name: getattr(nuisances, f.name)[:, None, None]
        for f in fields(nuisances)
        if getattr(nuisances, f.name).ndim == 1
    }
    for i in range(3):
        z[f"hair_phase_{i}"] = nuisances.hair_phase[:, i, None, None]
    z["cos_background"] = np.cos(z["background_angle"])
    z["sin_background"] = np.sin(z["background_angle"])

    body = build(a, z, skin_tone=nuisances.skin_tone, hair_hue=nuisances.hair_hue)
    sheet = _lay_out(image, z)
    one, other = (nuisances.background[:, i, :, None, None] for i in range(2))
    clothes = nuisances.clothes[:, :, None, None]

    outline_head(sheet, body, a, z)
    hair = grow_hair(sheet, body, a, z)
    shade_head(sheet, body, a, z)
    paint_background(sheet, z, one=one, other=other)
    paint_hair_behind(sheet, body, hair)
    paint_neck(sheet, body, a, clothes=clothes)
    paint_ears(sheet, body, z)
    shade_features(sheet, body, a, z)
    shade_age(sheet, body, a, z)
    shade_under_hair(sheet, hair)
    paint_skin(sheet, body)
    paint_blush(sheet, body, a)
    paint_mouth(sheet, body, a, z)
    paint_eyes(sheet, body, a, z, eye_colour=nuisances.eye_colour)
    paint_brows(sheet, body, a, z)
    paint_fringe(sheet, body, a)
    paint_beard(sheet, body, a, z)
    paint_mustache(sheet, body, a, z)
    paint_hair(sheet, body, hair, z)
    paint_glasses(sheet, body, a, z, glasses_hue=nuisances.glasses_hue)
    add_noise(image, seed=nuisances.noise_seed, level=nuisances.noise_level)


def _lay_out(image: F32, z: dict[str, F32]) -> Sheet:
    """The empty sheet, with where each pixel lies on each head."""
    n, _, size, _ = image.shape
    axis = ((np.arange(size, dtype=np.float32) + 0.5) * (2.0 / size) - 1.0).astype(np.float32)
    u, v = axis[None, :], axis[:, None]
    right, down = u - z["shift_x"], v - (z["shift_y"] + CENTRE)
    zoom = ZOOM * z["scale"]
    cos, sin = np.cos(z["tilt"]) / zoom, np.sin(z["tilt"]) / zoom
    x = right * cos + down * sin
    y = down * cos - right * sin
    across = x / (0.47 * z["face_width"])
    front = np.maximum(1.0 - across * across, 0.0)
    shade, shine, head = (np.empty((n, size, size), dtype=np.float32) for _ in range(3))
    return Sheet(
        image=image,
        u=u,
        v=v,
        x=x,
        y=y,
        fx=x - (0.075 * z["yaw"]) * front,
        fy=y - 0.028 * z["pitch"],
        shade=shade,
        shine=shine,
        head=head,
        pixel=(2.0 / size) / zoom,
    )
