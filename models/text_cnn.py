"""A convolutional classifier of sentences, and the file that it ships in."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final, final

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from cfsearch.datasets.text import PADDING, Vocabulary
from cfsearch.errors import ConfigError, ModelFileError
from cfsearch.files import write_atomically
from cfsearch.parsing import parse_json

_FORMAT: Final = "cfsearch.text_cnn/1"


@final
class TextCnn(nn.Module):
    """Word embeddings, convolutions of several widths, their maxima over the sentence, logits.

    The embedding is learned with the rest ("CNN-rand"). Windows may stick out at both ends, but
    each holds a word: padding is zeros, its windows do not count, and how much of it there is
    does not matter.

    Args:
        words: size of the vocabulary, padding and unknown among it.
        classes: how many logits, >= 2.
        width: of an embedding.
        windows: words under each kind of filter.
        filters: of each kind.
        dropout: share of maxima left out while training.

    Shapes:
        word numbers ``(n, t)`` -> logits ``(n, classes)``.

    Raises:
        ConfigError: a layer without units, or fewer than two classes.

    References:
        Kim 2014, Convolutional neural networks for sentence classification,
        https://arxiv.org/abs/1408.5882.
    """

    def __init__(
        self,
        *,
        words: int,
        classes: int = 2,
        width: int = 100,
        windows: Sequence[int] = (3, 4, 5),
        filters: int = 100,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if min(words, width, filters, *windows) < 1 or classes < 2:
            raise ConfigError(
                f"text_cnn: every layer needs a unit and there must be two classes or more, got {words} words, "
                f"`width` {width}, `windows` {tuple(windows)!r}, `filters` {filters}, {classes} classes."
            )
        self.settings: Final[dict[str, int | list[int]]] = {
            "words": words,
            "classes": classes,
            "width": width,
            "windows": list(windows),
            "filters": filters,
        }
        self.embedding: nn.Embedding = _embedding(words, width)
        nn.init.uniform_(self.embedding.weight, -0.25, 0.25)
        with torch.no_grad():
            self.embedding.weight[PADDING] = 0.0
        self.windows: tuple[int, ...] = tuple(windows)
        self.convolutions: nn.ModuleList = nn.ModuleList(
            nn.Conv1d(width, filters, w, padding=w - 1) for w in windows
        )
        self.dropout: nn.Dropout = nn.Dropout(dropout)
        self.dense: nn.Linear = nn.Linear(filters * len(self.windows), classes)

    def forward(self, ids: Int[Tensor, "n t"]) -> Float[Tensor, "n k"]:
        return self.from_embeddings(self.embedding(ids))

    def from_embeddings(self, u: Float[Tensor, "n t e"]) -> Float[Tensor, "n k"]:
        """Logits of embedded words; a place of zeros is padding."""
        stands = (u.detach() != 0).any(-1)
        used = stands.any(0).nonzero()
        t = int(used[-1]) + 1 if len(used) else 1
        u, stands = u[:, :t], stands[:, :t]
        columns = u.transpose(1, 2)
        maxima = []
        for w, convolution in zip(self.windows, self.convolutions, strict=True):
            # the window that ends at place j holds a word if one of its w places does
            held = nn.functional.max_pool1d(
                nn.functional.pad(stands.to(u.dtype)[:, None], (w - 1, w - 1)), w, stride=1
            )
            answer: Tensor = convolution(columns)
            maxima.append((answer.relu() * held).amax(-1))  # after ReLU nothing is below 0
        logits: Tensor = self.dense(self.dropout(torch.cat(maxima, dim=1)))
        return logits


def _embedding(words: int, width: int) -> nn.Embedding:
    weight = torch.empty(words, width)
    if weight.is_meta:  # where drawing normal numbers imports torch's compiler, for two seconds
        return nn.Embedding(words, width, padding_idx=PADDING, _weight=weight)
    return nn.Embedding(words, width, padding_idx=PADDING)


@final
@dataclass(frozen=True, slots=True, eq=False)
class TextModel:
    """A classifier of texts with all that it needs.

    Args:
        network: in evaluation mode.
        vocabulary: the words of its embedding.
        labels: its classes.
        card: measured figures and whatever else a reader should know; plain JSON.
        source: a hash of the file that it came from; empty for one that was just trained.

    Raises:
        ConfigError: the network is of another size.
    """

    network: TextCnn
    vocabulary: Vocabulary
    labels: tuple[str, ...]
    card: Mapping[str, object] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        sizes = (self.network.settings["words"], self.network.settings["classes"])
        if sizes != (self.vocabulary.size, len(self.labels)):
            raise ConfigError(
                f"text_cnn: the network is made for {sizes[0]} words and {sizes[1]} classes, got "
                f"{self.vocabulary.size} and {len(self.labels)}."
            )


def save_text_model(path: Path, model: TextModel) -> Path:
    """Write a text model to one safetensors file; kernels and embeddings in half precision.

    Raises:
        RunError: it cannot be written.
    """
    tensors = {
        name: value.detach().cpu().to(torch.float16 if value.ndim > 1 else torch.float32).contiguous()
        for name, value in model.network.state_dict().items()
    }
    metadata = {
        "format": _FORMAT,
        "settings": json.dumps(model.network.settings),
        "words": json.dumps(model.vocabulary.words, ensure_ascii=False),
        "labels": json.dumps(model.labels),
        "card": json.dumps(dict(model.card)),
    }
    write_atomically(path, to_bytes(tensors, metadata))
    return path


def read_text_model(path: str | Path) -> TextModel:
    """What ``save_text_model`` wrote; float32, evaluation mode, without gradients of weights.

    Raises:
        ModelFileError: the file is missing, damaged, or of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"text_cnn: expected a model file, found none at {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118  # no mapping
        source = sha256(path.read_bytes()).hexdigest()
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise ModelFileError(
            f"text_cnn: {path} is no safetensors file, or is cut short. Fetch or train it again."
        ) from error
    if metadata.get("format") != _FORMAT:
        raise ModelFileError(
            f"text_cnn: expected the format {_FORMAT!r} in {path}, got {metadata.get('format')!r}. Train one "
            "with benchmarks/quality/train_text_classifier.py."
        )
    try:
        vocabulary = Vocabulary(tuple(str(word) for word in parse_json(metadata["words"])))
        labels = tuple(str(label) for label in parse_json(metadata["labels"]))
        card = dict(parse_json(metadata.get("card", "{}")))
        with torch.device("meta"):  # without memory first: a crafted file can name any size
            network = TextCnn(**parse_json(metadata["settings"]))
        wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        if wanted != {name: tuple(value.shape) for name, value in tensors.items()}:
            raise ModelFileError(f"text_cnn: the weights in {path} do not fit its settings. Train it again.")
        if not all(bool(value.isfinite().all()) for value in tensors.values()):
            raise ModelFileError(f"text_cnn: {path} holds weights that are not finite numbers.")
        network.load_state_dict(tensors, assign=True)
        return TextModel(network.eval().requires_grad_(False), vocabulary, labels, card, source)
    except ModelFileError:
        raise
    except (ConfigError, KeyError, ValueError, TypeError, RuntimeError, RecursionError) as error:
        raise ModelFileError(f"text_cnn: the settings in {path} cannot be read: {error}") from error
