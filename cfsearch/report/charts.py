"""Charts as positions on a shared scale, drawn by the templates as SVG."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from cfsearch.contracts.modality import PICTURES, Modality

from . import wording
from .plan import MOST_LINES
from .wording import finite

LEAST_EDITED = 0.5
"""Edit success below which an effect says nothing."""

_MOST_ROWS = 10


@final
@dataclass(frozen=True, slots=True)
class Mark:
    """A value with its interval; positions in per cent of the scale."""

    at: float
    low: float
    high: float
    text: str
    interval: str


@final
@dataclass(frozen=True, slots=True)
class Row:
    """One line of a chart: a name, an estimate and, where it is known, the truth."""

    label: str
    estimate: Mark | None
    truth: Mark | None
    n: str
    verdict: str
    edited: str = ""
    between: str = ""
    probability: str = ""
    probability_interval: str = ""
    alone: str = ""
    p: str = ""
    raw: str = ""
    photographs: str = ""
    detectable: str = ""


@final
@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the scale."""

    at: float
    text: str
    zero: bool


@final
@dataclass(frozen=True, slots=True)
class Panel:
    """The chart of one model."""

    model: str
    rows: tuple[Row, ...]


@final
@dataclass(frozen=True, slots=True)
class Chart:
    """Panels side by side, with the same scale and rows; the first ``drawn`` rows are drawn, ``left_out`` have none."""

    ticks: tuple[Tick, ...]
    panels: tuple[Panel, ...]
    has_truth: bool
    drawn: int
    has_edited: bool = False
    has_ends: bool = False
    has_corrected: bool = False
    left_out: int = 0


def effect_chart(effects: Sequence[Mapping[str, Any]], models: Mapping[str, str]) -> Chart | None:
    """Effects in logits, the variables with the largest first; None without effects.

    ``models`` gives the names by id.
    """
    entries = [e for e in effects if _bounds(e["estimate"]) or _bounds(e["truth"])]
    if not entries:
        return None
    values = [v for e in entries for k in ("estimate", "truth") for v in _bounds(e[k])]
    scale = _Scale.of([*values, 0.0])
    size: dict[str, float] = {}
    for e in entries:
        v = [abs(x) for k in ("truth", "estimate") if (x := wording.rate(e[k])) is not None]
        size[e["variable"]] = max([size.get(e["variable"], 0.0), *v[:1]])
    variables = sorted(size, key=lambda v: (-size[v], v))
    found = {(e["model"], e["variable"]): e for e in entries}
    panels = tuple(
        Panel(
            model=name,
            rows=tuple(_effect_row(v, found.get((model, v)), scale) for v in variables),
        )
        for model, name in models.items()
    )
    has_truth = any(_bounds(e["truth"]) for e in entries)
    has_edited = any("edit_success" in e for e in entries)
    drawn = len(variables)
    return Chart(
        scale.ticks(),
        panels,
        has_truth=has_truth,
        drawn=drawn,
        has_edited=has_edited,
        has_ends=any("between" in e for e in entries),
        has_corrected=any(e.get("correction") for e in entries),
    )


def count_chart(
    changes: Sequence[Mapping[str, Any]], models: Mapping[str, str], *, modality: Modality = PICTURES
) -> Chart | None:
    """Shares of the sparsest flips that hold a change, the most frequent first.

    Args:
        changes: of ``audit.json``.
        models: names by id.
        modality: what the inputs are.
    """
    entries = [c for c in changes if _bounds(c["rate"])]
    if not entries:
        return None
    scale = _Scale(low=0.0, high=1.0, step=0.25)
    top: dict[tuple[str, str], float] = {}
    for c in entries:
        key = (c["variable"], c["direction"])
        top[key] = max(top.get(key, 0.0), wording.rate(c["rate"]) or 0.0)
    every = sorted(top, key=lambda k: (-top[k], k))
    keys = every[:MOST_LINES]
    found = {(c["model"], c["variable"], c["direction"]): c for c in entries}
    panels = tuple(
        Panel(
            model=name,
            rows=tuple(
                _count_row(k, found.get((model, *k)) or _never(entries, model), scale, modality) for k in keys
            ),
        )
        for model, name in models.items()
    )
    return Chart(
        ticks=scale.ticks(percent=True),
        panels=panels,
        has_truth=False,
        drawn=min(len(keys), _MOST_ROWS),
        left_out=len(every) - len(keys),
    )


def judged(effect: Mapping[str, Any]) -> str:
    """What an effect lets one say, in a word or two: "raises", "lowers", "too small", "cannot tell".

    Follows the reading in the document. In documents of before readings, the side of 0 on which the
    interval lies. Where the generator was seen to fail at an edit more often than not, its effect
    is none of the attribute's, whatever its interval: "hardly edited".  So it is where the generator's own
    error on the model was not measured: "error not measured".

    Args:
        effect: an entry of the document.
    """
    edited = finite(effect.get("edit_success"))
    if edited is not None and edited < LEAST_EDITED:
        return "hardly edited"
    side = wording.sides(effect["estimate"])
    truth = wording.sides(effect["truth"])
    if side is None:
        return "not measured"
    if truth is not None and side != 0 and truth == -side:
        return "contradicted by re-rendering"
    reading = effect.get("reading")
    if reading == "cannot tell" and edited is None and truth is None:
        return "edits never measured"
    if reading == "cannot tell" and effect.get("correction", {}) is None and truth is None:
        return "error not measured"
    if reading == "does not lean":
        return "too small to matter"
    if side == 0 or reading == "cannot tell":
        return "cannot tell"
    return "raises" if side > 0 else "lowers"


@final
@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    step: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "_Scale":
        low, high = min(values), max(values)
        rough = max(high - low, 1e-6) / 7
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
        return cls(low=math.floor(low / step) * step, high=math.ceil(high / step) * step, step=step)

    def at(self, value: float) -> float:
        """Per cent of the width, with a margin of 3 on both sides."""
        share = (value - self.low) / (self.high - self.low)
        return round(3 + 94 * min(1.0, max(0.0, share)), 2)

    def ticks(self, *, percent: bool = False) -> tuple[Tick, ...]:
        count = round((self.high - self.low) / self.step)
        return tuple(
            Tick(at=self.at(v), text=_tick(v, percent=percent), zero=abs(v) < self.step / 1e3)
            for v in (self.low + i * self.step for i in range(count + 1))
        )


def _tick(value: float, *, percent: bool) -> str:
    return wording.percent(value) if percent else wording.tick(value)


def _bounds(rate: Mapping[str, float | None] | None) -> list[float]:
    value = wording.rate(rate)
    if rate is None or value is None:
        return []
    ends = [finite(rate["low"]), finite(rate["high"])]
    return [value, *(e for e in ends if e is not None)]


def _mark(rate: Mapping[str, float | None] | None, scale: _Scale, *, form: str) -> Mark | None:
    value = wording.rate(rate)
    if rate is None or value is None:
        return None
    low, high = finite(rate["low"]), finite(rate["high"])
    return Mark(
        at=scale.at(value),
        low=scale.at(value if low is None else low),
        high=scale.at(value if high is None else high),
        text=wording.percent(value) if form == "percent" else wording.number(value, signed=True),
        interval=wording.span(rate, form=form),
    )


def _effect_row(variable: str, effect: Mapping[str, Any] | None, scale: _Scale) -> Row:
    label = wording.human(variable)
    if effect is None:
        return Row(label=label, estimate=None, truth=None, n=wording.MISSING, verdict="not measured")
    return Row(
        label=label,
        estimate=_mark(effect["estimate"], scale, form="logit"),
        truth=_mark(effect["truth"], scale, form="logit"),
        n=str(effect["n"]),
        verdict=judged(effect),
        edited=wording.percent(finite(effect.get("edit_success"))),
        **_further(effect),
    )


def _further(effect: Mapping[str, Any]) -> dict[str, str]:
    """What else is known of an effect, as text; nothing in documents of before it was measured."""
    if "between" not in effect:
        return {}
    alone, p = effect["flips_alone"], finite(effect["p"])
    return {
        "between": wording.ends(effect["between"]),
        "probability": wording.points(wording.rate(effect["probability"])),
        "probability_interval": wording.span(effect["probability"], form="points"),
        "alone": f"{alone['count']} of {alone['n']}",
        "p": wording.MISSING if p is None else wording.small(p),
        **_correction(effect),
    }


def _correction(effect: Mapping[str, Any]) -> dict[str, str]:
    """What an effect was before it was corrected, and by what, as text; nothing where it was not corrected."""
    correction = effect.get("correction")
    if correction is None:
        return {}
    size = finite(effect.get("detectable"))
    return {
        "raw": _spoken(effect["raw"]),
        "photographs": _spoken(correction["photographs"]),
        "detectable": wording.MISSING if size is None else wording.number(size),
    }


def _spoken(estimate: Mapping[str, float | None] | None) -> str:
    value = wording.rate(estimate)
    if value is None:
        return wording.MISSING
    return f"{wording.number(value, signed=True)} ({wording.span(estimate, form='logit')})"


def _never(changes: Sequence[Mapping[str, Any]], model: str) -> Mapping[str, Any] | None:
    """A change that no flip of the model holds: 0 of n, with Wilson's upper end at 95 %."""
    n = max((c["n"] for c in changes if c["model"] == model), default=0)
    if n == 0:
        return None
    rate = {"value": 0.0, "low": 0.0, "high": 1.96**2 / (n + 1.96**2)}
    return {"count": 0, "n": n, "rate": rate}


def _count_row(
    key: tuple[str, str], change: Mapping[str, Any] | None, scale: _Scale, modality: Modality
) -> Row:
    variable, sign = key
    label = wording.shared(variable, direction=sign, modality=modality)
    if change is None:
        return Row(label=label, estimate=None, truth=None, n=wording.MISSING, verdict="")
    return Row(
        label=label,
        estimate=_mark(change["rate"], scale, form="percent"),
        truth=None,
        n=f"{change['count']} of {change['n']}",
        verdict="",
    )
