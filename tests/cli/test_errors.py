"""Every error is one line and an exit code of the documented ones (docs/command_line.md)."""

import json

import click
import pytest

from cfsearch.cli._errors import BelowThreshold, Fault, Interrupted, report
from cfsearch.errors import (
    CapabilityError,
    CfsearchError,
    CfsearchWarning,
    ConfigError,
    DamagedError,
    DataError,
    PartialFailure,
    ProviderError,
    RunError,
)


class OutOfMemoryError(Exception):
    """As torch's own, which is known by its name: torch need not be imported to know it."""


CONTEXT = click.Context(click.Command("plan"), info_name="cfsearch plan")


@pytest.mark.parametrize(
    ("error", "code", "exit_code", "message"),
    [
        (ConfigError("a\nb."), "config", 2, "a\\u000ab."),
        (DataError("x."), "data", 2, "x."),
        (CapabilityError("x."), "capability", 2, "x."),
        (RunError("x."), "run", 2, "x."),
        (ProviderError("x."), "provider", 3, "x."),
        (PartialFailure("x."), "partial", 4, "x."),
        (DamagedError("x."), "damaged", 5, "x."),
        (BelowThreshold("x."), "below_threshold", 1, "x."),
        (Interrupted("x."), "interrupted", 130, "x."),
        (click.UsageError("x."), "usage", 2, "x. See `cfsearch --help`."),
        (click.UsageError("x.", ctx=CONTEXT), "usage", 2, "x. See `cfsearch plan --help`."),
        (click.UsageError("x. Did you mean 'y'?"), "usage", 2, "x. Did you mean 'y'?"),
        (
            click.NoSuchOption("--modl", possibilities=["--model", "--mode"]),
            "usage",
            2,
            "No such option '--modl'. Did you mean '--model'?",
        ),
        (click.NoSuchOption("--xyz"), "usage", 2, "No such option '--xyz'. See `cfsearch --help`."),
        (click.FileError("a.png", "it is gone"), "usage", 2, "Could not open file 'a.png': it is gone"),
        (click.Abort(), "interrupted", 130, "interrupted."),
        (KeyboardInterrupt(), "interrupted", 130, "interrupted."),
        (EOFError(), "interrupted", 130, "interrupted."),
        (RecursionError("deep"), "data", 2, "an input is nested too deeply to be read."),
        (
            MemoryError(),
            "out_of_memory",
            3,
            "out of memory. Use a smaller --population or --batch-size 1, or a smaller image size.",
        ),
        (
            OutOfMemoryError("CUDA"),
            "out_of_memory",
            3,
            "out of memory. Use a smaller --population or --batch-size 1, or a smaller image size.",
        ),
        (OSError(28, "No space left", "a.png"), "system", 2, "'a.png': No space left."),
        (OSError("odd"), "system", 2, "odd."),
        (
            ValueError("odd\x07one. "),
            "unexpected",
            3,
            "unexpected ValueError: odd\\u0007one. Run it again with --debug to see where, and please report it.",
        ),
    ],
)
def test_each_error_has_its_code_and_one_line(
    error: BaseException, code: str, exit_code: int, message: str
) -> None:
    fault = Fault.of(error)
    assert (fault.code, fault.exit_code, fault.message) == (code, exit_code, message)


def test_a_long_unexpected_error_is_cut() -> None:
    message = Fault.of(ValueError("a" * 900)).message
    assert message.count("a" * 100) == 2
    assert len(message) < 400


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(DataError("über."), json_mode=False, debug=False) == 2
    assert capsys.readouterr() == ("", "error: über. [data]\n")
    assert report(DataError("über."), json_mode=True, debug=True) == 2
    out, err = capsys.readouterr()
    assert json.loads(out) == {"error": {"code": "data", "message": "über.", "exit_code": 2}}
    assert out.endswith("\n") and "über" in out
    assert err.splitlines()[-1] == "error: über. [data]"
    assert err.count("DataError: über.") == 1


def every(kind: type[CfsearchError]) -> list[type[CfsearchError]]:
    return [kind, *(deeper for one in kind.__subclasses__() for deeper in every(one))]


def test_exit_codes_are_those_that_are_documented() -> None:
    for kind in every(CfsearchError):
        if kind.__module__.startswith("cfsearch"):
            assert kind.exit_code in {0, 1, 2, 3, 4, 5, 130}, kind


@pytest.mark.parametrize("letter", ["\n", "\r", "\x1b", "\u202e", "\u2028", "\x85"], ids=ascii)
def test_what_stands_in_a_strangers_file_is_shown_as_it_is_and_breaks_no_message(letter: str) -> None:
    for made in (DataError(f"the column a{letter}b is missing."), CfsearchWarning(f"a{letter}b")):
        assert f"a\\u{ord(letter):04x}b" in str(made)
        assert str(made).isprintable()
    fault = Fault.of(DataError(f"the column a{letter}b is missing."))
    assert fault.message == f"the column a\\u{ord(letter):04x}b is missing."
