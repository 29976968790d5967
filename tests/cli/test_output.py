"""Printing of results: encodings, full disks, closed streams, and letters that a terminal would obey."""

import io
import json
import os
import subprocess
import sys

import pytest

from cfsearch.cli._invocation import Invocation
from cfsearch.cli._output import Outcome, deliver, detail, discarded, diverted, note, plain
from cfsearch.errors import RunError

DOCUMENT = {"city": "Zürich", "places": [1, {"of": None}]}


def outcome() -> Outcome:
    return Outcome(DOCUMENT, show=lambda console: console.print("[b]12[/b] :smile: rows in Zürich"))


def delivered(monkeypatch: pytest.MonkeyPatch, *, encoding: str, json_mode: bool) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    monkeypatch.setattr(sys, "stdout", stream)
    deliver(outcome(), json_mode=json_mode)
    return raw.getvalue().decode(encoding)


def test_a_document_keeps_its_letters_where_the_encoding_has_them_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = delivered(monkeypatch, encoding="utf-8", json_mode=True)
    assert json.loads(text) == DOCUMENT
    assert '  "city": "Zürich",\n' in text and text.endswith("}\n") and not text.endswith("\n\n")


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_elsewhere_it_is_the_same_document_in_ascii(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    utf_8 = delivered(monkeypatch, encoding="utf-8", json_mode=True)
    text = delivered(monkeypatch, encoding=encoding, json_mode=True)
    assert text.isascii() and json.loads(text) == DOCUMENT
    assert text == utf_8.replace("ü", "\\u00fc"), "on the same lines"


def test_what_people_read_is_printed_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    assert delivered(monkeypatch, encoding="utf-8", json_mode=False) == "[b]12[/b] :smile: rows in Zürich\n"


class Failing(io.StringIO):
    """A stream that cannot be written."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error, self.flushed = error, 0

    def flush(self) -> None:
        self.flushed += 1
        raise self.error

    def fileno(self) -> int:
        raise self.error


@pytest.mark.parametrize("json_mode", [True, False])
def test_a_full_disk_is_an_error_of_ours_and_a_closed_pipe_is_none(
    monkeypatch: pytest.MonkeyPatch, json_mode: bool
) -> None:
    monkeypatch.setattr(sys, "stdout", Failing(OSError(28, "No space left on device")))
    with pytest.raises(RunError, match="cannot be written to standard output: No space left on device"):
        deliver(outcome(), json_mode=json_mode)
    monkeypatch.setattr(sys, "stdout", Failing(BrokenPipeError()))
    with pytest.raises(BrokenPipeError):
        deliver(outcome(), json_mode=json_mode)


@pytest.mark.parametrize(
    "error", [OSError(28, "full"), io.UnsupportedOperation("fileno"), ValueError("closed")]
)
def test_what_cannot_be_flushed_is_dropped_without_a_word(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    streams = [Failing(error), Failing(error)]
    for name, stream in zip(("stdout", "stderr"), streams, strict=True):
        monkeypatch.setattr(sys, name, stream)
    discarded()
    assert [stream.flushed for stream in streams] == [1, 1]


def test_what_a_full_device_still_holds_is_no_error_at_the_end() -> None:
    code = (
        "import sys; from cfsearch.cli._output import discarded; sys.stdout.write('x' * 9); discarded(); "
        "sys.stderr.write('end')"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:  # noqa: PTH123  # a device
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, check=False, env=environment
        )
    assert (done.returncode, done.stderr) == (0, b"end")


def test_what_is_printed_meanwhile_goes_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    with diverted():
        print("by Python")
        os.write(1, b"by a library\n")
    print("the document")
    out, err = capfd.readouterr()
    assert out == "the document\n"
    assert sorted(err.splitlines()) == ["by Python", "by a library"]


def test_notes_are_silent_in_quiet_mode_and_details_unless_verbose(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for call, lines in (
        (Invocation(("x",)), ["note: one"]),
        (Invocation(("x",), quiet=True), []),
        (Invocation(("x",), verbose=1), ["note: one", "two"]),
    ):
        monkeypatch.setattr(Invocation, "current", staticmethod(lambda call=call: call))
        note("one")
        detail("two")
        out, err = capsys.readouterr()
        assert (out, err.splitlines()) == ("", lines)
    note("a\x1b[31m")
    assert capsys.readouterr().err == "note: a\\u001b[31m\n"
    monkeypatch.setattr(sys, "stderr", Failing(OSError(28, "full")))
    note("a log that is full ends nothing")
    detail("likewise")


@pytest.mark.parametrize(
    ("letter", "harmless"),
    [
        (" ", True),
        ("ü", True),
        ("漢", True),
        ("\u00a0", True),
        ("\n", False),
        ("\t", False),
        ("\x1b", False),
        ("\u202e", False),
        ("\u2028", False),
        ("\u2029", False),
        ("\ud800", False),
        ("\u200b", False),
    ],
)
def test_letters_that_a_terminal_would_obey_are_written_as_escapes(letter: str, harmless: bool) -> None:
    assert plain(f"a{letter}b") == (f"a{letter}b" if harmless else f"a\\u{ord(letter):04x}b")
