"""A finished audit as an object: its fronts, its figures as data frames, its page and its pictures."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from cfsearch.errors import CfsearchError, RunError
from cfsearch.fronts.collection import Fronts
from cfsearch.fronts.frame import Cell, frame_of_rows
from cfsearch.numerics.percent import percent
from cfsearch.places import is_folder, is_there
from cfsearch.report.agreement import found_in
from cfsearch.runs.directory import RunDirectory

from .pages import read_audit, write_report
from .shared.cells import shared_cells

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_MOST_SHOWN = 12


@final
class AuditResult:
    """Result of a finished audit, read from its run directory.

    Args:
        directory: the run directory of an audit that ended.

    Raises:
        RunError: there is none, or it has not ended.

    Example:
        >>> import numpy as np, tempfile
        >>> import cfsearch
        >>> from cfsearch.testing import FakeGenerator, FakeProvider
        >>> greys = [np.full((16, 16, 3), level, dtype=np.uint8) for level in (90, 110)]
        >>> folder = tempfile.TemporaryDirectory()
        >>> result = cfsearch.audit(FakeProvider(), greys, out=folder.name, generator=FakeGenerator(), evaluations=60)
        >>> len(result.fronts), result.notes
        (2, ())
        >>> folder.cleanup()
    """

    def __init__(self, directory: str | Path) -> None:
        self.path: Path = Path(directory)
        self.document: dict[str, Any] = read_audit(self.path)  # Any: JSON values

    @property
    def fronts(self) -> Fronts:
        """The front of each input, with the inputs that failed; of several models one after the other.

        Of several models ``failures`` are by model and input, "first/row 7".
        """
        fronts, failures = [], {}
        models = [entry["id"] for entry in self.document["models"]]
        places = [self.path] if is_there(self.path / "run.sqlite") else [self.path / name for name in models]
        for place in places:
            of = f"{place.name}/" if len(models) > 1 else ""
            with RunDirectory.read(place) as run:
                for row in run.rows():
                    if row.front is not None:
                        fronts.append(row.front)
                    if row.status == "failed":
                        failures[f"{of}{row.name}"] = CfsearchError(row.message)
        return Fronts(fronts, notes=self.notes, failures=failures)

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings about the model, one sentence each."""
        return tuple(line for entry in self.document["models"] for line in entry["note"].splitlines() if line)

    @property
    def protected(self) -> tuple[str, ...]:
        """The attributes that the user marked."""
        return tuple(self.document.get("protected", ()))

    @property
    def effects(self) -> "pd.DataFrame":
        """Effect of switching each attribute, in logits with a 95 % interval, protected ones first.

        Columns: ``model``, ``variable``, ``protected``, ``value``, ``low``, ``high``, ``n`` and, where it
        was measured, ``edit_success``; where the generator's own error was measured, so that it is no longer in
        ``value``, also ``raw``, the effect as it is through the generator, and ``detectable``, the size from which
        such an audit finds an effect.
        """
        rows: list[dict[str, Cell]] = []
        for row in sorted(self.document["effects"], key=lambda row: row["variable"] not in self.protected):
            estimate = row["estimate"] or {"value": None, "low": None, "high": None}
            cells: dict[str, Cell] = {"model": row["model"], "variable": row["variable"]}
            cells |= {"protected": row["variable"] in self.protected, **estimate, "n": row["n"]}
            cells |= {key: row[key] for key in ("edit_success",) if key in row}
            if row.get("correction") is not None:
                cells |= {"raw": row["raw"]["value"], "detectable": row["detectable"]}
            rows.append(cells)
        return _frame(rows, ("model", "variable", "protected", "value", "low", "high", "n"))

    @property
    def groups(self) -> "pd.DataFrame":
        """Share of inputs with a verified counterfactual in each group of ``by``.

        Columns: ``model``, ``attribute``, ``group``, ``searched``, ``rate``, ``low``, ``high``.
        """
        rows = [
            {"model": group["model"], "attribute": group["attribute"], "group": name, **_found(part)}
            for group in self.document.get("groups", ())
            for name, part in _parts(group)
        ]
        return _frame(rows, ("model", "attribute", "group", "searched", "rate", "low", "high"))

    @property
    def changes(self) -> "pd.DataFrame":
        """Changes of the sparsest flips and their frequency.

        Columns: ``model``, ``variable``, ``direction``, ``count``, ``n``, ``rate``, ``low``, ``high``.
        """
        rows = [
            {
                **{key: row[key] for key in ("model", "variable", "direction", "count", "n")},
                **_interval(row["rate"]),
            }
            for row in self.document["changes"]
        ]
        return _frame(rows, ("model", "variable", "direction", "count", "n", "rate", "low", "high"))

    @property
    def agreement(self) -> "pd.DataFrame":
        """How far two generators agree on what is genuine; empty where there was one.

        Columns: ``model``, ``unit`` ("input", "member", or "change": members that change ``variable``), ``variable``, ``count``
        (genuine by both), ``n`` (by the first), ``rate`` and, of inputs, ``low`` and ``high``.
        """
        rows: list[dict[str, Cell]] = []
        for entry in self.document.get("agreement", ()):
            of = {"model": entry["model"]}
            inputs = {"count": entry["count"], "n": entry["n"]}
            rows.append({**of, "unit": "input", "variable": "", **inputs, **_interval(entry["rate"])})
            for row in (entry["members"], *entry["variables"]):
                what = {
                    "unit": "change" if "variable" in row else "member",
                    "variable": row.get("variable", ""),
                }
                share = row["count"] / row["n"] if row["n"] else None
                rows.append(
                    {**of, **what, "count": row["count"], "n": row["n"], **_interval(None), "rate": share}
                )
        return _frame(rows, ("model", "unit", "variable", "count", "n", "rate", "low", "high"))

    @property
    def contributions(self) -> "pd.DataFrame":
        """Contribution of each changed variable: whether it flips alone, is needed, and its Shapley share.

        Columns: ``model``, ``variable``, ``flips`` (inputs with a counterfactual that changes it), ``sufficient`` and
        ``necessary`` (shares of these), ``share`` and ``logits`` (Shapley, over the ``n`` inputs whose smallest counterfactual
        changes it), each with ``_low`` and ``_high``; empty cells under 10 inputs.
        """
        rows: list[dict[str, Cell]] = []
        for entry in self.document.get("contributions", ()):
            for row in entry["variables"]:
                cells: dict[str, Cell] = {"model": entry["model"]} | {
                    k: row[k] for k in ("variable", "flips")
                }
                figures = {name: row[name]["rate"] for name in ("sufficient", "necessary")}
                figures |= {name: row["shapley"][name] for name in ("share", "logits")}
                for name, figure in figures.items():
                    cells |= {name: (figure or {}).get("value")}
                    cells |= {f"{name}_{end}": (figure or {}).get(end) for end in ("low", "high")}
                rows.append(cells | {"n": row["shapley"]["n"]})
        ends = [
            f"{k}{e}" for k in ("sufficient", "necessary", "share", "logits") for e in ("", "_low", "_high")
        ]
        return _frame(rows, ("model", "variable", "flips", *ends, "n"))

    @property
    def shared(self) -> "pd.DataFrame":
        """Few changes that flip many inputs, and how many: of all inputs of a class, and of each group.

        Columns: ``model``, ``from``, ``to``, ``attribute``, ``group`` (empty for all inputs), ``size`` (the changes so
        far), ``change``, ``alone`` (share that it flips), ``alone_low``, ``alone_high``, ``rate`` (share that the
        changes so far flip), ``low``, ``high``, ``n``, ``cost``, ``held_back``.
        """
        names = (
            "model",
            "from",
            "to",
            "attribute",
            "group",
            "size",
            "change",
            "alone",
            "alone_low",
            "alone_high",
        )
        return _frame(shared_cells(self.document), (*names, "rate", "low", "high", "n", "cost", "held_back"))

    def report(self, path: str | Path | None = None) -> Path:
        """Write the page: one HTML file that needs nothing else.

        Args:
            path: the file; ``report.html`` in the run directory when left out.
        """
        return write_report(self.path, to=path)

    def plot(self, path: str | Path | None = None) -> "Figure":
        """The effects with their intervals, or where none were measured what the flips change.

        Args:
            path: where to save it too, ``.svg``, ``.pdf`` or ``.png``.

        Raises:
            MissingExtraError: matplotlib is not installed (extra ``plots``).
        """
        from cfsearch.fronts.plots import plot_intervals

        rated = [row for row in self.document["effects"] if row["estimate"] is not None]
        effects = sorted(rated, key=lambda row: row["variable"] not in self.protected)
        if effects:
            rows = [(row["variable"], row["estimate"]) for row in effects]
            return plot_intervals(rows, label="effect, logits", zero=True, path=path)
        rows = [(f"{row['direction']}{row['variable']}", row["rate"]) for row in self.document["changes"]]
        return plot_intervals(rows[:_MOST_SHOWN], label="share of flips", zero=False, path=path)

    def __repr__(self) -> str:
        flip = found_in(self.document)
        parts = [
            f"{count['model']}: " * (len(self.document["counts"]) > 1)
            + f"{count['found']} of {count['searched']} searched inputs have a {flip}"
            for count in self.document["counts"]
        ]
        return f"AuditResult({str(self.path)!r}: {'; '.join(parts)})"

    def _repr_html_(self) -> str:
        tables = [
            ("Effects, logits", self._cells("effects", lambda row: _words(row["estimate"]))),
            (
                "The sparsest flips change",
                self._cells("changes", lambda row: _words(row["rate"], share=True)),
            ),
        ]
        body = "".join(
            f"<p><strong>{title}</strong></p><table><tbody>{rows}</tbody></table>"
            for title, rows in tables
            if rows
        )
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes[:5])
        return f"<p>{escape(repr(self))}</p>{body}{notes}"

    def _cells(self, part: str, words: Any) -> str:  # Any: a function of one row
        return "".join(
            f"<tr><td>{escape(str(row.get('direction', '')) + str(row['variable']))}</td><td>{words(row)}</td></tr>"
            for row in self.document[part][:_MOST_SHOWN]
        )


def open_audit(directory: str | Path) -> AuditResult:
    """The result of an audit that ended before.

    Args:
        directory: its run directory.

    Raises:
        RunError: there is none, or it has not ended.

    Example:
        >>> import numpy as np, tempfile
        >>> import cfsearch
        >>> from cfsearch.testing import FakeGenerator, FakeProvider
        >>> greys = [np.full((16, 16, 3), level, dtype=np.uint8) for level in (90, 110)]
        >>> folder = tempfile.TemporaryDirectory()
        >>> result = cfsearch.audit(FakeProvider(), greys, out=folder.name, generator=FakeGenerator(), evaluations=60)
        >>> len(open_audit(folder.name).fronts)
        2
        >>> folder.cleanup()
    """
    if not is_folder(directory):
        raise RunError(f"run {str(directory)!r}: there is no such directory.")
    return AuditResult(directory)


def _frame(rows: Sequence[Mapping[str, Cell]], columns: Sequence[str]) -> "pd.DataFrame":
    if rows:
        return frame_of_rows([dict(row) for row in rows])
    return frame_of_rows([dict.fromkeys(columns)]).iloc[:0]


def _parts(group: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    if "groups" in group:
        return [(part["name"], part) for part in group["groups"]]
    return [(side, group[side]) for side in ("with", "without")]


def _found(part: Mapping[str, Any]) -> dict[str, Cell]:
    return {"searched": part["searched"], **_interval(part["found_rate"])}


def _interval(rate: Mapping[str, float] | None) -> dict[str, Cell]:
    rate = rate or {}
    return {"rate": rate.get("value"), "low": rate.get("low"), "high": rate.get("high")}


def _words(interval: Mapping[str, float] | None, *, share: bool = False) -> str:
    if interval is None:
        return "cannot tell"
    value, low, high = (
        percent(interval[key]) if share else f"{interval[key]:+.2f}" for key in ("value", "low", "high")
    )
    return f"{value} ({low} to {high})"
