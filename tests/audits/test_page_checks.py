"""What is wrong with a page, each finding and each note word for word."""

from pathlib import Path
from typing import Any

import pytest

from cfsearch.audits import page_checks
from cfsearch.audits.page_checks import page_findings
from cfsearch.files import json_digest

DOCUMENT = {
    "models": [],
    "verdicts": [{"headline": "It leans on\u202e <Hat>."}, {"headline": "So."}],
    "genuine": [],
}
DIGEST = json_digest(DOCUMENT)
MAKER = "the maker"
TEXT = "<p>It\n leans on⟨U+202E⟩   &lt;Hat&gt;.</p><p>So.</p>"


@pytest.fixture(autouse=True)
def maker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_checks, "page_maker", lambda: MAKER)


def head(*, audit: str = DIGEST, maker: str = "another") -> str:
    return f'<meta name="cfsearch-audit" content="{audit}">\n<meta name="cfsearch-maker" content="{maker}">\n'


def found(
    folder: Path,
    page: str,
    *,
    document: dict[str, Any] | None = None,
    made: str = "",
    monkeypatch: pytest.MonkeyPatch | None = None,
    **given: bool,
) -> tuple[list[str], list[str]]:
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    if monkeypatch is not None:
        monkeypatch.setattr(page_checks, "page_text", lambda directory: made)
    wrong, notes = page_findings(
        folder, DOCUMENT if document is None else document, **{"sealed": True, **given}
    )
    name = repr(str(path))
    assert all(text.startswith(name + " ") for text in (*wrong, *notes))
    return [text.removeprefix(name + " ") for text in wrong], [
        text.removeprefix(name + " ") for text in notes
    ]


def test_a_page_must_say_which_audit_it_is_of(tmp_path: Path) -> None:
    lacks = "does not say which audit it is of."
    assert found(tmp_path, "<p>") == ([lacks], [])
    assert found(tmp_path, "<p>", sealed=False) == ([], [lacks])


def test_a_page_of_another_audit(tmp_path: Path) -> None:
    wrong = "was made from another audit.json than the one beside it."
    assert found(tmp_path, head(audit="00") + TEXT) == ([wrong], [])
    assert found(tmp_path, head(audit="00") + TEXT, again=False) == ([wrong], [])


NOTE = (
    "was not made by this installation from what is stored, so that only its verdicts were compared; `cfsearch report` makes it "
    "again."
)


def test_a_page_of_another_installation_must_hold_every_verdict(tmp_path: Path) -> None:
    assert found(tmp_path, head() + TEXT) == ([], [NOTE])
    assert found(tmp_path, head() + TEXT, again=False) == ([], [])
    assert found(tmp_path, head() + TEXT.replace("So.", "so.")) == (
        ["does not hold the verdict 'So.' of audit.json."], []
    )  # fmt: skip
    both = found(tmp_path, head() + "<p>x</p>")
    assert both == (["does not hold the verdict 'It leans on\\u202e <Hat>.' of audit.json."], [])


@pytest.mark.parametrize("hidden", ["script", "style"])
def test_what_a_reader_does_not_see_does_not_count(tmp_path: Path, hidden: str) -> None:
    text = TEXT.replace("<p>So.</p>", f"<{hidden}>So.</{hidden}>")
    assert found(tmp_path, head() + text)[0] == ["does not hold the verdict 'So.' of audit.json."]
    after = TEXT.replace("<p>So.</p>", f"<{hidden}>x</{hidden}><p>S<b>o.</b></p>")
    assert found(tmp_path, head() + after) == ([], [NOTE])


def test_a_document_without_verdicts_asks_for_none(tmp_path: Path) -> None:
    bare: dict[str, Any] = {"models": []}
    assert found(tmp_path, head(audit=json_digest(bare)), document=bare) == ([], [NOTE])


def test_a_page_of_this_installation_is_made_again_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = head(maker=MAKER) + "a\nb\nc"
    assert found(tmp_path, page, made=page, monkeypatch=monkeypatch) == ([], [])
    [wrong], notes = found(tmp_path, page, made=page.replace("b\nc", "x   y\nc"), monkeypatch=monkeypatch)
    assert notes == []
    assert wrong == "is not the page that this run gives: line 4 says 'b', what is stored gives 'x y'."
    [wrong], _ = found(tmp_path, page, made=page + "\nd\ne", monkeypatch=monkeypatch)
    assert wrong.endswith("line 6 says '', what is stored gives 'd e'.")


def test_pages_with_true_pictures_are_read_for_their_verdicts(tmp_path: Path) -> None:
    document = {**DOCUMENT, "genuine": [1]}
    page = head(audit=json_digest(document), maker=MAKER) + TEXT
    assert found(tmp_path, page, document=document) == ([], [NOTE])


def test_long_lines_are_cut_and_pictures_stand_by_their_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = head(maker=MAKER) + "a" * 90
    [wrong], _ = found(tmp_path, page, made=head(maker=MAKER) + "b" * 91, monkeypatch=monkeypatch)
    assert wrong.endswith(f"line 3 says {'a' * 90!r}, what is stored gives {'b' * 87 + '...'!r}.")
    one, other = ("data:image/png;base64," + letter * 60 for letter in "xy")
    [wrong], _ = found(
        tmp_path, head(maker=MAKER) + one, made=head(maker=MAKER) + other, monkeypatch=monkeypatch
    )
    assert f"'data:{json_digest(one)[:12]}'" in wrong and f"'data:{json_digest(other)[:12]}'" in wrong
    blank = head(maker=MAKER) + "a"
    [wrong], _ = found(tmp_path, blank, made=blank + "\n", monkeypatch=monkeypatch)
    assert wrong == "is not the page that this run gives: its pictures are others."
