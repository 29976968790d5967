"""Conditions as they are written: every part of a line and of a TOML table, and what is refused."""

from pathlib import Path

import pytest

from cfsearch.audits.conditions import Condition, fail_if, limits, read_conditions
from cfsearch.audits.metrics import METRICS, catalogue
from cfsearch.errors import ConfigError

from .test_gate import document, group


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("found_rate < 50%", Condition("found_rate", ">=", 0.5)),
        ("found_rate <= .5", Condition("found_rate", ">", 0.5)),
        ("  found_rate>+1e-1  ", Condition("found_rate", "<=", 0.1)),
        ("effect >= 5.", Condition("effect", "<", 5.0)),
        ("effect:Male > -2.5E+1", Condition("effect", "<=", -25.0, subject="Male")),
        ("|effect:Male| > 0.5", Condition("abs_effect", "<=", 0.5, subject="Male")),
        ("| probability : Male @ sex | > 0.5", Condition("abs_probability", "<=", 0.5, subject="Male", group="sex")),
        ('found_gap @ "a b" > 0.1 at 99%', Condition("found_gap", "<=", 0.1, group="a b", confidence=0.99)),
        ('flip_rate : "x|y" > 5 % at 99.5 %', Condition("flip_rate", "<=", 0.05, subject="x|y", confidence=0.995)),
    ],
)  # fmt: skip
def test_a_line_gives_what_it_forbids(line: str, expected: Condition) -> None:
    found = fail_if(line)
    assert found == expected
    assert found.value == expected.value


@pytest.mark.parametrize(
    "line",
    ["", "found_rate", "found_rate = 5", "|effect:Male > 0.5", "effect:Male| > 0.5", "found_rate > 5 at 99", "found_rate > x"],
)  # fmt: skip
def test_what_is_no_condition_is_refused_with_examples(line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fail_if(line)
    assert str(caught.value) == (
        f"gate: {line!r} is no condition. Write metric:subject@group, one of < <= > >=, and a number, for example "
        '"flip_rate:Male > 5%", "|effect:Male| > 0.5" or "found_gap@Young > 0.1 at 99%".'
    )


def test_only_some_figures_have_a_size() -> None:
    with pytest.raises(
        ConfigError, match=r"^gate: \|found_rate\| is no size of anything; effect and probability"
    ):
        fail_if("|found_rate| > 0.5")
    with pytest.raises(ConfigError, match=r"^gate: .*found_rat"):
        fail_if("found_rat > 0.5")


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (Condition("found_rate", ">=", 0.5), "found_rate >= 0.5"),
        (Condition("effect", "<", 0.123456789, subject="Male"), "effect:Male < 0.123457"),
        (Condition("found_rate", ">", 1, group="sex:f"), "found_rate@sex:f > 1"),
        (Condition("effect", "<", 1, subject="a b", group='c"', confidence=0.99), 'effect:"a b"@"c"" < 1 at 99%'),
        (Condition("effect", "<", 1, confidence=0.995), "effect < 1 at 99.5%"),
    ],
)  # fmt: skip
def test_a_condition_in_words(condition: Condition, words: str) -> None:
    assert (condition.words, condition.title) == (words, words)
    named = Condition("found_rate", "<", 1, name="mine")
    assert (named.words, named.title) == ("found_rate < 1", "mine")


def test_numbers_out_of_range_are_refused_at_both_ends() -> None:
    assert Condition("effect", "<", 1, confidence=0.5).confidence == 0.5
    assert Condition("effect", "<", 1, confidence=0.9999).confidence == 0.9999
    for confidence in (0.49, 1.0):
        with pytest.raises(ConfigError, match="`confidence` must lie in 0.5 to 1"):
            Condition("effect", "<", 1, confidence=confidence)
    with pytest.raises(ConfigError, match="`value` must be a finite number, got nan"):
        Condition("effect", "<", float("nan"))
    with pytest.raises(ConfigError, match="`op` must be one of <, <=, >, >=, got '='"):
        Condition("effect", "=", 1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("failed_rate > 20", "failed_rate goes from 0 to 1, so 'failed_rate <= 20' holds of every audit. Write 20% (on the command line) or 0.2."),
        ("found_rate < 90", "so 'found_rate >= 90' holds of no audit. Write 90% (on the command line) or 0.9."),
        ("found_rate < 250", "so 'found_rate >= 250' holds of no audit. Give a bound that it can reach."),
        ("p:Male < -0.05", "p goes from 0 to 1, so 'p:Male >= -0.05' holds of every audit. Give a bound that it can reach."),
        ("p:Male > -0.05", "so 'p:Male <= -0.05' holds of no audit."),
        ("|effect:Male| > -1", "abs_effect is never below 0, so 'abs_effect:Male <= -1' holds of no audit."),
        ("probability:Male < -5", "probability goes from -1 to 1, so 'probability:Male >= -5' holds of every audit."),
    ],
)  # fmt: skip
def test_a_bound_beyond_all_that_a_figure_can_be_is_refused(line: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fail_if(line)
    assert message in str(caught.value)


def test_no_figure_of_an_audit_lies_beyond_the_limits_of_its_metric() -> None:
    found = catalogue(document(groups=[group(few=False)]))
    for figure in found:
        low, high = limits(figure.metric)
        assert figure.value is None or low <= figure.value <= high, figure
    assert {limits(figure.metric) for figure in found} >= {(0, 1), (-1, 1), (0, float("inf"))}


def test_metrics_without_limits_are_those_that_have_a_sign() -> None:
    signed = {metric for metric in METRICS if limits(metric)[0] == -float("inf")}
    assert signed == {"effect", "through", "proxy", "contribution"}
    assert {f"abs_{metric}" for metric in signed - {"contribution"}} <= set(METRICS)


def written(folder: Path, text: str) -> Path:
    path = folder / "gates.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_gives_every_part(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '[[gate]]\nmetric = "effect"\nop = "<"\nvalue = 1\n'
        '[[gate]]\nmetric = "found_rate"\nsubject = "s"\ngroup = "g"\nmodel = "m"\nop = ">="\nvalue = 0.5\n'
        'confidence = 0.9\nname = "n"\n',
    )
    assert read_conditions(path) == [
        Condition("effect", "<", 1.0),
        Condition("found_rate", ">=", 0.5, "s", "g", "m", 0.9, "n"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no condition; write a table [[gate]] for each."),
        ("gate = []", "holds no condition; write a table [[gate]] for each."),
        ("gate = 3", "holds no condition; write a table [[gate]] for each."),
        ("[[gate]\n", "not valid TOML"),
        ("gate = [1]", "[[gate]] 1: must be a table with metric, subject, group, model, op, value, confidence, name, got 1."),
        ('[[gate]]\nmetrik = "x"', "[[gate]] 1: unknown setting 'metrik'"),
        ('[[gate]]\nop = "<"\nvalue = 1', "[[gate]] 1: the setting `metric` is missing."),
        ('[[gate]]\nmetric = "p"\nvalue = 1', "[[gate]] 1: the setting `op` is missing."),
        ('[[gate]]\nmetric = "p"\nop = "<"', "[[gate]] 1: the setting `value` is missing."),
        ('[[gate]]\nmetric = "p"\nop = "<"\nvalue = true', "`value` must be a number, got True."),
        ('[[gate]]\nmetric = "p"\nop = "<"\nvalue = "1"', "`value` must be a number, got '1'."),
        ('[[gate]]\nmetric = "p"\nop = "<"\nvalue = 1\nconfidence = "x"', "`confidence` must be a number, got 'x'."),
        ('[[gate]]\nmetric = "p"\nop = "<"\nvalue = 1\nmodel = 3', "`model` must be a text, got 3."),
        ('[[gate]]\nmetric = "p"\nop = "<"\nvalue = 1\n[[gate]]\nmetric = "q"\nop = "<"\nvalue = 1', "[[gate]] 2: gate: unknown metric 'q'"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_says_where(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_conditions(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(repr(str(path)))


def test_a_file_that_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_conditions(tmp_path / "none.toml")
