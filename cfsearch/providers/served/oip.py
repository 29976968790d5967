"""Open Inference Protocol v2, in JSON and in its binary extension (KServe, Triton, MLServer, OVMS)."""

import base64
import math
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from cfsearch.errors import ConfigError, DataError
from cfsearch.providers.exact_casts import cast_exactly

from .json_protocols import packed
from .messages import LOOK, BadAnswerError, Json, Request, Response, whole_number
from .wire import (
    Answer,
    Batch,
    Files,
    Metadata,
    Named,
    Protocol,
    RawArray,
    TensorInfo,
    Texts,
    array_of,
    plain_cell,
    rows_counted,
    shown,
    size_of,
)

if TYPE_CHECKING:
    import pandas as pd

_NUMPY: Final[dict[str, str]] = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "u2",
    "UINT32": "u4",
    "UINT64": "u8",
    "INT8": "i1",
    "INT16": "i2",
    "INT32": "i4",
    "INT64": "i8",
    "FP16": "f2",
    "FP32": "f4",
    "FP64": "f8",
}
_LENGTH: Final = "Inference-Header-Content-Length"


@final
class OpenInference(Protocol):
    """Open Inference Protocol v2: ``/v2/models/NAME/infer``.

    Tensors are sent in the type that the server says it takes. Rows are sent as one input a column where the server
    has an input for each of them or none at all, as one matrix where it has a single one of numbers.

    References:
        https://github.com/kserve/open-inference-protocol (inference_rest.md) and its binary tensor data extension.
    """

    def describe(self) -> Request:
        """``GET /v2/models/NAME``."""
        return Request(self.address.target(), read=self._described)

    def request(self, batch: Batch) -> Request:
        """``POST /v2/models/NAME/infer``."""
        inputs: list[dict[str, Any]] = []  # Any: JSON values
        blobs: list[bytes] = []
        parameters: dict[str, Any] = {}  # Any: as above
        if isinstance(batch, np.ndarray):
            self._add(inputs, blobs, self._first(), batch)
        elif isinstance(batch, Files):
            self._add_bytes(inputs, blobs, self._first(), batch.parts, content=None)
        elif isinstance(batch, Texts):
            parts = tuple(text.encode() for text in batch.parts)
            self._add_bytes(inputs, blobs, self._first(), parts, content="str")
        else:
            parameters = self._add_columns(inputs, blobs, batch)
        document: dict[str, Any] = {"inputs": inputs}  # Any: JSON values
        if self.output is not None:
            document["outputs"] = [{"name": self.output}]
        if self.settings.binary:
            parameters["binary_data_output"] = True
        if parameters:
            document["parameters"] = parameters
        head = packed(document)
        n = size_of(batch)
        headers = {"content-type": "application/json"}
        if blobs:
            headers = {"content-type": "application/octet-stream", _LENGTH: str(len(head))}
        return Request(
            self.address.target("/infer"),
            read=lambda response: self._scores(response, n),
            body=head + b"".join(blobs),
            headers=headers,
            inputs=n,
        )

    def _first(self) -> TensorInfo:
        """The input that takes tensors, texts and files."""
        known = self.metadata.inputs
        if self.settings.input is not None:
            return next(
                (one for one in known if one.name == self.settings.input), TensorInfo(self.settings.input)
            )
        if len(known) > 1:
            raise ConfigError(
                f"{self.address.name}: the model has the inputs {', '.join(repr(one.name) for one in known)}; say which takes "
                "the pictures or texts: input = ... under [served] in the sidecar."
            )
        return known[0] if known else TensorInfo("input-0")

    def _add(
        self, inputs: list[dict[str, Any]], blobs: list[bytes], info: TensorInfo, values: RawArray
    ) -> None:
        kind = info.dtype or _named(values.dtype)
        if kind not in _NUMPY:
            raise ConfigError(
                f"{self.address.name}: its input {info.name!r} takes {kind}, which numbers cannot be sent as."
                + (' Send pictures as files: form = "png" under [served].' if kind == "BYTES" else "")
            )
        held, wrong = cast_exactly(values, np.dtype(_NUMPY[kind]).name)
        if values.ndim == 2 and bool(wrong.any()):
            got = values[wrong][0].item()
            raise DataError(
                f"{self.address.name}: its input {info.name!r} takes {kind}, which cannot hold "
                f"{'a missing number' if math.isnan(got) else f'{got:g}'}. Correct the column's kind and range in the schema, "
                "or serve the model with an input of FP64."
            )
        cast = held.astype(np.dtype(_NUMPY[kind]).newbyteorder("<"))
        entry: dict[str, Any] = {"name": info.name, "shape": list(values.shape), "datatype": kind}
        if self.settings.binary:
            blob = np.ascontiguousarray(cast).tobytes()
            entry["parameters"] = {"binary_data_size": len(blob)}
            blobs.append(blob)
        else:
            entry["data"] = (cast if kind != "FP16" else cast.astype(np.float32)).reshape(-1).tolist()
        inputs.append(entry)

    def _add_bytes(
        self,
        inputs: list[dict[str, Any]],
        blobs: list[bytes],
        info: TensorInfo,
        parts: tuple[bytes, ...],
        *,
        content: str | None,
    ) -> None:
        shape = [len(parts), 1] if len(info.shape) == 2 else [len(parts)]
        entry: dict[str, Any] = {"name": info.name, "shape": shape, "datatype": "BYTES"}
        if self.settings.binary:
            blob = b"".join(len(part).to_bytes(4, "little") + part for part in parts)
            entry["parameters"] = {"binary_data_size": len(blob)}
            blobs.append(blob)
        elif content == "str":
            entry["data"] = [part.decode() for part in parts]
            entry["parameters"] = {"content_type": "str"}
        else:
            entry["data"] = [base64.b64encode(part).decode() for part in parts]
            entry["parameters"] = {"content_type": "base64"}
        inputs.append(entry)

    def _add_columns(
        self, inputs: list[dict[str, Any]], blobs: list[bytes], frame: "pd.DataFrame"
    ) -> dict[str, Any]:
        known = {one.name: one for one in self.metadata.inputs}
        numeric = all(kind.kind in "biuf" for kind in frame.dtypes)
        apart = not known or set(frame.columns) <= set(known)
        if not apart and len(known) == 1 and numeric:
            self._add(inputs, blobs, next(iter(known.values())), frame.to_numpy(dtype=np.float64))
            return {}
        if not apart:
            missing = next(name for name in frame.columns if name not in known)
            raise ConfigError(
                f"{self.address.name}: the model has the inputs {', '.join(map(repr, list(known)[:8]))}, and the table's "
                f"column {missing!r} is none of them. List it under `ignore` in the schema, or name the columns as the "
                "model does."
            )
        for name in frame.columns:
            column, info = frame[name], known.get(name, TensorInfo(str(name)))
            if column.dtype.kind in "biuf" and info.dtype != "BYTES":
                self._add(inputs, blobs, info, column.to_numpy()[:, None])
            else:
                texts = [plain_cell(value) for value in column.tolist()]
                parts = tuple(("" if text is None else str(text)).encode() for text in texts)
                shaped = TensorInfo(info.name, "BYTES", info.shape or (-1, 1))
                self._add_bytes(inputs, blobs, shaped, parts, content="str")
        return {} if known else {"content_type": "pd"}

    def _described(self, response: Response) -> Metadata:
        document = response.json()
        if not isinstance(document, dict):
            raise BadAnswerError(f"described its model as {shown(document)}, expected an object.")
        versions = document.get("versions")
        newest = str(versions[-1]) if isinstance(versions, list) and versions else ""
        return Metadata(
            name=str(document.get("name", "")),
            version=newest,
            inputs=_tensors(document.get("inputs")),
            outputs=_tensors(document.get("outputs")),
        )

    def _scores(self, response: Response, n: int) -> Answer:
        length = response.headers.get(_LENGTH.lower())
        head, rest = response.body, b""
        if length is not None:
            stated = whole_number(length)
            if stated is None or stated > len(head):
                raise BadAnswerError(f"says that its header has {shown(length)} of {len(head)} bytes.")
            head, rest = head[:stated], head[stated:]
        document = response.json(part=head)
        outputs = document.get("outputs") if isinstance(document, dict) else None
        if not isinstance(outputs, list) or not all(isinstance(one, dict) for one in outputs):
            raise BadAnswerError(f"answered {shown(document)}, expected `outputs`. {LOOK}")
        found: dict[str, RawArray] = {}
        at = 0
        for one in outputs:
            name = str(one.get("name", ""))
            parameters = one.get("parameters")
            size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
            if size is not None:
                if not isinstance(size, int) or size < 0 or at + size > len(rest):
                    raise BadAnswerError(
                        f"says that output {name!r} has {shown(size)} bytes, which do not follow."
                    )
                found[name] = _shaped(_from_bytes(rest[at : at + size], one), one)
                at += size
            elif "data" in one:
                found[name] = _shaped(np.ravel(array_of(one["data"], what="numbers of an output")), one)
        return _row_each(Named(found).scores(self.output).values, n)


def _row_each(values: RawArray, n: int) -> Answer:
    from .wire import Scores

    return Scores(rows_counted(values, n))


def _from_bytes(blob: bytes, entry: dict[str, Any]) -> RawArray:
    kind = entry.get("datatype")
    if kind == "BYTES":
        words: list[str] = []
        at = 0
        while at < len(blob):
            size = int.from_bytes(blob[at : at + 4], "little")
            if at + 4 + size > len(blob):
                raise BadAnswerError("answered texts that are longer than the bytes that follow.")
            words.append(blob[at + 4 : at + 4 + size].decode("utf-8", errors="replace"))
            at += 4 + size
        return np.asarray(words)
    if not isinstance(kind, str) or kind not in _NUMPY:
        raise BadAnswerError(f"answered numbers of the type {shown(kind)}, which is none.")
    dtype = np.dtype(_NUMPY[kind]).newbyteorder("<")
    if len(blob) % dtype.itemsize:
        raise BadAnswerError(f"answered {len(blob)} bytes of {kind}, which is no whole number of them.")
    return np.frombuffer(blob, dtype=dtype)


def _shaped(flat: RawArray, entry: dict[str, Any]) -> RawArray:
    shape = entry.get("shape")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise BadAnswerError(f"gave an output without a shape: {shown(shape)}.")
    try:
        return flat.reshape(shape)
    except (ValueError, OverflowError) as error:
        raise BadAnswerError(f"answered {flat.size} numbers for an output of shape {shape}.") from error


def _tensors(entries: Json) -> tuple[TensorInfo, ...]:
    made: list[TensorInfo] = []
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("name"), str):
            shape = entry.get("shape")
            sizes = [_whole(size) for size in shape] if isinstance(shape, list) else []
            kind = str(entry.get("datatype", "")).upper().removeprefix("TYPE_")
            made.append(TensorInfo(entry["name"], kind, tuple(sizes)))
    return tuple(made)


def _whole(size: Json) -> int:
    """A size of a shape; servers write them as numbers or as texts."""
    try:
        return int(size)
    except (TypeError, ValueError):
        return -1


def _named(dtype: "np.dtype[Any]") -> str:
    """The protocol's name of a type of numbers."""
    return next((name for name, code in _NUMPY.items() if np.dtype(code) == dtype), "FP64")
