"""Any JSON endpoint: a template of the body, and a pointer to the scores in the answer."""

import base64
from typing import Final, final

import numpy as np

from cfsearch.errors import ConfigError
from cfsearch.parsing import JSONError, parse_json

from .address import Address
from .json_protocols import answer_of, listed, packed
from .messages import BadAnswerError, Json, Request, Response, whole_number
from .settings import ServedTable
from .wire import Answer, Batch, Files, Protocol, is_ranked, shown, size_of

_MANY: Final = "$inputs"
_ONE: Final = "$input"
_IDS: Final = "$ids"
_ID: Final = "$id"


@final
class Template(Protocol):
    """An endpoint that takes and gives JSON of its own form.

    Args:
        address: of the endpoint.
        settings: with ``template`` and ``pointer``.
        output: the output that holds the scores, where an answer has several.

    Raises:
        ConfigError: the template is no JSON or has no place for inputs, or a pointer is none.
    """

    def __init__(self, address: Address, settings: ServedTable, *, output: str | None) -> None:
        super().__init__(address, settings, output=output)
        text = settings.template or '{"inputs": "$inputs"}'
        try:
            self._template: Final[Json] = parse_json(text)
        except JSONError as error:
            raise ConfigError(
                f"{address.name}: `template` under [served] must be JSON text, {error}. Write it in single quotes: "
                """template = '{"data": "$inputs"}'."""
            ) from error
        found = _placeholders(self._template)
        if (_MANY in found) == (_ONE in found):
            raise ConfigError(
                f'{address.name}: `template` under [served] must hold either "$inputs" (a list) or "$input" (one input a '
                f"request), got {shown(text)}."
            )
        self._single: Final = _ONE in found
        self._pointer: Final = _pointer(settings.pointer, "pointer")
        self._ids: Final = None if settings.ids is None else _pointer(settings.ids, "ids")
        if self._ids is not None and not found & {_IDS, _ID}:
            raise ConfigError(
                f'{address.name}: `ids` under [served] finds the numbers of inputs in the answer, so "$ids" (or "$id") must '
                "stand in `template`."
            )

    @property
    def most(self) -> int | None:
        """One input a request where the template says ``$input``."""
        return 1 if self._single else None

    def request(self, batch: Batch) -> Request:
        """``POST`` of the filled template."""
        values = (
            [base64.b64encode(part).decode() for part in batch.parts]
            if isinstance(batch, Files)
            else listed(batch)
        )
        n = size_of(batch)
        ids = list(range(n))
        filled = _filled(self._template, {_MANY: values, _ONE: values[0], _IDS: ids, _ID: ids[0]})
        return Request(
            self.address.target(),
            read=lambda response: self._scores(response, n),
            body=packed(filled),
            headers={"content-type": "application/json"},
            inputs=n,
        )

    def _scores(self, response: Response, n: int) -> Answer:
        document = response.json()
        value = _at(document, self._pointer, "pointer")
        if self._ids is not None:
            value = _in_order(value, _at(document, self._ids, "ids"), n)
        if self._single and (is_ranked(value) or not isinstance(value, list) or _flat(value)):
            value = [value]
        return answer_of(value, n, output=self.output, labels=self.labels)


def _placeholders(value: Json) -> set[str]:
    if isinstance(value, dict):
        return set().union(*map(_placeholders, value.values()), set())
    if isinstance(value, list):
        return set().union(*map(_placeholders, value), set())
    return {value} if isinstance(value, str) and value in (_MANY, _ONE, _IDS, _ID) else set()


def _filled(value: Json, places: dict[str, Json]) -> Json:
    if isinstance(value, dict):
        return {key: _filled(one, places) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, places) for one in value]
    return places.get(value, value) if isinstance(value, str) else value


def _pointer(text: str | None, name: str) -> tuple[str, ...]:
    """The steps of a JSON pointer."""
    if not text:
        return ()
    if not text.startswith("/"):
        raise ConfigError(
            f"served model: `{name}` under [served] must be a JSON pointer, /data/scores, got {text!r}."
        )
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text[1:].split("/"))


def _at(document: Json, steps: tuple[str, ...], name: str) -> Json:
    value = document
    for i, step in enumerate(steps):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and (place := whole_number(step)) is not None and place < len(value):
            value = value[place]
        else:
            where = "/" + "/".join(steps[: i + 1])
            raise BadAnswerError(
                f"has nothing at {where} (`{name}` under [served]): {shown(document, most=160)}."
            )
    return value


def _in_order(rows: Json, ids: Json, n: int) -> Json:
    """The rows in the order of the inputs, by their numbers."""
    if not isinstance(rows, list) or not isinstance(ids, list) or len(rows) != len(ids):
        raise BadAnswerError(f"gave {shown(ids)} as the numbers of its rows, not one for each.")
    try:
        numbers = [int(one) for one in ids]
    except (TypeError, ValueError) as error:
        raise BadAnswerError(f"gave {shown(ids)} as the numbers of its rows.") from error
    if sorted(numbers) != list(range(n)):
        raise BadAnswerError(f"answered the inputs {shown(numbers)}, expected each of 0 to {n - 1} once.")
    ordered: list[Json] = [None] * n
    for number, row in zip(numbers, rows, strict=True):
        ordered[number] = row
    return ordered


def _flat(value: list[Json]) -> bool:
    """Whether a list holds the scores of one input and not of several."""
    return np.ndim(np.asarray(value, dtype=object)) == 1 and not any(
        isinstance(one, list | dict) for one in value
    )
