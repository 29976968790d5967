"""What an audit keeps of each input comes back as it was."""

import json
from pathlib import Path

import pytest
import torch

from cfsearch.audits.correction import GeneratorError
from cfsearch.audits.effects import PARTS, Effects
from cfsearch.audits.measured import Measured, load_effects, load_groups, save_effects, save_groups
from cfsearch.audits.tensor_file import read_tensors, write_tensors
from cfsearch.datasets.images import AttributeTable
from cfsearch.datasets.tables import RowGroups
from cfsearch.errors import DamagedError


def effects() -> Effects:
    base = torch.arange(6.0).reshape(3, 2)
    return Effects(
        ("a", "b"), base, base + 10, base > 2, torch.tensor([True, False, True]), base + 30, base + 40
    )


def test_effects_come_back_part_by_part(tmp_path: Path) -> None:
    path = tmp_path / "effects.safetensors"
    assert load_effects(path) is None
    truths = {"b": torch.tensor([1.0, 2.0, 3.0])}
    measured = Measured(effects(), ("x", "y", "z"), ("1", "2", "3"), {"a": 0.5}, truths)
    assert save_effects(path, measured) == path
    again = load_effects(path)
    assert again is not None
    assert (again.effects.names, again.inputs, again.sha256, again.edit_success) == (
        ("a", "b"), ("x", "y", "z"), ("1", "2", "3"), {"a": 0.5},
    )  # fmt: skip
    for part in PARTS:
        assert torch.equal(getattr(again.effects, part), getattr(measured.effects, part)), part
    assert again.truths is not None and list(again.truths) == ["b"]
    assert torch.equal(again.truths["b"], truths["b"])
    assert list(again.by_input) == ["x", "y", "z"]
    for part in PARTS:
        assert torch.equal(getattr(again.by_input["y"], part), getattr(measured.effects, part)[1:2]), part
    file = read_tensors(path, kind="cfsearch-effects/1")
    meta, tensors = dict(file.meta), dict(file.tensors)
    assert set(tensors) == {*PARTS, "truth b"}
    assert meta == {
        "format": "cfsearch-effects/1", "names": ["a", "b"], "inputs": ["x", "y", "z"], "sha256": ["1", "2", "3"],
        "edit_success": {"a": 0.5}, "edit_strength": {}, "error": None, "by_group": "corrected",
    }  # fmt: skip


def test_effects_without_inputs_or_truths(tmp_path: Path) -> None:
    save_effects(tmp_path / "e", Measured(effects()))
    again = load_effects(tmp_path / "e")
    assert again is not None
    assert (again.inputs, again.sha256, again.edit_success, again.truths) == ((), (), {}, None)


def test_effects_that_do_not_fit_their_names_are_damaged(tmp_path: Path) -> None:
    tensors = {part: getattr(effects(), part) for part in PARTS}
    meta = {"format": "cfsearch-effects/1", "inputs": [], "sha256": [], "edit_success": {}}
    write_tensors(tmp_path / "e", tensors, {**meta, "names": ["a", "b", "c"]})
    with pytest.raises(
        DamagedError, match=r"'logits' must be finite numbers of shape \(3, 3\), but its shape is \(3, 2\)"
    ):
        load_effects(tmp_path / "e")
    write_tensors(tmp_path / "e", tensors, {**meta, "names": ["a", "b"], "format": "cfsearch-effects/2"})
    with pytest.raises(DamagedError):
        load_effects(tmp_path / "e")


def test_groups_of_pictures_and_of_rows_come_back(tmp_path: Path) -> None:
    path = tmp_path / "groups.json"
    assert load_groups(path) is None
    values = torch.tensor([[True, False], [False, False], [True, True]])
    labels = AttributeTable(("p", "q", "r"), ("Hat", "Beard"), values, {})
    columns = [RowGroups("sex", ("f", "m"), (1, 0, 1), "by value"), RowGroups("job", ("a",), (0, 0, 0), "")]
    save_groups(path, labels=labels, by=("Beard", "Hat"), columns=columns, names=("x", "y", "z"))
    assert json.loads(path.read_text()) == {
        "format": "cfsearch-groups/1",
        "attributes": {
            "Beard": {"p": False, "q": False, "r": True},
            "Hat": {"p": True, "q": False, "r": True},
        },
        "columns": [
            {"column": "sex", "names": ["f", "m"], "note": "by value", "of": {"x": 1, "y": 0, "z": 1}},
            {"column": "job", "names": ["a"], "note": "", "of": {"x": 0, "y": 0, "z": 0}},
        ],
    }
    again = load_groups(path)
    assert again is not None and again.labels is not None
    assert (again.by, again.columns, again.names) == (("Beard", "Hat"), tuple(columns), ("x", "y", "z"))
    assert (again.labels.files, again.labels.names) == (("p", "q", "r"), ("Beard", "Hat"))
    assert torch.equal(again.labels.values, values[:, [1, 0]])


def test_groups_of_rows_alone_have_no_labels(tmp_path: Path) -> None:
    path = tmp_path / "groups.json"
    save_groups(path, labels=None, by=("Hat",), columns=[], names=("x",))
    again = load_groups(path)
    assert again is not None
    assert (again.labels, again.by, again.columns, again.names) == (None, (), (), ())
    path.write_text('{"format": "cfsearch-groups/2", "attributes": {}, "columns": []}')
    with pytest.raises(DamagedError, match="it has another format"):
        load_groups(path)


def test_runs_of_versions_that_compared_groups_by_effects_as_they_are_stay_what_they_were(
    tmp_path: Path,
) -> None:
    error = GeneratorError({"a": 0.5}, sd=0.5, unexplained=0.2, photographs=60)
    save_effects(tmp_path / "new", Measured(effects(), error=error))
    file = read_tensors(tmp_path / "new", kind="cfsearch-effects/1")
    meta, tensors = dict(file.meta), dict(file.tensors)
    del meta["by_group"]
    write_tensors(tmp_path / "old", tensors, meta)
    new, old = load_effects(tmp_path / "new"), load_effects(tmp_path / "old")
    assert new is not None and old is not None
    assert torch.equal(old.by_variable["a"].values, effects().logits[:, 0])
    assert old.by_variable["a"].error == 0.0
    assert not torch.equal(new.by_variable["a"].values, effects().logits[:, 0].double())
    assert new.by_variable["a"].error == pytest.approx(0.1)
    save_effects(tmp_path / "again", old)  # kept as it is, it does not become a new one
    again = load_effects(tmp_path / "again")
    assert again is not None and again.before_groups
