"""Opening a run and making its page: what is refused, what is read, and how much of it."""

import json
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any

import pytest
import torch

from cfsearch.audits import pages
from cfsearch.audits.pages import can_be_made_again, open_run, page_text, read_audit, write_report
from cfsearch.errors import RunError
from cfsearch.report import page as report
from cfsearch.report import plan
from cfsearch.runs.directory import RunDirectory

from .fronts import front_of, instance


def test_a_run_without_an_end_has_no_document(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        read_audit(tmp_path)
    assert str(caught.value) == (
        f"run {str(tmp_path)!r}: has no audit.json; it has not ended yet. Give its `cfsearch audit` command again to finish it."
    )
    (tmp_path / "audit.json").write_text('{"a": 1}')
    assert read_audit(str(tmp_path)) == {"a": 1}


def test_a_folder_of_runs_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "fedcba":
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.sqlite").write_text("")
    with pytest.raises(RunError) as caught:
        open_run(tmp_path)
    names = ", ".join(str(tmp_path / name) for name in "abcde")
    assert str(caught.value) == f"{str(tmp_path)!r} holds several runs; name one of them: {names}."
    monkeypatch.setattr(RunDirectory, "read", classmethod(lambda cls, path: ("opened", path)))
    (tmp_path / "run.sqlite").write_text("")
    assert open_run(str(tmp_path)) == ("opened", tmp_path)  # type: ignore[comparison-overlap]
    assert open_run(tmp_path / "a") == ("opened", tmp_path / "a")  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(
    ("document", "again"), [({}, True), ({"genuine": []}, True), ({"genuine": [1]}, False)]
)
def test_pages_with_true_pictures_cannot_be_made_again(document: dict[str, Any], again: bool) -> None:
    assert can_be_made_again(document) is again


class Opened:
    """A run that is open."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def __enter__(self) -> "Opened":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def listed(self) -> list[Any]:
        return [SimpleNamespace(name=row.name, header=row.front and "header") for row in self._rows]

    def front(self, name: str) -> Any:
        return next(row.front for row in self._rows if row.name == name)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the page is built from, with runs of three rows of which one failed."""
    seen = SimpleNamespace(opened=[], built=[])

    def opened(directory: Path) -> Opened:
        seen.opened.append(directory)
        return Opened(
            [instance(0, front_of(name="0")), instance(1, None, "failed"), instance(2, front_of(name="2"))]
        )

    def build(document: Any, instances: Any, *, left_out: int) -> str:
        seen.built.append((document, [(i.key, i.model, i.front.name) for i in instances], left_out))
        return "the page"

    monkeypatch.setattr(pages, "open_run", opened)
    monkeypatch.setattr(report, "build_page", build)
    return seen


def written(folder: Path, *models: str, **parts: Any) -> dict[str, Any]:
    document = {"models": [{"id": model} for model in models], **parts}
    (folder / "audit.json").write_text(json.dumps(document))
    return document


def test_a_page_is_built_from_every_front_of_the_run(made: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "run.sqlite").write_text("")
    document = written(tmp_path, "m")
    assert page_text(str(tmp_path)) == "the page"
    assert made.built == [(document, [("m/0", "m", "0"), ("m/2", "m", "2")], 0)]
    assert set(made.opened) == {tmp_path}


def test_a_page_of_several_models_is_built_from_the_run_of_each(
    made: SimpleNamespace, tmp_path: Path
) -> None:
    document = written(tmp_path, "m", "o")
    page_text(tmp_path)
    keys = [(f"{model}/{name}", model, name) for model in "mo" for name in "02"]
    assert made.built == [(document, keys, 0)]
    assert made.opened == [tmp_path / "m", tmp_path / "o"]


def test_a_page_with_true_pictures_is_refused(made: SimpleNamespace, tmp_path: Path) -> None:
    written(tmp_path, "m", genuine=[1])
    with pytest.raises(
        RunError, match="its page holds true pictures, which are drawn by the command that made it; give that"
    ):
        page_text(tmp_path)
    assert made.built == []


@pytest.mark.parametrize(
    ("most", "keys", "left_out"),
    [(2, ["m/0", "o/0"], 2), (4, ["m/0", "m/2", "o/0", "o/2"], 0), (3, ["m/0", "o/0"], 2)],
)
def test_fronts_beyond_what_a_page_holds_are_counted(
    made: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    keys: list[str],
    left_out: int,
) -> None:
    monkeypatch.setattr(plan, "MOST_FRONTS", most)
    written(tmp_path, "m", "o")
    page_text(tmp_path)
    [(_, shown, left)] = made.built
    assert ([key for key, *_ in shown], left) == (keys, left_out)


@pytest.mark.parametrize(("room", "shown"), [(1, 2), (2, 4)])
def test_what_is_read_for_a_page_is_limited_by_its_size(
    made: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, shown: int
) -> None:
    weight = pages._weight(front_of())
    monkeypatch.setattr(plan, "MOST_READ", 2 * (weight * (room - 1) + 1))
    written(tmp_path, "m", "o")
    page_text(tmp_path)
    [(_, found, left)] = made.built
    assert (len(found), left) == (shown, 4 - shown)


def test_a_front_weighs_its_tensors() -> None:
    before = pages._weight(front_of())
    picture = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    assert (
        pages._weight(front_of(images=picture, original=picture[0], reconstruction=picture[0]))
        == before + 3 * 48
    )


def test_only_the_page_of_the_run_itself_is_sealed(
    made: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed: list[Any] = []
    monkeypatch.setattr(pages, "reseal", lambda directory, name: sealed.append((directory, name)))
    written(tmp_path, "m")
    assert write_report(str(tmp_path)) == tmp_path / "report.html"
    assert (tmp_path / "report.html").read_text() == "the page"
    assert sealed == [(tmp_path, "report.html")]
    (tmp_path / "x").mkdir()
    assert write_report(tmp_path, to=str(tmp_path / "x" / "report.html")) == tmp_path / "x" / "report.html"
    assert len(sealed) == 1
    write_report(tmp_path, to=tmp_path / "x" / ".." / "report.html")
    assert len(sealed) == 2
