"""Head, ears, neck and clothes: outlines, the light on them, and the marks of age."""

import numpy as np

from ._brush import Plane, Sheet, Values, blob, colour, mix, smooth, wave
from ._build import Build


def outline_head(sheet: Sheet, body: Build, a: Values, z: Values) -> None:
    """Fill in ``head``, the distance to its outline; Male and age shape the lower half."""
    y = sheet.y - body.centre_y
    radius = np.sqrt(sheet.x * sheet.x + y * y + 1e-6)
    t = y / radius
    tt = t * t
    wide, high = body.half_width, body.half_height
    outline = (wide * high) / np.sqrt(high * high * (1.0 - tt) + wide * wide * tt)
    t = np.maximum(t, 0.0)
    jaw = 0.028 * z["jaw"] + mix(-0.050, 0.062, a["Male"])
    sag = 0.045 * (1.0 - a["Young"])
    chin = mix(0.0, 0.035, a["Male"])
    tt = t * t
    grow = tt * (1.0 - t) * (6.75 * jaw) + tt * tt * t * (1.0 - t) * (14.9 * sag)
    grow += tt * tt * chin
    sheet.head[:] = radius - outline * (1.0 + grow)


def paint_background(sheet: Sheet, z: Values, *, one: Plane, other: Plane) -> None:
    """A gradient between two colours, in the image's own frame."""
    along = sheet.u * z["cos_background"] + sheet.v * z["sin_background"]
    sheet.image[:] = mix(one, other, smooth(0.5 + 0.42 * along)[:, None])


def paint_neck(sheet: Sheet, body: Build, a: Values, *, clothes: Plane) -> None:
    """Neck, shoulders and a collar; Male widens the neck."""
    part = sheet.window(top=0.25, bottom=1.3, half_width=1.2)
    x, y = np.abs(part.x), part.y
    flare = np.maximum(y - 0.66, 0.0)
    width = mix(0.175, 0.245, a["Male"])
    neck = x - width - 1.6 * flare * flare
    shade = 0.56 + 0.75 * np.clip(y - 0.60, 0.0, 0.4) + 0.25 * part.shade
    lines = wave(y * 11.0) * (0.05 * (1.0 - a["Young"]))
    shade = (shade - lines - 0.5 * np.maximum(x - 0.10, 0.0))[:, None]
    part.paint(part.edge(neck), body.skin * shade)

    shoulder = 0.70 + 0.16 * x + 0.55 * np.maximum(x - 0.55, 0.0)
    across = x / (width + 0.035)
    dip = 1.0 - np.sqrt(across * across + ((y - 0.68) / 0.10) ** 2 + 1e-6)
    collar = np.maximum(shoulder - y, dip * 0.1)
    cloth = (0.80 + 0.35 * (0.9 - x) * part.shade - 0.25 * np.maximum(0.85 - y, 0.0))[:, None]
    part.paint(part.edge(collar), clothes * np.clip(cloth, 0.3, 1.15))


def paint_ears(sheet: Sheet, body: Build, z: Values) -> None:
    """Ears at the height of eyes and nose, with a dark shell."""
    part = sheet.window(top=-0.2, bottom=0.3, half_width=0.62)
    x = np.abs(part.x + 0.03 * z["yaw"]) - body.half_width * 0.985
    y = part.y - 0.045
    distance = (np.sqrt((x * 1.0) ** 2 / 0.0042 + y * y / 0.0135 + 1e-6) - 1.0) * 0.075
    inner = 1.0 - 0.42 * blob(x - 0.018, y + 0.01, 0.042, 0.09)
    part.paint(part.edge(distance), body.skin * (0.86 * inner)[:, None])


def shade_head(sheet: Sheet, body: Build, a: Values, z: Values) -> None:
    """Light on the bare head as on an egg, and its gloss; starts ``shade`` and ``shine``."""
    nx = sheet.x / (body.half_width * 1.04)
    ny = (sheet.y - body.centre_y) / (body.half_height * 1.05)
    nz = np.sqrt(np.maximum(1.0 - 0.94 * (nx * nx + ny * ny), 0.03))
    lx, ly = 0.55 * z["light_x"], -0.22 + 0.18 * z["light_y"]
    lz = np.sqrt(1.0 - lx * lx - ly * ly)
    facing = nx * lx + ny * ly + nz * lz
    sheet.shade[:] = np.clip(0.55 + 0.55 * facing, 0.30, 1.2) * z["light_strength"]
    sheet.shine[:] = 0.05 * blob(sheet.fx - 0.16 * lx, sheet.fy + 0.30, 0.20, 0.13)
    crown = blob(sheet.x - 0.42 * lx, sheet.y + 0.47, 0.20, 0.125)
    sheet.shine[:] += (0.36 * a["Bald"]) * crown


def shade_features(sheet: Sheet, body: Build, a: Values, z: Values) -> None:
    """Eye sockets, nose, cheekbones and chin in the light."""
    part = sheet.window(top=-0.3, bottom=0.65, half_width=0.5)
    x, y, male = part.fx, part.fy, a["Male"]
    mirrored = np.abs(x)
    light = z["light_x"]
    tip = body.nose_y

    part.shade[:] -= mix(0.10, 0.19, male) * blob(
        mirrored - body.eye_x * 0.92, y - body.eye_y + 0.045, 0.15, 0.105
    )
    part.shade[:] += 0.05 * blob(mirrored - 0.245, y - 0.13, 0.13, 0.10)
    part.shade[:] -= mix(0.05, 0.10, male) * blob(mirrored - 0.33, y - 0.30, 0.13, 0.17)
    part.shade[:] += 0.06 * blob(x, y - 0.535, 0.12, 0.075)
    part.shade[:] -= 0.12 * blob(x, y - body.mouth_y - 0.088, 0.10, 0.035)

    nose = x - 0.022 * z["yaw"]
    wide = 0.062 * z["nose_width"] * mix(0.92, 1.14, male)
    sides = blob(np.abs(nose) - 0.062, y - 0.055, 0.055, 0.19)
    part.shade[:] += sides * (nose * light * 2.2 - 0.085)
    part.shine[:] += 0.075 * blob(nose - 0.01 * light, y - 0.06, 0.030, 0.19)
    part.shine[:] += 0.10 * blob(nose - 0.014 * light, y - tip + 0.012, 0.036, 0.032)
    part.shade[:] += 0.07 * blob(nose, y - tip, wide * 1.25, 0.065)
    part.shade[:] -= 0.30 * blob(nose + 0.022 * light, y - tip - 0.060, wide * 1.65, 0.034)
    flank = np.abs(nose) - wide
    crease = np.abs(np.sqrt(flank * flank * 2.2 + (y - tip - 0.004) ** 2 + 1e-6) - 0.036)
    crease = np.maximum(1.0 - crease * 55.0, 0.0) * np.clip(flank * 40.0, 0.0, 1.0)
    part.shade[:] -= 0.24 * crease
    holes = blob(np.abs(nose) - wide * 0.56, y - tip - 0.036, 0.027, 0.017)
    part.shade[:] -= 0.50 * holes


def shade_age(sheet: Sheet, body: Build, a: Values, _z: Values) -> None:
    """Furrows, bags, folds and hollow cheeks; nothing where Young is 1."""
    age = 1.0 - a["Young"]
    part = sheet.window(top=-0.45, bottom=-0.2, half_width=0.42)
    rows = (part.fy + 0.10 * part.fx * part.fx + 0.008 * wave(part.fx * 2.2 + 0.3)) * 15.5
    part.shade[:] -= age * (0.24 * wave(rows) + 0.07) * blob(part.fx, part.fy + 0.31, 0.36, 0.15)

    part = sheet.window(top=-0.2, bottom=0.62, half_width=0.46)
    x, y = np.abs(part.fx), part.fy
    eye = (x - body.eye_x) / (body.eye_width * 1.12)
    bag = (y - body.eye_y - 0.088 + 0.040 * eye * eye) * 45.0
    within = np.maximum(1.0 - eye * eye, 0.0)
    groove = np.maximum(1.0 - bag * bag, 0.0)
    puff = np.maximum(1.0 - (bag + 1.3) ** 2, 0.0)
    dark = (0.44 * groove - 0.10 * puff) * within
    dark += 0.12 * blob(x - body.eye_x, y - body.eye_y - 0.06, 0.13, 0.09)

    out = x - body.eye_x - body.eye_width - 0.055
    feet = blob(out, y - body.eye_y, 0.062, 0.085)
    dark += 0.34 * feet * np.maximum(wave((y - body.eye_y) * (30.0 - 120.0 * out) + 0.25), -0.3)

    down = y - body.nose_y
    fold = (x - 0.098 - 0.50 * np.maximum(down, -0.03)) * 34.0
    length = smooth((down + 0.04) * 16.0) * smooth((body.mouth_y + 0.075 - y) * 12.0)
    dark += np.maximum(1.0 - fold * fold, 0.0) * (0.40 * length)
    dark -= np.maximum(1.0 - (fold * 0.55 - 1.25) ** 2, 0.0) * (0.08 * length)

    below = y - body.mouth_y
    line = (x - body.mouth_width - 0.022 - 0.12 * below) * 50.0
    dark += np.maximum(1.0 - line * line, 0.0) * 0.34 * blob(x * 0.0, below - 0.085, 1.0, 0.085)
    dark += 0.20 * blob(x - 0.31, y - 0.28, 0.17, 0.24)
    part.shade[:] -= age * dark


def paint_skin(sheet: Sheet, body: Build) -> None:
    """The head, with warm shadows and white gloss."""
    warmth = colour(0.90, 1.0, 1.05)
    sheet.shade[:] = np.clip(sheet.shade, 0.15, 1.3)
    lit = sheet.shade[:, None] * (body.skin * warmth)
    lit += body.skin * (1.0 - warmth)
    lit += sheet.shine[:, None]
    sheet.paint(sheet.edge(sheet.head), lit)


def paint_blush(sheet: Sheet, body: Build, a: Values) -> None:
    """Colour of the cheeks; stronger on women, gone on pale skin."""
    part = sheet.window(top=0.0, bottom=0.4, half_width=0.45)
    cheek = blob(np.abs(part.fx) - 0.25, part.fy - 0.20, 0.15, 0.12)
    strength = mix(0.30, 0.04, a["Male"]) * (1.0 - 0.7 * a["Pale_Skin"])
    part.paint(cheek * strength, body.skin * colour(1.04, 0.66, 0.66))
