"""A front in a notebook: one table, one strip and one chart, without any script."""

from html import escape

from cfsearch.fronts.front import ParetoFront
from cfsearch.fronts.predicted import number_text, predicted_words

from . import wording
from .gallery import changes_of, probabilities
from .pictures import Codec
from .plan import thinned

MOST_BYTES = 100_000
_STRIP, _ROWS, _POINTS = 6, 12, 200
_CODECS = (Codec("png", 100, 64), Codec("webp", 85, 64), Codec("webp", 60, 48))
_W, _H, _LEFT, _BOTTOM = 300, 190, 44, 34


def front_html(front: ParetoFront) -> str:
    """The front as HTML for ``_repr_html_``: no script, under 100 KB."""
    text = ""
    for codec in _CODECS:
        text = _html(front, codec)
        if len(text.encode()) < MOST_BYTES:
            return text
    return _html(front, None)


def _html(front: ParetoFront, codec: Codec | None) -> str:
    verified = int(front.verified.sum())
    head = (
        f"<p><strong>{_safe(front.name)}</strong>: {wording.counted(len(front), 'member')} on the front, "
        f"{verified} verified. The model says "
        f"{_safe(predicted_words(front.labels, front.original_scores) or front.labels[front.source])}; target: "
        f"{'any other class' if front.target is None else _safe(front.labels[front.target])}. "
        f"Stopped: {_safe(front.reason.value.split(': ', 1)[-1])}.</p>"
    )
    notes = "".join(f"<p>{_safe(note)}</p>" for note in front.note[:5])
    parts = [head, notes, _strip(front, codec), _chart(front), _table(front)]
    return f'<div style="max-width:60em;font-family:sans-serif">{"".join(parts)}</div>'


def _wanted(front: ParetoFront) -> int:
    if front.target is not None:
        return front.target
    return 1 - front.source if len(front.labels) == 2 else front.source


def _strip(front: ParetoFront, codec: Codec | None) -> str:
    original = front.picture
    if codec is None or original is None:
        return ""
    p, wanted = probabilities(front.scores), _wanted(front)
    before = float(probabilities(front.original_scores)[wanted])
    tiles = [_figure(codec.uri(original), "original", before)]
    for i in front.along(most=_STRIP):
        state = "verified" if bool(front.verified[i]) else "no flip"
        picture = front.picture_of(i)
        if picture is not None:
            tiles.append(_figure(codec.uri(picture), f"{i}, {state}", float(p[i, wanted])))
    label = _safe(front.labels[wanted])
    return (
        f'<div style="display:flex;flex-wrap:wrap;gap:8px">{"".join(tiles)}</div>'
        f"<p><small>p = probability of {label}.</small></p>"
    )


def _figure(uri: str, title: str, p: float) -> str:
    return (
        f'<figure style="margin:0;text-align:center"><img src="{uri}" alt="{escape(title)}" width="96">'
        f"<figcaption><small>{escape(title)}<br>p = {wording.probability(p)}</small></figcaption></figure>"
    )


def _chart(front: ParetoFront) -> str:
    """The first two objectives; filled where verified."""
    if len(front.objectives) < 2 or not len(front):
        return ""
    xs, ys = front.f[:, 0].tolist(), front.f[:, 1].tolist()
    shown = [
        i
        for i in thinned(range(len(front)), most=_POINTS)
        if wording.finite(xs[i]) is not None and wording.finite(ys[i]) is not None
    ]
    if not shown:
        return ""
    x0, x1 = _ends([xs[i] for i in shown])
    y0, y1 = _ends([ys[i] for i in shown])
    points = []
    for i in shown:
        cx = _LEFT + (xs[i] - x0) / (x1 - x0) * (_W - _LEFT - 10)
        cy = _H - _BOTTOM - (ys[i] - y0) / (y1 - y0) * (_H - _BOTTOM - 10)
        fill = "#0072b2" if bool(front.verified[i]) else "none"
        points.append(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="4" fill="{fill}" stroke="#0072b2"/>')
    low, right = _H - _BOTTOM, _W - 10
    text = 'font-size="11" fill="currentColor"'
    return (
        f'<svg width="{_W}" height="{_H}" viewBox="0 0 {_W} {_H}" role="img" '
        f'aria-label="Front; the numbers are in the table">'
        f'<path d="M{_LEFT} 5V{low}H{right}" fill="none" stroke="currentColor" opacity=".5"/>'
        f"{''.join(points)}"
        f'<text x="{_LEFT}" y="{low + 14}" {text}>{wording.number(x0)}</text>'
        f'<text x="{right}" y="{low + 14}" {text} text-anchor="end">{wording.number(x1)}</text>'
        f'<text x="{(_LEFT + right) / 2}" y="{_H - 4}" {text} text-anchor="middle">'
        f"{_plain(front.objectives[0], most=40)}</text>"
        f'<text x="{_LEFT - 4}" y="{low}" {text} text-anchor="end">{wording.number(y0)}</text>'
        f'<text x="{_LEFT - 4}" y="14" {text} text-anchor="end">{wording.number(y1)}</text>'
        f'<text transform="translate(11 {low / 2}) rotate(-90)" {text} text-anchor="middle">'
        f"{_plain(front.objectives[1], most=24)}</text></svg>"
        "<p><small>Filled: verified. Smaller is better on both axes.</small></p>"
    )


def _ends(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _table(front: ParetoFront) -> str:
    picks = front.picks()
    first = list(dict.fromkeys(picks.values()))
    rest = [i for i in front.along(most=_ROWS) if i not in first]
    chosen = [*first, *rest][:_ROWS]
    predicted = front.predicted
    heads = [
        *("member", *front.objectives, *([] if predicted is None else ["predicted"])),
        *("changes", "verified", "picked as"),
    ]
    rows = []
    for i in chosen:
        words = [w for w, _ in changes_of(front, i)]
        cells = [
            str(i),
            *(wording.number(v) for v in front.f[i].tolist()),
            *([] if predicted is None else [number_text(predicted[i])]),
            wording.listing(words, most=3) or "nothing",
            "yes" if bool(front.verified[i]) else "no",
            ", ".join(way for way, index in picks.items() if index == i),
        ]
        rows.append(f"<tr>{''.join(f'<td>{_safe(c)}</td>' for c in cells)}</tr>")
    more = len(front) - len(chosen)
    return (
        f"<table><thead><tr>{''.join(f'<th>{_safe(h)}</th>' for h in heads)}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
        + (f"<p><small>{wording.counted(more, 'member')} more; see to_frame().</small></p>" if more else "")
    )


def _safe(text: str, *, most: int = 300) -> str:
    """Text of someone else: escaped, isolated, nothing hidden, cut where endless."""
    return f"<bdi>{_plain(text, most=most)}</bdi>"


def _plain(text: str, *, most: int) -> str:
    cut = text if len(text) <= most else f"{text[:most]}…"
    return escape(wording.mark(cut))
