"""Images of an audit with what is known of each."""

import dataclasses
from pathlib import Path

from cfsearch.assembly.images import readable
from cfsearch.assembly.search import Assembly
from cfsearch.config import DataConfig
from cfsearch.contracts.generator import AttributeTaker
from cfsearch.datasets.images.labelled import LabelledPhotographs, open_photographs
from cfsearch.errors import ConfigError, listed


def audited_photographs(data: DataConfig) -> LabelledPhotographs:
    """The images of an audit that can be read, with what is known of each; none where inputs are no images.

    Args:
        data: which ones.

    Raises:
        ConfigError: results are to be compared by what nobody knows.
        DataError: there are none.
    """
    if data.images is None:
        return LabelledPhotographs(refs=(), table=None, source="", aligned=False, note="")
    found = open_photographs(
        Path(data.image_path),
        attributes=None if data.attributes is None else Path(data.attributes),
        part=data.split,
        recursive=data.recursive,
        limit=data.limit,
    )
    refs, table = readable(found.refs), found.table
    if table is not None:
        table = dataclasses.replace(table, files=tuple(ref.name for ref in refs))
        table.columns(data.by or ())
    elif data.by:
        raise ConfigError(
            f"by: results can be compared by {data.by[0]!r} only where it is known which images have it; "
            "give a table of attributes with --attributes."
        )
    return dataclasses.replace(found, refs=refs, table=table)


def label_notes(data: DataConfig, photographs: LabelledPhotographs, assembly: Assembly) -> list[str]:
    """What a reader must know of the images and their labels.

    Args:
        data: which images.
        photographs: what is known of them.
        assembly: the search, whose generator may take it.

    Raises:
        ConfigError: the labels say nothing that the generator takes, and nothing is compared by them.
    """
    notes = [photographs.note] if photographs.note else []
    generator, table = assembly.search.generator, photographs.table
    if table is None:
        return notes
    names = generator.attribute_names if isinstance(generator, AttributeTaker) else ()
    known = [name for name in names if name in table.names]
    if not known and data.attributes is not None and not data.by:
        raise ConfigError(
            f"attributes: {photographs.source!r} says nothing that generator {generator.name!r} can be "
            f"given (it takes {listed(names) or 'no attributes'}). Give other labels, or name "
            "attributes to compare by with --by."
        )
    if known:
        others = [name for name in names if name not in known]
        rest = f"; {listed(others)} are estimated" if others else ""
        notes.append(
            f"What the images show is taken from {photographs.source} and not estimated{rest}. A change "
            "is counted from there: where a label is wrong, so is what a change is called."
        )
    return notes
