"""Hair on the head and on the face: outlines, strands, light."""

from dataclasses import dataclass
from typing import final

import numpy as np

from ._brush import Plane, Sheet, Values, blob, mix, ramp, smooth, wave
from ._build import Build


@final
@dataclass(frozen=True, slots=True)
class Hair:
    """Shape and texture of the hair, shared by the layers behind and before the head.

    Shapes:
        distances and textures ``(n, h, w)``, ``there`` (its opacity) ``(n, 1, 1)``.
    """

    outline: Plane  # distance to the whole of it
    opening: Plane  # distance to the window that the face looks through
    fringe: Plane  # distance to the bangs
    strands: Plane  # about -1 to 1
    gloss: Plane  # 0 to 1
    there: Plane
    fringed: Plane


def grow_hair(sheet: Sheet, body: Build, a: Values, z: Values) -> Hair:
    """Hair of each head; its shape follows the nuisances only, its opacity Bald and Bangs."""
    x, y, length, volume = sheet.x, sheet.y, z["hair_length"], z["hair_volume"]
    wide, high = body.half_width, body.half_height
    level = y - body.centre_y
    long = smooth((length - 0.15) * 3.0)
    strands, coarse, lumps = _strands(sheet, z)

    radius = np.sqrt(x * x + level * level + 1e-6)
    t = np.clip(level / radius, -1.0, 0.0)
    tt = t * t
    egg = (wide * high) / np.sqrt(high * high * (1.0 - tt) + wide * wide * tt)
    side = 0.016 + 0.016 * volume + (0.045 + 0.045 * volume) * long
    top = 0.055 + 0.045 * volume
    cap = radius - egg - mix(side, top, tt) + 0.008 * lumps
    drop = np.maximum(level, 0.0)
    width = wide + side + (0.13 * drop - 0.07 * drop * drop) * long
    fall = np.abs(x) - width + 0.010 * coarse
    end = mix(-0.05, 1.25, smooth(length * 0.80 + 0.06)) + 0.030 * coarse
    outline = np.maximum(np.where(level < 0.0, cap, fall), (y - end) * 0.8)

    turn = x - 0.04 * z["yaw"] - 0.30 * z["hair_part"] * np.clip(-y - 0.1, 0.0, 0.4)
    rx = wide * mix(0.915, 0.855, long)
    ry = 0.590 + 0.030 * z["hairline"]
    below = np.maximum(y - 0.12, 0.0)
    narrow = rx - (0.16 * smooth(below * 2.0)) * long
    up = np.minimum(y - 0.12, 0.0) / ry
    across = turn / narrow
    arch = np.sqrt(across * across + up * up + 1e-6)
    opening = (arch - 1.0) * np.where(y < 0.12, 0.42, rx) + 0.014 * lumps

    low = -0.200 + 0.22 * x * x + 0.022 * coarse + 0.010 * wave(x * 2.3 + z["hair_phase_1"])
    fringe = np.maximum(y - low, np.maximum(outline, radius - egg - 0.02))
    shift = x - 0.30 * z["light_x"]
    ring = y + 0.50 - 0.55 * x * x - 0.012 * coarse
    gloss = blob(shift * 0.55, ring, 0.34, 0.13)
    gloss += 0.5 * long * blob(np.abs(x) - wide - 0.03, y - 0.25, 0.10, 0.28)
    there = 1.0 - a["Bald"]
    return Hair(outline, opening, fringe, strands, gloss, there, a["Bangs"] * there)


def _strands(sheet: Sheet, z: Values) -> tuple[Plane, Plane, Plane]:
    """Streaks that run from the parting: all, the coarse ones, and these but at the top."""
    dx = sheet.x - 0.24 * z["hair_part"]
    dy = np.clip(sheet.y + 0.80, 0.0, 1.4)
    spread = 0.16 + dy * (0.95 - 0.30 * dy)
    flow = dx / spread
    coarse = wave(flow * 4.3 + z["hair_phase_0"] + 0.22 * wave(sheet.y * 1.1 + flow))
    total = 0.5 * coarse
    for cycles, weight, phase in ((9.7, 0.36, "hair_phase_1"), (21.3, 0.34, "hair_phase_2")):
        per_pixel = (cycles / spread) * sheet.pixel
        visible = np.clip(2.2 - 5.0 * per_pixel, 0.0, 1.0)
        total += weight * visible * wave(flow * cycles + z[phase] + 0.3 * coarse)
    return total, coarse, coarse * smooth(dy * 2.2 - 0.35)


def paint_hair_behind(sheet: Sheet, body: Build, hair: Hair) -> None:
    """What hangs behind the neck, in shadow."""
    part = sheet.edge(hair.outline) * hair.there
    sheet.paint(part, body.hair * (0.50 + 0.10 * hair.strands)[:, None])


def shade_under_hair(sheet: Sheet, hair: Hair) -> None:
    """The shadow of the hairline and of the bangs on the skin."""
    line = smooth((hair.opening + 0.085) * 11.0) * hair.there
    sheet.shade[:] *= 1.0 - 0.26 * line
    bang = smooth(0.5 - (hair.fringe - 0.035) * 14.0) * hair.fringed
    sheet.shade[:] *= 1.0 - 0.30 * bang


def paint_hair(sheet: Sheet, body: Build, hair: Hair, z: Values) -> None:
    """Hair before the head, with bangs."""
    hairline = ramp(-hair.opening, np.maximum(sheet.pixel * 1.25, 0.055 - 0.05 * smooth(sheet.y * 4.0 + 1.5)))
    front = sheet.edge(hair.outline, 0.02) * hairline * hair.there
    bangs = sheet.edge(hair.fringe, 0.022) * hair.fringed
    alpha = front + bangs - front * bangs
    side = 0.13 * sheet.x * z["light_x"]
    depth = smooth(0.5 - hair.outline * 9.0 - 0.35)
    light = 0.70 + side + 0.16 * depth + 0.24 * hair.strands + 0.22 * hair.gloss
    lower = np.clip((hair.fringe + 0.06) * 6.0, 0.0, 1.0) * bangs
    light = np.clip(light - 0.16 * lower, 0.2, 1.35) * z["light_strength"]
    shine = hair.gloss * (0.07 + 0.10 * np.maximum(hair.strands, -0.5))
    tone = body.hair * light[:, None]
    tone += shine[:, None] * (0.55 + 0.9 * body.hair)
    sheet.paint(alpha, tone)


def paint_fringe(sheet: Sheet, body: Build, a: Values) -> None:
    """What Bald leaves of the hair: a cropped band above the ears."""
    part = sheet.window(top=-0.46, bottom=0.1, half_width=0.56)
    band = smooth(1.15 + part.head * 8.0) * part.edge(part.head)
    band *= smooth((part.y + 0.40) * 5.0) * smooth((0.07 - part.y) * 9.0)
    lit = 0.42 + 0.50 * part.shade
    part.paint(band * (0.80 * a["Bald"]), body.hair * lit[:, None])


def paint_beard(sheet: Sheet, body: Build, a: Values, z: Values) -> None:
    """Beard on jaw, cheeks and chin where No_Beard is 0."""
    part = sheet.window(top=-0.16, bottom=0.74, half_width=0.56)
    x, y = np.abs(part.fx), part.fy
    inner = np.maximum(x - 0.13, 0.0)
    rise = body.mouth_y + 0.005 - 3.3 * inner * inner - 0.10 * inner
    cheek = smooth((y - rise) * mix(13.0, 17.0, z["beard_length"]) + 0.45)
    my = part.fy - body.mouth_y - 0.010 - 0.028 * a["Mouth_Slightly_Open"]
    mouth = (x / (body.mouth_width + 0.035)) ** 2 + (my / (0.078 + 0.03 * a["Mouth_Slightly_Open"])) ** 2
    clear = smooth((mouth - 0.80) * 2.2)
    cover = cheek * clear * part.edge(part.head - 0.012, 0.03)
    speckle = wave(part.fx * 23.0 + 0.4 * wave(part.fy * 17.0)) * wave(part.fy * 19.0 + part.fx * 7.0)
    on = (1.0 - a["No_Beard"]) * mix(0.80, 0.93, z["beard_length"])
    lit = (0.55 + 0.45 * part.shade) * (1.0 + 0.14 * speckle)
    part.paint(cover * on * (0.93 + 0.07 * speckle), body.facial_hair * lit[:, None])


def paint_mustache(sheet: Sheet, body: Build, a: Values, _z: Values) -> None:
    """A moustache between nose and lip, with its shadow."""
    part = sheet.window(top=0.14, bottom=0.5, half_width=0.32)
    x = part.fx / (body.mouth_width * 1.12)
    xx = x * x
    middle = 0.5 * (body.nose_y + body.mouth_y) + 0.012 - 0.012 * a["Mouth_Slightly_Open"]
    y = part.fy - middle - 0.050 * xx + 0.010 * np.maximum(1.0 - 20.0 * xx, 0.0)
    thick = 0.040 * (1.0 - 0.62 * xx) * np.sqrt(np.maximum(1.0 - xx * xx, 0.0))
    distance = np.maximum(np.abs(y) - thick, (np.abs(x) - 1.0) * 0.12)
    on = a["Mustache"]
    part.paint(part.edge(distance - 0.012, 0.05) * (0.40 * on), body.skin * 0.30)
    hairs = wave(part.fx * 15.0 + y * 8.0 * np.sign(part.fx))
    lit = (0.62 + 0.40 * part.shade) * (1.0 + 0.16 * hairs - 5.0 * y)
    part.paint(part.edge(distance, 0.02) * on * 0.96, body.facial_hair * 0.92 * lit[:, None])
