"""The explanation of a few inputs as a result that shows itself."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from torch import Tensor

from cfsearch.contracts.explainer import Explainer, Explanation
from cfsearch.contracts.records import Need
from cfsearch.datasets.tables import TableSchema, Variables
from cfsearch.errors import CapabilityError, CfsearchError, ConfigError, PluginError
from cfsearch.files import write_atomically
from cfsearch.report.explained import ExplainedInputs, document, shown, stored_flips
from cfsearch.report.explanations import Shown, page, png, strip
from cfsearch.report.pictures import data_uri

from .explained_alone import explained_or_failed

if TYPE_CHECKING:
    import pandas as pd

_NOUNS: Final = {"image": "picture", "row": "row", "text": "text", "sound": "recording"}
_NOTES: Final = 5


@final
class ExplainResult:
    """What a method found about a few inputs.

    Args:
        explanation: of the inputs, as tensors.
        inputs: in the same order.
        stored: whether counterfactual pictures still flip with 8 bits a channel; None of other inputs.
        failures: why inputs have no explanation, by name.

    Example:
        >>> import cfsearch
        >>> result = cfsearch.explain(None, "a moving, funny film", method="gradient")
        >>> result
        ExplainResult('gradient': 1 of 1 texts flipped)
        >>> result.flipped
        (True,)
        >>> sorted(result.changes.columns)
        ['attribution', 'becomes', 'chosen', 'input', 'is', 'what']
    """

    def __init__(
        self,
        explanation: Explanation,
        inputs: ExplainedInputs,
        *,
        stored: Sequence[bool] | None = None,
        failures: Mapping[str, CfsearchError] | None = None,
    ) -> None:
        self.explanation = explanation
        self.failures: Mapping[str, CfsearchError] = failures or {}
        """Why inputs have no explanation, by name."""
        self._inputs, self._stored = inputs, None if stored is None else list(stored)

    @classmethod
    def of(
        cls,
        explainer: Explainer,
        inputs: ExplainedInputs,
        *,
        target: str | None,
        seed: int,
        unlearned: str,
    ) -> "ExplainResult":
        """What a method finds about inputs whose model is open.

        Args:
            explainer: the method.
            inputs: with their model.
            target: the class to reach; any other class when None.
            seed: of all random numbers.
            unlearned: what to do where the method learns from reference inputs and there are none, a sentence.

        Raises:
            CapabilityError: there are no reference inputs to learn from.
            CfsearchError: as ``Explainer.explain``, where it is the reason of no single input of several.
        """
        ready = explainer
        if inputs.reference is not None:
            ready = explainer.fit(inputs.subject, inputs.reference().to(inputs.x.device), seed=seed)
        elif Need.REFERENCE in explainer.needs:
            raise CapabilityError(unlearned)
        found, kept, failures = explained_or_failed(ready, inputs, target=target, seed=seed)
        return cls(found, kept, stored=stored_flips(found, kept), failures=failures)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.explanation.method

    @property
    def names(self) -> tuple[str, ...]:
        """One an input."""
        return self._inputs.names

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know, one sentence each."""
        failed = (f"{name} is not explained: {error}" for name, error in self.failures.items())
        return (*self._inputs.notes, *self.explanation.note, *failed)

    @property
    def flipped(self) -> tuple[bool, ...] | None:
        """Whether the model gives each counterfactual the class that was wanted; None where the method makes none."""
        found = self.explanation.flipped
        return None if found is None else tuple(found.tolist())

    @property
    def queries(self) -> int:
        """To the model, for all of it."""
        return self._inputs.queries + self.explanation.queries + len(self._stored or ())

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the model says of each input and of its counterfactual."""
        return tuple(" ".join((*one.says, *one.notes)) for one in self.shown)

    @property
    def counterfactuals(self) -> "pd.DataFrame | Tensor | tuple[str, ...] | None":
        """One an input, in its own form; None where the method makes none.

        A data frame with the columns of the table, pictures ``(n, 3, h, w)`` in [0, 1], spectrograms ``(n, 1, f, t)``,
        or texts.
        """
        found = self.explanation.counterfactuals
        if found is None:
            return None
        if self._inputs.kind == "row":
            import pandas as pd

            columns = self._schema.columns
            cells = [[c.cell(v) for c, v in zip(columns, row, strict=True)] for row in found.tolist()]
            return pd.DataFrame(cells, columns=[c.name for c in columns], index=list(self.names))
        if self._inputs.kind == "text":
            return tuple(
                " ".join(word.text if word.becomes is None else word.becomes for word in one.words)
                for one in self.shown
            )
        return found

    @property
    def changes(self) -> "pd.DataFrame":
        """A row a column, a word or, of pictures, an input: what stood there, what it becomes, how much it counts.

        ``input``, ``what`` (column or word), ``is``, ``becomes`` (None where nothing changes), ``attribution`` (signed
        where the method knows a direction), ``chosen`` (named by the method as the explanation). Of pictures and
        recordings instead ``rms`` and ``largest`` of the change, ``row`` and ``column`` of the strongest place, ``attribution`` there.
        """
        import pandas as pd

        found = [line for i, entry in enumerate(self._document) for line in self._lines(i, entry)]
        columns = (
            ("input", "rms", "largest", "row", "column", "attribution")
            if self._inputs.kind in ("image", "sound")
            else ("input", "what", "is", "becomes", "attribution", "chosen")
        )
        frame = pd.DataFrame(
            [[line.get(c) for c in columns] for line in found], columns=list(columns), dtype=object
        )
        numbers = [c for c in columns if c in ("attribution", "rms", "largest")]
        return frame.assign(**{c: pd.to_numeric(frame[c]) for c in numbers})

    def to_dict(self) -> dict[str, Any]:
        """What ``cfsearch explain --json`` says of the inputs; holds no pixels."""
        return {
            "method": self.method,
            "kind": self._inputs.kind,
            "labels": list(self.explanation.labels),
            "surrogate": self.explanation.surrogate,
            "queries": self.queries,
            "notes": list(self.notes),
            "explanations": self._document,
            "failures": [
                {"name": name, "code": error.code, "message": str(error)}
                for name, error in self.failures.items()
            ],
        }

    def report(self, path: str | Path, *, command: str = "") -> Path:
        """Write a page, or of pictures and recordings a strip.

        Args:
            path: ends in ``.html`` or ``.png``.
            command: the command line that makes the page again, to stand on it; empty for none.

        Raises:
            ConfigError: it ends otherwise, or rows and texts are to be a picture.
        """
        place, model = Path(path), self._inputs.subject.provider
        if place.suffix == ".png":
            if self._inputs.kind in ("row", "text"):
                raise ConfigError(f"report: a {self._inputs.kind} makes no picture; name an .html file.")
            return write_atomically(place, png(strip(self.shown)))
        if place.suffix != ".html":
            raise ConfigError(f"report: expected a name ending in .html or .png, got {str(path)!r}.")
        called = self.names[0] if len(self) == 1 else f"{len(self)} inputs"
        html = page(
            self.shown,
            title=f"{model.name}: {called}",
            method=self.method,
            notes=self.notes,
            version=version("cfsearch"),
            model=model.name,
            fingerprint=model.fingerprint,
            command=command,
        )
        return write_atomically(place, html.encode())

    def __repr__(self) -> str:
        noun = _NOUNS[self._inputs.kind]
        if self.flipped is None:
            return f"ExplainResult({self.method!r}: {len(self)} {noun}{'' if len(self) == 1 else 's'} attributed)"
        return f"ExplainResult({self.method!r}: {sum(self.flipped)} of {len(self)} {noun}s flipped)"

    def _repr_html_(self) -> str:
        parts = [f"<p><strong>{escape(repr(self))}</strong></p>"]
        parts += [f"<p>{escape(note)}</p>" for note in self.notes[:_NOTES]]
        for one, sentence in zip(self.shown, self.sentences, strict=True):
            parts.append(f"<p><strong>{escape(one.name)}</strong>: {escape(sentence)}</p>")
            if one.tiles:
                parts.append(f'<img alt="{escape(sentence)}" src="{data_uri(png(strip([one])), "png")}">')
        if self._inputs.kind in ("row", "text"):
            parts.append(self.changes.dropna(subset=["becomes"]).to_html(index=False))
        return "".join(parts)

    @cached_property
    def shown(self) -> list[Shown]:
        """One an input, as page, strip and terminal show it."""
        return shown(self.explanation, self._inputs, stored=self._stored)

    @cached_property
    def _document(self) -> list[dict[str, Any]]:
        return document(self.explanation, self._inputs, stored=self._stored)

    def _lines(self, i: int, entry: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The lines of one input in ``changes``."""
        name = {"input": entry["name"]}
        if self._inputs.kind in ("image", "sound"):
            change = entry.get("change") or {}
            return [{**name, **change, **next(iter(entry.get("strongest") or ()), {})}]
        if self._inputs.kind == "text":
            return [
                {
                    **name,
                    "what": word["word"],
                    "is": word["word"],
                    "becomes": word["becomes"],
                    "attribution": word["attribution"] if self.explanation.attributions is not None else None,
                    "chosen": word["chosen"],
                }
                for word in entry["words"]
            ]
        schema = self._schema
        variables = Variables.of(schema)
        features = (variables.all[j].name for j in variables.owner)
        counts, chosen = entry.get("attributions") or {}, entry.get("chosen") or ()
        return [
            {
                **name,
                "what": column.name,
                "is": column.cell(before),
                "becomes": entry["changes"].get(column.name, {}).get("to"),
                "attribution": counts.get(feature),
                "chosen": feature in chosen,
            }
            for column, before, feature in zip(
                schema.columns, self._inputs.x[i].tolist(), features, strict=True
            )
        ]

    @property
    def _schema(self) -> TableSchema:
        if self._inputs.schema is None:
            raise PluginError("explain: rows came without their schema")
        return self._inputs.schema
