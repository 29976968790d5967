"""The command line's interface changes on purpose only."""

from pathlib import Path

from .interface import interface

KEPT = Path(__file__).with_suffix(".txt").with_name("interface.txt")


def test_no_option_changes_what_it_takes_by_accident() -> None:
    kept, now = KEPT.read_text(encoding="utf-8").splitlines(), interface().splitlines()
    gone, new = [line for line in kept if line not in now], [line for line in now if line not in kept]
    assert (gone, new) == ([], []), (
        "Options take something else than tests/cli/interface.txt holds. If that is meant, write the file again "
        "(uv run python tests/cli/interface.py > tests/cli/interface.txt) and name the change in CHANGELOG.md."
    )
    assert kept == now, "options stand in another order"
