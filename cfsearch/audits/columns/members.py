"""What the counterfactuals of an audit say of a protected column: necessity, sufficiency, cost by group.

A change of a column is *necessary* in a counterfactual that no longer flips when that change alone is taken back, and
*sufficient* where it flips by itself.

References:
    Mothilal et al. 2021, Towards unifying feature attribution and counterfactual explanations.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.audits.together import Together
from cfsearch.contracts.provider import Provider
from cfsearch.contracts.scores import verdict_scores
from cfsearch.datasets.tables import Variables
from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics.differing import differing
from cfsearch.runs.directory import InstanceRow

MOST_MEMBERS: Final = 8
"""Members of a row that are looked at, the nearest ones."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class MemberFigures:
    """Of each row with a verified counterfactual, what its members say of one column.

    Args:
        rows: names of the rows.
        cost: distance of the nearest verified member.
        changed: share of the nearest members that change the column.
        necessary: of those that do, the share that needs it; NaN where none does.
        sufficient: of those that do, the share in which it is enough; NaN likewise.

    Shapes:
        all ``(n,)``.
    """

    rows: tuple[str, ...]
    cost: Float[Tensor, " n"]
    changed: Float[Tensor, " n"]
    necessary: Float[Tensor, " n"]
    sufficient: Float[Tensor, " n"]


def member_figures(
    rows: Iterable[InstanceRow], columns: Sequence[str], *, model: Provider, variables: Variables
) -> Mapping[str, MemberFigures]:
    """Necessity and sufficiency of columns among verified members, and what flips cost.

    Args:
        rows: all instances of the model, one after the other; no front is kept.
        columns: the protected ones; of those that the model does not take only costs are known.
        model: the audited model, which is queried about members with one change more or less.
        variables: of the schema.
    """
    schema = variables.schema.names
    at = {column: schema.index(column) if column in schema else None for column in columns}
    names: list[str] = []
    found: dict[str, list[Float[Tensor, " 4"]]] = {column: [] for column in columns}
    queries = Together(model)
    for row in rows:
        if row.front is None or row.status != "found":
            continue
        names.append(row.name)
        for column in columns:
            found[column].append(
                _of_front(row.front, at[column], model=model, variables=variables, queries=queries)
            )
    queries.finish()
    return {
        column: MemberFigures(
            tuple(names),
            *(torch.stack(figures, dim=1) if figures else torch.zeros(4, 0, dtype=torch.float64)),
        )
        for column, figures in found.items()
    }


def _of_front(
    front: ParetoFront, at: int | None, *, model: Provider, variables: Variables, queries: Together
) -> Float[Tensor, " 4"]:
    """Cost, and the shares of members that change a column, need that change and need nothing else.

    The last two are filled in when the model has answered.
    """
    figures = torch.full((4,), torch.nan, dtype=torch.float64)
    members = front.valid.nonzero().flatten()
    order = members[front.sizes[members].argsort(stable=True)][:MOST_MEMBERS]
    figures[0] = front.sizes[order[0]]
    if at is None or front.rows is None or front.row is None:
        return figures
    row, stored = front.row.double(), front.rows[order].double()
    moved = differing(stored[:, at], row[at])
    figures[1] = moved.double().mean()
    if not moved.any():
        return figures
    places = next((v.columns for v in variables.all if at in v.columns), (at,))
    without, alone = stored[moved].clone(), row.expand(int(moved.sum()), -1).clone()
    for j in places:
        alone[:, j] = stored[moved][:, j]
        without[:, j] = row[j]
    for follow in variables.relations.follows:
        for changed in (without, alone):
            changed[:, follow.column] = variables.followed(follow, changed)
    source, target, count = front.source, front.target, len(without)

    def fill(scores: Float[Tensor, "m k"]) -> None:
        classes = verdict_scores(scores.double(), model).argmax(-1)
        flips = (classes != source if target is None else classes == target).double()
        figures[2], figures[3] = (1 - flips[:count]).mean(), flips[count:].mean()

    queries.add(torch.cat([without, alone]), fill)
    return figures
