"""The members of a front as rows of a table: one row a member.

Columns: ``name``, ``member``, ``source``, ``target``, ``verified``, (``genuineness``, ``valid`` where that was
measured, ``genuineness_first`` and ``genuineness_second`` where two generators must agree, ``robustness`` where small changes were tried, NaN of members that were not,) ``origin``, ``picked_as``, ``lead``,
``words``, (``predicted_original`` and ``predicted``, the numbers before and after, where the model predicts one,) then
``objective_NAME``, ``change_VARIABLE`` (0 where
it does not change), ``value_VARIABLE`` (what it becomes) and ``p_LABEL`` (of a model of more than 1,000 classes those of
``named_classes``).

Of rows of a table ``original_COLUMN`` and ``value_COLUMN`` hold what stands in each column, numbers in
its own unit and levels as their names; of texts ``original_text`` and ``text`` hold them; ``change_VARIABLE`` is a difference in that unit, in levels of an
ordinal column, and 1 for any change of a category.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from cfsearch.datasets.tables import TableSchema, schema_of
from cfsearch.errors import MissingExtraError

from .document import each_genuineness, named_classes
from .predicted import predicted_of

if TYPE_CHECKING:
    import pandas as pd

    from .front import ParetoFront

Cell = str | int | float | bool | None


def front_rows(front: "ParetoFront") -> Iterator[dict[str, Cell]]:
    """One row a member, in the order of the front.

    Example:
        >>> import torch
        >>> from cfsearch import Search
        >>> from cfsearch.objectives import Adversarial, Intensity
        >>> from cfsearch.solvers import RandomSearch
        >>> from cfsearch.testing import FakeGenerator, FakeProvider
        >>> measures = [Adversarial(), Intensity()]
        >>> search = Search(FakeProvider(), FakeGenerator(), measures, lambda n: RandomSearch(population=n), evaluations=200)
        >>> [front] = search.run(torch.full((1, 3, 16, 16), 0.4), names=["grey"])
        >>> first = next(front_rows(front))
        >>> first["name"], first["member"], first["source"]
        ('grey', 0, 'dark')
    """
    shown = named_classes(front)
    picks, p, lead, predicted = front.picks(), front.p[:, shown].tolist(), front.lead(), predicted_of(front)
    schema = schema_of_front(front)
    for i in range(len(front)):
        row: dict[str, Cell] = {
            "name": front.name,
            "member": i,
            "source": front.labels[front.source],
            "target": None if front.target is None else front.labels[front.target],
            "verified": bool(front.verified[i]),
            **_genuineness(front, i),
            **({} if front.outlierness is None else {"outlierness": float(front.outlierness[i])}),
            **({} if front.robustness is None else {"robustness": float(front.robustness[i])}),
            "origin": front.origins[i],
            "picked_as": " ".join(way for way, index in picks.items() if index == i),
            "lead": float(lead[i]),
            "words": "; ".join(front.words(i)),
        }
        row |= {
            key: text
            for key, text in (("original_text", front.original_text), ("text", front.text_of(i)))
            if text is not None
        }
        if predicted is not None:
            row |= {"predicted_original": predicted[0], "predicted": predicted[1 + i]}
        row |= {f"objective_{n}": v for n, v in zip(front.objectives, front.f[i].tolist(), strict=True)}
        row |= _changed(front, i, schema)
        row |= {f"p_{front.labels[k]}": v for k, v in zip(shown, p[i], strict=True)}
        yield row


def schema_of_front(front: "ParetoFront") -> TableSchema | None:
    """What the columns of a front of rows mean; None for one of other inputs, or of rows without a schema.

    Args:
        front: with what it keeps of how its inputs were read.

    Example:
        >>> from types import SimpleNamespace
        >>> kept = {"schema": {"columns": [{"name": "age", "kind": "real", "range": [0, 99]}]}}
        >>> schema_of_front(SimpleNamespace(extra=kept)).names
        ('age',)
    """
    return schema_of(front.extra["schema"]) if "schema" in front.extra else None


def _genuineness(front: "ParetoFront", i: int) -> dict[str, Cell]:
    """``genuineness`` (z, in standard errors) and ``valid``, where genuineness was measured."""
    if front.genuineness is None:
        return {}
    z = float(front.genuineness[i])
    return {
        "genuineness": z if math.isfinite(z) else None,
        **{f"genuineness_{which}": z for which, z in each_genuineness(front, i).items()},
        "valid": bool(front.valid[i]),
    }


def _changed(front: "ParetoFront", i: int, schema: TableSchema | None) -> dict[str, Cell]:
    """What member ``i`` changes and becomes, by variable; of rows of a table by column."""
    value = front.values[i].tolist()
    original, members = front.stored_original, front.stored_members
    if schema is None or original is None or members is None:
        row: dict[str, Cell] = {
            f"change_{n}": v for n, v in zip(front.variables, front.z[i].tolist(), strict=True)
        }
        return row | {f"value_{n}": v for n, v in zip(front.variables, value, strict=True)}
    before = front.origin_values.tolist()
    row = {
        f"change_{n}": 0.0
        if math.isnan(old)  # missing, and stays so
        else float(new != old)
        if n in front.categories
        else float(f"{new - old:.12g}")
        for n, new, old in zip(front.variables, value, before, strict=True)
    }
    row |= {f"original_{n}": cell for n, cell in _cells(schema, original).items()}
    return row | {f"value_{n}": cell for n, cell in _cells(schema, members[i]).items()}


def _cells(schema: TableSchema, row: Tensor) -> dict[str, Cell]:
    """What stands in a row by column; None where a number is missing."""
    return {
        name: None if isinstance(cell, float) and math.isnan(cell) else cell
        for name, cell in schema.decode(row.tolist()).items()
    }


def front_frame(front: "ParetoFront") -> "pd.DataFrame":
    """The members of a front as a data frame, one row each.

    Raises:
        MissingExtraError: pandas is not installed (extra ``tables``).

    Example:
        >>> import torch
        >>> from cfsearch import Search
        >>> from cfsearch.objectives import Adversarial, Intensity
        >>> from cfsearch.solvers import RandomSearch
        >>> from cfsearch.testing import FakeGenerator, FakeProvider
        >>> measures = [Adversarial(), Intensity()]
        >>> search = Search(FakeProvider(), FakeGenerator(), measures, lambda n: RandomSearch(population=n), evaluations=200)
        >>> [front] = search.run(torch.full((1, 3, 16, 16), 0.4), names=["grey"])
        >>> frame = front_frame(front)
        >>> len(frame) == len(front), list(frame.columns[:3])
        (True, ['name', 'member', 'source'])
    """
    return frame_of_rows(list(front_rows(front)))


def frame_of_rows(rows: Sequence[dict[str, Cell]], *, extra: str = "tables") -> "pd.DataFrame":
    """Rows as a data frame, columns in the order in which they come up.

    Raises:
        MissingExtraError: pandas is not installed; says to install ``extra``.

    Example:
        >>> frame_of_rows([{"name": "a", "p": 0.5}, {"name": "b", "p": 0.75}])["p"].tolist()
        [0.5, 0.75]
    """
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"tables need the package 'pandas', which is not installed: pip install 'cfsearch[{extra}]'."
        ) from error
    return pd.DataFrame(list(rows), columns=columns_of_rows(rows))


def columns_of_rows(rows: Iterable[dict[str, Cell]]) -> list[str]:
    """All columns, in the order in which they come up.

    Example:
        >>> columns_of_rows([{"name": "a", "p": 0.5}, {"name": "b", "lead": 0.1}])
        ['name', 'p', 'lead']
    """
    return list(dict.fromkeys(name for row in rows for name in row))
