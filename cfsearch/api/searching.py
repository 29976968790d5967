"""``cfsearch.search``: one front an input."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Unpack

from cfsearch.assembly.batches import searched
from cfsearch.assembly.images import readable
from cfsearch.assembly.inputs import InputRecord
from cfsearch.assembly.search import assemble
from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets.images import ImageRef
from cfsearch.datasets.images.labelled import find_photographs
from cfsearch.engine.progress import Progress
from cfsearch.fronts.collection import Fronts

from .prepare import prepared
from .settings import GeneratorLike, Settings


def search(
    model: object,
    x: object,
    *,
    generator: GeneratorLike | None = None,
    target: str | None = None,
    labels: Sequence[str] | None = None,
    scores: str | ScoreKind | None = None,
    watch: Callable[[Progress], None] | None = None,
    **settings: Unpack[Settings],
) -> Fronts:
    """Search a Pareto front of counterfactuals for each input.

    Args:
        model: the audited model: a path (ONNX, skops, weights with ``arch=``), the bytes of an ONNX file, an
            onnxruntime session, a torch module, a scikit-learn estimator or pipeline, a function (pictures
            ``(n, 3, h, w)`` in [0, 1], a data frame, or a list of texts -> scores ``(n, k)``), or a ``Provider``.
        x: the inputs: a file or folder, a PIL image, an array or tensor of one picture or several in
            [0, 1], rows of a table (a data frame of pandas, polars or pyarrow, a row of one, ``{column: value}`` or a list
            of such rows, a matrix, a file), a text, a wave file, or a list of these.
        generator: what is changed: a shipped checkpoint ("celeba64"), a plug-in ("pixels"), a file or an
            object; "pixels" for pictures and "rows" for tables when left out.
        target: the target class; any other class when left out.
        labels: names of the classes, where the model does not say them.
        scores: "logits", "probabilities" or "labels"; found out when left out.
        watch: called after each generation.
        **settings: see ``cfsearch.Settings``.

    Raises:
        CfsearchError: something that was given cannot be used, or the model failed on every input.

    Example:
        >>> import numpy as np
        >>> import cfsearch
        >>> def dark(x):
        ...     return 1 / (1 + np.exp(20 * (x.mean((1, 2, 3)) - 0.5)))
        >>> grey = np.full((16, 16), 0.45)
        >>> fronts = cfsearch.search(dark, grey, labels=["light", "dark"], evaluations=400, population=40)
        >>> fronts[0].found
        True
    """
    with tempfile.TemporaryDirectory(prefix="cfsearch-") as folder:
        call = prepared(
            model,
            x,
            Path(folder),
            generator=generator,
            target=target,
            labels=labels,
            scores=scores,
            data={},
            given=settings,
        )
        assembly = assemble(call.config, parts=call.parts)
        refs: Sequence[ImageRef | InputRecord]
        if assembly.records is not None:
            refs = assembly.records
        else:
            data = call.config.data
            refs = readable(find_photographs(Path(data.image_path), recursive=data.recursive)[0])[
                : data.limit
            ]
        found = searched(assembly, refs, watching=None if watch is None else lambda *_: (watch,))
    if found.failures and not found.fronts:
        raise found.failures[0].error
    failures = {failure.name: failure.error for failure in found.failures}
    return Fronts(found.fronts, notes=assembly.notes, failures=failures)
