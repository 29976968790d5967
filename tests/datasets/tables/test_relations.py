"""Rules on changes of rows: codes, gaps, largest changes, conditions and relations, worked by hand."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from cfsearch.audits.rules_broken import rules_broken
from cfsearch.datasets.tables import Column, ColumnKind, Link, Missing, TableSchema, Variables, schema_of
from cfsearch.errors import ConfigError
from cfsearch.testing.tables import broken_rules

INTEGER, REAL = ColumnKind.INTEGER, ColumnKind.REAL


def moved(schema: TableSchema, before: list[float], after: list[float]) -> list[float]:
    """The row that is left of a wanted one."""
    variables = Variables.of(schema)
    x = torch.tensor([before], dtype=torch.float64)
    origin = variables.values(x)
    wanted = variables.values(torch.tensor([after], dtype=torch.float64))
    row: Tensor = variables.onto(variables.allowed(wanted, origin=origin, x=x), origin=origin, x=x)[0]
    return row.tolist()


def numbers(*names: str, kind: ColumnKind = INTEGER, **settings: object) -> tuple[Column, ...]:
    return tuple(Column(name=n, kind=kind, low=0, high=100, **settings) for n in names)  # type: ignore[arg-type]  # one of several


class TestOneColumn:
    def test_a_code_is_neither_entered_nor_left(self) -> None:
        schema = TableSchema(columns=numbers("a", codes=(-9.0, 50.0)))
        assert moved(schema, [-9], [20]) == [-9]
        assert moved(schema, [20], [50]) == [20]
        assert moved(schema, [20], [-9]) == [20]
        assert moved(schema, [20], [51]) == [51]
        x = torch.tensor([[-9.0], [20.0]], dtype=torch.float64)
        lower, upper = Variables.of(schema).bounds(x)
        assert (lower[:, 0].tolist(), upper[:, 0].tolist()) == ([-9.0, 0.0], [-9.0, 100.0])

    def test_a_code_may_be_left_where_the_schema_says_so(self) -> None:
        schema = TableSchema(columns=numbers("a", codes=(-9.0,), leave_codes=True))
        assert moved(schema, [-9], [20]) == [20]
        assert moved(schema, [20], [-9]) == [20]
        assert moved(schema, [-9], [-4]) == [-9], "between the code and the numbers there is nothing"

    def test_values_and_gaps_are_snapped_to_what_occurs(self) -> None:
        schema = TableSchema(columns=numbers("a", values=(0.0, 1.0, 10.0, 100.0)))
        assert [moved(schema, [1], [v])[0] for v in (4, 7, 60, 100)] == [1, 10, 100, 100]
        schema = TableSchema(columns=numbers("a", kind=REAL, gaps=((0.0, 40.0),)))
        assert [moved(schema, [50.0], [v])[0] for v in (30.0, 10.0, 45.5)] == [40.0, 0.0, 45.5]
        assert moved(schema, [20.0], [20.0]) == [20.0], "a row that lies in a gap may stay"

    def test_the_largest_change_is_of_numbers_or_of_their_size(self) -> None:
        schema = TableSchema(columns=numbers("a", "b", max_change=5.0, max_change_share=0.2))
        lower, upper = Variables.of(schema).bounds(torch.tensor([[10.0, 80.0]], dtype=torch.float64))
        assert (lower.tolist(), upper.tolist()) == ([[8.0, 75.0]], [[12.0, 85.0]])
        assert moved(schema, [10, 80], [12, 86]) == [12, 80]

    def test_ends_of_bounds_are_steps(self) -> None:
        column = Column(name="a", kind=INTEGER, low=0, high=100, step=8, max_change=20.0)
        lower, upper = Variables.of(TableSchema(columns=(column,))).bounds(
            torch.tensor([[45.0]], dtype=torch.float64)
        )
        assert (float(lower), float(upper)) == (32.0, 64.0)

    def test_a_missing_number_is_neither_found_nor_lost(self) -> None:
        schema = TableSchema(columns=numbers("a", "b", missing=Missing.KEEP))
        row = moved(schema, [float("nan"), 3], [8, 4])
        assert row[0] != row[0] and row[1] == 4
        variables = Variables.of(schema)
        x = torch.tensor([[float("nan"), 3.0], [2.0, 3.0]], dtype=torch.float64)
        assert float(variables.gower(x[:1], x[1:])) == 0.5, "missing and not missing is all the difference"
        assert float(variables.gower(x[:1], x[:1])) == 0.0

    def test_columns_that_must_not_change_in_some_rows(self) -> None:
        job = Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("none", "cook", "clerk"))
        pay, age = numbers("pay", "age")
        schema = TableSchema(columns=(job, replace(pay, immutable_if="job = 'none' or age < 16"), age))
        assert moved(schema, [0, 5, 40], [1, 9, 41]) == [1, 5, 41], "as the row is, not as it becomes"
        assert moved(schema, [1, 5, 15], [1, 9, 15]) == [1, 5, 15]
        assert moved(schema, [1, 5, 16], [1, 9, 16]) == [1, 9, 16]

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"codes": (1.5,)}, "`codes` of an integer column must be whole"),
            ({"codes": (1.0, 1.0)}, "`codes` must be finite numbers, all different"),
            ({"codes": (math.inf,)}, "`codes` must be finite numbers, all different"),
            ({"values": (1.5,)}, "`values` of an integer column must be whole"),
            ({"values": (1.0, 1.0)}, "`values` must be finite numbers, all different"),
            ({"leave_codes": True}, "`leave_codes` goes with `codes`"),
            ({"codes": (1.0,), "values": (1.0,)}, "1 stands in `values` and in `codes`"),
            ({"values": (1.0,), "gaps": ((0.0, 1.0),)}, "give one of the two"),
            ({"values": (200.0,)}, "none of its `values` lies in its range, 0 to 100"),
            ({"values": (1.0,), "step": 5.0}, "`values` takes the place of `step`"),
            ({"gaps": ((1.0, 0.0),)}, "`gaps` must be pairs"),
            ({"gaps": ((0.0, 5.0), (4.0, 6.0))}, "do not overlap"),
            ({"max_change": -1.0}, "`max_change` must be a number > 0"),
        ],
    )
    def test_settings_that_make_no_sense(self, settings: dict[str, object], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            Column(name="a", kind=INTEGER, low=0, high=100, **settings)  # type: ignore[arg-type]  # one of several

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"codes": (1.0,)}, "are of numbers; leave levels out instead"),
            ({"max_change": 1.0}, "`max_change` is of numbers"),
            ({"missing": Missing.KEEP}, "missing = 'keep' is of numbers"),
        ],
    )
    def test_levels_have_none_of_it(self, settings: dict[str, object], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            Column(name="a", kind=ColumnKind.CATEGORICAL, levels=("x", "y"), **settings)  # type: ignore[arg-type]  # one of several


class TestBetweenColumns:
    def test_a_change_goes_as_far_as_the_relation_lets_it(self) -> None:
        schema = TableSchema(columns=numbers("a", "b"), relations=("a <= b",))
        assert moved(schema, [3, 10], [40, 10]) == [10, 10]
        assert moved(schema, [3, 10], [40, 60]) == [40, 60]
        assert moved(schema, [3, 10], [3, 1]) == [3, 3]
        assert moved(replace(schema, relations=("a < b",)), [3, 10], [40, 10]) == [9, 10]

    def test_the_way_back_to_a_number_out_of_its_range_ends_there(self) -> None:
        b = Column(name="b", kind=REAL, low=0, high=60, step=0.5)
        schema = TableSchema(columns=(*numbers("a"), b), relations=("b >= a",))
        assert moved(schema, [62, 62.5], [62, 50]) == [62, 62.5], (
            "62 keeps the relation, and is out of 0 to 60"
        )
        assert moved(schema, [50, 62.5], [50, 40]) == [50, 50]

    def test_the_way_back_of_linked_columns_keeps_the_largest_change_of_each(self) -> None:
        n, m = numbers("n", "m")
        schema = TableSchema(
            columns=(n, replace(m, max_change=10.0), *numbers("top")),
            links=(Link(("n", "m"), ((0.0, 1.0), (4.0, 90.0), (9.0, 2.0))),),
            relations=("n <= top",),
        )
        assert moved(schema, [0, 1, 5], [9, 2, 5]) == [0, 1, 5], "half-way m would change by 89"
        assert moved(schema, [0, 1, 9], [9, 2, 9]) == [9, 2, 9]

    def test_two_changes_that_break_it_go_back_alike(self) -> None:
        schema = TableSchema(columns=numbers("a", "b", "c", kind=REAL), relations=("a + b <= c",))
        assert moved(schema, [10, 10, 60], [50, 30, 60]) == pytest.approx([36.66666666, 23.33333333, 60])

    def test_what_the_data_break_already_may_stay_and_must_be_kept_once_touched(self) -> None:
        schema = TableSchema(columns=numbers("a", "b", "c"), relations=("a <= b",))
        assert moved(schema, [50, 10, 0], [50, 10, 5]) == [50, 10, 5]
        assert moved(schema, [50, 10, 0], [51, 10, 5]) == [50, 10, 5]
        assert moved(schema, [50, 10, 0], [50, 55, 5]) == [50, 55, 5]

    def test_a_sum_that_must_come_out_is_filled_up(self) -> None:
        schema = TableSchema(columns=numbers("a", "b", "c"), relations=("a + b + c = 100",))
        assert moved(schema, [20, 30, 50], [25, 30, 50]) == [25, 25, 50]
        assert moved(schema, [20, 30, 50], [25, 30, 40]) == [25, 30, 45]
        held = replace(schema, columns=(schema.columns[0], *numbers("b", immutable=True), schema.columns[2]))
        assert moved(held, [20, 30, 50], [25, 30, 50]) == [25, 30, 45]
        fixed = replace(schema, columns=(schema.columns[0], *numbers("b", "c", immutable=True)))
        assert moved(fixed, [20, 30, 50], [25, 30, 50]) == [20, 30, 50], "nothing may make up for it"

    def test_a_column_that_follows_is_computed_and_no_variable(self) -> None:
        years, months = numbers("years", "months")
        months = replace(months, high=600)
        schema = TableSchema(columns=(months, years), relations=("months = 12 * years",))
        assert [v.name for v in Variables.of(schema).all] == ["years"]
        assert moved(schema, [36, 3], [36, 4]) == [48, 4]
        assert moved(schema, [30, 3], [30, 3]) == [30, 3], (
            "data that are not exact stay while nothing changes"
        )
        assert moved(schema, [30, 3], [30, 5]) == [60, 5]
        short = replace(schema, columns=(replace(months, high=50), years))
        assert moved(short, [36, 3], [36, 4]) == [48, 4]
        assert moved(short, [36, 3], [36, 5]) == [48, 4], "out of its range, so the change is halved"
        coded = replace(schema, columns=(replace(months, codes=(-9.0,)), years))
        assert moved(coded, [-9, 3], [-9, 4]) == [-9, 4], "no record stays no record"

    def test_what_follows_may_be_any_arithmetic_and_follow_on(self) -> None:
        a, b = numbers("weight", "height", kind=REAL)
        c, d = (Column(name=n, kind=REAL, low=0, high=1000, step=0.1) for n in ("bmi", "twice"))
        rules = ("twice = 2 * bmi", "bmi = weight / (height / 100 * height / 100)")
        schema = TableSchema(columns=(d, c, a, b), relations=rules)
        assert moved(schema, [49.4, 24.7, 80, 90], [49.4, 24.7, 81, 90]) == [200.0, 100.0, 81, 90]

    @pytest.mark.parametrize(("step", "follower"), [(0.5, 71.0), (0.01, 71.03), (0.0, 71.0269)])
    def test_what_follows_is_the_nearest_of_its_own_steps(self, step: float, follower: float) -> None:
        """The data may hold a number between its column's steps, which goes into the sum as it is."""
        a, b = numbers("a", "b", kind=REAL, step=0.5)
        d = Column(name="d", kind=REAL, low=0, high=500, step=step)
        schema = TableSchema(columns=(a, replace(b, immutable=True), d), relations=("d = a * 2 + b",))
        before, after = [2.0, 21.0269, 260.5], [25.0, 21.0269, follower]
        assert moved(schema, before, after) == pytest.approx(after, abs=1e-9)
        assert moved(schema, before, [25.2, 21.0269, 0.0]) == pytest.approx(after, abs=1e-9)
        assert broken_rules(schema, before=before, after=after) == []
        assert rules_broken(schema, *torch.tensor([before, after], dtype=torch.float64)) == ()
        for wrong in (follower - (step or 0.01), follower + (step or 0.01)):
            row = [25.0, 21.0269, wrong]
            (fault,) = broken_rules(schema, before=before, after=row)
            assert fault.startswith("'d = a * 2 + b' does not hold")
            assert rules_broken(schema, *torch.tensor([before, row], dtype=torch.float64)) == (
                "breaks d = a * 2 + b",
            )

    def test_where_a_sum_cannot_be_kept_all_sums_that_hang_together_with_it_go_back(self) -> None:
        rules = ("a + b = 100", "b + c = 100", "c + d = 100")
        for order in (rules, rules[::-1]):
            schema = TableSchema(
                columns=(*numbers("a", "b", "c"), *numbers("d", max_change=1.0), *numbers("e")),
                relations=order,
            )
            assert moved(schema, [50, 50, 50, 50, 50], [60, 40, 60, 50, 60]) == [50, 50, 50, 50, 60]

    def test_chains_and_immutable_followers(self) -> None:
        schema = TableSchema(columns=numbers("a", "b", "c"), relations=("a <= b <= c",))
        assert moved(schema, [1, 5, 10], [30, 20, 10]) == [10, 10, 10]
        schema = TableSchema(
            columns=(*numbers("a", "b"), *numbers("s", immutable=True)), relations=("s = a + b",)
        )
        assert moved(schema, [1, 5, 6], [2, 4, 6]) == [2, 4, 6]
        assert moved(schema, [1, 5, 6], [4, 5, 6]) == [1, 5, 6]

    def test_a_column_that_follows_stays_in_rows_in_which_it_must_not_change(self) -> None:
        months = Column(name="months", kind=INTEGER, low=0, high=600, immutable_if="years >= 10", monotone=1)
        schema = TableSchema(columns=(months, *numbers("years")), relations=("months = 12 * years",))
        assert moved(schema, [36, 3], [36, 4]) == [48, 4]
        assert moved(schema, [120, 10], [120, 11]) == [120, 10], "as the row is"
        assert moved(schema, [108, 9], [108, 10]) == [120, 10], "and not as it becomes"
        assert moved(schema, [36, 3], [36, 2]) == [36, 3], "months may only rise"

    def test_a_code_makes_a_relation_say_nothing(self) -> None:
        schema = TableSchema(columns=(*numbers("a"), *numbers("b", codes=(-9.0,))), relations=("a <= b",))
        assert moved(schema, [3, -9], [40, -9]) == [40, -9]

    def test_linked_columns_go_back_as_a_whole(self) -> None:
        grade = Column(name="grade", kind=ColumnKind.CATEGORICAL, levels=("x", "y"))
        schema = TableSchema(
            columns=(grade, *numbers("n", "top")),
            links=(Link(("grade", "n"), ((0.0, 1.0), (1.0, 9.0))),),
            relations=("n <= top",),
        )
        assert moved(schema, [0, 1, 5], [1, 9, 5]) == [0, 1, 5]
        assert moved(schema, [0, 1, 5], [1, 9, 9]) == [1, 9, 9]

    def test_ordinal_columns_of_the_same_levels_compare(self) -> None:
        a, b = (
            Column(name=n, kind=ColumnKind.ORDINAL, levels=("none", "school", "college")) for n in ("a", "b")
        )
        schema = TableSchema(columns=(a, b), relations=("a <= b",))
        assert moved(schema, [0, 1], [2, 1]) == [1, 1]

    @pytest.mark.parametrize(
        ("rules", "message"),
        [
            (["a * b <= 3"], "columns can be added, and multiplied by numbers only"),
            (["a / 0 <= 3"], "divides by 0"),
            (["a - a <= 3"], "no column is left in it"),
            (["a = 2 * b", "a = 3 * c"], "'a' is computed by another relation already"),
            (["a = 2 * b", "b = 2 * a"], "'a' is computed from itself in the end"),
            (["job <= 3"], "'job' has levels; only two ordinal columns"),
            (["job = 3 * a"], "'job' has levels"),
            (["a <= d"], "no column 'd'"),
        ],
    )
    def test_relations_that_make_no_sense(self, rules: list[str], message: str) -> None:
        job = Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("x", "y"))
        with pytest.raises(ConfigError, match=message):
            TableSchema(columns=(*numbers("a", "b", "c"), job), relations=tuple(rules))

    @pytest.mark.parametrize(
        ("condition", "message"),
        [
            ("job = 'z'", "'z' is none of the levels of 'job'"),
            ("job < 'x'", "expected a number after"),
            ("job < 1", "have no order"),
            ("a = 'x'", "'a' holds numbers"),
            ("x = 1", "no column 'x'"),
        ],
    )
    def test_conditions_that_make_no_sense(self, condition: str, message: str) -> None:
        job = Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("x", "y"), immutable_if=condition)
        with pytest.raises(ConfigError, match=message):
            TableSchema(columns=(*numbers("a"), job))


def test_all_of_it_is_written_in_toml_and_comes_back() -> None:
    values = {
        "columns": [
            {"name": "a", "kind": "integer", "range": [0, 9], "codes": [-9, -8], "leave_codes": True},
            {"name": "b", "kind": "real", "range": [0.0, 9.0], "gaps": [[0.0, 2.5]], "max_change": "20 %"},
            {
                "name": "c",
                "kind": "integer",
                "range": [0, 9],
                "values": [0, 1, 5],
                "max_change": [3.0, "5 %"],
            },
            {"name": "d", "kind": "real", "range": [0.0, 9.0], "max_change": 2.0, "missing": "keep"},
            {"name": "e", "kind": "real", "range": [0.0, 9.0], "immutable_if": "a > 3 and b = 1"},
        ],
        "relations": ["a <= c", "d = 2 * e"],
    }
    schema = schema_of(values)
    plain = schema.to_dict()
    assert plain["columns"] == values["columns"] and plain["relations"] == values["relations"]
    assert schema_of(plain) == schema
    assert schema.columns[1].max_change_share == 0.2


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("codes", ["x"], "`codes` must be a list of numbers"),
        ("gaps", [[1, 2, 3]], "`gaps` must be pairs of numbers"),
        ("max_change", "a lot", "`max_change` must be a number > 0, a share as '20 %'"),
        ("max_change", 0, "`max_change` must be a number > 0"),
        ("max_change", [1, 2], "or a list of both"),
        ("code", [-9], "unknown setting `code`.*Did you mean `codes`"),
    ],
)
def test_toml_that_makes_no_sense(key: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        schema_of({"columns": [{"name": "a", "kind": "real", "range": [0, 9], key: value}]})


def test_the_variables_of_a_column_are_those_that_hold_it_or_what_it_follows() -> None:
    columns = (*numbers("a", "b", "c", "total"), *numbers("d"))
    variables = Variables.of(TableSchema(columns=columns, relations=("total = a + c",)))
    held = [[i for i, v in enumerate(variables.all) if j in v.columns] for j in range(5)]
    for j, name in enumerate("abc"):
        assert list(variables.turners(j)) == held[j] and variables.all[held[j][0]].name == name
    assert held[3] == [] and variables.turners(3) == (held[0][0], held[2][0])
    assert variables.owner == (held[0][0], held[1][0], held[2][0], held[0][0], held[4][0])
