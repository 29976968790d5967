"""Numbers of more digits than Python reads are refused in a sentence, in every file of settings."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from cfsearch.audits.conditions import read_conditions
from cfsearch.cli import main
from cfsearch.config import Config
from cfsearch.config.checking import Strict
from cfsearch.datasets.tables import read_schema
from cfsearch.errors import CfsearchError, ConfigError
from cfsearch.providers.sidecar import read_sidecar
from cfsearch.schemas import schema
from cfsearch.secrecy import shown


@pytest.mark.parametrize("read", [Config.read, read_schema, read_sidecar])
def test_a_number_of_five_thousand_digits_is_refused(read: object, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("seed = " + "9" * 5000 + "\n", encoding="utf-8")
    assert callable(read)
    with pytest.raises(CfsearchError, match=r"a\.toml"):
        read(path)


HEX = f"0x{'F' * 5000}"
"""Of 6,021 digits: a file may hold it, and Python does not write it out."""
SETTINGS = ("evaluations", "population", "capacity", "patience", "max_queries", "max_time", "seed", "answers")


@pytest.mark.parametrize(
    "name", [*SETTINGS, "solver", "objectives", "immutable", "target", "critic", "gradients"]
)
def test_a_number_that_python_does_not_write_out_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(
        f'[model]\npath = "m.onnx"\n[data]\nimages = "p"\n[search]\n{name} = {HEX}\n', encoding="utf-8"
    )
    with pytest.raises(ConfigError, match=rf"a\.toml.*{name}") as caught:
        Config.read(path)
    assert "limit (4300" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize("table", ["model", "generator", "data", "run", "audit"])
def test_nor_does_one_in_place_of_a_table_end_in_a_fault(table: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(f"{table} = {HEX}\n[search]\nseed = 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"a\.toml"):
        Config.read(path)


EVERY = [
    (table, field.alias or name)
    for table, kind in Config.model_fields.items()
    if isinstance(kind.annotation, type) and issubclass(kind.annotation, Strict)
    for name, field in kind.annotation.model_fields.items()
]
HUGE = 16**5000


@pytest.mark.parametrize("value", [HUGE, -HUGE, [HUGE], [-HUGE]], ids=["huge", "negative", "listed", "both"])
@pytest.mark.parametrize(("table", "name"), EVERY)
def test_no_setting_takes_a_number_that_python_does_not_write_out(
    table: str, name: str, value: object
) -> None:
    given: dict[str, dict[str, object]] = {"model": {"path": "m.onnx"}, "data": {"images": "p"}}
    given.setdefault(table, {})[name] = value
    with pytest.raises(ConfigError) as caught:
        Config.check(given)
    assert "limit (4300" not in str(caught.value) and len(str(caught.value)) < 600


def test_a_number_is_counted_where_it_is_too_long() -> None:
    assert shown(10**300) == "a whole number of 301 digits"
    assert shown(-(10**5000)) == "a whole number of 5,001 digits"
    assert shown([10**5000]) == "a list that cannot be written out"
    assert shown(12) == "12" and shown("x" * 500) == "'" + "x" * 79


@pytest.mark.parametrize(
    "settings",
    [
        {"model": "https://user:secret@host/x"},
        {"model": {"path": "m.onnx"}, "data": {"images": "p"}, "search": "https://host/x?key=secret"},
        {"model": {"path": "m.onnx"}, "data": {"images": "p"}, "generator": ["https://user:secret@host/x"]},
        {
            "model": {"path": "m.onnx"},
            "data": {"images": "p"},
            "run": {"workers": "https://user:secret@host/x"},
        },
    ],
)
def test_no_secret_of_an_address_is_in_a_refusal(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"\[redacted\]") as caught:
        Config.check(settings)
    assert "secret" not in str(caught.value)


def test_a_seed_is_one_that_every_generator_of_random_numbers_takes() -> None:
    data = {"model": {"path": "m.onnx"}, "data": {"images": "p"}}
    assert Config.check({**data, "search": {"seed": 2**63 - 1}}).search.seed == 2**63 - 1
    with pytest.raises(
        ConfigError, match="seed.*must be at most 9,223,372,036,854,775,807, got 9223372036854775808"
    ):
        Config.check({**data, "search": {"seed": 2**63}})
    result = CliRunner().invoke(main, ["search", "a.png", "--model", "m.onnx", "--seed", "9" * 23])
    assert result.exit_code == 2 and "--seed" in result.stderr and "unexpected" not in result.stderr


def test_the_schema_of_settings_has_the_same_bounds() -> None:
    settings = schema("config")["properties"]["search"]["properties"]
    assert (settings["seed"]["maximum"], settings["patience"]["maximum"]) == (2**63 - 1, 10**9)


_COLUMN = '[[columns]]\nname = "age"\nkind = "integer"\nrange = [18, 99]\n'
_GATE = '[[gate]]\nmetric = "flip_rate"\nsubject = "all"\nop = ">="\nvalue = 0.5\nconfidence = 0.95\n'
_SIDECAR = 'labels = ["a", "b"]\n'


@pytest.mark.parametrize("number", [HEX, "9" * 400, "-" + "9" * 400], ids=["hex", "400 digits", "negative"])
@pytest.mark.parametrize(
    ("read", "text"),
    [
        *((read_schema, f"{_COLUMN}{key} = {value}\n") for key in ("step", "cost", "codes", "values", "gaps", "max_change", "digits", "fill") for value in ("N", "[N]", "[[1, N]]")),
        (read_schema, _COLUMN.replace("18", "N")),
        (read_schema, f"{_COLUMN}[target]\nname = N\n"),
        *((read_conditions, _GATE.replace(old, "N")) for old in ("0.5", "0.95", '"flip_rate"', '">="')),
        *((read_conditions, text) for text in ("gate = N", "gate = [N]", "gate = [[N]]")),
        *((read_sidecar, f"{_SIDECAR}{rest}\n") for rest in ("scores = N", "max_batch = N", "[input]\nsize = [N, N]", "[input]\nmean = [N]", "[served]\ndeadline = N")),
        *((Config.read, f'[model]\npath = "m.onnx"\n[data]\nimages = "p"\n{rest}\n') for rest in ("[generator]\nsource = 'pixels'\nsettings = {grid = N}", "[search]\nobjectives = [{name = 'intensity', norm = [N]}]", "[search]\nobjectives = ['intensity:norm=N']")),
    ],
)  # fmt: skip
def test_no_file_of_settings_takes_a_number_that_is_no_float(
    read: Callable[[Path], object], text: str, number: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text.replace("N", number), encoding="utf-8")
    with pytest.raises(ConfigError):
        read(path)
