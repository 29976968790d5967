"""The language of rules: what it reads, and where it says what is wrong."""

import pytest

from cfsearch.datasets.tables._language import CellTest, Comparison, Term, parse_condition, parse_rule
from cfsearch.errors import ConfigError

COLUMNS = ("a", "b", "loan amount", "capital-gain", "education.num", "größe")


def test_a_chain_is_two_comparisons_and_greater_is_turned_round() -> None:
    assert parse_rule("a < b >= 3", columns=COLUMNS) == (
        Comparison(Term(name="a"), "<", Term(name="b")),
        Comparison(Term(number=3.0), "<=", Term(name="b")),
    )
    assert parse_rule("a == b", columns=COLUMNS) == parse_rule("a = b", columns=COLUMNS)


@pytest.mark.parametrize("quotes", ['"', "`", "'"])
def test_names_that_are_not_one_word_stand_in_quotes(quotes: str) -> None:
    [rule] = parse_rule(f"{quotes}loan amount{quotes} <= 2.5e1*education.num", columns=COLUMNS)
    assert rule.left == Term(name="loan amount")
    assert rule.right == Term(sign="*", parts=(Term(number=25.0), Term(name="education.num")))
    assert parse_rule("größe <= 1", columns=COLUMNS)[0].left.name == "größe"


def test_products_bind_closer_than_sums_and_brackets_closer_still() -> None:
    [rule] = parse_rule("a <= 1 + 2 * (b - 3) / 4", columns=COLUMNS)
    total = rule.right
    assert (total.sign, total.parts[0].number, total.parts[1].sign) == ("+", 1.0, "/")
    assert total.parts[1].parts[0].parts[1].sign == "-"
    assert total.names == ("b",)


@pytest.mark.parametrize(
    ("text", "sign"),
    [("-b", "-"), ("+b", ""), ("--b", ""), ("-+-b", ""), ("+-b", "-"), ("-(b)", "-")],
)
def test_a_sign_may_stand_before_a_name(text: str, sign: str) -> None:
    [rule] = parse_rule(f"{text} <= 1", columns=COLUMNS)
    negated = Term(sign="-", parts=(Term(), Term(name="b")))
    assert rule.left == (negated if sign else Term(name="b"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at letter 1: expected a column, a number or '\\(', but it ends here"),
        ("a", "at letter 2: expected one of <=, <, =, >= and >, but it ends here"),
        ("a <= ", "but it ends here"),
        ("a <= bb", "at letter 6: no column 'bb'. Did you mean 'b'"),
        (
            "capital <= 3",
            "at letter 1: no column 'capital'. Write names that are not one word in quotes: \"cap",
        ),
        ("a <= 3 b", "at letter 8: expected a sign or the end, got 'b'"),
        ("a <= (b", "expected '\\)', but it ends here"),
        ("a <= b)", "expected a sign or the end, got '\\)'"),
        ("a <= 3x", "at letter 6: '3' cannot stand here"),
        ("a <= 'b", 'at letter 6: "\'" cannot stand here \\(the quotes are not closed\\)'),
        ("a != b", "expected one of <=, <, =, >= and >, got '!='"),
        ("a <= b; import os", "at letter 7: ';' cannot stand here"),
        ("__import__('os')", "no column '__import__'"),
        ("a <= " + "(" * 60 + "b" + ")" * 60, "at most 50 brackets"),
        ("a <= " + "b + " * 1000 + "b", "letters are too many"),
    ],
)
def test_refusals_say_where(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_rule(text, columns=COLUMNS)


def test_conditions_are_groups_of_tests() -> None:
    assert parse_condition("a = 'no' and b >= -2 or `loan amount` != 0", columns=COLUMNS) == (
        (CellTest("a", "=", "no"), CellTest("b", ">=", -2.0)),
        (CellTest("loan amount", "!=", 0.0),),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "expected one of =, !=, <, <=, > and >=, but it ends here"),
        ("a = no", "expected a number, or a text in single quotes, got 'no'"),
        ("a < 'no'", "expected a number after '<'"),
        ("a = 1 und b = 2", "expected a sign or the end, got 'und'"),
        ("a = 1 and", "expected a column, but it ends here"),
    ],
)
def test_conditions_that_are_none(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_condition(text, columns=COLUMNS)
