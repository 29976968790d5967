"""``cfsearch bench originals`` and ``cfsearch bench audit``: counterfactual images of any method, scored on rendered faces."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cfsearch.errors import ConfigError
from cfsearch.numerics.percent import percent

from ._help import Command
from ._options import FILE, SEED, json_option, threads_option
from ._output import Outcome, note, plain, shortened
from ._places import FOLDER_PLACE
from ._progress import progress
from ._settings import use_threads

if TYPE_CHECKING:
    from rich.console import Console

    from cfsearch.audits.bench_faces import BenchFaces
    from cfsearch.audits.bench_scores import Scored
    from cfsearch.contracts.provider import Provider

FORMAT = "cfsearch-bench-audit/1"


@click.command(
    cls=Command,
    short_help="Write faces and classifiers for a method to explain.",
    examples=(
        "cfsearch bench originals tasks",
        "cfsearch bench originals more --faces 100 --seed 1 --model model.onnx",
    ),
)
@click.argument("folder", type=FOLDER_PLACE, metavar="FOLDER")
@click.option("--faces", type=click.IntRange(2, 1000), default=40, show_default=True, help="How many faces.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Which faces are drawn.")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="MODEL",
    help="A classifier of 64 x 64 faces to explain; repeat it for more. The three that the package carries when left out.",
)
@json_option
def originals(folder: Path, faces: int, seed: int, models: tuple[str, ...]) -> Outcome:
    """Write rendered faces with their factors, and the classifiers that a method is to explain.

    FOLDER/originals holds the faces, FOLDER/attributes.csv what they show, FOLDER/models the classifiers. A method answers
    with pictures of 64 x 64 pixels in a folder of its own, ANSWERS/CLASSIFIER/face-0007.png for that face (of several
    face-0007.cf1.png, ..., the first counts as the one it would show); `cfsearch bench audit ANSWERS` scores them.
    """
    from cfsearch.audits.bench_faces import BenchFaces, described
    from cfsearch.providers.opening import open_provider

    for one in models:
        open_provider(one)
    tasks = BenchFaces.drawn(count=faces, seed=seed, models=models)
    tasks.write(folder)
    document = {"format": FORMAT, "folder": str(folder), **described(tasks)}
    return Outcome(
        document=document,
        show=lambda console: console.print(
            f"{faces} faces and {len(tasks.models)} classifiers in {plain(str(folder))}", soft_wrap=True
        ),
    )


@click.command(
    cls=Command,
    short_help="Score methods' counterfactual images by what would truly flip.",
    examples=(
        "cfsearch bench audit ours",
        "cfsearch bench audit ours theirs --originals tasks --json",
    ),
)
@click.argument("folders", nargs=-1, required=True, type=FILE, metavar="FOLDER...")
@click.option(
    "--originals",
    "source",
    type=FILE,
    metavar="FOLDER",
    help="What `cfsearch bench originals` wrote; its defaults are drawn anew when left out.",
)
@threads_option
@json_option
def audit(folders: tuple[Path, ...], source: Path | None, threads: int | None) -> Outcome:
    """Score the counterfactual images of one or more methods, and rank these.

    Each picture is compared with what the face would truly look like: the re-render of the same face, with other attributes, that
    is nearest in mean absolute difference. A flip is *genuine* where the classifier decides that re-render otherwise too, and
    of the *same face* where the picture is nearer to it than to any other original. *True* answers are both; *false* are
    flips that are not genuine. Methods are ranked by true less false answers, as a share of all tasks.
    """
    use_threads(threads)
    from cfsearch.audits.bench_faces import BenchFaces, described, read_answers
    from cfsearch.audits.bench_scores import FaceBench, ranked

    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"bench audit: methods are named by their folders, which must differ; got {', '.join(names)}. Rename one."
        )
    tasks = BenchFaces.drawn() if source is None else BenchFaces.read(source)
    answers = {name: read_answers(folder, tasks) for name, folder in zip(names, folders, strict=True)}
    scored: dict[str, list[Scored]] = {}
    with progress("bench audit") as line:
        bench = FaceBench(tasks, _models(tasks))
        for name in names:
            line.update(f"{name}: what its pictures truly show", share=len(scored) / len(names))
            scored[name] = bench.scored(answers[name])
    unread = {
        name: [
            {"model": model, "file": one.file, "because": one.because}
            for model, found in answers[name].items()
            for one in found
            if one.picture is None
        ]
        for name in names
    }
    for name, bad in unread.items():
        if bad:
            note(f"{name}: {len(bad)} pictures were left out; of {bad[0]['file']}: {bad[0]['because']}.")
    rows = ranked(scored, count=tasks.count, models=list(tasks.models))
    document = {
        "format": FORMAT,
        **described(tasks),
        "methods": [
            {
                **row,
                "left_out": unread[row["method"]],
                "pictures": [one.to_dict() for one in scored[row["method"]]],
            }
            for row in rows
        ],
    }
    return Outcome(document=document, show=lambda console: _show(console, document))


def _models(tasks: "BenchFaces") -> "dict[str, Provider]":
    from cfsearch.audits.bench_faces import shipped_path
    from cfsearch.providers.opening import open_provider

    return {name: open_provider(str(shipped_path(one) or one)) for name, one in tasks.models.items()}


_SHARES = {
    "true": "true answers, of all tasks",
    "false": "false answers, of all tasks",
    "flips": "flips, of all tasks",
    "genuine": "genuine, of the flips",
    "same_face": "of the same face, of the flips",
    "any_true": "a true one among all answers",
}
_MEANS = {
    "to_rerender": ("L1 to the nearest true picture", 3),
    "to_original": ("L1 to the original", 3),
    "changes": ("attributes changed", 1),
    "realism": ("realism (typicality), median", 2),
}


def _show(console: "Console", document: dict[str, Any]) -> None:
    from rich.text import Text

    from ._tables import ResultTable

    methods = document["methods"]
    table = ResultTable()
    table.add_column("figure", overflow="fold")
    for row in methods:
        table.add_column(
            Text(shortened(plain(f"{row['rank']}. {row['method']}"))), justify="right", overflow="fold"
        )
    nets = (row["net"] for row in methods)
    table.add_row(
        "true less false", *(f"{n['value']:+.2f} [{n['low']:+.2f}, {n['high']:+.2f}]" for n in nets)
    )
    for key, title in _SHARES.items():
        table.add_row(title, *(_percent(row[key]) for row in methods))
    for key, (title, digits) in _MEANS.items():
        table.add_row(title, *(_number(row[key], digits) for row in methods))
    console.print(table)
    console.print(
        Text(
            f"{document['tasks']} tasks: {document['faces']} faces, {len(document['models'])} classifiers. A flip is genuine "
            "where the classifier decides the nearest true re-render of the face otherwise too. 95 % intervals; L1 of pixels in [0, 1]."
        )
    )
    for row in methods:
        if row["apart"] is False:
            console.print(Text(plain(f"{row['method']} cannot be distinguished from the method above it.")))


def _percent(share: dict[str, Any] | None) -> str:
    return (
        "-"
        if share is None
        else f"{percent(share['value'])} [{percent(share['low'])}, {percent(share['high'])}]"
    )


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
