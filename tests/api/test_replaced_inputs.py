"""The inputs in a run directory: a call that the run refuses leaves them as they were, and none is ever lost."""

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import cfsearch
from cfsearch.api.inputs import written_pictures
from cfsearch.api.replaced_inputs import ReplacedInputs
from cfsearch.errors import CfsearchError, ConfigError, RunError
from cfsearch.testing import FakeGenerator, FakeProvider


def grey(*levels: int) -> list[NDArray[np.uint8]]:
    return [np.full((16, 16, 3), level, dtype=np.uint8) for level in levels]


def audited(out: Path, data: object, evaluations: int = 60) -> cfsearch.AuditResult:
    return cfsearch.audit(FakeProvider(), data, out=out, generator=FakeGenerator(), evaluations=evaluations)


def sums(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_refused_call_leaves_pictures_as_they_were_and_the_right_one_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "run"
    first = audited(out, grey(90, 110))
    before = sums(out / "inputs")
    assert set(before) == {"pictures/0.png", "pictures/1.png"}
    with pytest.raises(RunError, match="list of inputs changed"):
        audited(out, grey(33))
    with pytest.raises(RunError, match="was started with other settings"):
        audited(out, grey(33, 34), evaluations=80)
    with pytest.raises(CfsearchError):
        cfsearch.audit(object(), grey(33, 34), out=out, generator=FakeGenerator())
    assert sums(out / "inputs") == before
    assert not list(out.glob("inputs.*"))
    again = audited(out, grey(90, 110))
    assert [one.digest for one in again.fronts] == [one.digest for one in first.fronts]
    assert sums(out / "inputs") == before


def test_pictures_that_a_run_takes_replace_those_before(tmp_path: Path) -> None:
    out = tmp_path / "run"
    audited(out, grey(90, 110))
    before = sums(out / "inputs")
    audited(out, grey(90, 100))  # the same names: the second one is searched again
    after = sums(out / "inputs")
    assert after["pictures/0.png"] == before["pictures/0.png"]
    assert after["pictures/1.png"] != before["pictures/1.png"]
    assert not list(out.glob("inputs.*"))


def test_tables_schemas_and_sidecars_stay_too(tmp_path: Path) -> None:
    def approve(frame: pd.DataFrame) -> object:
        return 1 / (1 + np.exp(-(frame["income"] - 40) / 5))

    def run(incomes: list[int], **more: object) -> None:
        cfsearch.audit(
            approve, pd.DataFrame({"income": incomes, "age": 30}), out=tmp_path / "run", labels=["no", "yes"],
            scores="probabilities", evaluations=20, population=10, rows=[0],
            reference=pd.DataFrame({"income": [*incomes, *range(30, 60)], "age": 30}), **more,  # type: ignore[arg-type]
        )  # fmt: skip

    run([*range(30, 50)])
    before = sums(tmp_path / "run" / "inputs")
    assert {"table.csv", "reference/table.csv"} <= set(before)
    for incomes, seed in (([*range(40, 50)], 0), ([*range(30, 50)], 9)):
        with pytest.raises(RunError):
            run(incomes, seed=seed)
        assert sums(tmp_path / "run" / "inputs") == before


def test_a_run_in_use_keeps_its_inputs(tmp_path: Path) -> None:
    from cfsearch.runs.reservation import Reservation

    out = tmp_path / "run"
    audited(out, grey(90, 110))
    before = sums(out / "inputs")
    with Reservation.of(out), pytest.raises(RunError, match="is in use"):
        audited(out, grey(1, 2))
    assert sums(out / "inputs") == before


def test_pictures_of_the_folder_itself_may_be_given(tmp_path: Path) -> None:
    out = tmp_path / "run"
    audited(out, grey(90, 110))
    folder = out / "inputs" / "pictures"
    before = sums(folder)
    again = audited(out, [folder / "0.png", folder / "1.png"])
    assert len(again.fronts) == 2 and sums(folder) == before
    with pytest.raises(CfsearchError):
        written_pictures([folder / "0.png", folder / "none.png"], folder)
    assert sums(folder) == before and not list(out.rglob("*.part"))


@pytest.mark.parametrize("linked", [True, False])
def test_a_process_killed_anywhere_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    """What lies there after each step, as a killed process leaves it, ends as the old or the new inputs, whole."""
    if not linked:
        monkeypatch.setattr(os, "link", _no_links)
    folder = tmp_path / "inputs"

    def at_first() -> None:
        shutil.rmtree(tmp_path)
        folder.mkdir(parents=True)
        for name in "ab":
            (folder / name).write_text(f"old {name}")

    def rewritten() -> None:
        (folder / "a").unlink()
        (folder / "c").write_text("new c")

    at_first()
    old = sums(folder)
    ReplacedInputs(folder).__enter__()  # killed before anything was written
    with ReplacedInputs(folder):  # refused
        assert sums(folder) == old
        rewritten()
    assert sums(folder) == old
    ReplacedInputs(folder).__enter__()
    rewritten()  # killed while the inputs were written
    with ReplacedInputs(folder):
        assert sums(folder) == old
    at_first()
    (tmp_path / "inputs.part").mkdir()  # killed while the earlier ones were laid aside, or let go of
    (tmp_path / "inputs.part" / "a").write_text("old a")
    with ReplacedInputs(folder) as one:
        rewritten()
        new = sums(folder)
        one.accept()
    assert sums(folder) == new and new != old
    assert [path.name for path in tmp_path.iterdir()] == ["inputs"]


def _no_links(source: str, target: str) -> None:
    raise OSError(1, "Operation not permitted")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("data", ["x"]), ("generator", "rows"), ("target", "yes"), ("labels", ["a", "b"]), ("scores", "labels"),
        ("protected", ["sex"]), ("protected", "sex"), ("by", ["sex"]), ("attributes", "a.csv"), ("split", "test"),
        ("second_generator", "rows"), ("shared_queries", 0), ("contribution_queries", 5), ("practical", 0.5),
        ("fail_if", ["flip_rate > 5%"]), ("fail_if", "flip_rate > 5%"), ("until_decided", True), ("evaluations", 30),
    ],
)  # fmt: skip
def test_what_stands_beside_a_config_is_refused_by_name(tmp_path: Path, name: str, value: object) -> None:
    config = cfsearch.Config.check({"data": {"texts": ["a dull film"]}})
    with pytest.raises(ConfigError, match=f"a Config says everything by itself, but `{name}` came beside it"):
        cfsearch.audit(config, out=tmp_path / "run", **{name: value})  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()
