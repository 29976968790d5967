"""``cfsearch.audit``: many inputs, one run directory, and a result that shows itself."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Unpack

from cfsearch.audits.result import AuditResult
from cfsearch.audits.run import Audit, AuditProgress
from cfsearch.config import Config
from cfsearch.contracts.provider import ScoreKind
from cfsearch.errors import ConfigError
from cfsearch.places import check_place
from cfsearch.runs.reservation import Reservation

from .prepare import prepared
from .replaced_inputs import ReplacedInputs
from .settings import GeneratorLike, Settings, names_of, plain

_LIVE = """\
import cfsearch

# model: the object that this run was made with
result = cfsearch.audit(model, {inputs!r}, out="again")
"""
_REPORTED: Final = (
    *("protected", "shared_queries", "contribution_queries", "practical", "fail_if", "until_decided"),
)


def audit(
    model: object,
    data: object = None,
    *,
    out: str | Path | None = None,
    generator: GeneratorLike | None = None,
    target: str | None = None,
    labels: Sequence[str] | None = None,
    scores: str | ScoreKind | None = None,
    protected: Sequence[str] = (),
    by: Sequence[str] = (),
    attributes: str | Path | None = None,
    split: str | None = None,
    title: str = "Counterfactual audit",
    effects: bool = True,
    second_generator: GeneratorLike | None = None,
    shared_queries: int | None = None,
    contribution_queries: int | None = None,
    practical: float | None = None,
    fail_if: Sequence[str] = (),
    until_decided: bool = False,
    watch: Callable[[AuditProgress], None] | None = None,
    **settings: Unpack[Settings],
) -> AuditResult:
    """Search many inputs and measure what the model reacts to.

    Args:
        model: as for ``cfsearch.search``; or a ``Config``, which says everything by itself:
            beside it stand ``out``, ``title``, ``effects`` and ``watch`` alone.
        data: the inputs, as ``x`` of ``cfsearch.search``.
        out: the run directory; an interrupted run in it goes on. A temporary one when left out.
        generator: as for ``cfsearch.search``.
        target: the target class; any other class when left out.
        labels: names of the classes, where the model does not say them.
        scores: "logits", "probabilities" or "labels"; found out when left out.
        protected: attributes whose effects matter most (a list, or "age,sex"); they stand first in every result.
        by: attributes or columns by whose groups the figures are compared, likewise.
        attributes: a table of what each picture shows, CSV or CelebA's.
        split: the part of CelebA in its official layout.
        title: what the report is called.
        effects: whether to measure, beside the search, what attributes, protected columns and shared changes do.
        second_generator: another training of the generator's attributes, as ``generator`` names it; what is genuine by the first
            generator must be so by its edits, too.
        shared_queries: the most queries that are spent on changes that many inputs share; 10,000 when left out, 0 for none.
        contribution_queries: the most queries that are spent on what each changed variable contributes (which changes are
            necessary, which sufficient, the share of each); none when left out.
        practical: the size in logits from which an effect matters; 0.25 when left out.
        fail_if: conditions, each as what must not be ("flip_rate:Male > 5%"); they need ``until_decided``.
        until_decided: whether the audit ends as soon as these conditions are decided.
        watch: called with the progress after each step.
        **settings: see ``cfsearch.Settings``.

    Raises:
        CfsearchError: something that was given cannot be used; inputs that fail are results, not errors.

    Example:
        >>> import numpy as np, tempfile
        >>> import cfsearch
        >>> from cfsearch.testing import FakeGenerator, FakeProvider
        >>> greys = [np.full((16, 16, 3), level, dtype=np.uint8) for level in (90, 110)]
        >>> folder = tempfile.TemporaryDirectory()
        >>> result = cfsearch.audit(FakeProvider(), greys, out=folder.name, generator=FakeGenerator(), evaluations=60)
        >>> [front.found for front in result.fronts]
        [True, True]
        >>> folder.cleanup()
    """
    if out is not None:
        check_place(out, folder=True)
    beside = {
        "generator": generator,
        "target": target,
        "labels": labels,
        "scores": scores,
        "protected": names_of(protected) or None,
        "by": names_of(by) or None,
        "attributes": attributes,
        "split": split,
        "second_generator": second_generator,
        "shared_queries": shared_queries,
        "contribution_queries": contribution_queries,
        "practical": practical,
        "fail_if": ([fail_if] if isinstance(fail_if, str) else list(fail_if)) or None,
        "until_decided": until_decided or None,
    }
    if isinstance(model, Config):
        if given := [
            name for name, value in {"data": data, **beside, **settings}.items() if value is not None
        ]:
            raise ConfigError(
                f"audit: a Config says everything by itself, but {', '.join(f'`{name}`' for name in given)} came beside it. Write that into the "
                "Config; only `out`, `title`, `effects` and `watch` are given with one."
            )
    elif data is None:
        raise ConfigError(
            "audit: expected inputs after the model. Give pictures, a folder, a table or a data frame."
        )
    place = Path(tempfile.mkdtemp(prefix="cfsearch-audit-")) if out is None else Path(out)
    if isinstance(model, Config):
        Audit(model, directory=place, title=title, effects=effects, watch=watch).run()
        return AuditResult(place)
    with Reservation.of(place) as held, ReplacedInputs(place / "inputs") as inputs:
        call = prepared(
            model,
            data,
            place / "inputs",
            generator=generator,
            target=target,
            labels=labels,
            scores=scores,
            data={name: beside[name] for name in ("by", "attributes", "split")},
            given=settings,
            second_generator=second_generator,
            audit={name: beside[name] for name in _REPORTED},
        )
        source = call.config.data.images or call.config.data.table or ""
        whole = Audit(
            call.config,
            directory=place,
            title=title,
            effects=effects,
            watch=watch,
            parts=call.parts,
            python="" if call.parts.model is None else _LIVE.format(inputs=plain(source)),
        )
        whole.run(held=held, accepted=inputs.accept)
    return AuditResult(place)
