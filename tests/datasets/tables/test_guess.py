"""What is guessed of a column, on both sides of each limit, and the reason that is given."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cfsearch.datasets.tables import ColumnKind, Missing, infer_schema
from cfsearch.datasets.tables._cells import ABSENT, NOT_AVAILABLE
from cfsearch.datasets.tables._csv import read_text_table
from cfsearch.datasets.tables._guess import Guesses, by_number
from cfsearch.errors import DataError

Guess = Callable[..., Guesses]


@pytest.fixture
def guesses(tmp_path: Path) -> Guess:
    def made(cells: Sequence[object], **settings: Sequence[str]) -> Guesses:
        path = tmp_path / "t.csv"
        path.write_text("\n".join(["a,b", *(f"{cell},{i % 3}" for i, cell in enumerate(cells))]) + "\n")
        return Guesses(read_text_table(path), markers=("", *sorted(NOT_AVAILABLE)), **settings)  # type: ignore[arg-type] # settings by name

    return made


NUMBERS = [*range(0, 60, 4)]  # 15 different numbers that do not count the rows


@pytest.mark.parametrize(
    "word",
    ["?", "n.a.", "Unknown", "UNBEKANNT", "k.A.", "inconnu", "desconocido", "Desconhecido", "sconosciuto",
     "onbekend", "nieznany", "okänd", "bilinmiyor", "s/d", "not available", "Keine Angabe", "#DIV/0!", "missing"],
)  # fmt: skip
def test_a_word_for_missing_among_numbers_is_no_level(guesses: Guess, word: str) -> None:
    guess = guesses([*NUMBERS, word])
    column = guess.column("a")
    assert column is not None and (column.kind, column.missing) == (ColumnKind.INTEGER, Missing.DROP)
    assert guess.words == [word]
    assert guess.notes[0] == (
        f"a: 15 numbers, and {word!r} 1 times; taken for missing. If it is a level, make the column categorical."
    )
    assert any(
        note.startswith("a: 1 rows have no number here and are dropped (missing = 'drop').")
        for note in guess.notes
    )


def test_all_words_for_missing_are_found_whatever_their_case() -> None:
    assert [word for word in ABSENT if word != word.casefold()] == []


@pytest.mark.parametrize(("kinds", "taken"), [(12, False), (13, True)])
def test_among_few_numbers_a_word_is_a_level(guesses: Guess, kinds: int, taken: bool) -> None:
    column = guesses([*range(0, 5 * kinds, 5), "unknown"], needed=("a",)).column("a")
    assert column is not None and (column.kind is ColumnKind.INTEGER) == taken


@pytest.mark.parametrize(("words", "taken"), [(15, True), (16, False)])
def test_words_for_missing_are_at_most_every_second_cell(guesses: Guess, words: int, taken: bool) -> None:
    column = guesses([*NUMBERS, *(["?"] * words)], needed=("a",)).column("a")
    assert column is not None and (column.kind is ColumnKind.INTEGER) == taken


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([*range(0, 108, 4), "abc"], r"line 29, column 'a': 'abc' is no finite number, but 27 of 28 cells are."),
        ([*range(0, 108, 4), "abc", "inf"], "'abc' is no finite number, and 1 more like it, but 27 of 29 cells are."),
        ([*range(0, 108, 4), "abc", *["NA"] * 9], "'abc' is no finite number, but 27 of 28 cells are."),
        ([*range(0, 108, 4), "1e400"], "'1e400' is no finite number, but 27 of 28 cells are. Correct it, or declare it: "
         "`cfsearch schema table` with --missing '1e400' for a missing number, with --categorical 'a' for a level."),
    ],
)  # fmt: skip
def test_a_wrong_cell_among_numbers_is_refused_with_its_line(
    guesses: Guess, cells: Sequence[object], said: str
) -> None:
    with pytest.raises(DataError) as caught:
        guesses(cells).column("a")
    assert said in str(caught.value)


@pytest.mark.parametrize(("wrong", "refused"), [(3, True), (4, False)])
def test_below_nine_tenths_numbers_a_column_is_one_of_categories(
    guesses: Guess, wrong: int, refused: bool
) -> None:
    cells = [*range(0, 108, 4), *(f"w{i % 2}" for i in range(wrong))]  # 27 numbers: 27 / 30 is the limit
    if refused:
        with pytest.raises(DataError, match="column 'a'"):
            guesses(cells).column("a")
        return
    guess = guesses(cells, needed=("a",))
    column = guess.column("a")
    assert column is not None and column.kind is ColumnKind.CATEGORICAL and column.immutable
    assert any(
        "numbers and texts ('w0') in one column; taken for categories." in note for note in guess.notes
    )


def test_a_column_without_values_is_left_out_unless_the_model_takes_it(guesses: Guess) -> None:
    guess = guesses(["", "NaN", ""])
    assert guess.column("a") is None
    assert guess.notes == ["a: every cell is missing; left out."]
    with pytest.raises(DataError, match="column 'a': the model takes it, but every cell is missing"):
        guesses(["", "", ""], needed=("a",)).column("a")


@pytest.mark.parametrize("needed", [False, True])
@pytest.mark.parametrize(("rows", "counts"), [(12, False), (13, True)])
def test_a_column_that_counts_the_rows_is_an_identifier(
    guesses: Guess, rows: int, needed: bool, counts: bool
) -> None:
    guess = guesses(range(5, 5 + rows), needed=("a",) if needed else ())
    column = guess.column("a")
    if counts and not needed:
        assert column is None
        assert guess.notes == ["a: counts the rows; left out, as it looks like an identifier."]
        return
    assert column is not None and column.immutable == counts
    said = "a: counts the rows, but the model takes it; it is held fixed (immutable), as it looks like an identifier."
    assert (said in guess.notes) == counts


@pytest.mark.parametrize("values", [range(60, 20, -1), [*range(19), 20, 19]])
def test_what_a_model_takes_is_an_identifier_only_where_it_counts_the_rows_in_their_order(
    guesses: Guess, values: Sequence[int]
) -> None:
    column = guesses(values, needed=("a",)).column("a")
    assert column is not None and not column.immutable
    assert guesses(values).column("a") is None, "nobody needs it"


def test_a_gap_in_what_counts_the_rows_makes_it_a_number(guesses: Guess) -> None:
    column = guesses([*range(13), 14]).column("a")
    assert column is not None and not column.immutable and (column.low, column.high) == (0.0, 14.0)


@pytest.mark.parametrize(
    ("cells", "codes"),
    [([1, 2] * 9, True), ([7] * 18, False), ([0, 23] * 9, True), ([0, 24] * 9, False), ([*range(12)] * 2, True),
     ([*range(13)] * 2, False)],
)  # fmt: skip
def test_few_whole_numbers_near_each_other_may_be_codes(
    guesses: Guess, cells: Sequence[object], codes: bool
) -> None:
    guess = guesses(cells)
    guess.column("a")
    said = f"a: {len(set(cells))} whole numbers; if they are codes, make it categorical."
    assert (said in guess.notes) == codes


@pytest.mark.parametrize(
    ("cells", "kind", "step", "reason"),
    [
        ([*NUMBERS], ColumnKind.INTEGER, 1.0, "15 different whole numbers"),
        ([f"{v}.5" for v in NUMBERS], ColumnKind.REAL, 0.1, "15 different numbers with 1 decimal"),
        ([f"{v}.123456" for v in NUMBERS], ColumnKind.REAL, 1e-6, "15 different numbers with 6 decimals"),
        ([f"{v}.1234567" for v in NUMBERS], ColumnKind.REAL, 0.0, "15 different numbers"),
        ([f"{v}e-3" for v in NUMBERS], ColumnKind.REAL, 0.0, "15 different numbers"),
        ([f"{v}.0" for v in NUMBERS], ColumnKind.REAL, 0.1, "15 different numbers with 1 decimal"),
    ],
)
def test_the_step_is_the_last_decimal(
    guesses: Guess, cells: Sequence[object], kind: ColumnKind, step: float, reason: str
) -> None:
    guess = guesses(cells)
    column = guess.column("a")
    assert column is not None
    assert (column.kind, column.step, guess.reasons["a"]) == (kind, step, reason)
    values = [float(str(cell)) for cell in cells]
    assert (column.low, column.high, column.missing) == (min(values), max(values), Missing.REFUSE)


@pytest.mark.parametrize(
    ("levels", "rows", "rare"), [(6, 12, False), (7, 12, False), (6, 13, False), (7, 13, True)]
)
def test_texts_of_which_most_are_unique_are_left_out(
    guesses: Guess, levels: int, rows: int, rare: bool
) -> None:
    cells = [f"t{i}" for i in range(levels)] + ["t0"] * (rows - levels)
    guess = guesses(cells)
    column = guess.column("a")
    assert (column is None) == rare
    assert (f"a: {levels} different texts in {rows} rows; left out." in guess.notes) == rare
    if rare:
        kept = guesses(cells, needed=("a",)).column("a")
        assert kept is not None and kept.immutable
        free = guesses(cells, categorical=("a",))
        declared = free.column("a")
        assert (
            declared is not None and not declared.immutable and free.reasons["a"] == "declared as categories"
        )


@pytest.mark.parametrize(("levels", "held"), [(100, False), (101, True)])
def test_more_than_a_hundred_levels_are_held(guesses: Guess, levels: int, held: bool) -> None:
    guess = guesses([f"t{i % levels}" for i in range(3 * levels)])
    column = guess.column("a")
    assert column is not None and column.immutable == held and len(column.levels) == levels
    said = (
        f"a: {levels} different texts in {3 * levels} rows; held fixed (immutable). To let a search change it, "
        "declare it as categorical, or take `immutable` out of the schema."
    )
    assert (said in guess.notes) == held


def test_missing_cells_of_categories_are_a_level(guesses: Guess) -> None:
    guess = guesses(["x1", "x2", "", "x1"] * 4)
    column = guess.column("a")
    assert column is not None
    assert (column.levels, column.missing) == (("x1", "x2", "NaN"), Missing.LEVEL)
    assert guess.notes == ["a: 4 cells are missing and get a level of their own, 'NaN'."]


def test_levels_that_are_numbers_stand_in_their_order() -> None:
    assert sorted(["10", "b", "9", "nan", "-1", "a"], key=by_number) == ["-1", "9", "10", "a", "b", "nan"]
    assert by_number("2") == (2.0, "2")


def test_an_unknown_level_among_texts_is_a_level_that_missing_cells_join(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "\n".join(["a,n", *(f"{'?' if i % 4 == 0 else 'xy'[i % 2]},{i}" for i in range(16))]) + "\n"
    )
    column = infer_schema(path).schema.column("a")
    assert "?" in column.levels


def test_advice_on_columns_of_the_same_codes_is_given_once(tmp_path: Path) -> None:
    lines = ["a,b,c"]
    for i in range(300):
        gone = i % 10 == 0
        cells = [-9 if gone else 30 + 7 * i % 60, -9 if gone else 200 + 13 * i % 100, 100 + i % 90]
        lines.append(",".join(map(str, cells)))
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    guess = infer_schema(path)
    assert [column.codes for column in guess.schema.columns] == [(-9.0,), (-9.0,), ()]
    (note,) = [note for note in guess.notes if "taken for a code" in note]
    assert note.count("take them out of `codes`") == 1
    assert note.startswith(
        "a: -9 (30 rows) far from the others, 31 to 89; b: -9 (30 rows) far from the others, "
    )


WORDS = """
- -- --- . .. ... ? ?? * n.a. n.a n/a na n\\a nan nil null none missing unknown unk undefined void blank empty (blank)
(null) (empty) not-available not_available #n/a #na #null! #div/0! #value! #ref! #name? k.a. k.a ka unbekannt inconnu
inconnue desconocido desconhecido sconosciuto onbekend nieznany okänd bilinmiyor nd n.d. s/d nr n.r. tbd tba x
"""
"""What people and programs write for a missing number, in the languages that we know of."""


def test_these_words_are_missing_among_numbers() -> None:
    phrases = {"not available", "not known", "keine angabe", "no data", "k. a.", "n. a."}
    assert {*WORDS.split(), *phrases} == ABSENT


def test_whole_numbers_that_a_float_cannot_hold_are_taken_for_real(guesses: Guess) -> None:
    cells = [2**53 + 7 * i for i in range(1, 40)]
    guess = guesses(cells)
    column = guess.column("a")
    assert column is not None
    assert (column.kind, column.step, column.code(str(cells[2]))) == (ColumnKind.REAL, 0.0, float(cells[2]))
    assert guess.notes[0].startswith("a: whole numbers beyond 2^53")
