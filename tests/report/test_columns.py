"""Rows of the tables on protected columns, each field where it stands."""

from typing import Any

from cfsearch.report.columns import Compared, Group, Line, ProtectedColumn, protected_columns

Row = dict[str, Any]


def flat(value: Any) -> Any:
    """Texts with plain spaces and signs."""
    if isinstance(value, str):
        return value.replace("\u202f", " ").replace("\u2212", "-")
    if isinstance(value, tuple):
        return tuple(flat(part) for part in value)
    if isinstance(value, Line | Compared | Group | ProtectedColumn):
        return type(value)(*(flat(getattr(value, name)) for name in type(value).__slots__))
    return value


def between(low: float, value: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


def effect(value: float, **parts: Any) -> Row:
    return {
        "logits": between(value - 0.1, value, value + 0.1), "probability": between(0.1, 0.2, 0.3), "n": 40, "p": 0.012,
        "reading": "leans", **parts,
    }  # fmt: skip


def row(**parts: Any) -> Row:
    return {
        "model": "m", "column": "sex", "kind": "sex", "guessed": False, "taken": True, "label": "yes", "n": 40, "unknown": 0,
        "left_out": [], "linked": [], "note": "", "clipped": False, "groups": [], "comparisons": [], "flips_alone": None,
        "members": None, "cost": None, "reading": "leans", "because": "none", "through": {"reading": "leans", "because": "so"},
        **parts,
    }  # fmt: skip


def shown(*rows: Row, models: int = 1, **parts: Any) -> tuple[ProtectedColumn, ...]:
    names = [{"id": "m", "name": "net"}, {"id": "o", "name": "other"}][:models]
    found: tuple[ProtectedColumn, ...] = flat(protected_columns({"models": names, "columns": rows, **parts}))
    return found


def test_a_column_as_a_whole() -> None:
    comparison = {
        "name": "f", "against": "m", "effect": effect(0.8), "linked": effect(0.7, p=None, reading="does not lean"),
        "through": effect(-0.5, reading="cannot tell"),
        "proxies": [
            {**effect(0.1), "column": "job", "n": 39}, {**effect(-0.4, reading="", p=0.0001), "column": "hours"},
        ],
        "by_group": [{"name": "f", "logits": between(0.5, 0.6, 0.7)}, {"name": "m", "logits": None}],
    }  # fmt: skip
    other = {
        **comparison,
        "name": "x",
        "effect": None,
        "linked": None,
        "proxies": [],
        "by_group": [{"name": "f", "logits": None}],
    }
    cost = {
        "groups": [
            {"name": "f", "n": 12, "mean": between(0.011, 0.0212, 0.031)},
            {"name": "m", "n": 3, "mean": None},
        ],
        "comparisons": [
            {"name": "f", "against": "m", "difference": between(-0.011, 0.0212, 0.031), "p": 0.049},
            {"name": "x", "against": "m", "difference": between(-0.011, 0.0212, 0.031), "p": None},
            {"name": "y", "against": "m", "difference": None, "p": None},
        ],
    }
    members = {
        "changed": {"n": 20, "rate": between(0.05, 0.1, 0.2)}, "necessary": {"n": 12, "rate": between(0.3, 0.4, 0.5)},
        "sufficient": {"n": 1, "rate": between(0.5, 0.6, 0.7)},
    }  # fmt: skip
    one = row(
        guessed=True, linked=["title", "name"], comparisons=[comparison, other], cost=cost, members=members, unknown=2,
        left_out=["y", "z"], note="By value.", clipped=True,
        groups=[{"name": "f", "instances": 21}, {"name": "m", "instances": 19}],
        flips_alone={"count": 7, "n": 40, "rate": between(0.1, 0.175, 0.3)},
    )  # fmt: skip
    verdicts = [
        {"model": "m", "variable": "sex", "headline": "It leans."},
        {"model": "m", "variable": "job", "headline": "no"},
    ]
    points = ("+20 points", "+10 to +30 points")
    together = Line(
        "all other columns together",
        "together",
        "-0.50",
        "-0.60 to -0.40",
        *points,
        40,
        "0.012",
        "cannot tell",
    )
    assert shown(one, verdicts=verdicts) == (
        ProtectedColumn(
            name="sex",
            model="",
            headline="It leans.",
            held=(
                "“Alone” changes sex and holds all other columns: it is no change of a person, in whom others would have come "
                "out otherwise as well. It counts as protected by its name (sex). By value. 2 rows without a value are in no "
                "group. y and z: fewer than 10 rows, left out. Probabilities of exactly 0 or 1 count as 0.005 from them, so "
                "that their logits are finite."
            ),
            compared=(
                Compared(
                    "f less m",
                    (
                        Line("sex alone", "alone", "+0.80", "+0.70 to +0.90", *points, 40, "0.012", "sets them apart"),
                        Line(
                            "with title and name moved along", "alone", "+0.70", "+0.60 to +0.80", *points, 40, "",
                            "too small to matter",
                        ),
                        together,
                        Line("hours", "proxy", "-0.40", "-0.50 to -0.30", *points, 40, "<0.001", ""),
                        Line("job", "proxy", "+0.10", "+0.00 to +0.20", *points, 39, "0.012", "sets them apart"),
                    ),
                ),
                Compared("x less m", (together,)),
            ),
            groups=(
                Group("f", 21, "+0.60", "+0.50 to +0.70", "0.021", "0.011 to 0.031"),
                Group("m", 19, "\u2013", "", "\u2013", ""),
            ),
            sentences=(
                "Changed alone, sex changes the verdict on 7 of 40 rows (18 %, 95 % interval 10 to 30 %).",
                "Of the nearest verified counterfactuals of a row 10 % change sex (5 to 20 %).",
                "Of those that do, 40 % need that change (30 to 50 %; 12 rows).",
                "Of those that do, 60 % flip by that change alone (50 to 70 %; 1 row).",
                "Cost of the nearest flip, f less m: +0.021 of Gower's distance (-0.011 to +0.031, p 0.049 after Holm).",
                "Cost of the nearest flip, x less m: +0.021 of Gower's distance (-0.011 to +0.031).",
            ),
            has_cost=True,
        ),
    )  # fmt: skip


def test_a_column_that_the_model_does_not_take_and_that_makes_no_groups() -> None:
    [one] = shown(row(taken=False), models=2)
    assert one == ProtectedColumn(
        "sex",
        "net",
        "",
        "The model does not take sex; only the other columns can carry it. none.",
        (),
        (),
        (),
        False,
    )
    [one] = shown(row(because=""))
    assert one.held.endswith(" so.")
    assert shown() == ()
    assert protected_columns({"models": []}) == ()


def test_shares_of_too_few_rows_are_left_out() -> None:
    rate = between(0.3, 0.4, 0.5)
    members = {
        "changed": {"n": 20, "rate": rate},
        "necessary": {"n": 9, "rate": None},
        "sufficient": {"n": 9, "rate": None},
    }
    [one] = shown(row(members=members, flips_alone={"count": 1, "n": 4, "rate": None}))
    assert one.sentences == (
        "Of the nearest verified counterfactuals of a row 40 % change sex (30 to 50 %).",
    )
    for changed in ({"n": 0, "rate": rate}, {"n": 9, "rate": None}):
        [one] = shown(row(members={**members, "changed": changed}))
        assert one.sentences == ()
