"""Settings: what is read, what is refused, and how."""

import contextlib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfsearch.config import (
    AuditConfig,
    Config,
    DataConfig,
    ModelConfig,
    RunConfig,
    SearchConfig,
    overlaid,
    parse_plugin,
)
from cfsearch.errors import CfsearchError, ConfigError
from cfsearch.schemas import schema

LEAST: dict[str, Any] = {"model": {"path": "m.onnx"}, "data": {"images": "faces"}}


def written(folder: Path, text: str) -> Path:
    path = folder / "cfsearch.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_least_that_must_be_declared(tmp_path: Path) -> None:
    config = Config.read(written(tmp_path, '[model]\npath = "m.onnx"\n[data]\nimages = "faces"\n'))
    assert config == Config.check(LEAST)
    assert config.search.solver.name == "nsga2"
    assert (config.search.evaluations, config.search.population, config.search.seed) == (5000, 100, 0)
    assert config.generator.source == "pixels"


def test_plug_ins_are_written_in_three_ways() -> None:
    ways = (
        "intensity:norm=l1",
        {"name": "intensity", "norm": "l1"},
        {"name": "intensity", "settings": {"norm": "l1"}},
    )
    for way in ways:
        config = Config.check({**LEAST, "search": {"objectives": [way]}})
        assert config.search.objectives[0].name == "intensity"
        assert config.search.objectives[0].settings == {"norm": "l1"}


@pytest.mark.parametrize(
    ("text", "name", "settings"),
    [
        ("nsga2", "nsga2", {}),
        ("flip:margin=0.1", "flip", {"margin": 0.1}),
        ("pixels:grid=4,colour=true", "pixels", {"grid": 4, "colour": True}),
        ("pixels:size=[32, 48],reach=0.5", "pixels", {"size": [32, 48], "reach": 0.5}),
        ("a: norm = l1 ", "a", {"norm": "l1"}),
        ('a:text="x,y"', "a", {"text": "x,y"}),
    ],
)
def test_plug_ins_of_one_word(text: str, name: str, settings: dict[str, Any]) -> None:
    assert parse_plugin(text) == {"name": name, "settings": settings}


def test_a_plug_in_setting_without_a_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="'margin' is not"):
        parse_plugin("flip:margin")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[search]\nevaluation = 5\n",
            r", line \d+, column 1: unknown setting `evaluation` in \[search\].*Did you mean `evaluations`\?",
        ),
        ("[serch]\n", r"unknown setting `serch`.*Did you mean `search`\?"),
        (
            "[search]\nevaluations = 0\n",
            r"line \d+, column 1: `search.evaluations`: must be a whole number of at least 1, got 0",
        ),
        ("[search]\nseed = -1\n", "`search.seed`"),
        ("[search]\nevaluations = 'many'\n", "`search.evaluations`"),
        ("[search]\nobjectives = ['flip:margin']\n", "'margin' is not"),
        ("[search]\nevaluations = \n", "not valid TOML"),
        ("[run]\nthreads = 0\n", "`run.threads`"),
    ],
)
def test_f87_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, '[model]\npath = "m.onnx"\n[data]\nimages = "faces"\n' + text)
    with pytest.raises(ConfigError, match=said) as caught:
        Config.read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the setting `model` is missing"):
        Config.read(written(tmp_path, "[data]\nimages = 'x'\n"))
    with pytest.raises(ConfigError, match="there is no such file. Check the path"):
        Config.read(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"a = '\xe9'\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        Config.read(tmp_path / "latin.toml")


def test_values_on_top_win_table_by_table(tmp_path: Path) -> None:
    path = written(
        tmp_path, '[model]\npath = "m.onnx"\n[data]\nimages = "a"\nlimit = 3\n[search]\nseed = 1\n'
    )
    config = Config.read(path, over={"data": {"images": "b"}, "search": {"evaluations": 7}})
    assert (config.data.images, config.data.limit) == ("b", 3)
    assert (config.search.seed, config.search.evaluations) == (1, 7)


def test_a_misspelt_table_is_named_before_the_one_that_is_missing_for_it(tmp_path: Path) -> None:
    path = written(tmp_path, '[model]\npath = "m.onnx"\n[dta]\nimages = "faces"\n')
    with pytest.raises(ConfigError, match=r"line 3, column 2: unknown setting `dta`.*Did you mean `data`\?"):
        Config.read(path)


def test_another_model_drops_what_was_declared_of_the_old_one() -> None:
    below = {"model": {"path": "a.safetensors", "arch": "x:y", "votes": 4}}
    assert overlaid(below, {"model": {"path": "b.onnx"}}) == {"model": {"path": "b.onnx", "votes": 4}}
    assert overlaid(below, {"model": {"sidecar": "s"}})["model"]["arch"] == "x:y"
    assert below == {"model": {"path": "a.safetensors", "arch": "x:y", "votes": 4}}


def test_resolved_settings_read_back_as_the_same() -> None:
    search = {"objectives": ["adversarial", "intensity:norm=l1"], "target": "male", "immutable": ["Male"]}
    config = Config.check({**LEAST, "search": search, "generator": "pixels:grid=4"})
    assert Config.check(config.resolved()) == config
    jsonschema.validate(config.resolved(), schema("config"))


def test_the_schema_knows_every_setting() -> None:
    tables = schema("config")["properties"]
    tables["model"], several = tables["model"]["anyOf"]
    assert several["items"]["properties"].keys() == tables["model"]["properties"].keys()
    assert {*tables, "further_models"} == set(Config.model_fields)  # written as [[model]]
    for table, model in (
        ("model", ModelConfig),
        ("data", DataConfig),
        ("search", SearchConfig),
        ("audit", AuditConfig),
        ("run", RunConfig),
    ):
        names = {field.alias or name for name, field in model.model_fields.items()}
        assert set(tables[table]["properties"]) == names, table


@given(text=st.text(max_size=200))
def test_f90_no_text_raises_anything_but_our_own_error(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises(CfsearchError):
        Config.read(path)


@given(text=st.text(alphabet="ab:=,[]{}\"' 1", max_size=30))
def test_f90_no_plug_in_text_raises_anything_but_our_own_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert set(parse_plugin(text)) == {"name", "settings"}


def test_several_models_share_their_settings_or_have_their_own() -> None:
    data = {"images": "x"}
    shared = Config.check({"model": {"path": ["a.onnx", "b.onnx"], "votes": 4}, "data": data})
    assert [(m.path, m.votes) for m in (shared.model, *shared.further_models)] == [
        ("a.onnx", 4),
        ("b.onnx", 4),
    ]
    own = Config.check({"model": [{"path": "a.onnx", "votes": 4}, {"path": "b.onnx"}], "data": data})
    assert [(m.path, m.votes) for m in (own.model, *own.further_models)] == [("a.onnx", 4), ("b.onnx", 16)]
    for config in (shared, own):
        jsonschema.validate(config.resolved(), schema("config"))
        assert Config.check(config.resolved()) == config
    with pytest.raises(ConfigError, match="stands for one model"):
        Config.check({"model": {"path": ["a", "b"], "surrogate": "s"}, "data": data})


def test_flags_on_top_of_several_models() -> None:
    below = {"model": [{"path": "a.onnx"}, {"path": "b.onnx", "votes": 4}]}
    assert overlaid(below, {"model": {"votes": 8}})["model"] == [
        {"path": "a.onnx", "votes": 8},
        {"path": "b.onnx", "votes": 8},
    ]
    assert overlaid(below, {"model": {"path": "c.onnx"}})["model"] == {"path": "c.onnx"}


@pytest.mark.parametrize("name", ["search", "bench"])
def test_the_settings_in_other_documents_have_the_schema_of_settings(name: str) -> None:
    # every table: a setting that is added must be added wherever settings are written
    assert schema(name)["$defs"]["config"]["properties"] == schema("config")["properties"]


@pytest.mark.parametrize("name", ["search", "bench"])
def test_written_settings_keep_the_schema_of_the_document_they_are_in(name: str) -> None:
    config = Config.check(
        {
            "model": {"path": "m.onnx"},
            "data": {"table": "t.csv", "delimiter": ";", "encoding": "latin-1", "decided": "day"},
            "audit": {"effect_rows": 7},
            "about": {"who": "a bank", "why": "a yearly check"},
        }
    )
    embedded = {"$defs": schema(name)["$defs"], "$ref": "#/$defs/config"}
    written_down = config.resolved()
    assert written_down["data"]["decided"] == "day"
    assert written_down["audit"]["effect_rows"] == 7
    assert written_down["about"]["who"] == "a bank"
    jsonschema.validate(written_down, embedded)
    written_down["audit"]["effect_rows"] = -1
    with pytest.raises(jsonschema.ValidationError, match="-1 is less than the minimum"):
        jsonschema.validate(written_down, embedded)


@pytest.mark.parametrize("solver", ["bayesian", "bayesian:optimism=1", {"name": "bayesian", "optimism": 1.0}])
@pytest.mark.parametrize(("data", "patience"), [({"images": "faces"}, 0), ({"table": "rows.csv"}, 6)])
def test_a_solver_that_learns_from_few_candidates_has_a_budget_of_its_own(
    solver: object, data: dict[str, str], patience: int
) -> None:
    def search(**given: object) -> tuple[int, int, int]:
        found = Config.check(
            {"model": {"path": "m.onnx"}, "data": data, "search": {"solver": solver, **given}}
        ).search
        return found.evaluations, found.population, found.patience

    assert search() == (300, 10, patience)
    assert search(evaluations=77, patience=2) == (77, 10, 2)
    assert search(population=5) == (300, 5, patience)


@pytest.mark.parametrize(
    ("section", "line", "says"),
    [
        ("search", "evaluations = true", "`search.evaluations`: must be a number, got true"),
        ("search", "pruning = false", "`search.pruning`: must be a number, got false"),
        ("search", "reference_point = [1.0, true]", "`search.reference_point`: must be a number, got true"),
        ("search", "max_queries = true", "`search.max_queries`: must be a number, got true"),
        ("data", "rows = [0, true]", "`data.rows`: must be a number, got true"),
        ("run", "threads = true", "`run.threads`: must be a number, got true"),
        ("search", "evaluations = 99999999999999999999", "must be at most 1,000,000,000"),
        ("search", "population = 1_000_000_001", "must be at most 1,000,000,000"),
        ("search", 'immutable = "age"', "`search.immutable`: must be a list, in square brackets, got 'age'"),
        ("search", "target = 1", "`search.target`: must be a text, in quotes, got 1"),
        ("search", "evaluations = 1.5", "`search.evaluations`: must be a whole number, got 1.5"),
        ("search", 'seed = "seven"', "`search.seed`: must be a whole number, got 'seven'"),
        ("search", "genuineness = 3", "`search.genuineness`: must be true or false, got 3"),
        ("model", "path = 3", "`model.path`: must be a text, in quotes, got 3"),
        ("model", 'path = ""', "`model.path`: is an empty text; name a file, or take the setting out"),
        ("model", 'surrogate = " "', "`model.surrogate`: is an empty text"),
        ("data", 'schema = ""', "`data.schema`: is an empty text"),
        ("data", 'reference = ""', "`data.reference`: is an empty text"),
    ],
)
def test_a_value_of_another_type_is_named_in_words(
    tmp_path: Path, section: str, line: str, says: str
) -> None:
    values = {"model": ['path = "m.skops"'], "data": ['table = "t.csv"'], "search": [], "run": []}
    values[section] = [one for one in values[section] if one.split()[0] != line.split(maxsplit=1)[0]] + [line]
    path = tmp_path / "a.toml"
    path.write_text("\n".join(f"[{name}]\n" + "\n".join(lines) for name, lines in values.items()))
    with pytest.raises(ConfigError, match=r"a\.toml.*: `") as caught:
        Config.read(path)
    assert says in str(caught.value)


def test_truths_stay_truths_where_they_are_meant() -> None:
    least: dict[str, Any] = {"model": {"path": "m.skops"}, "data": {"table": "t.csv"}}
    config = Config.check({**least, "search": {"genuineness": False, "gradients": True}})
    assert (config.search.genuineness, config.search.gradients) == (False, True)
    plugin = Config.check({**least, "search": {"solver": {"name": "nsga2", "flag": True}}})
    assert plugin.search.solver.name == "nsga2"


@pytest.mark.parametrize(
    ("name", "content", "meant"),
    [
        ("m.skops", b"PK\x03\x04\xff", "write --model m.skops"),
        ("gone.onnx", None, "write --model gone.onnx"),
        ("lender:predict", None, "write --model lender:predict"),
        ("t.csv.gz", b"\x1f\x8b\x08\xff", "write --data t.csv.gz"),
        ("face.png", b"\x89PNG", "write --images face.png"),
        ("faces", b"folder", "write --images faces"),
        ("gone.toml", None, "`cfsearch init gone.toml` writes one"),
        ("a" * 300, None, "File name too long"),
    ],
)
def test_a_model_or_inputs_in_the_place_of_settings_are_given_their_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes | None, meant: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if content == b"folder":
        Path(name).mkdir()
    elif content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        Config.read(name)
    assert meant in str(caught.value)


def test_what_becomes_of_missing_numbers_is_of_a_guessed_schema() -> None:
    data = {"table": "t.csv", "schema": "t.schema.toml", "missing_numbers": "keep"}
    with pytest.raises(ConfigError, match=r"`data.missing_numbers` goes with a guessed schema"):
        Config.check({"model": {"path": "m.skops"}, "data": data})
    with pytest.raises(ConfigError, match=r"`data.missing_numbers` goes with `data.table`, not with images"):
        Config.check({"model": {"path": "m.onnx"}, "data": {"images": "a", "missing_numbers": "drop"}})
