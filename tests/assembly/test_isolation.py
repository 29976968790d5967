"""Where a model is opened, and with which settings: here, or in a process of its own."""

from pathlib import Path
from typing import Any

import pytest

from cfsearch.assembly import isolation
from cfsearch.assembly.isolation import (
    columns_of_model,
    isolation_of,
    model_of_inputs,
    model_of_rows,
    trusted_of,
)
from cfsearch.config import Config
from cfsearch.providers import trust
from cfsearch.providers.isolated import provider
from cfsearch.providers.isolated.session import Isolation

Call = tuple[str, tuple[Any, ...], dict[str, Any]]
RUN = {"device": "cpu", "threads": 3, "deadline": 12.5, "memory": 2.5}
HASH = "sha256:" + "ab" * 32
FILE: Any = "file"
MODEL = {"path": "m.skops", "sidecar": "s.toml", "arch": "own:build"}


def config(*, model: dict[str, Any] | None = None, run: dict[str, Any] | None = None, **parts: Any) -> Config:
    known = {"model": {**MODEL, **(model or {})}, "run": {**RUN, **(run or {})}, "data": {"table": "t.csv"}}
    return Config.check({**known, **parts}, where="test")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """What was called, with what; nothing is opened."""
    found: list[Call] = []

    def record(name: str) -> Any:
        def called(*args: Any, **named: Any) -> str:
            found.append((name, args, named))
            return name

        return called

    for name in ("open_provider", "open_tabular", "columns_taken"):
        monkeypatch.setattr(isolation, name, record(name))
    for name in ("isolated_provider", "isolated_tabular", "isolated_columns"):
        monkeypatch.setattr(provider, name, record(name))
    monkeypatch.setattr(trust, "trusted_types", lambda path, *, given: (f"{path.name} by {given}",))
    return found


LIMITS = Isolation(deadline_s=12.5, memory_gib=2.5, offline=False, threads=3)
OFFLINE = Isolation(deadline_s=12.5, memory_gib=2.5, offline=True, threads=3)
SEEDED = {"search": {"seed_with": ["wachter"]}}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, LIMITS), ({"run": {"isolate": False}}, None), ({"model": {"path": "https://x.org/v2"}}, None),
        ({"model": {"trust_model": HASH}}, OFFLINE), (SEEDED, None),
        ({**SEEDED, "model": {"surrogate": "s.onnx"}}, LIMITS),
        ({"model": {"surrogate": "s.onnx"}, "run": {"isolate": False}}, None), ({"search": {"seed_with": []}}, LIMITS),
    ],
)  # fmt: skip
def test_a_model_has_a_process_of_its_own_unless_it_cannot(
    parts: dict[str, Any], expected: Isolation | None
) -> None:
    assert (
        isolation_of(
            config(
                run={"isolate": True, **parts.get("run", {})},
                **{k: v for k, v in parts.items() if k != "run"},
            )
        )
        == expected
    )


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({}, ()), ({"trust": ["a.B", "c.D"]}, ("a.B", "c.D")), ({"trust_model": HASH}, (f"m.skops by {HASH}",)),
        ({"path": "M.SKOPS", "trust": ["a.B"], "trust_model": HASH}, ("a.B", f"M.SKOPS by {HASH}")),
        ({"path": "m.onnx", "trust": ["a.B"], "trust_model": HASH}, ("a.B",)),
    ],
)  # fmt: skip
def test_types_are_trusted_by_name_or_by_the_hash_of_the_file(
    calls: list[Call], model: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert trusted_of(config(model=model).model) == expected


@pytest.mark.parametrize("isolate", [False, True])
def test_a_model_of_pictures_gets_every_setting(calls: list[Call], isolate: bool) -> None:
    made = config(
        model={"path": "m.pt2", "trust_model": HASH}, run={"isolate": isolate}, data={"images": "x"}
    )
    model_of_inputs(made, "other.pt2", arch="given:arch")
    common = {"sidecar": "s.toml", "arch": "given:arch", "device": "cpu", "threads": 3, "trust_model": HASH}
    expected = (
        ("isolated_provider", ("other.pt2",), {**common, "isolation": OFFLINE})
        if isolate
        else ("open_provider", ("other.pt2",), {**common, "deadline_s": 12.5})
    )
    assert calls == [expected]


@pytest.mark.parametrize("isolate", [False, True])
def test_a_model_of_rows_gets_every_setting(calls: list[Call], isolate: bool) -> None:
    made = config(
        model={"trust": ["a.B"], "trust_model": HASH}, run={"isolate": isolate}, search={"target": "yes"}
    )
    model_of_rows(made, schema="schema", probes="probes", file=FILE)  # type: ignore[arg-type]
    trusted = ["a.B", f"m.skops by {HASH}"]
    common = {
        "schema": "schema", "probes": "probes", "sidecar": "s.toml", "arch": "own:build", "device": "cpu", "threads": 3,
        "trust_model": HASH, "target": "yes",
    }  # fmt: skip
    expected = (
        ("isolated_tabular", ("m.skops",), {**common, "isolation": OFFLINE, "trusted": trusted})
        if isolate
        else (
            "open_tabular",
            ("m.skops",),
            {**common, "trusted": tuple(trusted), "deadline_s": 12.5, "file": FILE},
        )
    )
    assert calls == [expected]


def test_columns_are_read_from_the_file_and_of_skops_files_in_a_process_of_its_own(calls: list[Call]) -> None:
    here = {"sidecar": "s.toml", "trusted": ("a.B",), "table": "t.csv", "file": FILE}
    columns_of_model(config(model={"trust": ["a.B"]}, run={"isolate": False}), table="t.csv", file=FILE)
    columns_of_model(
        config(model={"path": "m.onnx", "trust": ["a.B"]}, run={"isolate": True}), table="t.csv", file=FILE
    )
    columns_of_model(
        config(model={"path": "M.SKOPS", "trust": ["a.B"]}, run={"isolate": True}), table="t.csv", file=None
    )
    assert calls == [
        ("columns_taken", ("m.skops",), here),
        ("columns_taken", ("m.onnx",), here),
        (
            "isolated_columns", ("M.SKOPS",),
            {"sidecar": "s.toml", "trusted": ["a.B"], "table": "t.csv", "isolation": LIMITS},
        ),
    ]  # fmt: skip


def test_a_file_that_runs_code_is_not_opened_for_its_columns(calls: list[Call]) -> None:
    for path in ("m.joblib", "M.PKL"):
        assert (
            columns_of_model(config(model={"path": path, "trust_model": HASH}), table=None, file=None) is None
        )
    assert calls == []
    assert (
        columns_of_model(config(model={"path": "m.onnx", "trust_model": HASH}), table=None, file=None)
        == "columns_taken"
    )
    assert Path("m.onnx").suffix == ".onnx"
