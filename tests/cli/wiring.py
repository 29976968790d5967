"""Where the value of each option of the command line must arrive: a row an option, read by ``test_wiring``.

A row says what is written on the command line, which function the command then calls (its border: all
below is replaced, the command itself is not), and what must stand in the arguments of that call.
"""

from operator import attrgetter
from pathlib import Path
from typing import Final

from .wiring_row import (
    ASSEMBLE,
    AUDIT,
    OPEN_INPUTS,
    OPEN_MODEL,
    OPEN_PROVIDER,
    PHOTOGRAPHS,
    THREADS,
    Arguments,
    Read,
    Row,
    argument,
    first_argument,
    last_part,
    names,
    setting,
)
from .wiring_training import CRITICISED, GENERATED, training

A_HASH: Final = f"sha256:{'ab' * 32}"

_IMAGE: Final[dict[str, tuple[str, Read, object]]] = {
    "--model": ("", setting("model.path"), "m.onnx"),
    "--trust-model": (f"--trust-model {A_HASH}", setting("model.trust_model"), A_HASH),
    "--sidecar": ("--sidecar s.toml", setting("model.sidecar"), "s.toml"),
    "--arch": ("--arch pkg.mod:build", setting("model.arch"), "pkg.mod:build"),
    "--votes": ("--votes 5", setting("model.votes"), 5),
    "--sigma": ("--sigma 0.07", setting("model.sigma"), 0.07),
    "--surrogate": ("--surrogate s.safetensors", setting("model.surrogate"), "s.safetensors"),
    "--generator": ("--generator pixels:grid=3", setting("generator.settings"), {"grid": 3}),
    "--solver": ("--solver smpso", setting("search.solver.name"), "smpso"),
    "--objective": (
        "--objective intensity:norm=l1 --objective adversarial",
        names("search.objectives"),
        ["intensity", "adversarial"],
    ),
    "--constraint": ("--constraint flip:margin=0.2", names("search.constraints"), ["flip"]),
    "--evaluations": ("--evaluations 77", setting("search.evaluations"), 77),
    "--population": ("--population 12", setting("search.population"), 12),
    "--answers": ("--answers 3", setting("search.answers"), 3),
    "--robustness": ("--robustness 7", setting("search.robustness"), 7),
    "--patience": ("--patience 9", setting("search.patience"), 9),
    "--gradients": ("--gradients", setting("search.gradients"), True),
    "--capacity": ("--capacity 13", setting("search.capacity"), 13),
    "--max-queries": ("--max-queries 99", setting("search.max_queries"), 99),
    "--max-time": ("--max-time 1.5", setting("search.max_time"), 1.5),
    "--seed": ("--seed 3", setting("search.seed"), 3),
    "--target": ("--target bright", setting("search.target"), "bright"),
    "--immutable": ("--immutable 'a, b'", setting("search.immutable"), ("a", "b")),
    "--reference": ("--reference others", setting("data.reference"), "others"),
    "--device": ("--device cuda:1", setting("run.device"), "cuda:1"),
    "--batch-size": ("--batch-size 3", setting("run.batch_size"), 3),
    "--threads": ("--threads 1", setting("run.threads"), 1),
}
"""Options of a search of images."""
_FOLDER: Final[dict[str, tuple[str, Read, object]]] = {
    "--images": ("", lambda call: Path(call["config"].data.images).name, "faces"),
    "--recursive": ("--recursive", setting("data.recursive"), True),
    "--limit": ("--limit 2", setting("data.limit"), 2),
    "--attributes": ("--attributes a.csv", setting("data.attributes"), "a.csv"),
    "--split": ("--split valid", setting("data.split"), "valid"),
    "--by": ("--by 'A, B'", setting("data.by"), ("A", "B")),
}
"""Options of images that are given as a folder."""
_TABLE: Final[dict[str, tuple[str, Read, object]]] = {
    "--data": ("", setting("data.table"), "t.csv"),
    "--row": ("--row 4", setting("data.rows"), (0, 4)),
    "--where": ("--where job=nurse", setting("data.where"), ("job=nurse",)),
    "--decided": ("--decided no", setting("data.decided"), "no"),
    "--schema": ("--schema s.toml", setting("data.schema_file"), "s.toml"),
    "--label": ("--label ok", setting("data.label"), "ok"),
    "--encoding": ("--encoding cp850", setting("data.encoding"), "cp850"),
    "--delimiter": ("--delimiter ^", setting("data.delimiter"), "^"),
    "--trust": ("--trust pkg.Type", setting("model.trust"), ("pkg.Type",)),
    "--critic": ("--critic trained --reference r.csv", setting("search.critic"), "trained"),
    "--seed-with": ("--seed-with gradient,wachter", names("search.seed_with"), ["gradient", "wachter"]),
}
"""Options of a search of rows, whose words follow ``--data t.csv --row 0 --model m.skops``."""
_OTHERS: Final[dict[str, tuple[str, Read, object]]] = {
    "--text": ("--text 'a dull film'", setting("data.texts"), ("a dull film",)),
    "--texts": ("--texts t.csv", setting("data.texts"), "t.csv"),
    "--column": ("--texts t.csv --column review", setting("data.column"), "review"),
    "--sounds": ("--sounds s.wav", setting("data.sounds"), "s.wav"),
}
"""Options that name texts or sounds."""


_ISOLATED: Final[dict[str, tuple[str, Read, object]]] = {
    "--isolation": ("", setting("run.isolate"), False),
    "--deadline": ("--deadline 9", setting("run.deadline"), 9.0),
    "--memory": ("--memory 2", setting("run.memory"), 2.0),
}
"""Options of the model's own process, whose words follow ``--no-isolation``."""
_AUDITED: Final = "audit --images {faces} --model m.onnx --out {here}/run --no-isolation"


def _alone() -> dict[tuple[str, str], Row]:
    """The options of the model's own process, of commands that open a model and search nothing."""
    rows: dict[tuple[str, str], Row] = {}
    border = "cfsearch.cli._opened.isolation_of"
    values = {
        "--isolation": ("isolate", "--no-isolation", False),
        "--deadline": ("deadline", "--deadline 9", 9.0),
    }
    for option, (name, words, value) in {**values, "--memory": ("memory", "--memory 2", 2.0)}.items():
        for command, base in {"doctor": "doctor m", "distill": _DISTILLED}.items():
            rows[command, option] = Row(f"{base} {words}", border, argument(name), value)
        base = "judge c.csv --data t.csv --model m.skops"
        rows["judge", option] = Row(f"{base} {words}", OPEN_MODEL, setting(f"run.{name}"), value)
    of_rows = {
        "judge": "judge c.csv --data t.csv --model m.skops",
        "doctor": "doctor m --data t.csv",
        "explain": _EXPLAINED_ROWS,
        "distill": _DISTILLED_ROWS,
    }
    for option in ("--encoding", "--delimiter"):
        written, read, held = _TABLE[option]
        for command, base in of_rows.items():
            rows[command, option] = Row(f"{base} {written}", OPEN_MODEL, read, held)
    for command, base in {"doctor": "doctor m", "distill": _DISTILLED}.items():
        rows[command, "--trust-model"] = Row(
            f"{base} --trust-model sha256:ab", OPEN_PROVIDER, argument("trust_model"), "sha256:ab"
        )
    return rows


def _searching() -> dict[tuple[str, str], Row]:
    """The rows of the commands that search: the same options, each command with its own words and border."""
    rows: dict[tuple[str, str], Row] = {}
    kinds = {
        "image": {
            "search": ("search {face} --model m.onnx --no-isolation", ASSEMBLE),
            "bench solvers": ("bench {face} --model m.onnx", ASSEMBLE),
            "audit": (_AUDITED, AUDIT),
            "plan": ("plan --images {faces} --model m.onnx", ASSEMBLE),
        },
        "folder": {
            "audit": (_AUDITED, AUDIT),
            "plan": ("plan --images {faces} --model m.onnx", ASSEMBLE),
        },
        "isolated": {
            "search": ("search {face} --model m.onnx --no-isolation", ASSEMBLE),
            "audit": (_AUDITED, AUDIT),
        },
        "table": {
            "search": ("search --data t.csv --row 0 --model m.skops --no-isolation", OPEN_INPUTS),
            "audit": ("audit --data t.csv --row 0 --model m.skops --out {here}/run --no-isolation", AUDIT),
            "plan": ("plan --data t.csv --row 0 --model m.skops", ASSEMBLE),
        },
        "others": {
            "search": ("search --no-isolation", ASSEMBLE),
            "audit": ("audit --out {here}/run --no-isolation", AUDIT),
            "plan": ("plan", ASSEMBLE),
        },
    }
    options = {"image": _IMAGE, "folder": _FOLDER, "table": _TABLE, "others": _OTHERS, "isolated": _ISOLATED}
    for kind, commands in kinds.items():
        for command, (base, border) in commands.items():
            for option, (words, read, value) in options[kind].items():
                rows[command, option] = Row(f"{base} {words}", border, read, value)
    del rows["bench solvers", "--solver"]  # it has --solvers
    for command, (base, border) in kinds["image"].items():
        words = f"{base.replace('m.onnx', 'http://localhost:1/m')} --protocol oip"
        rows[command, "--protocol"] = Row(words, border, setting("model.path"), "oip+http://localhost:1/m")
    return rows


_PLANNED = "plan --images {faces} --model m.onnx"
_DISTILLED = "distill {model} --images {faces} --out {here}/s.safetensors --threads 1"
_DISTILLED_ROWS = "distill m.skops --data t.csv --out {here}/s.safetensors"
_DISTIL = "cfsearch.distill.distil"
_EXPLAINED = "explain {face} --model m.onnx"
_EXPLAINED_ROWS = "explain --data t.csv --row 0 --model m.skops"
_CREATE = "cfsearch.registry.create"
_PICTURED = "cfsearch.api.explained.picture_subject"
_INFER = "cfsearch.datasets.tables.infer_schema"
_DEMO = "cfsearch.demo.run_demo"


_QUERIED = "explain {face} --model mod:predict --method emap"
_EXPLAINED_ALONE = "cfsearch.cli._opened.isolation_of"
_VERIFIED_ALONE = "cfsearch.cli.verify.isolation_of"
_WRITE_REPORT = "cfsearch.audits.pages.write_report"


def _first(call: Arguments) -> str:
    """The last part of the first argument of a call."""
    return Path(str(next(iter(call.values())))).name


def _recipe(dotted: str) -> Read:
    return lambda call: attrgetter(dotted)(call["request"])


ROWS: Final[dict[tuple[str, str], Row]] = {
    **_searching(),
    **training(),
    ("plan", "--recursive"): Row(f"{_PLANNED} --recursive", PHOTOGRAPHS, argument("recursive"), True),
    ("plan", "--limit"): Row(f"{_PLANNED} --limit 2", PHOTOGRAPHS, argument("limit"), 2),
    ("plan", "--split"): Row(f"{_PLANNED} --split valid", PHOTOGRAPHS, argument("part"), "valid"),
    ("plan", "--attributes"): Row(
        f"{_PLANNED} --attributes a.csv", PHOTOGRAPHS, argument("attributes"), Path("a.csv")
    ),
    ("audit", "--out"): Row(_AUDITED, AUDIT, last_part(argument("directory")), "run"),
    ("audit", "--title"): Row(f"{_AUDITED} --title Mine", AUDIT, argument("title"), "Mine"),
    ("audit", "--protected"): Row(
        f"{_AUDITED} --protected 'A, B'", AUDIT, setting("audit.protected"), ("A", "B")
    ),
    ("audit", "--until-decided"): Row(
        f"{_AUDITED} --until-decided", AUDIT, setting("audit.until_decided"), True
    ),
    ("audit", "--fail-if"): Row(
        f"{_AUDITED} --fail-if 'found_rate > 1%' --fail-if 'failed_rate > 2%'",
        AUDIT,
        setting("audit.fail_if"),
        ("found_rate > 1%", "failed_rate > 2%"),
    ),
    ("audit", "--gates"): Row(f"{_AUDITED} --gates g.toml", AUDIT, setting("audit.gates"), "g.toml"),
    ("plan", "--protected"): Row(
        "plan --images {faces} --model m.onnx --protected 'A, B'", ASSEMBLE, setting("audit.protected"), ("A", "B")
    ),
    ("plan", "--until-decided"): Row(
        "plan --images {faces} --model m.onnx --until-decided", ASSEMBLE, setting("audit.until_decided"), True
    ),
    ("plan", "--fail-if"): Row(
        "plan --images {faces} --model m.onnx --fail-if 'found_rate > 1%'",
        ASSEMBLE,
        setting("audit.fail_if"),
        ("found_rate > 1%",),
    ),
    ("plan", "--gates"): Row(
        "plan --images {faces} --model m.onnx --gates g.toml", ASSEMBLE, setting("audit.gates"), "g.toml"
    ),
    ("plan", "--genuineness"): Row(
        f"{_PLANNED} --no-genuineness", ASSEMBLE, setting("search.genuineness"), False
    ),
    ("plan", "--second-generator"): Row(
        f"{_PLANNED} --second-generator other.safetensors",
        ASSEMBLE,
        setting("search.second_generator.source"),
        "other.safetensors",
    ),
    ("plan", "--shared-queries"): Row(
        f"{_PLANNED} --shared-queries 7", ASSEMBLE, setting("audit.shared_queries"), 7
    ),
    ("plan", "--contribution-queries"): Row(
        f"{_PLANNED} --contribution-queries 7", ASSEMBLE, setting("audit.contribution_queries"), 7
    ),
    ("audit", "--effect-rows"): Row(f"{_AUDITED} --effect-rows 7", AUDIT, setting("audit.effect_rows"), 7),
    ("audit", "--croissant"): Row(
        f"{_AUDITED} --croissant c.json", AUDIT, setting("about.croissant"), "c.json"
    ),
    ("audit", "--shared-queries"): Row(
        f"{_AUDITED} --shared-queries 7", AUDIT, setting("audit.shared_queries"), 7
    ),
    ("audit", "--contribution-queries"): Row(
        f"{_AUDITED} --contribution-queries 7", AUDIT, setting("audit.contribution_queries"), 7
    ),
    ("audit", "--practical"): Row(f"{_AUDITED} --practical 0.5", AUDIT, setting("audit.practical"), 0.5),
    ("audit", "--workers"): Row(f"{_AUDITED} --workers 3", AUDIT, setting("run.workers"), 3),
    ("audit", "--genuineness"): Row(
        f"{_AUDITED} --no-genuineness", AUDIT, setting("search.genuineness"), False
    ),
    ("audit", "--second-generator"): Row(
        f"{_AUDITED} --second-generator other.safetensors",
        AUDIT,
        setting("search.second_generator.source"),
        "other.safetensors",
    ),
    ("search", "--config"): Row(
        "search {face} --config {config}", ASSEMBLE, setting("search.evaluations"), 55
    ),
    ("bench solvers", "--config"): Row("bench {face} --config {config}", ASSEMBLE, setting("search.evaluations"), 55),
    ("doctor", "--sidecar"): Row("doctor m --sidecar s.toml", OPEN_PROVIDER, argument("sidecar"), "s.toml"),
    ("doctor", "--arch"): Row("doctor m --arch pkg:build", OPEN_PROVIDER, argument("arch"), "pkg:build"),
    ("doctor", "--device"): Row("doctor m --device cuda:1", OPEN_PROVIDER, argument("device"), "cuda:1"),
    ("doctor", "--size"): Row(
        "doctor {anysize} --size 48", "cfsearch.providers.handshake.handshake", argument("shape"), (3, 48, 48)
    ),
    ("doctor", "--images"): Row(
        "doctor {anysize} --images known", "cfsearch.cli._forms.known_pictures", argument("folder"), Path("known")
    ),
    ("doctor", "--threads"): Row("doctor m --threads 1", THREADS, first_argument, 1),
    ("doctor", "--data"): Row("doctor m --data t.csv", OPEN_MODEL, setting("data.table"), "t.csv"),
    ("doctor", "--text"): Row("doctor m --text good", OPEN_MODEL, setting("data.texts"), ("good",)),
    ("doctor", "--texts"): Row("doctor m --texts t.csv", OPEN_MODEL, setting("data.texts"), "t.csv"),
    ("doctor", "--column"): Row(
        "doctor m --texts t.csv --column c", OPEN_MODEL, setting("data.column"), "c"
    ),
    ("doctor", "--sounds"): Row("doctor m --sounds s.wav", OPEN_MODEL, setting("data.sounds"), "s.wav"),
    ("distill", "--sounds"): Row(
        "distill m --sounds s.wav --out {here}/s.safetensors", OPEN_MODEL, setting("data.sounds"), "s.wav"
    ),
    ("doctor", "--schema"): Row(
        "doctor m --data t.csv --schema s.toml", OPEN_MODEL, setting("data.schema_file"), "s.toml"
    ),
    ("doctor", "--target"): Row(
        "doctor m --data t.csv --target 5..6", OPEN_MODEL, setting("search.target"), "5..6"
    ),
    ("doctor", "--label"): Row("doctor m --data t.csv --label ok", OPEN_MODEL, setting("data.label"), "ok"),
    ("doctor", "--trust"): Row(
        "doctor m --data t.csv --trust a.B", OPEN_MODEL, setting("model.trust"), ("a.B",)
    ),
    ("explain", "--method"): Row(f"{_EXPLAINED} --method pgd", _CREATE, argument("name"), "pgd"),
    ("explain", "--set"): Row(f"{_EXPLAINED} --set steps=3", _CREATE, argument("settings"), {"steps": 3}),
    ("explain", "--model"): Row(_EXPLAINED, OPEN_PROVIDER, argument("spec"), "m.onnx"),
    ("explain", "--sidecar"): Row(
        f"{_EXPLAINED} --sidecar s.toml", OPEN_PROVIDER, argument("sidecar"), "s.toml"
    ),
    ("explain", "--arch"): Row(f"{_EXPLAINED} --arch p:b", OPEN_PROVIDER, argument("arch"), "p:b"),
    ("explain", "--device"): Row(f"{_EXPLAINED} --device cuda:1", OPEN_PROVIDER, argument("device"), "cuda:1"),
    ("explain", "--threads"): Row(f"{_EXPLAINED} --threads 1", THREADS, first_argument, 1),
    ("explain", "--size"): Row(
        "explain {face} --model {anysize} --size 16", _PICTURED, argument("shape"), (3, 16, 16)
    ),
    ("explain", "--block"): Row(
        "explain {face} --model {model} --block 4", "cfsearch.explainers.subjects.image_subject",
        argument("block"), 4,
    ),
    ("explain", "--surrogate"): Row(
        "explain {face} --model {model} --surrogate s.safetensors",
        "cfsearch.providers.surrogate.SurrogateProvider.open", last_part(argument("path")), "s.safetensors",
    ),
    ("explain", "--reference"): Row(
        "explain {face} --model {model} --reference others",
        "cfsearch.api.explained.reference_images", argument("path"), "others",
    ),
    ("explain", "--data"): Row(_EXPLAINED_ROWS, OPEN_MODEL, setting("data.table"), "t.csv"),
    ("explain", "--row"): Row(f"{_EXPLAINED_ROWS} --row 2", OPEN_MODEL, setting("data.rows"), (0, 2)),
    ("explain", "--where"): Row(f"{_EXPLAINED_ROWS} --where a=1", OPEN_MODEL, setting("data.where"), ("a=1",)),
    ("explain", "--schema"): Row(
        f"{_EXPLAINED_ROWS} --schema s.toml", OPEN_MODEL, setting("data.schema_file"), "s.toml"
    ),
    ("explain", "--label"): Row(f"{_EXPLAINED_ROWS} --label ok", OPEN_MODEL, setting("data.label"), "ok"),
    ("explain", "--trust"): Row(f"{_EXPLAINED_ROWS} --trust a.B", OPEN_MODEL, setting("model.trust"), ("a.B",)),
    ("explain", "--immutable"): Row(
        f"{_EXPLAINED_ROWS} --immutable 'a, b'", OPEN_MODEL, setting("search.immutable"), ("a", "b")
    ),
    ("explain", "--target"): Row(
        "explain {face} --model {model} --target bright --threads 1",
        "cfsearch.explainers.gradient.Gradient.explain", argument("target"), "bright",
    ),
    ("explain", "--seed"): Row(
        "explain {face} --model {model} --seed 5 --threads 1",
        "cfsearch.explainers.gradient.Gradient.explain", argument("seed"), 5,
    ),
    ("explain", "--text"): Row(
        "explain --text 'a dull film' --text good", "cfsearch.providers.text.TextProvider.encode",
        lambda call: list(call["texts"]), ["a dull film", "good"],
    ),
    ("explain", "--protocol"): Row(
        "explain {face} --model http://localhost:1/m --protocol oip --method emap --no-isolation",
        OPEN_PROVIDER, argument("spec"), "oip+http://localhost:1/m",
    ),
    ("explain", "--isolation"): Row(f"{_QUERIED} --no-isolation", _EXPLAINED_ALONE, argument("isolate"), False),
    ("explain", "--deadline"): Row(f"{_QUERIED} --deadline 9", _EXPLAINED_ALONE, argument("deadline"), 9.0),
    ("explain", "--memory"): Row(f"{_QUERIED} --memory 2", _EXPLAINED_ALONE, argument("memory"), 2.0),
    ("verify", "--protocol"): Row(
        "verify {front} --model http://localhost:1/m --protocol oip",
        OPEN_PROVIDER, argument("spec"), "oip+http://localhost:1/m",
    ),
    **_alone(),
    ("verify", "--isolation"): Row("verify {faces} --model m --no-isolation", _VERIFIED_ALONE, argument("isolate"), False),
    ("verify", "--deadline"): Row("verify {faces} --model m --deadline 9", _VERIFIED_ALONE, argument("deadline"), 9.0),
    ("verify", "--memory"): Row("verify {faces} --model m --memory 2", _VERIFIED_ALONE, argument("memory"), 2.0),
    ("doctor", "--protocol"): Row(
        "doctor http://localhost:1/m --protocol oip", OPEN_PROVIDER, argument("spec"), "oip+http://localhost:1/m"
    ),
    ("distill", "--protocol"): Row(
        "distill http://localhost:1/m --protocol oip --images {faces} --out {here}/s.safetensors",
        OPEN_PROVIDER, argument("spec"), "oip+http://localhost:1/m",
    ),
    ("report", "--unchecked"): Row("report none --unchecked", _WRITE_REPORT, _first, "none"),
    ("explore", "--unchecked"): Row("explore none --unchecked", _WRITE_REPORT, _first, "none"),
    ("export", "--unchecked"): Row(
        "export none --format csv --out {here}/x.csv --unchecked", "cfsearch.audits.pages.open_run", _first, "none"
    ),
    ("gate", "--unchecked"): Row(
        "gate none --list --unchecked", "cfsearch.audits.reading.AuditDocument.read", _first, "none"
    ),
    ("gate", "--gates"): Row(
        "gate none --gates g.toml", "cfsearch.audits.conditions.read_conditions", _first, "g.toml"
    ),
    ("gate", "--fail-if"): Row(
        "gate none --fail-if 'found_rate < 1%'", "cfsearch.audits.conditions.fail_if", _first, "found_rate < 1%"
    ),
    ("distill", "--sidecar"): Row(
        f"{_DISTILLED} --sidecar s.toml", OPEN_PROVIDER, argument("sidecar"), "s.toml"
    ),
    ("distill", "--arch"): Row(f"{_DISTILLED} --arch p:b", OPEN_PROVIDER, argument("arch"), "p:b"),
    ("distill", "--images"): Row(
        _DISTILLED, "cfsearch.datasets.images.find_images", last_part(argument("path")), "faces"
    ),
    ("distill", "--recursive"): Row(
        f"{_DISTILLED} --recursive", "cfsearch.datasets.images.find_images", argument("recursive"), True
    ),
    ("distill", "--size"): Row(
        "distill {anysize} --images {faces} --size 24 --threads 1 --out {here}/s.safetensors", _DISTIL,
        lambda call: tuple(call["x"].shape[1:]), (3, 24, 24),
    ),
    ("distill", "--limit"): Row(f"{_DISTILLED} --limit 3", _DISTIL, lambda call: len(call["x"]), 3),
    ("distill", "--data"): Row(_DISTILLED_ROWS, OPEN_MODEL, setting("data.table"), "t.csv"),
    ("distill", "--trust"): Row(f"{_DISTILLED_ROWS} --trust a.B", OPEN_MODEL, setting("model.trust"), ("a.B",)),
    ("distill", "--out"): Row(
        f"{_DISTILLED} --queries 9", _DISTIL, last_part(_recipe("folder")), "s-distill"
    ),
    ("distill", "--folder"): Row(f"{_DISTILLED} --folder {{here}}/f", _DISTIL, last_part(_recipe("folder")), "f"),
    ("distill", "--queries"): Row(f"{_DISTILLED} --queries 9", _DISTIL, _recipe("queries"), 9),
    ("distill", "--minutes"): Row(f"{_DISTILLED} --minutes 0.5", _DISTIL, _recipe("minutes"), 0.5),
    ("distill", "--preset"): Row(
        f"{_DISTILLED} --preset paper", "cfsearch.distill.preset", argument("name"), "paper"
    ),
    ("distill", "--network"): Row(
        f"{_DISTILLED} --network lenet5", _DISTIL, _recipe("recipe.networks"), ("lenet5",)
    ),
    ("distill", "--trials"): Row(f"{_DISTILLED} --trials 3", _DISTIL, _recipe("recipe.tuning.trials"), 3),
    ("distill", "--held-out"): Row(f"{_DISTILLED} --held-out 0.3", _DISTIL, _recipe("held_out"), 0.3),
    ("distill", "--seed"): Row(f"{_DISTILLED} --seed 8", _DISTIL, _recipe("seed"), 8),
    ("distill", "--device"): Row(f"{_DISTILLED} --device cuda:1", OPEN_PROVIDER, argument("device"), "cuda:1"),
    ("distill", "--threads"): Row(_DISTILLED, THREADS, first_argument, 1),
    ("train generator", "--resume"): Row(
        f"{GENERATED} --no-resume", "cfsearch.cli.train._check_places", argument("resume"), False
    ),
    ("train critic", "--resume"): Row(
        f"{CRITICISED} --no-resume", "cfsearch.cli.train._check_places", argument("resume"), False
    ),
    ("train critic", "--generator"): Row(
        CRITICISED, "cfsearch.generators.attgan.trainer.load_published", last_part(argument("path")), "w.pth"
    ),
    ("demo", "--out"): Row("demo --out {here}/d", _DEMO, last_part(argument("directory")), "d"),
    ("demo", "--faces"): Row("demo --faces 4", _DEMO, argument("count"), 4),
    ("demo", "--evaluations"): Row("demo --evaluations 60", _DEMO, argument("evaluations"), 60),
    ("demo", "--seed"): Row("demo --seed 3", _DEMO, argument("seed"), 3),
    ("demo", "--threads"): Row("demo --threads 1", THREADS, first_argument, 1),
    ("explain", "--trust-model"): Row(
        f"{_EXPLAINED} --trust-model sha256:ab", OPEN_PROVIDER, argument("trust_model"), "sha256:ab"
    ),
    ("verify", "--trust-model"): Row(
        "verify {front} --model m --no-isolation --trust-model sha256:ab",
        OPEN_PROVIDER, argument("trust_model"), "sha256:ab",
    ),
    ("diff", "--unchecked"): Row(
        "diff none other --unchecked", "cfsearch.audits.difference.Side.read", _first, "none"
    ),
    ("schema", "--encoding"): Row("schema table t.csv --encoding cp850", _INFER, argument("encoding"), "cp850"),
    ("schema", "--delimiter"): Row("schema table t.csv --delimiter ^", _INFER, argument("delimiter"), "^"),
    ("schema", "--missing"): Row(
        "schema table t.csv --missing soon", _INFER, lambda call: call["missing_values"][-1], "soon"
    ),
    ("schema", "--label"): Row("schema table t.csv --label ok", _INFER, argument("target"), "ok"),
    ("schema", "--ignore"): Row("schema table t.csv --ignore 'a, b'", _INFER, argument("ignore"), ["a", "b"]),
    ("schema", "--immutable"): Row(
        "schema table t.csv --immutable 'a, b'", _INFER, argument("immutable"), ["a", "b"]
    ),
    ("schema", "--categorical"): Row(
        "schema table t.csv --categorical 'a, b'", _INFER, argument("categorical"), ["a", "b"]
    ),
    ("bench solvers", "--solvers"): Row(
        "bench {face} --model {model} --threads 1 --solvers nsga2,smpso", "cfsearch.cli.bench._runs",
        lambda call: [plugin.name for plugin in call["solvers"]], ["nsga2", "smpso"],
    ),
    ("bench solvers", "--seeds"): Row(
        "bench {face} --model {model} --threads 1 --seed 4 --seeds 3", "cfsearch.cli.bench._runs",
        lambda call: list(call["seeds"]), [4, 5, 6],
    ),
    ("search", "--rows"): Row(
        "search {face} --model {model} --threads 1 --evaluations 40 --population 20 --generator pixels:grid=2 "
        "--rows 3", "cfsearch.cli._fronts.show_front", argument("most"), 3,
    ),
    ("verify", "--trust"): Row(
        "verify {front} --model m --no-isolation --trust a.B", "cfsearch.cli.verify.model_of_front", argument("trusted"), ("a.B",)
    ),
    ("distill", "--schema"): Row(
        f"{_DISTILLED_ROWS} --schema s.toml", OPEN_MODEL, setting("data.schema_file"), "s.toml"
    ),
    ("distill", "--target"): Row(f"{_DISTILLED_ROWS} --target 5..6", OPEN_MODEL, setting("search.target"), "5..6"),
    ("distill", "--label"): Row(f"{_DISTILLED_ROWS} --label ok", OPEN_MODEL, setting("data.label"), "ok"),
    ("verify", "--threads"): Row("verify x.front --model m --no-isolation --threads 1", THREADS, first_argument, 1),
    ("verify", "--sidecar"): Row(
        "verify {front} --model m --no-isolation --sidecar s.toml", OPEN_PROVIDER, argument("sidecar"), "s.toml"
    ),
    ("verify", "--arch"): Row("verify {front} --model m --no-isolation --arch p:b", OPEN_PROVIDER, argument("arch"), "p:b"),
    ("verify", "--device"): Row(
        "verify {front} --model m --no-isolation --device cuda:1", OPEN_PROVIDER, argument("device"), "cuda:1"
    ),
    ("verify", "--model"): Row("verify {front} --model m --no-isolation", OPEN_PROVIDER, argument("spec"), "m"),
    ("verify", "--pick"): Row(
        "verify {front} --model {model} --no-isolation --pick knee", "cfsearch.cli.verify._again", argument("pick"), "knee"
    ),
    ("show", "--rows"): Row("show {front} --rows 2", "cfsearch.cli._fronts.show_front", argument("most"), 2),
    ("show", "--pick"): Row(
        "show {front} --pick knee", "cfsearch.fronts.front.ParetoFront.pick", argument("how"), "knee"
    ),
}  # fmt: skip
