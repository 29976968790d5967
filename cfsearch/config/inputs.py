"""Which inputs are searched: the settings of ``[data]``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, final

from pydantic import Field, model_validator

from cfsearch.errors import ConfigError

from .checking import Place, Strict

if TYPE_CHECKING:
    from cfsearch.contracts.modality import Modality


INPUTS = ("images", "table", "texts", "sounds")
"""The settings of ``[data]`` of which one names the inputs."""
_OF_A_TABLE = ("schema", "rows", "where", "decided", "label", "encoding", "delimiter", "missing_numbers")
_OF_IMAGES = ("attributes", "split")
_OF_TEXTS = ("column",)
_FIELDS: Final[Mapping[str, str]] = {"schema": "schema_file"}


@final
class DataConfig(Strict):
    """Which inputs: images, or rows of a table; and reference inputs of the same form.

    Args:
        images: a file, folder or zip.
        recursive: whether sub-folders are looked into.
        attributes: a table of what each image shows, CSV or CelebA's ``list_attr_celeba.txt``; the
            generator is given instead of estimating it. CelebA in its official layout has its own.
        split: the part of CelebA in its official layout, test by default.
        by: attributes of that table by which the audit's figures are compared; of rows, columns of
            ``table``, also such as the model does not take.
        texts: a file of one text a line or a ``.csv`` table, or the texts themselves as a list.
        column: of a table of texts; ``text``, or its only column, when left out.
        sounds: a wave file, or a folder or zip of them, or a list of these.
        table: a CSV file with a header.
        schema: what its columns mean, a TOML file; ``applicants.schema.toml`` beside
            ``applicants.csv`` when left out, else guessed from the reference table or the table.
        rows: these rows alone, counted from 0 below the header.
        where: rows with these cells alone, each ``COLUMN=VALUE``.
        decided: rows that the model puts into this class alone, of those that the other settings choose.
        label: the column with the true class, which is no input; only where the schema is guessed.
        encoding: of the table's text, as Python names it; found out when left out.
        delimiter: between the table's cells; found out when left out.
        limit: at most so many inputs, the first ones.
        reference: images, or the training table: they stand for the classes and for what is
            plausible.
        missing_numbers: what becomes of rows that lack a number where the schema is guessed: "keep" or "drop".
            "keep" keeps them where the model takes missing numbers, and is the default, except for several models, by
            a surrogate and over an address.
    """

    images: Place | None = None
    recursive: bool = False
    attributes: Place | None = None
    split: Literal["train", "valid", "test", "all"] | None = None
    by: tuple[str, ...] | None = None
    texts: Place | tuple[str, ...] | None = None
    column: str | None = None
    sounds: Place | tuple[str, ...] | None = None
    table: Place | None = None
    schema_file: Place | None = Field(default=None, alias="schema")
    rows: tuple[Annotated[int, Field(ge=0, le=10**9)], ...] | None = None
    where: tuple[str, ...] | None = None
    decided: str | None = None
    label: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    limit: int | None = Field(default=None, ge=1, le=10**9)
    reference: Place | None = None
    missing_numbers: Literal["keep", "drop"] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [name for name in INPUTS if getattr(self, name) not in (None, ())]
        if len(given) != 1:
            missing = "the setting `data.images` is missing (or `data.table` for rows, `data.texts`, `data.sounds`)."
            both = f"give one of {', '.join(f'`data.{name}`' for name in given)}."
            raise ConfigError(both if given else missing)
        own = {"images": _OF_IMAGES, "table": _OF_A_TABLE, "texts": _OF_TEXTS}
        for kind, settings in own.items():
            odd = [name for name in settings if getattr(self, _FIELDS.get(name, name)) is not None]
            if kind != given[0] and odd:
                other = {"images": "images", "table": "a table"}.get(given[0], given[0])
                raise ConfigError(f"`data.{odd[0]}` goes with `data.{kind}`, not with {other}.")
        if self.by and given[0] in ("texts", "sounds"):
            raise ConfigError(f"`data.by` goes with images or a table, not with {given[0]}. Leave it out.")
        if self.schema_file is not None and self.label is not None:
            raise ConfigError(
                "`data.label` goes with a guessed schema; a schema file names its own [target]."
            )
        if self.schema_file is not None and self.missing_numbers is not None:
            raise ConfigError(
                "`data.missing_numbers` goes with a guessed schema; a schema file has `missing` for each column."
            )
        return self

    def on_the_same_rows(self) -> Self:
        """These settings for several models, of which one may take missing numbers and another none."""
        if self.table is None or self.schema_file is not None or self.missing_numbers is not None:
            return self
        return self.model_copy(update={"missing_numbers": "drop"})

    @property
    def image_path(self) -> str:
        """Where the images are; only where inputs are images."""
        return self.images or ""

    @property
    def modality(self) -> "Modality":
        """What kind of input it names."""
        from cfsearch.contracts.modality import PICTURES, ROWS, SOUNDS, TEXTS  # lazy: torch is slow to import

        named = ((self.table, ROWS), (self.texts, TEXTS), (self.sounds, SOUNDS))
        return next((modality for inputs, modality in named if inputs is not None), PICTURES)

    @property
    def noun(self) -> str:
        """What one input is called: image, row, text or recording."""
        return self.modality.noun


def same_inputs(below: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says of the inputs, as far as it still holds for those of the command line.

    Args:
        below: ``[data]`` of the file.
        over: what the command line says, one kind of inputs among it.
    """
    gone: set[str] = set()
    for kind, own in (("table", _OF_A_TABLE), ("images", _OF_IMAGES), ("texts", _OF_TEXTS)):
        if kind not in over or over[kind] != below.get(kind):
            gone |= set(own)
    kind = next(kind for kind in INPUTS if kind in over)
    if over[kind] != below.get(kind):
        gone.add("by")
    gone |= set(INPUTS) - {kind}
    return {k: v for k, v in below.items() if k not in gone}
