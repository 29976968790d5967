"""An explanation in the words of its inputs: for the page, the terminal, JSON and a notebook."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.explainer import Explanation
from cfsearch.contracts.explainer_task import Subject
from cfsearch.contracts.modality import PICTURES
from cfsearch.contracts.provider import answers_of
from cfsearch.contracts.records import flipped
from cfsearch.contracts.scores import verdict_scores
from cfsearch.datasets.tables import TableSchema, Variables
from cfsearch.errors import CfsearchError, PluginError
from cfsearch.fronts.predicted import predicted_numbers, predicted_words
from cfsearch.numerics.differing import differs
from cfsearch.numerics.percent import percent
from cfsearch.providers.text import TextProvider

from .explanations import HEAT, Line, Shown, Tile, Word, heat, picture, spotlight

_FEW: Final = 3
"""Words that are named."""
_TOP: Final = 10
"""Places of a picture that JSON names."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class ExplainedInputs:
    """Inputs of one kind, the model that they are shown to, and what their numbers mean.

    Args:
        kind: "image", "row", "text" or "sound".
        names: one an input.
        x: the inputs in the form that the model takes: images in [0, 1], rows as numbers, texts as tokens.
        subject: the model, what is followed of it, and the domain of its inputs.
        reference: reads the inputs to compare with; None where none were named.
        notes: what a reader must know.
        schema: of rows.
        texts: as they were given, of texts.
        reader: what turns numbers into words, of texts.
        queries: to the model, before anything was explained.
        failures: of the inputs that cannot be read, by name; they are in none of the others.
    """

    kind: str
    names: tuple[str, ...]
    x: Float[Tensor, "n *x"]
    subject: Subject
    reference: Callable[[], Tensor] | None
    notes: tuple[str, ...] = ()
    schema: TableSchema | None = None
    texts: tuple[str, ...] = ()
    reader: TextProvider | None = None
    queries: int = 0
    failures: Mapping[str, CfsearchError] = field(default_factory=dict)

    def only(self, places: Sequence[int]) -> "ExplainedInputs":
        """Some of these inputs.

        Args:
            places: of the inputs, from 0.
        """
        return replace(
            self,
            names=tuple(self.names[i] for i in places),
            x=self.x[list(places)],
            texts=tuple(self.texts[i] for i in places) if self.texts else (),
        )


def document(
    explanation: Explanation, inputs: ExplainedInputs, *, stored: list[bool] | None
) -> list[dict[str, Any]]:
    """One JSON object an input; holds no pixels.

    Args:
        explanation: of the inputs.
        inputs: in the same order.
        stored: as ``stored_flips`` says.
    """
    out = []
    for i, name in enumerate(inputs.names):
        found = None if explanation.counterfactuals is None else explanation.counterfactuals[i]
        entry: dict[str, Any] = {
            "name": name,
            "source": explanation.labels[int(explanation.source[i])],
            "target": None
            if int(explanation.target[i]) < 0
            else explanation.labels[int(explanation.target[i])],
            "flipped": None if explanation.flipped is None else bool(explanation.flipped[i]),
            "original": _probabilities(explanation, explanation.original_scores[i]),
            "counterfactual": None
            if explanation.scores is None
            else _probabilities(explanation, explanation.scores[i]),
            **_predicted(explanation, i),
        }
        values = None if explanation.attributions is None else explanation.attributions[i].tolist()
        if inputs.kind in ("image", "sound"):
            entry |= _of_picture(explanation, i)
            if stored is not None:
                entry["stored_flipped"] = stored[i]
        elif inputs.kind == "row":
            schema = _schema(inputs)
            before = inputs.x[i].tolist()
            after = before if found is None else found.tolist()
            entry["changes"] = {
                c.name: {"from": c.cell(old), "to": c.cell(new)}
                for c, old, new in zip(schema.columns, before, after, strict=True)
                if differs(old, new)
            }
            entry["words"] = list(schema.words(before, after))
            if values is not None:
                entry["attributions"] = {
                    f: _number(v) for f, v in zip(explanation.features, values, strict=True)
                }
            if explanation.chosen is not None:
                entry["chosen"] = [
                    f
                    for f, on in zip(explanation.features, explanation.chosen[i].tolist(), strict=True)
                    if on
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
                    _words(explanation, inputs, i), values or [0.0] * len(inputs.x[i]), strict=False
                )
            ]
        out.append(entry)
    return out


def shown(explanation: Explanation, inputs: ExplainedInputs, *, stored: list[bool] | None) -> list[Shown]:
    """The inputs as page, strip and terminal show them.

    Args:
        explanation: of the inputs.
        inputs: in the same order.
        stored: as ``stored_flips`` says.
    """
    out = []
    for i, name in enumerate(inputs.names):
        says = _says(explanation, i)
        if inputs.kind in ("image", "sound"):
            says = (*says, *_where(explanation, inputs, i))
            out.append(
                Shown(
                    name, says=says, tiles=_tiles(explanation, inputs, i), notes=_lost(explanation, i, stored)
                )
            )
        elif inputs.kind == "text":
            words = _words(explanation, inputs, i)
            out.append(Shown(name, says=(*says, *_which(explanation, words)), words=words))
        else:
            schema = _schema(inputs)
            strength, picked = _by_column(explanation, schema, i)
            before = inputs.x[i].tolist()
            after = before if explanation.counterfactuals is None else explanation.counterfactuals[i].tolist()
            lines = [
                Line(
                    f"{c.name} ({c.unit})" if c.unit else c.name,
                    c.text(old),
                    c.text(new) if differs(old, new) else None,
                    strength.get(c.name),
                    c.name in picked,
                )
                for c, old, new in zip(schema.columns, before, after, strict=True)
            ]
            counts = "counts, % of the most" if strength else ""
            out.append(Shown(name, says=says, lines=tuple(lines), counts=counts))
    return out


def _predicted(explanation: Explanation, i: int) -> dict[str, Any]:
    """The numbers before and after, where the model predicts one."""
    before = predicted_numbers(explanation.labels, explanation.original_scores[i : i + 1])
    if before is None:
        return {}
    scores = explanation.scores
    after = None if scores is None else predicted_numbers(explanation.labels, scores[i : i + 1])
    return {"predicted": {"before": before[0], "after": None if after is None else after[0]}}


def _says(explanation: Explanation, i: int) -> tuple[str, ...]:
    p = _probabilities(explanation, explanation.original_scores[i])
    source, target = explanation.labels[int(explanation.source[i])], int(explanation.target[i])
    wanted = "any other class" if target < 0 else explanation.labels[target]
    predicted = predicted_words(explanation.labels, explanation.original_scores[i])
    first = f"The model says {predicted or f'{source} (p {p[source]:.3f})'}; wanted: {wanted}."
    if explanation.scores is None or explanation.flipped is None:
        return (first, "This method says what counts, and gives no counterfactual.")
    now = explanation.labels[int(explanation.scores[i].argmax())]
    q = _probabilities(explanation, explanation.scores[i])[now]
    became = predicted_words(explanation.labels, explanation.scores[i]) or f"{now} (p {q:.3f})"
    if int(explanation.source[i]) == target:
        return (first, "It already has the wanted class; nothing was changed.")
    if bool(explanation.flipped[i]):
        return (first, f"Of the counterfactual the model says {became}.")
    return (first, f"Nothing found: of what the method ended with, the model still says {became}.")


def _which(explanation: Explanation, words: Sequence[Word]) -> tuple[str, ...]:
    """The words that count most, in words: a pipe shows no colours."""
    if explanation.attributions is None:
        return ()
    order = sorted((w for w in words if w.strength > 0.0), key=lambda w: -w.strength)[:_FEW]
    if not order:
        return ("No word counts.",)
    return (f"Counts most: {', '.join(f'{w.text} ({percent(w.strength)} of the most)' for w in order)}.",)


def _where(explanation: Explanation, inputs: ExplainedInputs, i: int) -> tuple[str, ...]:
    """Where in a picture it counts most."""
    if explanation.attributions is None:
        return ()
    height, width = _plane(explanation)
    values = explanation.attributions[i].abs()
    if not bool((values > 0).any()):
        return ("No place counts.",)
    strong = (values >= values.max() * 0.999).nonzero().flatten()  # a segment has one value
    rows, columns = (strong // width).double(), (strong % width).double()
    across, down = float(columns.mean() + 0.5) / width, float(rows.mean() + 0.5) / height
    up = down if inputs.kind == "sound" else 1.0 - down
    place = f"{percent(across)} from the left, {percent(up)} from the bottom"
    share = (
        ""
        if explanation.chosen is None
        else f" The explanation covers {percent(float(explanation.chosen[i].float().mean()))}."
    )
    return (f"Counts most: around {place}.{share}",)


def _tiles(explanation: Explanation, inputs: ExplainedInputs, i: int) -> tuple[tuple[str, Tile], ...]:

    x, owner = explanation.x[i], inputs.subject.domain.owner[0]
    tiles = [("original" if len(x) > 1 else "original: time to the right, pitch upwards", picture(x))]
    if explanation.counterfactuals is not None:
        tiles.append(("counterfactual", picture(explanation.counterfactuals[i])))
    if explanation.attributions is not None:
        tiles.append((HEAT, heat(x, explanation.attributions[i], owner=owner)))
    if explanation.chosen is not None:
        tiles.append(("the explanation", spotlight(x, explanation.chosen[i], owner=owner)))
    return tuple(tiles)


def _lost(explanation: Explanation, i: int, stored: list[bool] | None) -> tuple[str, ...]:
    if stored is None or explanation.flipped is None or stored[i] or not bool(explanation.flipped[i]):
        return ()
    return ("Rounded to the 8 bits of a stored picture, the counterfactual no longer flips the model.",)


def stored_flips(explanation: Explanation, inputs: ExplainedInputs) -> list[bool] | None:
    """Whether counterfactual images still flip once they are stored with 8 bits a channel; asks the model.

    None for other inputs than images, and where there are no counterfactuals.

    Args:
        explanation: of the inputs.
        inputs: in the same order.
    """
    if inputs.kind != "image" or explanation.counterfactuals is None:
        return None
    model = inputs.subject.provider
    with torch.no_grad():
        raw = answers_of(model, PICTURES.restored(PICTURES.stored(explanation.counterfactuals)))
    done: list[bool] = flipped(
        verdict_scores(raw, model), source=explanation.source, target=explanation.target
    ).tolist()
    return done


def _of_picture(explanation: Explanation, i: int) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    layout = _plane(explanation)
    if explanation.counterfactuals is not None:
        change = (explanation.counterfactuals[i] - explanation.x[i]).double()
        entry["change"] = {
            "rms": _number(float(change.square().mean().sqrt())),
            "largest": _number(float(change.abs().max())),
        }
    if explanation.attributions is not None:
        values = explanation.attributions[i]
        order = values.abs().argsort(descending=True, stable=True)[:_TOP].tolist()
        entry["layout"] = list(layout)
        entry["strongest"] = [
            {"row": j // layout[1], "column": j % layout[1], "attribution": _number(float(values[j]))}
            for j in order
            if float(values[j]) != 0.0
        ]
    if explanation.chosen is not None:
        entry["chosen_share"] = _number(float(explanation.chosen[i].float().mean()))
    return entry


def _words(explanation: Explanation, inputs: ExplainedInputs, i: int) -> tuple[Word, ...]:

    if inputs.reader is None:
        raise PluginError("explain: texts came without their vocabulary")
    vocabulary = inputs.reader.vocabulary
    origin = [inputs.texts[i]]
    [before] = vocabulary.split(inputs.x[i : i + 1], origin=origin)
    after = before
    if explanation.counterfactuals is not None:
        [after] = vocabulary.split(explanation.counterfactuals[i : i + 1], origin=origin)
    values = [0.0] * len(before)
    if explanation.attributions is not None:
        values = explanation.attributions[i].abs().tolist()[: len(before)]
    most = max([*values, 1e-30])
    chosen = [False] * len(before) if explanation.chosen is None else explanation.chosen[i].tolist()
    return tuple(
        Word(old, None if old == new else new, value / most, bool(on))
        for old, new, value, on in zip(before, after, values, chosen, strict=False)
    )


def _by_column(explanation: Explanation, schema: TableSchema, i: int) -> tuple[dict[str, float], set[str]]:
    """How much each column counts, over the most; of linked columns all count as their variable."""
    variables = Variables.of(schema)
    feature = [variables.all[j].name for j in variables.owner]
    picked: set[str] = set()
    if explanation.chosen is not None:
        on = dict(zip(explanation.features, explanation.chosen[i].tolist(), strict=True))
        picked = {c for c, f in zip(schema.names, feature, strict=True) if on[f]}
    if explanation.attributions is None:
        return {}, picked
    values = explanation.attributions[i].abs()
    share = dict(zip(explanation.features, (values / values.max().clamp_min(1e-30)).tolist(), strict=True))
    return {c: share[f] for c, f in zip(schema.names, feature, strict=True)}, picked


def _probabilities(explanation: Explanation, scores: Tensor) -> dict[str, float]:
    p = scores.double().softmax(-1).tolist()
    return {label: _number(value) for label, value in zip(explanation.labels, p, strict=True)}


def _number(value: float) -> float:
    """Six digits: as many as float32 has."""
    return float(f"{value:.6g}")


def _plane(explanation: Explanation) -> tuple[int, int]:
    height, width = explanation.layout
    return height, width


def _schema(inputs: ExplainedInputs) -> TableSchema:
    if inputs.schema is None:
        raise PluginError("explain: rows came without their schema")
    return inputs.schema
