"""Columns of numbers beside signs and units, and of identifiers: what a guess makes of them, and says."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cfsearch.datasets.tables import Inference, infer_schema

ROWS = 60


def guessed(folder: Path, needed: tuple[str, ...] = (), *, columns: dict[str, object]) -> Inference:
    frame = pd.DataFrame({"age": np.arange(ROWS) % 41 + 20} | columns)
    frame.to_csv(folder / "t.csv", index=False)
    return infer_schema(folder / "t.csv", needed=needed)


@pytest.mark.parametrize(
    "form", ["{:.2f}%", "{:.1f} %", "${:,.0f}", "€ {:.2f}", "EUR {:.2f}", "{:.1f} kg", "({:,.0f})"]
)
def test_numbers_beside_a_sign_are_called_so_with_what_to_write(tmp_path: Path, form: str) -> None:
    cells = [form.format(1000.5 + 37.25 * i) for i in range(ROWS)]
    found = guessed(tmp_path, columns={"rate": cells})
    assert found.schema.ignore == ("rate",)
    assert any(
        note.startswith("rate: 60 different numbers beside a sign or a unit (")
        and note.endswith("left out. Where the model takes numbers, write them alone (1234.5) in the file.")
        for note in found.notes
    )
    held = guessed(tmp_path, needed=("rate",), columns={"rate": cells})
    assert held.schema.column("rate").immutable
    assert any("write them alone (1234.5)" in note for note in held.notes)


@pytest.mark.parametrize(
    "form", ["A{}", "R{:05d}", "[{}-100)", "2023-01-{}", "{}:30", "{} kg of {}", "note {}"]
)
def test_other_texts_with_digits_are_called_texts(tmp_path: Path, form: str) -> None:
    cells = [form.format(i, "ab"[i % 2]) for i in range(ROWS)]
    (note,) = (note for note in guessed(tmp_path, columns={"code": cells}).notes if note.startswith("code: "))
    assert note == "code: 60 different texts in 60 rows; left out."


@pytest.mark.parametrize(
    "name", ["id", "encounter_id", "patient_nbr", "EmployeeNumber", "Loan ID", "customerNo"]
)
def test_another_number_in_each_row_under_such_a_name_is_an_identifier(tmp_path: Path, name: str) -> None:
    numbers = np.random.default_rng(0).choice(10**6, ROWS, replace=False)
    assert guessed(tmp_path, columns={name: numbers}).schema.ignore == (name,)
    held = guessed(tmp_path, needed=(name,), columns={name: numbers}).schema.column(name)
    assert held.immutable
    # a quantity of another name, and numbers that come twice under this one, are searched
    assert not guessed(tmp_path, columns={"amount": numbers}).schema.column("amount").immutable
    assert not guessed(tmp_path, columns={name: numbers // 40000}).schema.column(name).immutable
