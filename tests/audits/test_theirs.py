"""Files of other tools, read cell by cell."""

import json
from pathlib import Path

import pytest

from cfsearch.audits.theirs import Theirs, read_theirs
from cfsearch.errors import DataError

NAMES = ("age", "sex")


def written(folder: Path, value: object, *, name: str = "x.json") -> Path:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def cells(age: object, sex: object) -> dict[str, object]:
    return {"age": age, "sex": sex}


def test_dice_gives_each_input_with_its_counterfactuals_and_drops_the_class(tmp_path: Path) -> None:
    document = {
        "feature_names": ["age", "sex"],
        "test_data": [[[30, "f", 0]], [40, "m", 1]],
        "cfs_list": [[[31, "f", 1], [32, "m", 1]], None],
    }
    assert read_theirs(written(tmp_path, document), columns=()) == (
        "dice-ml",
        [
            Theirs(cells(30, "f"), None, (cells(31, "f"), cells(32, "m")), "input 0"),
            Theirs(cells(40, "m"), None, (), "input 1"),
        ],
    )


@pytest.mark.parametrize(
    "broken",
    [
        {"feature_names": None}, {"feature_names": "age"}, {"test_data": None}, {"test_data": []},
        {"test_data": [[[1, "f"]], [[1, "f"]]]},
    ],
)  # fmt: skip
def test_dice_that_lacks_a_part_is_refused(tmp_path: Path, broken: dict[str, object]) -> None:
    document = {
        "feature_names": ["age", "sex"],
        "test_data": [[[30, "f"]]],
        "cfs_list": [[[31, "f"]]],
        **broken,
    }
    with pytest.raises(DataError) as caught:
        read_theirs(written(tmp_path, document), columns=())
    assert str(caught.value) == (
        "judge: 'x.json' looks like dice-ml's JSON, but lacks `feature_names` or as many `test_data` as `cfs_list`. "
        "Write it with CounterfactualExplanations.to_json()."
    )


def test_a_row_with_too_few_cells_is_refused(tmp_path: Path) -> None:
    document = {"feature_names": ["age", "sex"], "test_data": [[[30]]], "cfs_list": [[[31, "f"]]]}
    with pytest.raises(DataError, match=r"^judge: 'x.json': expected rows of 2 columns, got one of 1\.$"):
        read_theirs(written(tmp_path, document), columns=())


def test_alibi_gives_rows_however_deep_and_its_own_names_first(tmp_path: Path) -> None:
    entries = [
        {"data": {"cf": {"X": [[31, 0]]}, "orig": {"X": [[30, 1]]}}},
        {"data": {"cf": {"X": [[[31, 0], [32, 0]], [[33, 0]]]}, "X": [41, 1]}},
        {"meta": {"params": {"feature_names": ["a", "b"]}}, "data": {"cf": {"X": [31, 0]}}},
        {"meta": {"params": {}}, "data": {"cf": {"X": []}, "orig": None}},
        {"data": {"cf": {"X": None}}},
    ]
    tool, found = read_theirs(written(tmp_path, entries), columns=NAMES)
    assert tool == "alibi"
    assert found == [
        Theirs(cells(30, 1), None, (cells(31, 0),), "input 0"),
        Theirs(cells(41, 1), None, (cells(31, 0), cells(32, 0), cells(33, 0)), "input 1"),
        Theirs(None, 2, ({"a": 31, "b": 0},), "input 2"),
        Theirs(None, 3, (), "input 3"),
        Theirs(None, 4, (), "input 4"),
    ]
    assert read_theirs(written(tmp_path, entries[0]), columns=NAMES) == ("alibi", found[:1])


@pytest.mark.parametrize("value", [3, [3], {"data": 3}, {"data": {"X": []}}, {}])
def test_other_json_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(DataError) as caught:
        read_theirs(written(tmp_path, value), columns=NAMES)
    assert str(caught.value) == (
        "judge: 'x.json' is neither dice-ml's JSON (`cfs_list`) nor an explanation of alibi (`data.cf`). "
        "Give one of these, a .csv, or a folder of pictures."
    )


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_csv_groups_lines_by_the_row_that_they_are_of(tmp_path: Path, separator: str) -> None:
    lines = ["age,original,sex", "31,7,f", "32,2.0,m", "33,7,m"]
    text = "\ufeff" + "\n".join(line.replace(",", separator) for line in lines)
    tool, found = read_theirs(written(tmp_path, text, name="x.CSV"), columns=NAMES)
    assert tool == "a CSV file"
    assert found == [
        Theirs(None, 7, (cells("31", "f"), cells("33", "m")), "row 7"),
        Theirs(None, 2, (cells("32", "m"),), "row 2"),
    ]


def test_csv_takes_the_first_known_name_that_is_no_column_of_the_table(tmp_path: Path) -> None:
    path = written(tmp_path, "index,id,age,sex\n1,2,31,f\n", name="x.csv")
    assert read_theirs(path, columns=NAMES)[1][0].row == 2
    assert read_theirs(path, columns=NAMES, header=("id", "age"))[1][0].row == 1
    [named] = read_theirs(path, columns=NAMES, identifier="index")[1]
    assert (named.row, named.counterfactuals) == (1, ({"id": "2", "age": "31", "sex": "f"},))
    with pytest.raises(DataError) as caught:
        read_theirs(path, columns=NAMES, identifier="none")
    assert str(caught.value) == (
        "judge: 'x.csv': no column says of which row each counterfactual is; it has index, id, age, sex. Add one called "
        "'original' with the row's place in --data (from 0), or name it with --id."
    )
    with pytest.raises(DataError, match="it has index, id, age, sex"):
        read_theirs(path, columns=NAMES, header=("id", "index"))


def test_csv_names_the_line_that_is_wrong(tmp_path: Path) -> None:
    path = written(tmp_path, "row,age\n1,31\nx,32\n", name="x.csv")
    with pytest.raises(DataError) as caught:
        read_theirs(path, columns=NAMES)
    assert str(caught.value) == "judge: 'x.csv', line 3: 'row' must be the place of a row, from 0, got 'x'."


def test_nothing_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^judge: 'x.json' holds no counterfactual\.$"):
        read_theirs(written(tmp_path, []), columns=NAMES)
    with pytest.raises(DataError, match="is no JSON"):
        read_theirs(written(tmp_path, "a,b"), columns=NAMES)
    with pytest.raises(DataError, match="cannot be read"):
        read_theirs(tmp_path / "none.json", columns=NAMES)
