"""Served models opened: pictures, rows of a table, texts."""

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.errors import CfsearchError, ConfigError, ModelFileError, ProviderError
from cfsearch.providers.callable import CallableProvider
from cfsearch.providers.preprocessing import Preprocessing
from cfsearch.providers.probes import known_inputs
from cfsearch.providers.sidecar import Sidecar, assumed_range, read_sidecar
from cfsearch.providers.wrapping import WrappedProvider

from .address import Address
from .json_protocols import MLflow, TensorFlowServing
from .ledger import Ledger
from .model import ServedModel
from .oip import OpenInference
from .secrets import Secrets
from .settings import ProtocolName, ServedTable
from .single import HuggingFace, TorchServe
from .template import Template
from .transport import Transport
from .wire import Batch, Files, Metadata, Protocol, RawArray, TensorInfo, Texts

if TYPE_CHECKING:
    import pandas as pd

    from cfsearch.datasets.tables import TableSchema
    from cfsearch.providers.tabular import TabularProvider

_PROTOCOLS: Final[dict[ProtocolName, type[Protocol]]] = {
    "oip": OpenInference,
    "tfserving": TensorFlowServing,
    "mlflow": MLflow,
    "huggingface": HuggingFace,
    "torchserve": TorchServe,
    "template": Template,
}
_MAX_BATCH: Final = 32
_SHARED: Final = "a sidecar (--sidecar)"


@final
class ServedProvider(WrappedProvider):
    """An audited model behind an address; counts what it was sent.

    Args:
        provider: the function that queries it.
        model: the function's own, for its counts.
    """

    def __init__(self, provider: CallableProvider, *, model: ServedModel) -> None:
        super().__init__(provider)
        self.model: Final = model
        self.preprocessing: Final = provider.preprocessing

    @property
    def ledger(self) -> Ledger:
        """What was sent to the server so far."""
        return self.model.transport.ledger

    @property
    def note(self) -> str:
        """Warnings about what was inferred, and about classes that the server does not name."""
        parts = [self.provider.note]
        if self.model.widest > 0:
            parts.append(
                f"{self.name} names only its best classes; the score of each other is known to within "
                f"{self.model.widest:.2g}, and what is missing to 1 was spread evenly among them."
            )
        return " ".join(part for part in parts if part)


def ledger_of(provider: Provider) -> Ledger | None:
    """The ledger of a served model behind any wrappers; None of a model that is not served.

    Args:
        provider: the audited model.
    """
    from cfsearch.providers.tabular import EncodedProvider

    while not isinstance(provider, ServedProvider):
        if isinstance(provider, EncodedProvider):
            provider = provider.inner
        elif isinstance(provider, WrappedProvider):
            provider = provider.provider
        else:
            return None
    return provider.ledger


@final
class _Contact:
    """A served model before its labels and scores are known."""

    def __init__(self, spec: str, *, sidecar: str | Path | None, max_batch: int | None) -> None:
        self.where: Final = _SHARED if sidecar is None else str(sidecar)
        self.declared: Final = Sidecar() if sidecar is None else read_sidecar(Path(sidecar))
        served = self.declared.served or ServedTable()
        self.address: Final = Address.of(spec, protocol=served.protocol)
        self.name: Final = self.declared.name or self.address.name
        secrets = Secrets(served.headers, where=self.where)
        transport = Transport(served, secrets=secrets, who=self.name)
        self.protocol: Final = _PROTOCOLS[self.address.protocol](
            self.address, served, output=self.declared.output
        )
        self.protocol.metadata = self._described(transport)
        self.settings: Final = served
        self.labels: Final = self.declared.labels or self.protocol.metadata.labels or None
        self.most: Final = max_batch or self.declared.max_batch or _MAX_BATCH
        self.model: Final = ServedModel(
            self.protocol, transport, max_batch=self.most, who=self.name, labels=self.labels
        )

    def _described(self, transport: Transport) -> Metadata:
        """What the server says of its model; nothing where it has no such page."""
        request = self.protocol.describe()
        if request is None:
            return Metadata()
        answer = transport.send([request])[0]
        if isinstance(answer, Metadata):
            return answer
        if isinstance(answer, ProviderError) and answer.code in ("server_down", "deadline"):
            raise answer
        if isinstance(answer, ProviderError) and ("401" in str(answer) or "403" in str(answer)):
            raise answer
        return Metadata()

    def opened(
        self,
        function: Callable[[RawArray], Any],  # Any: checked by CallableProvider
        *,
        preprocessing: Preprocessing | None = None,
        probe: Float[Tensor, "p *x"] | None = None,
        remark: str = "",
    ) -> ServedProvider:
        """The provider, with labels and scores found out where they are not declared.

        Args:
            function: a numpy batch -> what the server answers.
            preprocessing: of pictures.
            probe: inputs to ask about first.
            remark: what else the reader must know.
        """
        self._learn_labels(function, preprocessing, probe)
        inferred = CallableProvider.inferred(
            function,
            labels=self.model.labels or self.labels,
            scores=self.declared.kind or (ScoreKind.PROBABILITIES if self.model.widest else None),
            preprocessing=preprocessing,
            max_batch=self.model.max_batch * self.settings.concurrency,
            name=self.name,
            fingerprint=self.identity(),
            probe=probe,
            where=self.where,
            remark=remark,
        )
        return ServedProvider(inferred, model=self.model)

    def _learn_labels(
        self,
        function: Callable[[RawArray], Any],  # Any: as above
        preprocessing: Preprocessing | None,
        probe: Tensor | None,
    ) -> None:
        """Asks once, so that a server that names its classes has given them before columns are counted."""
        if self.labels is not None or self.address.protocol == "oip":
            return
        if probe is not None:
            function(np.array(probe.numpy(), copy=True))
        elif preprocessing is not None and preprocessing.size is not None:
            function(preprocessing.apply(known_inputs((3, *preprocessing.size), n=4)).numpy())

    def identity(self) -> str:
        """A hash of the address, of what the server says of its model and of the settings that change answers."""
        metadata = self.protocol.metadata
        settings = self.settings.model_dump(
            include={"protocol", "input", "form", "template", "pointer", "ids"}, exclude_none=True
        )
        entry = {
            "url": self.address.url,
            "protocol": self.address.protocol,
            "output": self.protocol.output,
            "version": metadata.version,
            "inputs": [(one.name, one.dtype, one.shape) for one in metadata.inputs],
            "outputs": [(one.name, one.dtype, one.shape) for one in metadata.outputs],
            "settings": settings,
        }
        return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()

    def prefer_probabilities(self, batch: Batch) -> None:
        """Asks a server of scikit-learn models for ``predict_proba`` where it gives classes only.

        Args:
            batch: an input to try it with.
        """
        outputs = {one.name for one in self.protocol.metadata.outputs}
        if self.address.protocol != "oip" or self.protocol.output is not None or outputs - {"predict"}:
            return
        answer = self.model(batch)
        if answer.dtype.kind not in "iuU" or answer.size != len(answer):
            return
        self.protocol.output = "predict_proba"
        try:
            self.model(batch)
        except ProviderError:
            self.protocol.output = None


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
    contact = _Contact(spec, sidecar=sidecar, max_batch=max_batch)
    declared, form = contact.declared.input, contact.settings.form

    def function(batch: RawArray) -> RawArray:
        return contact.model(batch if form == "tensor" else files_of(batch, form=form))

    if form != "tensor":
        if declared.range not in (None, "0..255") or declared.mean or declared.std:
            raise ConfigError(
                f"{contact.where}: pictures are sent as files (form = {form!r} under [served]), which have no `range`, `mean` "
                "and `std`. Leave these out of [input], or send tensors."
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
    from cfsearch.datasets.tables import frame_of
    from cfsearch.providers.tabular import ColumnOrder, EncodedProvider

    contact = _Contact(spec, sidecar=sidecar, max_batch=max_batch)
    order = ColumnOrder.of(schema, contact.declared.encoding, where=contact.where)
    if contact.declared.encoding is not None:
        provider = contact.opened(contact.model, probe=order.arranged(order.encoding.apply(probes.double())))
        return EncodedProvider(provider, order=order, probes=probes, dtype=torch.float64)
    contact.prefer_probabilities(frame_of(probes[:1], schema=schema))

    def function(batch: RawArray) -> RawArray:
        return contact.model(frame_of(torch.from_numpy(batch), schema=schema))

    provider = contact.opened(function, probe=probes.double())

    def on_frame(frame: "pd.DataFrame") -> Tensor:
        from cfsearch.providers.answers import ask_in_pieces, scores_of

        def piece(places: Tensor) -> Tensor:
            rows = frame.iloc[places.long().tolist()].reset_index(drop=True)
            raw = torch.from_numpy(np.array(contact.model(rows)))
            return scores_of(
                raw, n=len(rows), labels=provider.labels, kind=provider.scores, who=provider.name
            )

        return ask_in_pieces(torch.arange(len(frame)).float(), max_batch=provider.max_batch, ask=piece)

    return EncodedProvider(provider, order=order, probes=probes, dtype=torch.float64, on_frame=on_frame)


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
    contact = _Contact(spec, sidecar=sidecar, max_batch=max_batch)

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
