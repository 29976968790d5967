"""Audited classifiers of texts: networks on word numbers, and functions on strings."""

import copy
from collections.abc import Callable, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final, Protocol, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cfsearch.contracts.labels import check_distinct
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets.text import Lexicon, Vocabulary, closed
from cfsearch.errors import ConfigError, DataError, ShapeError
from cfsearch.places import is_there
from cfsearch.registry import is_path, object_at

from .answering import labels_part
from .answers import RawArray, ask_in_pieces, scores_of
from .callable import CallableProvider
from .live import is_estimator, model_name
from .served.address import is_address
from .wrapping import WrappedProvider

SHIPPED: Final = "text_cnn_polarity.safetensors"
"""The classifier of film review lines that is part of the package."""
_READER: Final = "cfsearch.models.text_cnn:read_text_model"
_MAX_BATCH: Final = 256
_PROBES: Final = 32


class TextNetwork(Protocol):
    """A network on word numbers that can also be entered behind its embedding."""

    embedding: nn.Embedding

    def __call__(self, ids: Tensor, /) -> Tensor:
        """Logits ``(n, k)`` of word numbers ``(n, t)``."""
        ...

    def from_embeddings(self, u: Tensor, /) -> Tensor:
        """Logits ``(n, k)`` of embedded words ``(n, t, e)``; a place of zeros is padding."""
        ...


@final
class TextProvider(Provider):
    """A network on word numbers. Gradients are those of embeddings, not of word numbers (``text_subject``).

    Args:
        network: copied, so that the user's own is left alone; answers logits.
        vocabulary: the words that its embedding has rows for.
        labels: one a class.
        name: for messages and results.
        source: a hash of the weights' file.
        device: where the network runs: "cpu", "cuda" or "cuda:1".
        max_batch: most texts in one call.

    Raises:
        ConfigError: the embedding has another size, or there are fewer than two labels.

    Example:
        >>> model = TextProvider.open("", device="cpu")
        >>> model.encode(["a dull film"]).shape
        torch.Size([1, 3])
    """

    scores = ScoreKind.LOGITS

    def __init__(
        self,
        network: TextNetwork,
        *,
        vocabulary: Vocabulary,
        labels: Sequence[str],
        name: str = "text",
        source: str = "",
        device: str = "cpu",
        max_batch: int = _MAX_BATCH,
    ) -> None:
        rows = network.embedding.num_embeddings
        if rows != vocabulary.size or len(labels) < 2 or max_batch < 1:
            raise ConfigError(
                f"text provider: expected an embedding of {vocabulary.size} rows, two labels or more and a "
                f"positive `max_batch`, got {rows}, {tuple(labels)!r} and {max_batch!r}."
            )
        self.labels: tuple[str, ...] = tuple(labels)
        self.name = name
        self.max_batch = max_batch
        self.vocabulary: Final = vocabulary
        self._network: Final = _frozen(network, device)
        self._device: Final = torch.device(device)
        self._source: Final = source or _hash_of(self._network)

    @classmethod
    def open(cls, target: str | Path = "", /, *, device: str = "cpu") -> "TextProvider":
        """The classifier of a file; without one, the shipped classifier of film review lines.

        Raises:
            ModelFileError: the file is missing, damaged, or of another kind.
        """
        if not target:
            with as_file(files("cfsearch.models") / SHIPPED) as path:
                return cls.open(path, device=device)
        read = object_at(_READER, what="text provider")
        model = read(Path(target))
        return cls(
            model.network,
            vocabulary=model.vocabulary,
            labels=model.labels,
            name=Path(target).stem,
            source=model.source,
            device=device,
        )

    @property
    def fingerprint(self) -> str:
        """Hash of the weights and of the words, and the labels."""
        return f"text:{self._source}:{labels_part(self.labels)}"

    @property
    def embedding(self) -> Float[Tensor, "v e"]:
        """The embedding of every word number."""
        return self._network.embedding.weight.detach()

    def encode(self, texts: Sequence[str], *, length: int | None = None) -> Int[Tensor, "n t"]:
        """Word numbers of texts, see ``Vocabulary.encode``."""
        return self.vocabulary.encode(texts, length=length)

    def decode(self, x: Int[Tensor, "n t"], *, origin: Sequence[str] | None = None) -> list[str]:
        """Texts of word numbers, see ``Vocabulary.decode``."""
        return self.vocabulary.decode(x, origin=origin)

    def predict(self, x: Int[Tensor, "n t"]) -> Float[Tensor, "n k"]:
        """Logits of word numbers.

        Raises:
            ShapeError: not one row of word numbers a text.
            DataError: a number that is no word's.
        """
        if x.ndim != 2:
            raise ShapeError(f"{self.name}: expected word numbers of shape (n, t), got {tuple(x.shape)}.")
        ids = x.long()
        if x.numel() and not bool(((ids == x) & (ids >= 0) & (ids < self.vocabulary.size)).all()):
            raise DataError(
                f"{self.name}: word numbers must be whole and between 0 and {self.vocabulary.size - 1}; "
                "make them with `encode`."
            )
        with torch.no_grad():
            return ask_in_pieces(ids, max_batch=self.max_batch, ask=self._piece).to(x.device)

    def follow(self, u: Float[Tensor, "n t e"]) -> Float[Tensor, "n k"]:
        """The same logits of embedded words; with gradients with respect to ``u``."""
        return self._network.from_embeddings(u.to(self._device)).to(u.device)

    def _piece(self, ids: Tensor) -> Tensor:
        raw = self._network(ids.to(self._device))
        return scores_of(raw, n=len(ids), labels=self.labels, kind=self.scores, who=self.name)


@final
class PiecesProvider(WrappedProvider):
    """A network on word numbers, queried by the pieces of a search's lexicon.

    Args:
        provider: the network.
        lexicon: of the texts that are searched.
    """

    def __init__(self, provider: TextProvider, *, lexicon: Lexicon) -> None:
        super().__init__(provider)
        self.lexicon: Final = lexicon
        self._numbers: Final = lexicon.numbers_in(provider.vocabulary)

    def predict(self, x: Float[Tensor, "n t"]) -> Float[Tensor, "n k"]:
        """The network's answer; where a piece was removed, the others close up."""
        ids = closed(self._numbers.to(x.device)[x.long()])
        return self.provider.predict(ids).to(x.dtype)


Strings = Callable[..., Any]
"""A function of a list of texts. Any: what a stranger's function returns is checked, not known."""


def on_strings(lexicon: Lexicon) -> Callable[[Callable[..., Any]], Callable[[RawArray], Any]]:
    """Makes of a function on texts one on numbers of pieces.

    Args:
        lexicon: of the texts that are searched.

    Returns:
        An adapter for ``CallableProvider.open``; the function that it takes is given ``list[str]``.
    """

    def adapt(function: Callable[..., Any]) -> Callable[[RawArray], Any]:  # Any: what a stranger returns
        def answer(ids: RawArray) -> Any:  # Any: as above
            return function(lexicon.decode(torch.from_numpy(ids)))

        return answer

    return adapt


def text_model(model: Provider, *, lexicon: Lexicon) -> Provider:
    """An opened model of texts, queried by pieces.

    Args:
        model: a network on word numbers, a function on strings, or a provider that takes pieces already.
        lexicon: of the texts that are searched.
    """
    if isinstance(model, TextProvider):
        return PiecesProvider(model, lexicon=lexicon)
    if isinstance(model, CallableProvider):
        return model.adapted(on_strings(lexicon))
    return model


def live_text_model(
    model: object,
    *,
    texts: Sequence[str],
    labels: Sequence[str] | None = None,
    scores: ScoreKind | None = None,
    name: str | None = None,
) -> Provider:
    """The provider of a function on strings, or of a scikit-learn pipeline that takes texts.

    Args:
        model: a function, an estimator with ``predict_proba``, or a provider, which is given back.
        texts: to ask it about first, for what is not declared.
        labels: one a class; those of an estimator are known.
        scores: what its numbers are; found out when left out.
        name: for results; its own when left out.

    Raises:
        ConfigError: it is nothing that takes texts.
        ModelFileError: the labels do not fit its answers.
    """
    if isinstance(model, Provider):
        return model
    check_distinct(labels, where="labels")
    called, function = name or model_name(model), model
    if is_estimator(model):
        function = getattr(model, "predict_proba", None)
        labels = labels or [str(one) for one in getattr(model, "classes_", ())] or None
        scores = scores or ScoreKind.PROBABILITIES
    if not callable(function):
        raise ConfigError(
            f"model: expected a function of a list of texts, a pipeline with `predict_proba` or a TextProvider, got "
            f"{type(model).__name__}. Give a function that asks it: list of strings -> scores (n, k)."
        )
    answer: Strings = function
    tried = CallableProvider.inferred(
        lambda places: answer([texts[int(i)] for i in places[:, 0]]),
        labels=None if labels is None else tuple(labels),
        scores=scores,
        where="labels= and scores=",
        name=called,
        probe=torch.arange(min(len(texts), _PROBES))[:, None].float(),
    )
    return CallableProvider(answer, labels=tried.labels, scores=tried.scores, name=called, note=tried.note)


def is_function_of_texts(spec: str) -> bool:
    """Whether a user named a function of theirs, and no file.

    Args:
        spec: as for ``open_text_model``.
    """
    named = is_path(spec) and not spec.startswith("plugin:") and not is_address(spec)
    return named and not is_there(spec)


def open_text_model(
    spec: str,
    *,
    lexicon: Lexicon,
    probes: Float[Tensor, "p t"],
    sidecar: str | Path | None = None,
    device: str = "cpu",
    deadline_s: float | None = None,
) -> Provider:
    """The audited model of texts behind what a user wrote, queried by pieces.

    Args:
        spec: ``text_cnn_polarity`` for the shipped one, a file of such a network, ``pkg.mod:predict`` on
            a list of strings, or ``plugin:text``.
        lexicon: of the texts that are searched.
        probes: texts to ask a function about first.
        sidecar: a TOML with labels and scores, for a function.
        device: "cpu", "cuda" or "cuda:1", for a network.
        deadline_s: seconds that one call of a function may take.

    Raises:
        ModelFileError: the file cannot be read.
        ConfigError: it is no model of texts.
    """
    if is_address(spec):
        from .served.opening import open_served_texts

        return open_served_texts(spec, decode=lexicon.decode, probes=probes, sidecar=sidecar)
    if is_function_of_texts(spec):
        adapt = on_strings(lexicon)
        return CallableProvider.open(spec, sidecar=sidecar, probe=probes, adapt=adapt, deadline_s=deadline_s)
    target = spec.removeprefix("plugin:text").removeprefix(":")
    if target == Path(SHIPPED).stem:
        target = ""
    if target and not target.endswith(".safetensors"):
        raise ConfigError(
            f"model: {spec!r} is no model of texts. Give {Path(SHIPPED).stem} (the shipped one), a .safetensors "
            "file of cfsearch.models.text_cnn, or a function pkg.mod:predict that takes a list of strings."
        )
    return PiecesProvider(TextProvider.open(target, device=device), lexicon=lexicon)


def _frozen(network: TextNetwork, device: str) -> TextNetwork:
    own = copy.deepcopy(network)
    if isinstance(own, nn.Module):
        own.eval().requires_grad_(False).to(device)
    return own


def _hash_of(network: TextNetwork) -> str:
    from hashlib import sha256

    digest = sha256(repr(network).encode())
    if isinstance(network, nn.Module):
        for name, tensor in network.state_dict().items():
            digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
