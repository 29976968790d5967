"""Providers whose model lives in a process of its own, as the rest of cfsearch sees them."""

from abc import ABC
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets.tables import Encoding, Part, Style, TableSchema
from cfsearch.errors import ShapeError
from cfsearch.providers.pixel_clues import Clue
from cfsearch.providers.preprocessing import Preprocessing
from cfsearch.providers.tabular import TabularProvider

from .channel import Message
from .host import Host
from .recipes import Recipe, tupled
from .session import Isolation, Session

if TYPE_CHECKING:
    import pandas as pd

    from cfsearch.datasets.text import Lexicon


class _Hosted(Provider, ABC):
    """What is known of a model without a query, from the process that keeps it."""

    host: Host

    @property
    def fingerprint(self) -> str:
        """That of the model."""
        return str(self.host.facts["fingerprint"])

    @property
    def batch_invariant(self) -> bool:
        """That of the model."""
        return bool(self.host.facts["batch_invariant"])

    @property
    def note(self) -> str:
        """That of the model, and what its process could not be kept from."""
        return self.host.note


@final
class IsolatedProvider(_Hosted):
    """A model of pictures, sounds or texts in a process of its own.

    Its answers are those of the model in this process, to the last bit.

    Args:
        host: keeps the process.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        _take_over(self, host.facts)

    @property
    def prepared(self) -> bool:
        """Whether the model says how inputs are brought to it, if only that they come as they are."""
        return bool(self.host.facts["prepared"])

    @property
    def preprocessing(self) -> Preprocessing | None:
        """How pictures are brought to it; None where it takes none, or does not say."""
        taken = self.host.facts["preprocessing"]
        return None if taken is None else Preprocessing(**tupled(taken))

    @property
    def pixel_clues(self) -> tuple[Clue, ...]:
        """What the model's structure says about the pixels that it takes."""
        return tuple(Clue(**tupled(clue)) for clue in self.host.facts["pixel_clues"])

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the pictures that it takes; None where it takes any, or does not say."""
        taken = self.preprocessing
        return None if taken is None else taken.size

    def predict(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        """The model's answer; see ``Provider`` and ``Host.predict``."""
        return self.host.predict(x).to(x.device)


@final
class IsolatedTabularProvider(_Hosted, TabularProvider):
    """A model of tables in a process of its own; gradients do not pass.

    Args:
        host: keeps the process.
        schema: what the columns of a row mean.
    """

    def __init__(self, host: Host, *, schema: TableSchema) -> None:
        self.host = host
        self.schema = schema
        parts = (Part(style=Style(style), centre=c, scale=s) for style, c, s in host.facts["encoding"])
        self.encoding: Encoding = Encoding(schema, tuple(parts))
        _take_over(self, host.facts)

    @property
    def known_numbers(self) -> Mapping[str, tuple[float, ...]]:
        """Those of the model; see ``TabularProvider``."""
        return {str(name): tuple(values) for name, values in self.host.facts["known_numbers"].items()}

    def predict(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """The model's answer for each row; see ``Provider`` and ``Host.predict``."""
        if x.ndim != 2 or x.shape[1] != self.schema.d:
            raise ShapeError(
                f"{self.name}: expected rows of shape (n, {self.schema.d}), got {tuple(x.shape)}."
            )
        return self.host.predict(x).to(x.device)

    def predict_frame(self, frame: "pd.DataFrame") -> Float[Tensor, "n k"] | None:
        """The answers for rows as pandas reads them; see ``TabularProvider``."""
        return self.host.predict_frame(frame)

    def given(self, x: Float[Tensor, "n d"]) -> "pd.DataFrame":
        """The rows as the model is given them; see ``TabularProvider``."""
        import pandas as pd

        return pd.DataFrame(self.host.given(x))


def isolated_provider(spec: str, *, isolation: Isolation, **arguments: Any) -> IsolatedProvider:  # Any: JSON
    """``open_provider`` in a process of its own.

    Args:
        spec: as for ``open_provider``.
        isolation: its limits.
        **arguments: of ``open_provider``.

    Raises:
        CfsearchError: as ``open_provider``; or the process died.
    """
    recipe = Recipe("inputs", {"spec": spec, **_plain(arguments)})
    return IsolatedProvider(Host(recipe, isolation=isolation, who=spec))


def isolated_tabular(
    spec: str,
    *,
    schema: TableSchema,
    probes: Float[Tensor, "p d"],
    isolation: Isolation,
    **arguments: Any,  # Any: JSON
) -> IsolatedTabularProvider:
    """``open_tabular`` in a process of its own.

    Args:
        spec: as for ``open_tabular``.
        schema: what the columns of a row mean.
        probes: rows to ask about first.
        isolation: its limits.
        **arguments: of ``open_tabular``.

    Raises:
        CfsearchError: as ``open_tabular``; or the process died.
    """
    recipe = Recipe("rows", {"spec": spec, **_plain(arguments)}, (probes,), schema, probed=True)
    return IsolatedTabularProvider(Host(recipe, isolation=isolation, who=spec), schema=schema)


def isolated_text_model(
    spec: str,
    *,
    lexicon: "Lexicon",
    probes: Float[Tensor, "p t"],
    isolation: Isolation,
    **arguments: Any,  # Any: JSON
) -> IsolatedProvider:
    """``open_text_model`` in a process of its own.

    Args:
        spec: as for ``open_text_model``.
        lexicon: of the texts that are searched.
        probes: texts to ask about first.
        isolation: its limits.
        **arguments: of ``open_text_model``.

    Raises:
        CfsearchError: as ``open_text_model``; or the process died.
    """
    given = {"spec": spec, "pieces": list(lexicon.pieces), **_plain(arguments)}
    return IsolatedProvider(
        Host(Recipe("texts", given, (probes,), probed=True), isolation=isolation, who=spec)
    )


def isolated_columns(spec: str, *, isolation: Isolation, **arguments: Any) -> tuple[str, ...] | None:
    """``columns_taken`` in a process of its own, which then stands by for the model itself.

    Args:
        spec: as for ``columns_taken``.
        isolation: its limits.
        **arguments: of ``columns_taken``, as JSON holds them.

    Raises:
        CfsearchError: as ``columns_taken``; or the process died.
    """
    session = Session(isolation)
    answer = session.ask(
        "columns",
        who=spec,
        seconds=isolation.opening_seconds,
        doing="was opened",
        arguments={"spec": spec, **_plain(arguments)},
    )
    session.release()
    columns = answer.get("columns")
    return None if columns is None else tuple(map(str, columns))


def _take_over(provider: Provider, facts: Message) -> None:
    """Give a provider what the contract wants of its model."""
    provider.name = str(facts["name"])
    provider.labels = tuple(map(str, facts["labels"]))
    provider.scores = ScoreKind[facts["scores"]]
    provider.max_batch = int(facts["max_batch"])


def _plain(arguments: dict[str, Any]) -> dict[str, Any]:  # Any: JSON values, paths as text
    return {name: str(value) if isinstance(value, Path) else value for name, value in arguments.items()}
