"""A regression suite of stored counterfactuals, as a plug-in of pytest.

``pytest --cfsearch RUN --cfsearch-model NEW`` adds a test for each input of a run: does its stored counterfactual still flip
the model? The model is queried once, by ``cfsearch verify`` in a process of its own, before the first of these tests.
Nothing of cfsearch or torch is imported where the options are not given.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, final

import pytest

_PICKS: Final = ("sparsest", "closest", "knee", "crossing")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the regression suite.

    Args:
        parser: pytest's own.
    """
    group = parser.getgroup("cfsearch", "counterfactuals of a stored audit as tests")
    group.addoption(
        "--cfsearch", metavar="RUN", help="The run directory of an audit; a test for each of its inputs."
    )
    group.addoption("--cfsearch-model", metavar="MODEL", help="The model to query, as for `cfsearch verify`.")
    group.addoption("--cfsearch-sidecar", metavar="FILE", help="TOML with its labels and preprocessing.")
    group.addoption(
        "--cfsearch-pick", choices=_PICKS, default="sparsest", help="Which counterfactual of an input counts."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse one of the two options without the other.

    Args:
        config: pytest's own.

    Raises:
        UsageError: a run without a model, or a model without a run.
    """
    run, model = config.getoption("--cfsearch"), config.getoption("--cfsearch-model")
    if (run is None) != (model is None):
        raise pytest.UsageError("--cfsearch RUN and --cfsearch-model MODEL go together; give both.")


def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the tests of the run.

    Args:
        session: whose tests they are.
        config: pytest's own.
        items: the tests that were found; the new ones stand behind them.
    """
    run = config.getoption("--cfsearch")
    if run is None:
        return
    items.extend(
        CounterfactualTest.from_parent(session, name=f"{Path(run).name}::{row['name']}", row=row)
        for row in _verified(run, config)["instances"]
    )


def _verified(run: str, config: pytest.Config) -> dict[str, Any]:  # Any: JSON values
    """What ``cfsearch verify`` says of the run.

    Raises:
        UsageError: it cannot be verified.
    """
    words = [
        "verify",
        run,
        "--model",
        config.getoption("--cfsearch-model"),
        "--pick",
        config.getoption("--cfsearch-pick"),
    ]
    if config.getoption("--cfsearch-sidecar") is not None:
        words += ["--sidecar", config.getoption("--cfsearch-sidecar")]
    done = subprocess.run(  # noqa: S603 - our own command, no shell
        [sys.executable, "-m", "cfsearch", *words, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise pytest.UsageError(
            done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "cfsearch verify failed."
        )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


class ChangedVerdict(Exception):
    """A counterfactual no longer flips, or its original has another class now."""


@final
class CounterfactualTest(pytest.Item):
    """Passes where an input keeps its class and its stored counterfactual still flips it.

    Args:
        row: what ``cfsearch verify`` says of the input.
        settings: pytest's own.
    """

    def __init__(self, *, row: Mapping[str, Any], **settings: Any) -> None:  # Any: pytest's own
        super().__init__(**settings)
        self._row = row

    def runtest(self) -> None:
        row = self._row
        if row["pick"] is None:
            pytest.skip("no verified counterfactual was stored of it")
        if not row["original_kept"]:
            raise ChangedVerdict(f"{row['name']}: it was {row['source']}, and is {row['now']} now.")
        if not row["pick_still"]:
            raise ChangedVerdict(
                f"{row['name']} ({row['source']}): its counterfactual no longer flips; {row['still']} of "
                f"{row['verified_then']} stored members still do."
            )

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> Any:  # Any: pytest's own
        if isinstance(excinfo.value, ChangedVerdict):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"counterfactual of {self._row['name']}"
