"""Measurement of a generator after its training or on its own, and its table."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cfsearch.errors import CapabilityError
from cfsearch.numerics.percent import percent

from ._output import plain

if TYPE_CHECKING:
    from rich.console import Console

    from cfsearch.contracts.trainer import Source, Trainer

_MOST_MOVED: Final = 2
_MOVED: Final = 0.2
_SHARE_HELD: Final = 0.1
_FEWEST: Final = 300


def held_out(images: int) -> int:
    """How many images a training holds out to be measured on: a tenth, at most 1,000; none of fewer than 300.

    Args:
        images: how many there are.

    Example:
        >>> [held_out(n) for n in (299, 300, 5_000, 50_000)]
        [0, 30, 500, 1000]
    """
    return 0 if images < _FEWEST else min(int(images * _SHARE_HELD), 1000)


def measured(
    file: Path,
    trainer: "Trainer",
    *,
    training: "Source",
    held: "Source",
    seed: int,
    device: str,
    write: bool,
    watch: Callable[[float], None],
) -> dict[str, Any]:  # Any: plain JSON
    """The figures of a generator's file; written into it with ``write``.

    Args:
        file: of the generator.
        trainer: of its family.
        training: labelled images for the classifier that judges.
        held: labelled images that are measured.
        seed: of the measurement.
        device: of the computation.
        write: whether the figures go into the file.
        watch: called with the share done.

    Raises:
        CapabilityError: the family's files hold no figures.
    """
    from cfsearch.assembly.generator import open_generator
    from cfsearch.config import Config
    from cfsearch.contracts.trainer import Annotator
    from cfsearch.measurement import measure

    if write and (why := why_no_figures(file, trainer)):
        raise CapabilityError(why)
    config = Config.check({"model": {"path": "none"}, "data": {"images": "none"}, "generator": str(file)})
    found = measure(
        open_generator(config), training=training, held_out=held, seed=seed, device=device, watch=watch
    )
    if write and isinstance(trainer, Annotator):
        trainer.annotate(file, {"edit_success": found.edit_success, "measured": found.to_json()})
    return found.to_json()


def why_no_figures(file: Path, trainer: "Trainer") -> str:
    """Why a generator's file cannot hold figures, as a sentence; empty where it can.

    Args:
        file: of the generator.
        trainer: of its family.
    """
    from cfsearch.contracts.trainer import Annotator

    if not isinstance(trainer, Annotator):
        return (
            "files of this family of generators hold no figures. --no-write says the same without this note."
        )
    try:
        trainer.annotate(file, {})
    except CapabilityError as error:
        return str(error)
    return ""


def show_measured(console: "Console", figures: Mapping[str, Any]) -> None:
    """The table of figures, for people.

    Args:
        console: printed to.
        figures: as ``measured`` gives them.
    """
    from ._tables import ResultTable

    table = ResultTable(box=None, header_style="table.header")
    for name, justify in (
        ("attribute", "left"), ("edits seen", "right"), ("95 %", "right"), ("images", "right"),
        ("others kept", "right"), ("strength", "right"), ("moves too", "left"),
    ):  # fmt: skip
        table.add_column(name, justify="right" if justify == "right" else "left")
    for name, row in figures["attributes"].items():
        seen = row["success"]
        table.add_row(
            plain(name),
            "cannot tell" if seen is None else percent(seen["value"]),
            "" if seen is None else f"{percent(seen['low'])} to {percent(seen['high'])}",
            str(row["n"]),
            "" if row["kept"] is None else percent(row["kept"]),
            "" if row["strength"] is None else f"{row['strength']:.2f}",
            plain(_moves(row["moved"])),
        )
    console.print(table)
    console.print(_words(figures), soft_wrap=True)


def _moves(moved: Mapping[str, float]) -> str:
    strong = [(name, share) for name, share in moved.items() if abs(share) >= _MOVED]
    return ", ".join(f"{name} {share:+.2f}" for name, share in strong[:_MOST_MOVED])


def _words(figures: Mapping[str, Any]) -> str:
    unseen = [k for k, v in figures["attributes"].items() if v["success"] and v["success"]["value"] < 0.5]
    unknown = [k for k, v in figures["attributes"].items() if v["success"] is None]
    realism, composition = figures["realism"], list(figures["composition"].items())
    lines = [
        f"{figures['images']} held-out images, judged by a classifier that was trained on others and never met an edit.",
        "Composition (mean absolute error of edits to the values that are there, on [0, 1]): "
        + ", ".join(f"{error:.3f} after {times}" for times, error in composition)
        + ".",
    ]
    if figures["effectiveness"] is not None:
        lines.append(
            f"Effectiveness {percent(figures['effectiveness'])}; minimality {figures['minimality']:.2f} (smaller is better)."
        )
    lines.append(
        "Realism (Frechet distance in the judge's features): photographs to photographs "
        f"{realism['photographs']:.2f}, reconstructions {realism['reconstructions']:.2f}, edits {realism['edits']:.2f}."
    )
    if unseen:
        lines.append(f"Hardly edited, an audit will say so: {plain(', '.join(unseen))}.")
    if unknown:
        lines.append(
            "Cannot tell (too few images on one side, or the judge itself errs): "
            f"{plain(', '.join(unknown))}. An audit says of these that edits were never measured."
        )
    return "\n".join(lines)
