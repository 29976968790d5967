"""A served model before and after its labels and scores are known."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.errors import ProviderError
from cfsearch.providers.callable import CallableProvider
from cfsearch.providers.preprocessing import Preprocessing
from cfsearch.providers.probes import known_inputs
from cfsearch.providers.sidecar import Sidecar, read_sidecar
from cfsearch.providers.wrapping import WrappedProvider
from cfsearch.secrecy import redacted

from .address import Address
from .json_protocols import MLflow, TensorFlowServing
from .ledger import Ledger
from .model import ServedModel
from .oip import OpenInference
from .secrets import Secrets, is_reference
from .settings import ProtocolName, ServedTable
from .single import HuggingFace, TorchServe
from .template import Template
from .transport import Transport
from .wire import Batch, Metadata, Protocol, RawArray

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
class Contact:
    """A served model before its labels and scores are known."""

    def __init__(self, spec: str, *, sidecar: str | Path | None, max_batch: int | None) -> None:
        self.where: Final = _SHARED if sidecar is None else str(sidecar)
        self.declared: Final = Sidecar() if sidecar is None else read_sidecar(Path(sidecar))
        served = self.declared.served or ServedTable()
        self.address: Final = Address.of(spec, protocol=served.protocol)
        self.name: Final = self.declared.name or self.address.name
        secrets = Secrets(served.headers, query=self.address.query, where=self.where)
        transport = Transport(served, secrets=secrets, who=self.name)
        self.protocol: Final = _PROTOCOLS[self.address.protocol](
            self.address, served, output=self.declared.output
        )
        self.protocol.labels = self.declared.labels or ()
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
        """A hash of the address with its query, of what the server says of its model and of the settings that change answers.

        What may be a secret is no part of it, so that one that was renewed changes no model: of the query values
        under other names than those of ``cfsearch.secrecy``, and headers that are references.
        """
        metadata = self.protocol.metadata
        settings = self.settings.model_dump(
            include={"protocol", "input", "form", "template", "pointer", "ids"}, exclude_none=True
        )
        entry = {
            "url": self.address.url,
            "query": redacted(f"http://host/?{self.address.query}"),
            "headers": sorted(
                (name.lower(), value)
                for name, value in self.settings.headers.items()
                if not is_reference(value)
            ),
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
