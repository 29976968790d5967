"""What options take and refuse on the command line, their defaults, and the settings that they make."""

import contextlib
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import click
import pytest

from cfsearch.cli._settings import (
    is_recording,
    isolation_of,
    kind_of_inputs,
    settings,
    use_threads,
    with_model,
)
from cfsearch.errors import ConfigError

from .conftest import Call
from .test_help import ALL, commands

WORD: Final = ("no-number", "1e", "")
_WHOLE: Final = ("1", ("0", "-1", "1.5", *WORD))
_FROM_0: Final = ("0", ("-1", "0.5", *WORD))
_ABOVE_0: Final = ("1e-6", ("0", "-0.5", *WORD))
_SHARE: Final = ("1", ("1.01", "-0.01", *WORD))
_LIMIT: Final = ("1e6", ("0", "-1", "1000001", *WORD))
TAKEN: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "--answers": _WHOLE,
    "--at-least": _SHARE,
    "--robustness": ("100", ("101", "-1", "0.5", *WORD)),
    "--batch": ("2", ("1", "2.5", *WORD)),
    "--batch-size": _WHOLE,
    "--block": _WHOLE,
    "--cannot-tell": ("pass", ("maybe",)),
    "--capacity": _WHOLE,
    "--checkpoint-every": _FROM_0,
    "--critic": ("trained", ("other",)),
    "--critic-hidden": _WHOLE,
    "--critic-rate": ("1e-4", WORD),
    "--critic-width": _WHOLE,
    "--deadline": _LIMIT,
    "--effect-rows": _FROM_0,
    "--evaluations": _WHOLE,
    "demo --faces": ("2", ("1", "201", "2.5", *WORD)),
    "bench originals --faces": ("1000", ("1", "1001", "2.5", *WORD)),
    "export --format": ("csv", ("xlsx", "CSV ")),
    "gate --format": ("sarif", ("xml",)),
    "--held-out": ("0.5", ("0.51", "-0.01", *WORD)),
    "--layers": _WHOLE,
    "--limit": _WHOLE,
    "--log-every": _WHOLE,
    "--max-queries": _WHOLE,
    "--max-time": _ABOVE_0,
    "--max-width": _WHOLE,
    "--memory": _LIMIT,
    "--minutes": _ABOVE_0,
    "--patience": _FROM_0,
    "--people": ("2", ("1", "2.5", *WORD)),
    "--pick": ("knee", ("best",)),
    "--population": _WHOLE,
    "--practical": _ABOVE_0,
    "--shared-queries": _FROM_0,
    "--contribution-queries": _FROM_0,
    "--practical-share": ("1", ("0", "1.01", *WORD)),
    "--precision": ("bfloat16", ("float16",)),
    "--queries": ("2", ("1", "2.5", *WORD)),
    "--rate": ("1e-4", WORD),
    "--recipe": ("paired", ("slow",)),
    "--row": _FROM_0,
    "--rows": _WHOLE,
    "--scale": _ABOVE_0,
    "--seed": _FROM_0,
    "--seeds": _WHOLE,
    "--sheet-every": _FROM_0,
    "--sigma": ("0.1", WORD),
    "--single": _SHARE,
    "doctor --size": ("4", ("3", *WORD)),
    "explain --size": ("8", ("7", *WORD)),
    "distill --size": ("8", ("7", *WORD)),
    "train generator --size": ("64", ("63", *WORD)),
    "--split": ("valid", ("validation",)),
    "--steps": _WHOLE,
    "--table": ("instances", ("rows",)),
    "--threads": _WHOLE,
    "--trials": _FROM_0,
    "--uniform": _SHARE,
    "--upsampling": ("resize", ("nearest",)),
    "--votes": ("2", ("1", "1025", "2.5", *WORD)),
    "--width": _WHOLE,
}
"""Of each option that takes a number or one of a few words: a value at its edge, and values that it refuses."""
DEFAULTS: Final[dict[str, object]] = {
    "audit --title": "Counterfactual audit",
    "demo --out": Path("cfsearch-demo"),
    "distill --device": "cpu",
    "distill --preset": "best",
    "doctor --device": "cpu",
    "explain --device": "cpu",
    "explain --method": "gradient",
    "train critic --device": "cpu",
    "train critic --family": "attgan",
    "train generator --device": "cpu",
    "train generator --family": "attgan",
    "verify --device": "cpu",
    "bench originals --faces": 40,
    "bench originals --seed": 0,
    "bench solvers --seeds": 5,
    "bench solvers --solvers": "nsga2,smpso,gde3",
    "demo --evaluations": 3000,
    "demo --faces": 12,
    "demo --seed": 7,
    "diff --practical-share": 0.05,
    "distill --held-out": 0.1,
    "distill --seed": 0,
    "explain --block": 1,
    "explain --seed": 0,
    "export --table": "members",
    "gate --cannot-tell": "fail",
    "gate --format": ("text",),
    "measure generator --device": "cpu",
    "measure generator --family": "attgan",
    "measure generator --people": 10_000,
    "measure generator --seed": 0,
    "search --rows": 8,
    "show --rows": 8,
    "train critic --people": 10_000,
    "train critic --seed": 0,
    "train generator --people": 10_000,
    "train generator --seed": 0,
    "train generator --size": 64,
    "verify --pick": "sparsest",
}
"""Defaults of the command line itself; those of a ``cfsearch.toml`` are left to the settings."""

OPTIONS: Final = [
    (name, option)
    for name, command in ALL.items()
    for option in command.params
    if isinstance(option, click.Option) and option.name != "verbose"
]
NARROW: Final = [
    (name, option.opts[0])
    for name, option in OPTIONS
    if not option.is_flag and not isinstance(option.type, click.Path | click.types.StringParamType)
]


def parsed(name: str, *words: str) -> dict[str, Any]:
    """The options of a command as click understands these words; the arguments it wants besides are made up."""
    command = ALL[name]
    needed = [
        word
        for option in command.params
        if isinstance(option, click.Option) and option.required and option.opts[0] not in words
        for word in (option.opts[0], next(iter(getattr(option.type, "choices", ["x"]))))
    ]
    arguments = sum(1 for p in command.params if isinstance(p, click.Argument) and p.required)
    return command.make_context(name, [*needed, *words, *["x"] * arguments]).params


@pytest.mark.parametrize(("name", "option"), [pair for pair in NARROW if pair[1] != "--protocol"])
def test_what_is_out_of_range_is_refused_by_name_and_the_edge_is_taken(name: str, option: str) -> None:
    edge, refused = TAKEN.get(f"{name} {option}") or TAKEN[option]
    key = next(o.name for n, o in OPTIONS if n == name and option in o.opts)
    assert key is not None
    value = parsed(name, option, edge)[key]
    value = value[0] if isinstance(value, tuple) else value
    assert value == (edge if isinstance(value, str) else float(edge))
    for word in refused:
        with pytest.raises(click.BadParameter) as raised:
            parsed(name, option, word)
        assert option in raised.value.format_message()


@pytest.mark.parametrize("key", TAKEN)
def test_every_range_is_of_an_option_that_takes_only_some_values(key: str) -> None:
    command, _, option = key.rpartition(" ")
    assert [pair for pair in NARROW if pair[1] == option and command in ("", pair[0])]


def test_defaults_of_the_command_line() -> None:
    found = {
        f"{name} {option.opts[0]}": value
        for name, option in OPTIONS
        if not option.is_flag and not option.required
        if (value := parsed(name).get(str(option.name))) not in (None, (), "x", ("x",))
    }
    assert found == DEFAULTS, "a default was changed, or is new: DEFAULTS says which there are"


class TestSettings:
    """Flags on top of a file."""

    def test_flags_alone_need_a_model_and_inputs(self) -> None:
        with pytest.raises(ConfigError, match="--model is missing"):
            settings(None, {"images": Path("faces")})
        with pytest.raises(ConfigError, match="inputs are missing"):
            settings(None, {"model": "m.onnx"})
        assert settings(None, {"text": ("a dull film",)}).data.texts == ("a dull film",)

    def test_one_kind_of_input(self) -> None:
        with pytest.raises(ConfigError, match="--images and --data were both given"):
            settings(None, {"model": "m.onnx", "images": Path("faces"), "data": Path("t.csv")})
        with pytest.raises(ConfigError, match="--texts and --sounds were both given"):
            settings(None, {"texts": Path("t.txt"), "sounds": Path("s.wav")})
        with pytest.raises(ConfigError, match="--text and --texts were both given"):
            settings(None, {"text": ("good",), "texts": Path("t.csv")})

    def test_every_flag_stands_over_the_file(self, tmp_path: Path) -> None:
        file = tmp_path / "cfsearch.toml"
        file.write_text(
            '[model]\npath = "a.onnx"\nvotes = 4\n[data]\nimages = "faces"\nlimit = 9\n'
            '[search]\nseed = 1\n[run]\nthreads = 1\n[generator]\nsource = "pixels"\n'
        )
        kept = settings(file, {"seed": None, "trust": ()})
        assert (kept.model.path, kept.model.votes, kept.data.limit, kept.search.seed) == ("a.onnx", 4, 9, 1)
        assert kept.run.isolate is None
        over = settings(file, {"model": "b.onnx", "votes": 8, "limit": 2, "seed": 5, "generator": "faces64"})
        assert (over.model.path, over.model.votes, over.data.limit, over.search.seed) == ("b.onnx", 8, 2, 5)
        assert over.generator.source == "faces64"

    @pytest.mark.parametrize("given", [True, False, None])
    def test_isolation_is_what_was_given_and_else_the_default(
        self, monkeypatch: pytest.MonkeyPatch, given: bool | None
    ) -> None:
        monkeypatch.setattr("cfsearch.providers.isolated.process.stand_by", lambda: None)
        for default in (True, False):
            monkeypatch.setattr("cfsearch.cli._settings.ISOLATED_BY_DEFAULT", default)
            made = settings(None, {"model": "m", "images": Path("f"), "isolate": given})
            assert made.run.isolate is (default if given is None else given)
        assert settings(None, {"model": "m", "images": Path("f")}).run.isolate is None


class TestKinds:
    """Which kind of input a command is about, before its settings are read."""

    @pytest.mark.parametrize(
        ("flags", "kind"),
        [
            ({}, "images"),
            ({"data": Path("t.csv")}, "table"),
            ({"text": ("good",)}, "texts"),
            ({"text": ()}, "images"),
            ({"texts": Path("t.txt")}, "texts"),
            ({"sounds": Path("s.wav"), "data": None}, "sounds"),
        ],
    )
    def test_flags_name_it(self, flags: dict[str, Any], kind: str, tmp_path: Path) -> None:
        assert kind_of_inputs(None, flags) == kind
        file = tmp_path / "c.toml"
        file.write_text('[data]\nsounds = "s.wav"\n')
        assert kind_of_inputs(file, flags) == ("sounds" if kind == "images" else kind)

    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ('[data]\ntable = "t.csv"', "table"),
            ('\ufeff[data]\ntexts = "t.txt"', "texts"),
            ('[data]\nimages = "faces"', "images"),
            ("[data", "images"),
            ("data = 3", "images"),
            ("", "images"),
        ],
    )
    def test_a_file_names_it(self, text: str, kind: str, tmp_path: Path) -> None:
        file = tmp_path / "c.toml"
        file.write_text(text, encoding="utf-8")
        assert kind_of_inputs(file, {}) == kind

    def test_a_file_that_is_not_there_is_left_to_its_reader(self, tmp_path: Path) -> None:
        assert kind_of_inputs(tmp_path / "none.toml", {}) == "images"

    @pytest.mark.parametrize(
        ("name", "sound"),
        [("a.wav", True), ("a.WAV", True), ("a.mp3", True), ("a.png", False), ("wav", False)],
    )
    def test_recordings_go_by_their_ending(self, name: str, sound: bool) -> None:
        assert is_recording(Path(name)) is sound


class TestTheArgument:
    """The model of a table, texts or sounds may stand as the argument."""

    def test_it_is_the_model(self) -> None:
        assert with_model(["m.skops"], {"model": None, "seed": 1}) == {"model": "m.skops", "seed": 1}
        assert with_model([], {"model": "m.skops"}) == {"model": "m.skops"}

    def test_more_than_one_is_refused(self) -> None:
        with pytest.raises(click.UsageError, match="nothing left for the argument 'b'"):
            with_model(["b"], {"model": "a"})
        with pytest.raises(click.UsageError, match="got 2: a, b"):
            with_model(["a", "b"], {})

    def test_one_model_where_one_is_meant(self, call: Call) -> None:
        answer = call("search", "x.png", "--model", "a.onnx", "--model", "b.onnx")
        assert answer.code == 2
        assert "takes one model here, got 2: a.onnx, b.onnx" in answer.err


class TestIsolation:
    """The limits of the model's own process."""

    @pytest.fixture(autouse=True)
    def nothing_starts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cfsearch.providers.isolated.process.stand_by", lambda: None)

    def test_limits_arrive(self) -> None:
        made = isolation_of(True, model="m.onnx", deadline=9.0, memory=2.0, offline=True)
        assert made is not None
        assert (made.deadline_s, made.memory_gib, made.offline) == (9.0, 2.0, True)
        online = isolation_of(True, model="m.onnx", deadline=None, memory=None)
        assert online is not None and online.offline is False

    def test_none_where_it_is_not_wanted_or_runs_elsewhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert isolation_of(False, model="m.onnx", deadline=None, memory=None) is None
        assert isolation_of(True, model="https://example.org/m", deadline=None, memory=None) is None
        assert (
            isolation_of(None, model="m.onnx", deadline=None, memory=None) is None
        )  # the default of these tests
        monkeypatch.setattr("cfsearch.cli._settings.ISOLATED_BY_DEFAULT", True)
        assert isolation_of(None, model="m.onnx", deadline=None, memory=None) is not None


def test_threads_are_those_of_torch_where_given(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr("torch.set_num_threads", seen.append)
    with contextlib.suppress(ConfigError):
        settings(None, {"model": "m", "images": Path("f"), "threads": 3})
    use_threads(None)
    assert seen == [3]


ARRIVES: Final[dict[str, tuple[object, str, object]]] = {
    "model": ("m.onnx", "model.path", "m.onnx"),
    "sidecar": (Path("s.toml"), "model.sidecar", "s.toml"),
    "arch": ("p:b", "model.arch", "p:b"),
    "votes": (5, "model.votes", 5),
    "sigma": (0.07, "model.sigma", 0.07),
    "surrogate": (Path("s"), "model.surrogate", "s"),
    "trust": (("a.B",), "model.trust", ("a.B",)),
    "trust_model": (f"sha256:{'ab' * 32}", "model.trust_model", f"sha256:{'ab' * 32}"),
    "recursive": (True, "data.recursive", True),
    "limit": (2, "data.limit", 2),
    "attributes": (Path("a.csv"), "data.attributes", "a.csv"),
    "split": ("valid", "data.split", "valid"),
    "by": ("A, B", "data.by", ("A", "B")),
    "reference": (Path("r"), "data.reference", "r"),
    "protected": (" A ,B,", "audit.protected", ("A", "B")),
    "practical": (0.5, "audit.practical", 0.5),
    "device": ("cuda:1", "run.device", "cuda:1"),
    "batch_size": (3, "run.batch_size", 3),
    "deadline": (9.0, "run.deadline", 9.0),
    "memory": (2.0, "run.memory", 2.0),
    "immutable": ("a, b", "search.immutable", ("a", "b")),
    "capacity": (13, "search.capacity", 13),
    "patience": (9, "search.patience", 9),
    "gradients": (True, "search.gradients", True),
    "target": ("bright", "search.target", "bright"),
}
OF_ROWS: Final[dict[str, tuple[object, str, object]]] = {
    "row": ((4, 5), "data.rows", (4, 5)),
    "where": (("a=1",), "data.where", ("a=1",)),
    "label": ("ok", "data.label", "ok"),
    "encoding": ("cp850", "data.encoding", "cp850"),
    "delimiter": ("^", "data.delimiter", "^"),
    "seed_with": ("gradient", "search.seed_with", None),
}


@pytest.mark.parametrize(("flag", "row"), [*((f, False) for f in ARRIVES), *((f, True) for f in OF_ROWS)])
def test_each_flag_is_the_setting_of_its_name(flag: str, row: bool) -> None:
    value, place, expected = (OF_ROWS if row else ARRIVES)[flag]
    inputs = {"data": Path("t.csv")} if row else {"images": Path("faces")}
    made = settings(None, {"model": "m.onnx", **inputs, flag: value})
    found = attrgetter(place)(made)
    if flag == "seed_with":
        assert [plugin.name for plugin in found] == ["gradient"]
    else:
        assert found == expected
    assert made.data.table == ("t.csv" if row else None)


@pytest.mark.parametrize(
    ("flags", "place", "expected"),
    [
        ({"schema": Path("s.toml"), "data": Path("t.csv"), "model": "m"}, "data.schema_file", "s.toml"),
        (
            {"critic": "trained", "reference": Path("r.csv"), "data": Path("t.csv"), "model": "m"},
            "search.critic",
            "trained",
        ),
        ({"texts": Path("t.csv"), "column": "c"}, "data.column", "c"),
        ({"texts": Path("t.csv")}, "data.texts", "t.csv"),
        ({"sounds": Path("s.wav")}, "data.sounds", "s.wav"),
    ],
)
def test_flags_of_other_inputs(flags: dict[str, Any], place: str, expected: object) -> None:
    assert attrgetter(place)(settings(None, flags)) == expected


def test_nan_and_infinity_are_no_values_of_a_number() -> None:
    numbers = [
        param
        for _, command in commands()
        for param in command.params
        if isinstance(param.type, click.types.FloatParamType)
    ]
    assert len(numbers) > 9
    for param in numbers:
        for text in ("inf", "-inf"):
            with pytest.raises(click.BadParameter, match="is no finite number|is not in the range"):
                param.type.convert(text, param, None)
        with pytest.raises(click.BadParameter, match="'nan' is no number"):
            param.type.convert("nan", param, None)
