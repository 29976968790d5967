"""Storage of a surrogate: weights, architecture, encoding and card in one file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self, final

from torch import nn

from cfsearch.contracts import network as networks
from cfsearch.datasets.tables import Encoding, Part, Style, schema_of
from cfsearch.errors import ConfigError, ModelFileError, cause_of
from cfsearch.files import write_atomically
from cfsearch.parsing import parse_json

from .weights import fill, read_weights

FORMAT: Final = "cfsearch-surrogate/1"
_KEY: Final = "cfsearch"


@final
@dataclass(frozen=True, slots=True, eq=False)
class Surrogate:
    """A network that was trained to answer as an audited model does.

    Args:
        network: its name, see ``cfsearch.contracts.network``.
        module: the network itself.
        shape: of one input as the network takes it.
        labels: the classes.
        encoding: from rows to what the network takes; None for images.
        audited: fingerprint of the model whose answers it learned.
        about: what else a reader may want (plain JSON values): queries, fidelity, versions.

    Raises:
        ConfigError: the encoding is as wide as no input.
    """

    network: str
    module: nn.Module
    shape: tuple[int, ...]
    labels: tuple[str, ...]
    encoding: Encoding | None
    audited: str
    about: Mapping[str, Any]  # Any: plain JSON values

    def __post_init__(self) -> None:
        if self.encoding is not None and self.shape != (self.encoding.width,):
            raise ConfigError(
                f"surrogate: rows are encoded as {self.encoding.width} numbers, but the network takes {self.shape}."
            )

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides its answers."""
        digest = sha256(json.dumps(self._head(), sort_keys=True).encode())
        for name, tensor in sorted(self.module.state_dict().items()):
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def save(self, path: str | Path) -> Path:
        """Write the file, whole or not at all.

        Raises:
            RunError: the folder does not exist or cannot be written.
        """
        from safetensors.torch import save

        tensors = {name: t.detach().cpu().contiguous() for name, t in self.module.state_dict().items()}
        head = json.dumps({**self._head(), "about": dict(self.about)}, sort_keys=True)
        return write_atomically(Path(path), save(tensors, metadata={_KEY: head}))

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """The surrogate in a file; nothing in it is run.

        Raises:
            ModelFileError: there is no such file, it is no surrogate, or does not fit its network.
            ConfigError: its network is not known here.
        """
        path = Path(path)
        weights = read_weights(path)
        head = _head_of(path)
        try:
            shape = tuple(int(side) for side in head["shape"])
            labels = tuple(str(label) for label in head["labels"])
            name, audited = str(head["network"]), str(head["audited"])
            encoding = _encoding(head["encoding"])
            about = dict(head["about"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelFileError(
                f"{path}: its header is no surrogate's ({cause_of(error)}). Distil it again."
            ) from error
        module = networks.build(name, shape=shape, classes=len(labels))
        fill(module, weights, arch=name)
        return cls(name, module.eval(), shape, labels, encoding, audited, about)

    def _head(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "network": self.network,
            "shape": list(self.shape),
            "labels": list(self.labels),
            "encoding": None if self.encoding is None else _stored(self.encoding),
            "audited": self.audited,
        }


def is_surrogate(path: str | Path) -> bool:
    """Whether a file says that it holds a surrogate."""
    try:
        return bool(_head_of(Path(path))["format"] == FORMAT)
    except (ModelFileError, OSError):
        return False


def _head_of(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            stored = (file.metadata() or {}).get(_KEY, "")
        head = parse_json(stored) if stored else {}
    except (SafetensorError, ValueError) as error:
        raise ModelFileError(
            f"{path}: is no surrogate ({cause_of(error)}). `cfsearch distill` makes one."
        ) from error
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise ModelFileError(
            f"{path}: expected a surrogate of the format {FORMAT!r}, got other weights. `cfsearch distill` makes one."
        )
    return head


def _stored(encoding: Encoding) -> dict[str, Any]:
    parts = [[part.style.value, part.centre, part.scale] for part in encoding.parts]
    return {"schema": encoding.schema.to_dict(), "parts": parts}


def _encoding(stored: Any) -> Encoding | None:  # Any: whatever stands in the file
    if stored is None:
        return None
    parts = tuple(
        Part(style=Style(style), centre=float(centre), scale=float(scale))
        for style, centre, scale in stored["parts"]
    )
    return Encoding(schema_of(stored["schema"]), parts)
