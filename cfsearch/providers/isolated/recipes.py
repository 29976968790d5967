"""How a model is opened, as plain values: the same in this process and in one of its own."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets.tables import TableSchema, schema_of
from cfsearch.datasets.text import Lexicon
from cfsearch.errors import ConfigError, cause_of
from cfsearch.providers.preprocessing import Preprocessing

Kind = Literal["inputs", "rows", "texts", "live_inputs", "live_rows"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """Which function opens a model, and with what.

    Args:
        kind: "inputs" (``open_provider``), "rows" (``open_tabular``), "texts" (``open_text_model``), or the same
            of an object of the running program.
        arguments: of that function, as JSON holds them.
        tensors: probes of a model of rows or texts; the pickled object of a live one.
        schema: of rows.
        probed: whether the last tensor holds inputs that the model is queried with while it is opened.
    """

    kind: Kind
    arguments: dict[str, Any]  # Any: plain JSON values
    tensors: tuple[Tensor, ...] = ()
    schema: TableSchema | None = None
    probed: bool = False

    def plain(self) -> dict[str, Any]:
        """All but the tensors, as JSON holds it."""
        schema = None if self.schema is None else self.schema.to_dict()
        return {"kind": self.kind, "arguments": self.arguments, "schema": schema}


def opened(recipe: dict[str, Any], tensors: Sequence[Tensor]) -> Provider:
    """The model of a recipe.

    Args:
        recipe: as ``Recipe.plain`` wrote it.
        tensors: those of the recipe.

    Raises:
        CfsearchError: as the function that opens it.
    """
    arguments, kind = dict(recipe["arguments"]), recipe["kind"]
    schema = None if recipe["schema"] is None else schema_of(recipe["schema"])
    if kind == "inputs":
        from cfsearch.providers.opening import open_provider

        return open_provider(**arguments)
    if kind == "rows" and schema is not None:
        from cfsearch.providers.tabular_opening import open_tabular

        return open_tabular(**arguments, schema=schema, probes=tensors[0])
    if kind == "texts":
        from cfsearch.providers.text import open_text_model

        lexicon = Lexicon(tuple(arguments.pop("pieces")))
        return open_text_model(**arguments, lexicon=lexicon, probes=tensors[0])
    return _live(kind, arguments, tensors, schema)


def _live(
    kind: str, arguments: dict[str, Any], tensors: Sequence[Tensor], schema: TableSchema | None
) -> Provider:
    from cfsearch.providers.live import live_provider, live_tabular

    try:
        model: object = pickle.loads(tensors[0].numpy().tobytes())  # noqa: S301  # from our own side
    except Exception as error:  # whatever an object's own way of being read raises
        raise ConfigError(
            f"isolate: the model cannot be opened in a process of its own ({cause_of(error)}). Give "
            "a function or class that can be imported there, or leave `isolate` out."
        ) from error
    scores = arguments.pop("scores")
    kind_of_scores = None if scores is None else ScoreKind[scores]
    if kind == "live_rows" and schema is not None:
        return live_tabular(model, schema=schema, probes=tensors[1], scores=kind_of_scores, **arguments)
    preprocessing = arguments.pop("preprocessing")
    if preprocessing.pop("whole"):
        preprocessing = Preprocessing(**tupled(preprocessing))
    return live_provider(model, scores=kind_of_scores, preprocessing=preprocessing, **arguments)


def tupled(values: dict[str, Any]) -> dict[str, Any]:  # Any: plain JSON values
    """Fields of a dataclass with tuples where JSON made lists of them.

    Args:
        values: as JSON gave them back.
    """
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def sent(model: object, *, name: str) -> bytes:
    """A live object as bytes that another process can open.

    Args:
        model: an object of the running program.
        name: for messages.

    Raises:
        ConfigError: it cannot be sent.
    """
    try:
        return pickle.dumps(model)
    except Exception as error:  # whatever an object's own way of being written raises
        raise ConfigError(
            f"isolate: the model {name!r} cannot be sent to a process of its own ({cause_of(error)}). "
            "Give a function or class that can be imported, the path of a file, or leave `isolate` out."
        ) from error
