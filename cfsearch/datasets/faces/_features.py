"""Eyes, brows, mouth and glasses."""

import numpy as np

from ._brush import Plane, Sheet, Values, blob, colour, mix, palette, smooth, wave
from ._build import Build

_IRIS = {
    0.0: (0.16, 0.09, 0.05),
    0.35: (0.36, 0.21, 0.09),
    0.55: (0.40, 0.37, 0.15),
    0.7: (0.25, 0.45, 0.30),
    0.85: (0.24, 0.46, 0.72),
    1.0: (0.45, 0.53, 0.58),
}
_INK = colour(0.07, 0.05, 0.05)
_SCLERA = colour(0.94, 0.93, 0.92)
_TEETH = colour(0.95, 0.94, 0.90)
_THROAT = colour(0.20, 0.05, 0.06)
_ROSE = colour(0.72, 0.20, 0.25)
_LENS = colour(0.88, 0.93, 0.98)
_FRAMES = {0.0: (0.03, 0.03, 0.035), 0.6: (0.06, 0.05, 0.06), 1.0: (0.17, 0.06, 0.04)}


def paint_eyes(sheet: Sheet, body: Build, a: Values, z: Values, *, eye_colour: Plane) -> None:
    """Lids, whites, irises with a catch-light; lashes and shadow fade with Male."""
    part = sheet.window(top=-0.26, bottom=0.16, half_width=0.42)
    side = np.sign(part.fx)
    x = np.abs(part.fx) - body.eye_x
    across = x / body.eye_width
    y = part.fy - body.eye_y + 0.013 * z["eye_slant"] * across
    arch = 1.0 - across * across
    female, droop = 1.0 - a["Male"], 1.0 - a["Young"]
    size = z["eye_size"]
    high = (0.0495 + 0.006 * female - 0.010 * droop) * size
    low = 0.031 * size

    shadow = blob(x - 0.012, y + 0.075, 0.125, 0.062)
    part.paint(shadow * (0.62 * female), body.skin * colour(0.62, 0.42, 0.56))
    crease = part.edge(np.abs(y + high * arch + 0.024) - 0.004, 0.018)
    crease = crease * np.clip(1.15 - np.abs(across), 0.0, 1.0)
    part.paint(crease * 0.55, body.skin * colour(0.55, 0.45, 0.42))

    opening = part.edge(np.maximum(-high * arch - y, y - low * arch) * 0.85)
    lit = 1.0 - 0.30 * smooth(1.0 - (y + high * arch) * 26.0) - 0.10 * across * across
    part.paint(opening, _SCLERA * (lit * (0.62 + 0.38 * part.shade))[:, None])

    ix = x - side * 0.022 * z["gaze"]
    radius = np.sqrt(ix * ix + (y + 0.006) ** 2 + 1e-7) / size
    iris = palette(eye_colour, _IRIS)
    glow = np.clip(1.25 - radius * 13.0, 0.0, 1.0) + np.clip(y * 9.0, -0.2, 0.35)
    part.paint(opening * part.edge(radius - 0.047), iris * (0.72 + 0.65 * glow)[:, None])
    rim = part.edge(np.abs(radius - 0.046) - 0.0045, 0.014)
    part.paint(opening * rim * 0.7, iris * 0.25)
    part.paint(opening * part.edge(radius - 0.0205), _INK)
    spark = blob(ix + side * 0.016, y + 0.022, 0.020, 0.018)
    part.paint(np.minimum(spark * 1.6, 1.0) * opening * 0.95, colour(1.0, 1.0, 1.0))

    fade = np.clip((1.20 - np.abs(across)) * 5.0, 0.0, 1.0)
    thick = 0.0055 + 0.0105 * female * smooth(0.8 + 0.6 * across)
    lid = np.abs(y + high * np.maximum(arch, -0.15) + thick * 0.6) - thick
    part.paint(part.edge(lid, 0.012) * fade * mix(0.80, 1.0, female), _INK)
    wing = np.abs(y + 0.004 + 0.55 * (x - body.eye_width)) - 0.010
    wing = part.edge(wing, 0.014) * blob(x - body.eye_width - 0.018, y + 0.012, 0.042, 0.05)
    part.paint(np.minimum(wing * 1.5, 1.0) * female, _INK)
    lower = np.abs(y - low * np.maximum(arch, -0.1)) - 0.003
    part.paint(part.edge(lower, 0.012) * fade * mix(0.30, 0.45, female), body.skin * 0.35)


def paint_brows(sheet: Sheet, body: Build, a: Values, z: Values) -> None:
    """Brows in a darker tone of the hair; Bushy_Eyebrows doubles them."""
    part = sheet.window(top=-0.42, bottom=0.0, half_width=0.46)
    bushy, male = a["Bushy_Eyebrows"], a["Male"]
    across = (np.abs(part.fx) - body.eye_x * 1.04) / (0.128 + 0.014 * bushy)
    arch = 0.020 + 0.012 * z["brow_arch"] + 0.016 * (1.0 - male)
    bend = (across - 0.25) * (across - 0.25)
    y = part.fy - body.eye_y + 0.138 + 0.012 * z["brow_height"] - 0.006 * bushy
    y = y + 0.014 * (1.0 - male) + arch * (1.0 - bend)
    thick = (mix(0.0115, 0.0165, male) + 0.0235 * bushy) * (1.0 - 0.42 * across)
    thick = np.maximum(thick, 0.004) * (1.0 + 0.05 * bushy * wave(across * 2.6 + y * 9.0))
    distance = np.maximum(np.abs(y) - thick, (np.abs(across) - 1.0) * 0.11)
    hairs = 0.91 + 0.09 * wave(across * 3.1 + y * 10.0)
    strength = mix(0.74, 0.97, bushy)
    tone = body.brows * mix(1.0, 0.80, bushy)[:, None]
    part.paint(part.edge(distance, 0.022) * hairs * strength, tone)


def paint_mouth(sheet: Sheet, body: Build, a: Values, z: Values) -> None:
    """Lips, and teeth behind them; Male thins and dulls the lips."""
    part = sheet.window(top=0.22, bottom=0.55, half_width=0.32)
    female, gape = 1.0 - a["Male"], a["Mouth_Slightly_Open"]
    across = part.fx / (body.mouth_width * (1.0 - 0.04 * gape))
    arch = 1.0 - across * across
    y = part.fy - body.mouth_y - 0.034 * (z["smile"] + 0.15) * (arch - 0.55)
    full = z["lip_fullness"] * mix(0.80, 1.16, female) * (1.0 - 0.18 * (1.0 - a["Young"]))
    bow = 1.0 - 0.42 * np.maximum(1.0 - 30.0 * across * across, 0.0)
    upper_in, lower_in = -0.020 * gape * arch, 0.058 * gape * arch
    upper_out = upper_in - 0.036 * full * arch * bow * (1.0 + 0.5 * across * across)
    lower_out = lower_in + 0.048 * full * arch * (1.0 + 0.35 * across * across)

    natural = body.skin * colour(0.84, 0.56, 0.54)
    painted = 0.5 * body.skin * colour(0.92, 0.50, 0.52) + 0.5 * _ROSE
    lips = mix(natural, painted, female[:, None])
    lit = 0.42 + 0.58 * part.shade - 0.16 * np.clip(0.5 - 40.0 * y, 0.0, 1.0) + 0.06
    lit = lit + 0.16 * female * blob(across * 0.5, y - lower_in - 0.021 * full, 0.30, 0.018)
    shape = part.edge(np.maximum(upper_out - y, y - lower_out), 0.018)
    part.paint(shape * mix(0.95, 1.0, female), lips * lit[:, None])

    line = part.edge(np.abs(y) - 0.004, 0.016) * np.clip((1.12 - np.abs(across)) * 6.0, 0.0, 1.0)
    part.paint(line * 0.75 * (1.0 - 0.8 * gape), body.skin * colour(0.30, 0.16, 0.16))
    hole = part.edge(np.maximum(upper_in - y, y - lower_in), 0.012) * np.clip(gape * 3.0, 0.0, 1.0)
    part.paint(hole, _THROAT)
    teeth = part.edge(y - upper_in - 0.030 * np.sqrt(np.maximum(arch, 0.0)), 0.014)
    part.paint(hole * teeth * (np.abs(across) < 2.0), _TEETH * (0.55 + 0.42 * arch)[:, None])
    tongue = blob(across * 0.9, y - lower_in + 0.004, 0.62, 0.022)
    part.paint(hole * tongue * 0.8, colour(0.70, 0.30, 0.30))


def paint_glasses(sheet: Sheet, body: Build, a: Values, z: Values, *, glasses_hue: Plane) -> None:
    """Frames, bridge, arms and faintly reflecting lenses."""
    part = sheet.window(top=-0.26, bottom=0.24, half_width=0.56)
    on = a["Eyeglasses"]
    frame = palette(glasses_hue, _FRAMES)
    x = np.abs(part.fx) - 0.199 * z["face_width"]
    y = part.fy - body.eye_y - 0.022
    corner = 0.045 + 0.042 * z["glasses_style"]
    qx = np.abs(x) - 0.150 + corner
    qy = np.abs(y) - 0.103 - 0.010 * z["glasses_style"] + corner
    ox, oy = np.maximum(qx, 0.0), np.maximum(qy, 0.0)
    box = np.sqrt(ox * ox + oy * oy + 1e-7) + np.minimum(np.maximum(qx, qy), 0.0) - corner

    glare = 0.10 + 0.20 * blob(part.fx - np.sign(part.fx) * 0.2 + y * 0.8 + 0.05, y, 0.10, 0.14)
    part.paint(part.edge(box) * glare * on, _LENS)
    fall = part.edge(np.abs(box - 0.020) - 0.014, 0.03)
    part.paint(fall * (0.22 * on), body.skin * 0.35)
    rims = part.edge(np.abs(box) - 0.0155)
    inner = -0.199 * z["face_width"]
    bridge = np.maximum(np.abs(y + 0.035 - 0.5 * (x - inner) ** 2 * 8.0) - 0.013, x + 0.145)
    arms = np.maximum(np.abs(y + 0.045) - 0.015, 0.145 - x)
    arms = np.maximum(arms, np.abs(part.x) - body.half_width * 1.02)
    wire = np.maximum(rims, np.maximum(part.edge(bridge), part.edge(arms)))
    part.paint(wire * on, frame * (1.0 + 0.8 * np.maximum(-y * 4.0, 0.0))[:, None])
