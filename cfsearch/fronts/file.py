"""A front as it is stored: one safetensors blob with a JSON header, canonical to the byte.

Tensors stand as they are; all else is JSON under ``__metadata__``, with sorted keys. The same front
always gives the same bytes, so that two runs can be compared by hash.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from cfsearch.contracts.records import Reason
from cfsearch.errors import DataError
from cfsearch.files import read_file, reason
from cfsearch.parsing import parse_json

Made = TypeVar("Made")

FORMAT: Final = "cfsearch-front/1"

_TENSORS: Final = (
    "z",
    "f",
    "origin_values",
    "scores",
    "original_scores",
    "reconstruction_scores",
    "verified",
    "reference_point",
)
_OPTIONAL: Final = (
    "images",
    "original",
    "reconstruction",
    "rows",
    "row",
    "sounds",
    "sound",
    "scale",
    "genuineness",
    "outlierness",
    "robustness",
    "genuineness_each",
)
"""Tensors that only some fronts have: inputs of their modality, genuineness, outlierness, robustness."""


def pack(parts: Mapping[str, Any]) -> bytes:  # Any: tensors, names and JSON values
    """The blob of a front.

    Args:
        parts: every field of ``cfsearch.fronts.front.ParetoFront`` by its name.

    Example:
        >>> import torch
        >>> from cfsearch import Search
        >>> from cfsearch.objectives import Adversarial, Intensity
        >>> from cfsearch.solvers import RandomSearch
        >>> from cfsearch.testing import FakeGenerator, FakeProvider
        >>> measures = [Adversarial(), Intensity()]
        >>> search = Search(FakeProvider(), FakeGenerator(), measures, lambda n: RandomSearch(population=n), evaluations=200)
        >>> [front] = search.run(torch.full((1, 3, 16, 16), 0.4), names=["grey"])
        >>> parts = {field: getattr(front, field) for field in front.__dataclass_fields__}
        >>> pack(parts) == front.to_bytes()
        True
    """
    tensors = {part: parts[part].contiguous().cpu() for part in _TENSORS}
    for part in _OPTIONAL:
        tensor = parts[part]
        if tensor is not None:
            tensors[part] = tensor.contiguous().cpu()
    meta = {
        "format": FORMAT,
        "name": parts["name"],
        "labels": parts["labels"],
        "source": parts["source"],
        "target": parts["target"],
        "variables": parts["variables"],
        "objectives": parts["objectives"],
        "units": parts["units"],
        "origins": parts["origins"],
        "reason": parts["reason"].name,
        "evaluations": parts["evaluations"],
        "note": parts["note"],
        "extra": parts["extra"],
    }
    if parts["described"]:
        meta["described"] = parts["described"]
    if parts["categories"]:
        meta["categories"] = parts["categories"]
    if parts["texts"] is not None:
        meta |= {"texts": parts["texts"], "text": parts["text"]}
    if parts["queries"] is not None:
        meta |= {"questions": parts["queries"], "seeding": parts["seeding"]}
    text = json.dumps(meta, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return save_tensors(tensors, metadata={"cfsearch": text})


def read_blob(path: Path) -> bytes:
    """The bytes of a file of a front.

    Args:
        path: of the file.

    Raises:
        DataError: it cannot be read.

    Example:
        >>> read_blob(Path("nowhere.front"))
        Traceback (most recent call last):
        cfsearch.errors.DataError: front: 'nowhere.front' cannot be read: there is no such file. Give a file that `cfsearch search --save` wrote.
    """
    try:
        return read_file(path)
    except OSError as error:
        raise DataError(
            f"front: {str(path)!r} cannot be read: {reason(error)}. Give a file that `cfsearch search --save` wrote."
        ) from error


def unpack(blob: bytes, *, make: Callable[..., Made]) -> Made:
    """The front of a blob: what ``make`` returns for its parts.

    Args:
        blob: the bytes of ``pack``.
        make: takes every field of a front by name; what it refuses is a damaged file too.

    Raises:
        DataError: the bytes are no front, or one of another format.

    Example:
        >>> import torch
        >>> from cfsearch import Search
        >>> from cfsearch.objectives import Adversarial, Intensity
        >>> from cfsearch.solvers import RandomSearch
        >>> from cfsearch.testing import FakeGenerator, FakeProvider
        >>> measures = [Adversarial(), Intensity()]
        >>> search = Search(FakeProvider(), FakeGenerator(), measures, lambda n: RandomSearch(population=n), evaluations=200)
        >>> [front] = search.run(torch.full((1, 3, 16, 16), 0.4), names=["grey"])
        >>> unpack(front.to_bytes(), make=dict)["labels"]
        ('dark', 'bright')
    """
    try:
        size = int.from_bytes(blob[:8], "little")
        kept = parse_json(blob[8 : 8 + size])["__metadata__"]["cfsearch"]
        if not isinstance(kept, str):
            raise DataError(
                f"front: not a front file of cfsearch, its metadata is no text but {type(kept).__name__}."
            )
        meta = parse_json(kept)
        if meta["format"] != FORMAT:
            raise DataError(f"front: format {meta['format']!r} is not {FORMAT!r}; update cfsearch.")
        tensors = load_tensors(blob)
        return make(
            name=meta["name"],
            labels=tuple(meta["labels"]),
            source=meta["source"],
            target=meta["target"],
            variables=tuple(meta["variables"]),
            objectives=tuple(meta["objectives"]),
            units=tuple(meta["units"]),
            origins=tuple(meta["origins"]),
            reason=Reason[meta["reason"]],
            evaluations=meta["evaluations"],
            note=tuple(meta["note"]),
            extra=meta["extra"],
            z=tensors["z"],
            f=tensors["f"],
            origin_values=tensors["origin_values"],
            scores=tensors["scores"],
            original_scores=tensors["original_scores"],
            reconstruction_scores=tensors["reconstruction_scores"],
            verified=tensors["verified"],
            reference_point=tensors["reference_point"],
            images=tensors.get("images"),
            original=tensors.get("original"),
            reconstruction=tensors.get("reconstruction"),
            rows=tensors.get("rows"),
            row=tensors.get("row"),
            sounds=tensors.get("sounds"),
            sound=tensors.get("sound"),
            texts=tuple(tuple(pieces) for pieces in meta["texts"]) if "texts" in meta else None,
            text=tuple(meta["text"]) if "text" in meta else None,
            scale=tensors.get("scale"),
            genuineness=tensors.get("genuineness"),
            outlierness=tensors.get("outlierness"),
            robustness=tensors.get("robustness"),
            genuineness_each=tensors.get("genuineness_each"),
            described=tuple(tuple(words) for words in meta.get("described", ())),
            categories=tuple(meta.get("categories", ())),
            queries=meta.get("questions"),
            seeding=meta.get("seeding", 0),
        )
    except DataError:
        raise
    except (SafetensorError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(f"front: not a front file of cfsearch ({type(error).__name__}).") from error
