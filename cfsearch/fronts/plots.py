"""Figures for papers, drawn with matplotlib (extra ``plots``)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfsearch.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .front import ParetoFront


def plot_front(front: "ParetoFront", *, x: str | None, y: str | None, path: str | Path | None) -> "Figure":
    """Two objectives of a front as points, verified members filled.

    Args:
        front: what is drawn.
        x: the objective along the first axis; the first one when left out.
        y: along the second axis; the second one when left out.
        path: where to save it too; the ending says the format.

    Raises:
        ConfigError: no objective has that name, or the ending is none that matplotlib writes.
        MissingExtraError: matplotlib is not installed.

    Example:
        >>> import torch
        >>> from cfsearch import Search
        >>> from cfsearch.objectives import Adversarial, Intensity
        >>> from cfsearch.solvers import RandomSearch
        >>> from cfsearch.testing import FakeGenerator, FakeProvider
        >>> measures = [Adversarial(), Intensity()]
        >>> search = Search(FakeProvider(), FakeGenerator(), measures, lambda n: RandomSearch(population=n), evaluations=200)
        >>> [front] = search.run(torch.full((1, 3, 16, 16), 0.4), names=["grey"])
        >>> figure = plot_front(front, x=None, y="intensity", path=None)
        >>> figure.axes[0].get_title()
        'grey'
    """
    names = (x or front.objectives[0], y or front.objectives[1])
    across, up = (front.column(name) for name in names)
    figure, axes = _figure(4.0, 3.0)
    verified = front.verified
    for chosen, label, fill in ((~verified, "no flip", "none"), (verified, "verified", "tab:blue")):
        if bool(chosen.any()):
            axes.scatter(
                across[chosen].tolist(),
                up[chosen].tolist(),
                s=18,
                facecolors=fill,
                edgecolors="tab:blue",
                label=label,
            )
    units = dict(zip(front.objectives, front.units, strict=True))
    axes.set_xlabel(_axis(names[0], units[names[0]]))
    axes.set_ylabel(_axis(names[1], units[names[1]]))
    axes.set_title(front.name)
    if len(front):
        axes.legend(frameon=False)
    return _saved(figure, path)


def plot_intervals(
    rows: Sequence[tuple[str, Mapping[str, float]]], *, label: str, zero: bool, path: str | Path | None
) -> "Figure":
    """Estimates with their intervals, one line each, the first on top.

    Args:
        rows: a name and its ``value``, ``low`` and ``high``.
        label: what the numbers are.
        zero: whether a line marks 0.
        path: where to save it too; the ending says the format.

    Raises:
        ConfigError: the ending is none that matplotlib writes.
        MissingExtraError: matplotlib is not installed.

    Example:
        >>> rows = [("Male", {"value": 1.0, "low": 0.5, "high": 1.5})]
        >>> figure = plot_intervals(rows, label="effect, logits", zero=True, path=None)
        >>> figure.axes[0].get_xlabel()
        'effect, logits'
    """
    figure, axes = _figure(5.0, 0.9 + 0.28 * max(1, len(rows)))
    for place, (_, interval) in enumerate(rows):
        axes.plot([interval["low"], interval["high"]], [place, place], color="tab:blue", linewidth=1.5)
        axes.plot([interval["value"]], [place], marker="o", color="tab:blue", markersize=4)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.invert_yaxis()
    axes.set_xlabel(label)
    if zero:
        axes.axvline(0.0, color="0.6", linewidth=0.8)
    return _saved(figure, path)


def _figure(width: float, height: float) -> tuple["Figure", Any]:  # Any: matplotlib's axes
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "plots need the package 'matplotlib', which is not installed: pip install 'cfsearch[plots]'."
        ) from error
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _axis(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _saved(figure: "Figure", path: str | Path | None) -> "Figure":
    if path is not None:
        try:
            figure.savefig(path, metadata={"Date": None} if str(path).endswith(".svg") else None)
        except ValueError as error:
            raise ConfigError(f"plot: {str(path)!r}: {error}.") from error
    return figure
