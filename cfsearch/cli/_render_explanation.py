"""An explanation in the words of its inputs: for the page, the terminal and JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cfsearch.errors import PluginError

if TYPE_CHECKING:
    from torch import Tensor

    from cfsearch.contracts.explainer import Explanation
    from cfsearch.datasets.tables import TableSchema
    from cfsearch.report.explanations import Shown, Word

    from ._explained import Inputs

_FEW = 3
"""Words that are named."""
_TOP = 10
"""Places of a picture that JSON names."""


def document(told: "Explanation", inputs: "Inputs", *, stored: list[bool] | None) -> list[dict[str, Any]]:
    """One JSON object an input; holds no pixels. ``stored`` as ``stored_flips`` says."""
    out = []
    for i, name in enumerate(inputs.names):
        found = None if told.counterfactuals is None else told.counterfactuals[i]
        entry: dict[str, Any] = {
            "name": name,
            "source": told.labels[int(told.source[i])],
            "target": None if int(told.target[i]) < 0 else told.labels[int(told.target[i])],
            "flipped": None if told.flipped is None else bool(told.flipped[i]),
            "original": _probabilities(told, told.original_scores[i]),
            "counterfactual": None if told.scores is None else _probabilities(told, told.scores[i]),
        }
        values = None if told.attributions is None else told.attributions[i].tolist()
        if inputs.kind in ("image", "sound"):
            entry |= _of_picture(told, i)
            if stored is not None:
                entry["stored_flipped"] = stored[i]
        elif inputs.kind == "row":
            schema = _schema(inputs)
            before = inputs.x[i].tolist()
            after = before if found is None else found.tolist()
            entry["changes"] = {
                c.name: {"from": c.cell(old), "to": c.cell(new)}
                for c, old, new in zip(schema.columns, before, after, strict=True)
                if old != new
            }
            entry["words"] = list(schema.words(before, after))
            if values is not None:
                entry["attributions"] = {f: _number(v) for f, v in zip(told.features, values, strict=True)}
            if told.chosen is not None:
                entry["chosen"] = [
                    f for f, on in zip(told.features, told.chosen[i].tolist(), strict=True) if on
                ]
        else:
            entry["words"] = [
                {
                    "word": word.text,
                    "becomes": word.becomes,
                    "attribution": _number(value),
                    "chosen": word.chosen,
                }
                for word, value in zip(
                    _words(told, inputs, i), values or [0.0] * len(inputs.x[i]), strict=False
                )
            ]
        out.append(entry)
    return out


def shown(told: "Explanation", inputs: "Inputs", *, stored: list[bool] | None) -> "list[Shown]":
    """The inputs as page, strip and terminal show them. ``stored`` as ``stored_flips`` says."""
    from cfsearch.report.explanations import Line, Shown

    out = []
    for i, name in enumerate(inputs.names):
        says = _says(told, i)
        if inputs.kind in ("image", "sound"):
            says = (*says, *_where(told, inputs, i))
            out.append(Shown(name, says=says, tiles=_tiles(told, inputs, i), notes=_lost(told, i, stored)))
        elif inputs.kind == "text":
            words = _words(told, inputs, i)
            out.append(Shown(name, says=(*says, *_which(told, words)), words=words))
        else:
            schema = _schema(inputs)
            strength, picked = _by_column(told, schema, i)
            before = inputs.x[i].tolist()
            after = before if told.counterfactuals is None else told.counterfactuals[i].tolist()
            lines = [
                Line(
                    f"{c.name} ({c.unit})" if c.unit else c.name,
                    c.text(old),
                    None if old == new else c.text(new),
                    strength.get(c.name),
                    c.name in picked,
                )
                for c, old, new in zip(schema.columns, before, after, strict=True)
            ]
            counts = "counts, % of the most" if strength else ""
            out.append(Shown(name, says=says, lines=tuple(lines), counts=counts))
    return out


def _says(told: "Explanation", i: int) -> tuple[str, ...]:
    p = _probabilities(told, told.original_scores[i])
    source, target = told.labels[int(told.source[i])], int(told.target[i])
    asked = "any other class" if target < 0 else told.labels[target]
    first = f"The model says {source} (p {p[source]:.3f}); asked for: {asked}."
    if told.scores is None or told.flipped is None:
        return (first, "This method says what counts, and gives no counterfactual.")
    now = told.labels[int(told.scores[i].argmax())]
    q = _probabilities(told, told.scores[i])[now]
    if int(told.source[i]) == target:
        return (first, "It already has the class asked for; nothing was changed.")
    if bool(told.flipped[i]):
        return (first, f"Of the counterfactual the model says {now} (p {q:.3f}).")
    return (first, f"Nothing found: of what the method ended with, the model still says {now} (p {q:.3f}).")


def _which(told: "Explanation", words: "Sequence[Word]") -> tuple[str, ...]:
    """The words that count most, in words: a pipe shows no colours."""
    if told.attributions is None:
        return ()
    order = sorted((w for w in words if w.strength > 0.0), key=lambda w: -w.strength)[:_FEW]
    if not order:
        return ("No word counts.",)
    return (f"Counts most: {', '.join(f'{w.text} ({w.strength:.0%} of the most)' for w in order)}.",)


def _where(told: "Explanation", inputs: "Inputs", i: int) -> tuple[str, ...]:
    """Where in a picture it counts most."""
    if told.attributions is None:
        return ()
    height, width = _plane(told)
    values = told.attributions[i].abs()
    if not bool((values > 0).any()):
        return ("No place counts.",)
    strong = (values >= values.max() * 0.999).nonzero().flatten()  # a segment has one value
    rows, columns = (strong // width).double(), (strong % width).double()
    across, down = float(columns.mean() + 0.5) / width, float(rows.mean() + 0.5) / height
    up = down if inputs.kind == "sound" else 1.0 - down
    place = f"{across:.0%} from the left, {up:.0%} from the bottom"
    share = (
        "" if told.chosen is None else f" The explanation covers {float(told.chosen[i].float().mean()):.0%}."
    )
    return (f"Counts most: around {place}.{share}",)


def _tiles(told: "Explanation", inputs: "Inputs", i: int) -> "tuple[tuple[str, Any], ...]":
    from cfsearch.report.explanations import HEAT, heat, picture, spotlight

    x, owner = told.x[i], inputs.subject.domain.owner[0]
    tiles = [("original" if len(x) > 1 else "original: time to the right, pitch upwards", picture(x))]
    if told.counterfactuals is not None:
        tiles.append(("counterfactual", picture(told.counterfactuals[i])))
    if told.attributions is not None:
        tiles.append((HEAT, heat(x, told.attributions[i], owner=owner)))
    if told.chosen is not None:
        tiles.append(("the explanation", spotlight(x, told.chosen[i], owner=owner)))
    return tuple(tiles)


def _lost(told: "Explanation", i: int, stored: list[bool] | None) -> tuple[str, ...]:
    if stored is None or told.flipped is None or stored[i] or not bool(told.flipped[i]):
        return ()
    return ("Rounded to the 8 bits of a stored picture, the counterfactual no longer flips the model.",)


def stored_flips(told: "Explanation", inputs: "Inputs") -> list[bool] | None:
    """Whether counterfactual images still flip once they are stored with 8 bits a channel; asks the model.

    None for other inputs than images, and where there are no counterfactuals.
    """
    if inputs.kind != "image" or told.counterfactuals is None:
        return None
    import torch

    from cfsearch.contracts.modality import PICTURES
    from cfsearch.contracts.records import flipped
    from cfsearch.contracts.scores import verdict_scores

    model = inputs.subject.provider
    with torch.no_grad():
        raw = model.predict(PICTURES.restored(PICTURES.stored(told.counterfactuals)))
    done: list[bool] = flipped(verdict_scores(raw, model), source=told.source, target=told.target).tolist()
    return done


def _of_picture(told: "Explanation", i: int) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    layout = _plane(told)
    if told.counterfactuals is not None:
        change = (told.counterfactuals[i] - told.x[i]).double()
        entry["change"] = {
            "rms": _number(float(change.square().mean().sqrt())),
            "largest": _number(float(change.abs().max())),
        }
    if told.attributions is not None:
        values = told.attributions[i]
        order = values.abs().argsort(descending=True, stable=True)[:_TOP].tolist()
        entry["layout"] = list(layout)
        entry["strongest"] = [
            {"row": j // layout[1], "column": j % layout[1], "attribution": _number(float(values[j]))}
            for j in order
            if float(values[j]) != 0.0
        ]
    if told.chosen is not None:
        entry["chosen_share"] = _number(float(told.chosen[i].float().mean()))
    return entry


def _words(told: "Explanation", inputs: "Inputs", i: int) -> "tuple[Word, ...]":
    from cfsearch.report.explanations import Word

    if inputs.reader is None:
        raise PluginError("explain: texts came without their vocabulary")
    said = inputs.reader.vocabulary
    origin = [inputs.texts[i]]
    [before] = said.split(inputs.x[i : i + 1], origin=origin)
    after = before
    if told.counterfactuals is not None:
        [after] = said.split(told.counterfactuals[i : i + 1], origin=origin)
    values = [0.0] * len(before)
    if told.attributions is not None:
        values = told.attributions[i].abs().tolist()[: len(before)]
    most = max([*values, 1e-30])
    chosen = [False] * len(before) if told.chosen is None else told.chosen[i].tolist()
    return tuple(
        Word(old, None if old == new else new, value / most, bool(on))
        for old, new, value, on in zip(before, after, values, chosen, strict=False)
    )


def _by_column(told: "Explanation", schema: "TableSchema", i: int) -> tuple[dict[str, float], set[str]]:
    """How much each column counts, over the most; of linked columns all count as their variable."""
    from cfsearch.datasets.tables import Variables

    variables = Variables.of(schema)
    feature = [variables.all[j].name for j in variables.owner]
    picked: set[str] = set()
    if told.chosen is not None:
        on = dict(zip(told.features, told.chosen[i].tolist(), strict=True))
        picked = {c for c, f in zip(schema.names, feature, strict=True) if on[f]}
    if told.attributions is None:
        return {}, picked
    values = told.attributions[i].abs()
    share = dict(zip(told.features, (values / values.max().clamp_min(1e-30)).tolist(), strict=True))
    return {c: share[f] for c, f in zip(schema.names, feature, strict=True)}, picked


def _probabilities(told: "Explanation", scores: "Tensor") -> dict[str, float]:
    p = scores.double().softmax(-1).tolist()
    return {label: _number(value) for label, value in zip(told.labels, p, strict=True)}


def _number(value: float) -> float:
    """Six digits: as many as float32 has."""
    return float(f"{value:.6g}")


def _plane(told: "Explanation") -> tuple[int, int]:
    height, width = told.layout
    return height, width


def _schema(inputs: "Inputs") -> "TableSchema":
    if inputs.schema is None:
        raise PluginError("explain: rows came without their schema")
    return inputs.schema
