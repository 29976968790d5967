"""Served models opened: pictures, rows of a table, texts."""

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import CfsearchError, ConfigError, ModelFileError, ProviderError
from cfsearch.providers.preprocessing import Preprocessing
from cfsearch.providers.sidecar import assumed_range

from .contact import Contact, ServedProvider
from .wire import Files, RawArray, TensorInfo, Texts

if TYPE_CHECKING:
    import pandas as pd

    from cfsearch.datasets.tables import Column, TableSchema
    from cfsearch.providers.tabular import TabularProvider


def open_served(
    spec: str, *, sidecar: str | Path | None = None, max_batch: int | None = None
) -> ServedProvider:
    """A served model of pictures.

    Args:
        spec: its address, with its protocol before it where the address does not tell: ``oip+https://...``.
        sidecar: a TOML with labels, scores, ``[input]`` and ``[served]``.
        max_batch: most pictures a request, instead of the sidecar's.

    Raises:
        ConfigError: the address or a setting is wrong.
        ModelFileError: the labels do not fit its answers, or no form of pictures is accepted.
        MissingExtraError: httpx2 is not installed.
        ProviderError: the server does not answer.
    """
    contact = Contact(spec, sidecar=sidecar, max_batch=max_batch)
    declared, form = contact.declared.input, contact.settings.form

    def function(batch: RawArray) -> RawArray:
        return contact.model(batch if form == "tensor" else files_of(batch, form=form))

    if form != "tensor":
        if declared.range not in (None, "0..255") or declared.mean or declared.std or declared.order == "bgr":
            raise ConfigError(
                f"{contact.where}: pictures are sent as files (form = {form!r} under [served]), which have no `range`, `mean`, "
                "`std` and `order`. Leave these out of [input], or send tensors."
            )
        preprocessing = declared.over(Preprocessing(dtype="uint8", range="0..255", layout="nhwc"))
        return contact.opened(function, preprocessing=preprocessing)
    base, known = _taken(contact.protocol.metadata.inputs, contact.settings.input)
    layouts = (declared.layout or base.layout,) if known or declared.layout else ("nchw", "nhwc")
    failure: CfsearchError | None = None
    for layout in layouts:
        preprocessing = declared.model_copy(update={"layout": layout}).over(base)
        remark = assumed_range(declared, preprocessing, where=contact.where)
        if len(layouts) > 1:
            order = "channels first" if layout == "nchw" else "channels last"
            remark = f"{remark} The server does not say its layout; it took pictures with {order}.".strip()
        try:
            return contact.opened(function, preprocessing=preprocessing, remark=remark)
        except (ModelFileError, ProviderError) as error:
            if isinstance(error, ProviderError) and error.code in ("server_down", "deadline", "provider"):
                raise
            failure = failure or error
    raise failure or ModelFileError(f"{contact.name}: takes no pictures.")


def open_served_table(
    spec: str,
    *,
    schema: "TableSchema",
    probes: Float[Tensor, "p d"],
    sidecar: str | Path | None = None,
    max_batch: int | None = None,
) -> "TabularProvider":
    """A served model of rows: named columns, or the numbers of ``[encoding]``.

    Args:
        spec: its address, as for ``open_served``.
        schema: what the columns of a row mean.
        probes: rows to ask about first.
        sidecar: a TOML with labels, scores, ``[encoding]`` and ``[served]``.
        max_batch: most rows a request, instead of the sidecar's.

    Raises:
        ConfigError, ModelFileError, MissingExtraError, ProviderError: as ``open_served``.
    """
    from cfsearch.providers.tabular import ColumnOrder, EncodedProvider

    contact = Contact(spec, sidecar=sidecar, max_batch=max_batch)
    order = ColumnOrder.of(schema, contact.declared.encoding, where=contact.where)
    if contact.declared.encoding is not None:
        provider = contact.opened(contact.model, probe=order.arranged(order.encoding.apply(probes.double())))
        return EncodedProvider(provider, order=order, probes=probes, dtype=torch.float64)
    texts = {one.name for one in contact.protocol.metadata.inputs if one.dtype == "BYTES"}
    as_texts = _AsTexts(schema, frozenset(texts))
    contact.prefer_probabilities(as_texts.rows(probes[:1]))

    def function(batch: RawArray) -> RawArray:
        return contact.model(as_texts.rows(torch.from_numpy(batch)))

    provider = contact.opened(function, probe=probes.double())

    def on_frame(frame: "pd.DataFrame") -> Tensor:
        from cfsearch.providers.answers import ask_in_pieces, scores_of

        def piece(places: Tensor) -> Tensor:
            rows = frame.iloc[places.long().tolist()].reset_index(drop=True)
            raw = torch.from_numpy(np.array(contact.model(as_texts.read(rows))))
            return scores_of(
                raw, n=len(rows), labels=provider.labels, kind=provider.scores, who=provider.name
            )

        return ask_in_pieces(torch.arange(len(frame)).float(), max_batch=provider.max_batch, ask=piece)

    return EncodedProvider(provider, order=order, probes=probes, dtype=torch.float64, on_frame=on_frame)


@final
class _AsTexts:
    """Rows for a server that takes some columns as texts: their levels and codes as the schema writes them.

    Args:
        schema: what the columns mean.
        texts: columns that go as texts.
    """

    def __init__(self, schema: "TableSchema", texts: frozenset[str]) -> None:
        from cfsearch.datasets.tables import is_absent, values_of_levels

        self._codes: Final = {c.name: c for c in schema.columns if c.name in texts and c.digits}
        self._schema: Final = replace(
            schema,
            columns=tuple(replace(c, dtype="str") if c.name in self._codes else c for c in schema.columns),
        )
        self._levels: Final[dict[str, RawArray]] = {}
        for column in schema.columns:
            if column.name in texts and column.has_levels and not column.dtype:
                values = values_of_levels(column)
                if values.dtype != bool:
                    named = zip(values.tolist(), column.levels, strict=True)
                    made = [value if is_absent(value) else level for value, level in named]
                    self._levels[column.name] = np.array(made, dtype=object)

    def rows(self, x: Tensor) -> "pd.DataFrame":
        """Canonical rows."""
        from cfsearch.datasets.tables import frame_of

        return frame_of(x, schema=self._schema, levels=self._levels)

    def read(self, frame: "pd.DataFrame") -> "pd.DataFrame":
        """Rows as pandas read them, codes with all digits."""
        from cfsearch.datasets.tables import is_absent

        def text(cell: Any, column: "Column") -> Any:  # Any: a cell of a data frame
            return cell if isinstance(cell, str) or is_absent(cell) else column.text(float(cell))

        made = {name: [text(cell, c) for cell in frame[name].tolist()] for name, c in self._codes.items()}
        return frame.assign(**made) if made else frame


def open_served_texts(
    spec: str,
    *,
    decode: Callable[[Tensor], Sequence[str]],
    probes: Float[Tensor, "p t"],
    sidecar: str | Path | None = None,
    max_batch: int | None = None,
) -> ServedProvider:
    """A served model of texts, queried by the pieces of a search's lexicon.

    Args:
        spec: its address, as for ``open_served``.
        decode: numbers of pieces -> texts.
        probes: texts to ask about first, as numbers of pieces.
        sidecar: a TOML with labels, scores and ``[served]``.
        max_batch: most texts a request, instead of the sidecar's.

    Raises:
        ConfigError, ModelFileError, MissingExtraError, ProviderError: as ``open_served``.
    """
    contact = Contact(spec, sidecar=sidecar, max_batch=max_batch)

    def function(batch: RawArray) -> RawArray:
        return contact.model(Texts(tuple(decode(torch.from_numpy(batch)))))

    return contact.opened(function, probe=probes)


def files_of(pictures: RawArray, *, form: str) -> Files:
    """Pictures as files.

    Args:
        pictures: ``(n, h, w, c)`` uint8, c 1 or 3.
        form: "png" (exact) or "jpeg" (quality 95, colours not subsampled).
    """
    from PIL import Image

    parts: list[bytes] = []
    for picture in pictures:
        image = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
        held = io.BytesIO()
        if form == "png":
            image.save(held, format="PNG")
        else:
            image.save(held, format="JPEG", quality=95, subsampling=0)
        parts.append(held.getvalue())
    return Files(tuple(parts), "image/png" if form == "png" else "image/jpeg")


def _taken(inputs: tuple[TensorInfo, ...], name: str | None) -> tuple[Preprocessing, bool]:
    """What a server says of the pictures that it takes, and whether it says their layout.

    Raises:
        ConfigError: it takes something else than pictures.
    """
    known = [one for one in inputs if name is None or one.name == name]
    if len(known) != 1 or not known[0].shape:
        return Preprocessing(), False
    info = known[0]
    if info.dtype == "BYTES":
        raise ConfigError(
            f'served model: its input {info.name!r} takes BYTES: files or texts. Send pictures as files: form = "png" under '
            "[served] in the sidecar."
        )
    if len(info.shape) != 4:
        raise ConfigError(
            f"served model: its input {info.name!r} takes shape {list(info.shape)}, expected pictures [n, 3, height, width]. "
            "For a table give --data."
        )
    first, last = info.shape[1] in (1, 3), info.shape[3] in (1, 3)
    nhwc = last and not first
    channels = info.shape[3] if nhwc else info.shape[1]
    height, width = info.shape[1:3] if nhwc else info.shape[2:]
    kinds: dict[str, dict[str, Any]] = {  # Any: settings of several types
        "UINT8": {"dtype": "uint8", "range": "0..255"},
        "FP16": {"dtype": "float16"},
        "FP64": {"dtype": "float64"},
    }
    made = Preprocessing(
        size=None if min(height, width) < 1 else (height, width),
        channels=1 if channels == 1 else 3,
        layout="nhwc" if nhwc else "nchw",
        **kinds.get(info.dtype, {}),
    )
    return made, first or last
