"""Per cent signs stand behind a space wherever people read them, in the code and in what it renders."""

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

import cfsearch
from cfsearch.audits.findings import difference
from cfsearch.cli._output import _nearest
from cfsearch.numerics.percent import SPACE, percent, rounded_down
from cfsearch.report.page import build_page

from ..report.conftest import build_audit, build_front, parsed  # noqa: TID252  # tests are no package

ROOT = Path(cfsearch.__file__).parent
ELSEWHERE = {
    "numerics/percent.py": "the one place that formats one",
    "audits/conditions.py": "the language of conditions, as it is typed: > 5% at 99%",
}
TIGHT = re.compile(r"\d%(?!20)")


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [(0.917, 0, "92"), (0.0, 0, "0"), (1.0, 0, "100"), (0.0704, 1, "7.0"), (0.12345, 2, "12.35")],
)
def test_a_share_has_a_space_before_its_sign(share: float, digits: int, text: str) -> None:
    assert percent(share, digits=digits) == f"{text}\u202f%"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("inf", "inf"),
        ("-inf", "-inf"),
        ("nan", "nan"),
        ("1.499", "1.4"),
        ("-0.51", "-0.6"),
        ("1e300", f"{1e300:.1f}"),
    ],
)
def test_what_is_no_finite_number_is_called_so(value: str, text: str) -> None:
    assert rounded_down(float(value)) == text


def modules() -> Iterator[tuple[str, ast.Module]]:
    for folder in (ROOT, *(ROOT / name for name in ("generators", "objectives", "models"))):
        for path in sorted(folder.rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if name not in ELSEWHERE:
                yield name, ast.parse(path.read_text(encoding="utf-8"))


def tight(node: ast.JoinedStr) -> bool:
    """Whether an f-string puts a per cent sign right behind a value."""
    for value, after in zip(node.values, [*node.values[1:], None], strict=True):
        if not isinstance(value, ast.FormattedValue):
            continue
        spec = "" if value.format_spec is None else ast.unparse(value.format_spec)
        if "%" in spec:
            return True
        spaced = isinstance(value.value, ast.Name) and value.value.id == "SPACE"
        if isinstance(after, ast.Constant) and str(after.value).startswith("%") and not spaced:
            return True
    return False


def test_no_sentence_of_the_package_puts_one_behind_a_number() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr) and tight(node)
    ]
    assert found == []


@pytest.mark.parametrize(("code", "is_so"), [("f'{x:.0%}'", True), ("f'{x:g}%'", True), ("f'{x} %'", False)])
def test_the_search_above_finds_what_it_looks_for(code: str, is_so: bool) -> None:
    [node] = [one for one in ast.walk(ast.parse(code)) if isinstance(one, ast.JoinedStr) and one.values][:1]
    assert tight(node) is is_so


def test_a_page_has_a_space_before_each() -> None:
    made = build_audit(
        [build_front(f"{i}.png", seed=i) for i in range(3)], models=("first", "second"), known=True
    )
    soup = parsed(build_page(made.document, made.instances))
    for hidden in soup(["script", "style", "svg"]):
        hidden.decompose()
    text = soup.get_text()
    assert f"{SPACE}%" in text
    assert TIGHT.findall(text) == []


def test_documents_of_before_are_read_as_they_were_meant() -> None:
    old = "the generator hardly edits it (49% of edits were seen)"
    new = f"the generator hardly edits it (49{SPACE}% of edits were seen)"
    assert difference({"because": old}, {"because": new}) is None
    assert difference({"because": old}, {"because": new.replace("49", "50")}) is not None
    assert difference({"because": "a %"}, {"because": "a%"}) is not None


@pytest.mark.parametrize(
    ("encoding", "written"),
    [("utf-8", "53\u202f% \u2212 \u1234"), ("ascii", r"53 % - \u1234"), ("cp1252", r"53 % - \u1234")],
)
def test_a_terminal_without_such_a_space_has_an_ordinary_one(encoding: str, written: str) -> None:
    import codecs

    codecs.register_error("tests.nearest", _nearest)
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="tests.nearest")
    Console(file=stream, color_system=None).print("53\u202f% \u2212 \u1234", soft_wrap=True, end="")
    stream.flush()
    assert raw.getvalue().decode(encoding) == written
