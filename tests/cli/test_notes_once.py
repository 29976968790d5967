"""A note that comes up again in the same command is printed once."""

import warnings

import pytest

from cfsearch.cli._group import _warn
from cfsearch.cli._invocation import Invocation
from cfsearch.errors import CfsearchWarning


def test_a_note_is_printed_once_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):  # two commands
        with warnings.catch_warnings():
            warnings.showwarning = _warn(Invocation(("audit",)))
            warnings.simplefilter("always", CfsearchWarning)
            for text in ("left  out 'f.png'", "left out   'f.png'", "left out 'g.png'"):
                warnings.warn(text, CfsearchWarning, stacklevel=1)
        assert capsys.readouterr().err == "note: left out 'f.png'\nnote: left out 'g.png'\n"
