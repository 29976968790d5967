"""What an audit measured input by input, kept in its run directory, so that its figures can be computed again.

``effects.safetensors``: the effect of each variable on each input (``Effects``), with the names of the inputs.
``groups.json``: which input is in which group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.datasets.images import AttributeTable
from cfsearch.datasets.tables import RowGroups
from cfsearch.files import dump_json, write_atomically
from cfsearch.runs.guard import guarded, read_object

from .correction import EditedEffect, GeneratorError
from .effects import PARTS, Effects, effect_rows
from .input_effects import InputEffects, input_effects
from .tensor_file import KeptTensors, read_tensors, write_tensors

EFFECTS: Final = "effects.safetensors"
GROUPS: Final = "groups.json"
EFFECTS_FORMAT: Final = "cfsearch-effects/1"
GROUPS_FORMAT: Final = "cfsearch-groups/1"


@final
@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """The effects of one model, input by input.

    Args:
        effects: in the order of ``inputs``.
        inputs: names of the inputs; empty where they are no inputs of the run.
        sha256: of each input, in the same order; empty likewise.
        edit_success: how often each edit of the generator was seen, by variable.
        truths: true effects in logits, by variable, where they are known.
        edit_strength: how strong each edit was seen to be, by variable.
        error: of the generator on this model; None where it was not measured.
        before_errors: whether it is of a version that did not measure a generator's error; its effects stand as they are.
        before_groups: whether it is of a version that compared groups by effects as they are through the generator.
    """

    effects: Effects
    inputs: tuple[str, ...] = ()
    sha256: tuple[str, ...] = ()
    edit_success: Mapping[str, float] = field(default_factory=dict)
    truths: Mapping[str, Float[Tensor, " n"]] | None = None
    edit_strength: Mapping[str, float] = field(default_factory=dict)
    error: GeneratorError | None = None
    before_errors: bool = False
    before_groups: bool = False

    def rows(self, model: str, *, practical: float) -> list[dict[str, Any]]:
        """Rows of the document (``effect_rows``).

        Args:
            model: its id.
            practical: size in logits from which an effect matters.
        """
        return effect_rows(
            model,
            self.effects,
            self.truths,
            edit_success=self.edit_success,
            edit_strength=self.edit_strength,
            error=self.error,
            practical=practical,
            before_errors=self.before_errors,
        )

    def edited(self, name: str, places: Sequence[int]) -> EditedEffect | None:
        """The effect of one variable on some inputs, less the generator's error; None where that was not measured.

        Args:
            name: of the variable.
            places: of the inputs.
        """
        if self.error is None:
            return None
        return self.effects.at(places).edited(name, error=self.error, strength=self.edit_strength.get(name))

    @property
    def by_variable(self) -> dict[str, InputEffects]:
        """The effect of each variable on each input, less the generator's error, by its name."""
        error = None if self.before_groups else self.error
        return input_effects(self.effects, error=error, strength=self.edit_strength)

    @property
    def by_input(self) -> dict[str, Effects]:
        """The effects of each input alone, by its name."""
        return {name: self.effects.at([i]) for i, name in enumerate(self.inputs)}


def save_effects(path: Path, measured: Measured) -> Path:
    """Write the effects of one model.

    Args:
        path: the file.
        measured: what was measured.

    Raises:
        RunError: it cannot be written.
    """
    effects = measured.effects
    tensors = {part: getattr(effects, part).contiguous().cpu() for part in PARTS}
    for name, truth in (measured.truths or {}).items():
        tensors[f"truth {name}"] = truth.contiguous().cpu()
    meta = {
        "format": EFFECTS_FORMAT,
        "names": list(effects.names),
        "inputs": list(measured.inputs),
        "sha256": list(measured.sha256),
        "edit_success": dict(measured.edit_success),
        "edit_strength": dict(measured.edit_strength),
        "error": None if measured.error is None else measured.error.to_json(),
        **({} if measured.before_groups else {"by_group": "corrected"}),
    }
    return write_tensors(path, tensors, meta)


def load_effects(path: Path) -> Measured | None:
    """The effects of one model; None where none were kept.

    Args:
        path: the file.

    Raises:
        DamagedError: it is not what was written.
    """
    if not path.exists():
        return None
    with guarded(repr(str(path))):
        kept = read_tensors(path, kind=EFFECTS_FORMAT)
        meta, names = kept.meta, kept.names("names")
        n = len(kept.tensors["kept"])
        effects = Effects(names, **_parts(kept, n, len(names)))
        truths = {
            name: kept.taken(f"truth {name}", shape=(n,)) for name in names if f"truth {name}" in kept.tensors
        }
        inputs, sha256 = (kept.names(key, distinct=False) for key in ("inputs", "sha256"))
        if len(inputs) not in (0, n) or len(sha256) not in (0, n):
            raise ValueError(f"it names {len(inputs)} inputs of {n}")
        error = meta.get("error")
        return Measured(
            effects,
            inputs,
            sha256,
            dict(meta["edit_success"]),
            truths or None,
            edit_strength=dict(meta.get("edit_strength", {})),
            error=None if error is None else GeneratorError.of_json(error),
            before_errors="error" not in meta,
            before_groups="by_group" not in meta,
        )


def _parts(kept: KeptTensors, n: int, d: int) -> dict[str, Tensor]:
    """The tensors of ``Effects``; ``intended`` was not kept in all versions."""
    shapes: dict[str, tuple[int, ...]] = {"kept": (n,), "intended": (n, d, d)}
    return {
        part: kept.taken(
            part,
            shape=shapes.get(part, (n, d)),
            kind="booleans" if part in ("flips", "kept") else "finite numbers",
        )
        for part in PARTS
        if part != "intended" or part in kept.tensors
    }


def save_groups(
    path: Path,
    *,
    labels: AttributeTable | None,
    by: Sequence[str],
    columns: Sequence[RowGroups],
    names: Sequence[str],
) -> Path:
    """Write which input is in which group.

    Args:
        path: the file.
        labels: of images, one row an image.
        by: attributes of ``labels``.
        columns: of rows, which row is in which group of a column.
        names: the rows, in the order of ``columns``.

    Raises:
        RunError: it cannot be written.
    """
    attributes: dict[str, dict[str, bool]] = {}
    if labels is not None:
        for attribute, column in zip(by, labels.columns(by).T.tolist(), strict=True):
            attributes[attribute] = dict(zip(labels.files, map(bool, column), strict=True))
    document = {
        "format": GROUPS_FORMAT,
        "attributes": attributes,
        "columns": [
            {
                "column": c.column,
                "names": list(c.names),
                "note": c.note,
                "of": dict(zip(names, c.of, strict=True)),
            }
            for c in columns
        ],
    }
    return write_atomically(path, dump_json(document), follow=False)


@final
@dataclass(frozen=True, slots=True)
class Membership:
    """Which input is in which group.

    Args:
        labels: of images, with the attributes ``by``; None where none are compared.
        by: the attributes.
        columns: of rows, which row is in which group.
        names: the rows, in the order of ``columns``.
    """

    labels: AttributeTable | None
    by: tuple[str, ...]
    columns: tuple[RowGroups, ...]
    names: tuple[str, ...]


def load_groups(path: Path) -> Membership | None:
    """Which input is in which group; None where none were kept.

    Args:
        path: the file.

    Raises:
        DamagedError: it is not what was written.
    """
    if not path.exists():
        return None
    document = read_object(path)
    with guarded(repr(str(path))):
        if document["format"] != GROUPS_FORMAT:
            raise ValueError("it has another format")
        attributes: dict[str, dict[str, Any]] = document["attributes"]  # Any: checked by its use
        columns = tuple(
            RowGroups(c["column"], tuple(c["names"]), tuple(int(i) for i in c["of"].values()), c["note"])
            for c in document["columns"]
        )
        names = tuple(document["columns"][0]["of"]) if columns else ()
        labels = None
        if attributes:
            files = tuple(next(iter(attributes.values())))
            values = [[bool(column[file]) for column in attributes.values()] for file in files]
            labels = AttributeTable(files, tuple(attributes), torch.tensor(values, dtype=torch.bool), {})
        return Membership(labels, tuple(attributes), columns, names)
