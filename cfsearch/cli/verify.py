"""``cfsearch verify``: do stored counterfactuals still flip a model?"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cfsearch.errors import ConfigError, ProviderError, RunError, listed
from cfsearch.numerics.percent import percent

from ._errors import BelowThreshold
from ._help import Command
from ._options import (
    DEADLINE,
    FILE,
    ISOLATION,
    MEMORY,
    PROTOCOL,
    TRUST,
    TRUST_MODEL,
    json_option,
    threads_option,
)
from ._output import Outcome, detail, plain
from ._progress import progress
from ._reals import Real
from ._settings import isolation_of, use_threads
from ._signals import interruptible
from ._stored_inputs import model_of_front, stored_inputs, text_model_of_front

if TYPE_CHECKING:
    from rich.console import Console
    from torch import Tensor

    from cfsearch.contracts.provider import Provider
    from cfsearch.fronts.front import ParetoFront

FORMAT = "cfsearch-verify/1"
_PICKS = ("sparsest", "closest", "knee", "crossing")


@click.command(
    cls=Command,
    short_help="Query a model again about stored counterfactuals.",
    examples=(
        "cfsearch verify runs/one --model new.onnx",
        "cfsearch verify runs/one --model new.onnx --at-least 0.5",
        "cfsearch verify face.front --model new.onnx --json",
        "cfsearch verify runs/one --model model.onnx --attestation one.intoto.json",
    ),
)
@click.argument("source", type=FILE, metavar="RUN|FILE.front")
@click.option("--model", required=True, metavar="MODEL", help="The model to query, for example this month's.")
@PROTOCOL
@click.option("--sidecar", type=FILE, help="TOML with its labels and preprocessing; beside it by default.")
@click.option("--arch", metavar="PKG.MOD:BUILD", help="What builds the network of a file of weights.")
@TRUST
@TRUST_MODEL
@click.option(
    "--pick",
    type=click.Choice(_PICKS),
    default="sparsest",
    show_default=True,
    help="Which one counts for its image or row.",
)
@click.option(
    "--at-least",
    type=Real(0.0, 1.0),
    metavar="SHARE",
    help="Exit with 1 where fewer of the picked ones still flip, for example 0.9.",
)
@click.option(
    "--attestation",
    type=FILE,
    metavar="FILE",
    help="An in-toto statement of the run (`export --format in-toto`): exit with 1 where a claim of it no longer holds.",
)
@click.option(
    "--key", type=FILE, metavar="FILE", help="The key of an attestation that was exported with --private."
)
@click.option("--device", default="cpu", show_default=True, metavar="DEVICE", help="cpu, cuda or cuda:1.")
@threads_option
@ISOLATION
@DEADLINE
@MEMORY
@json_option
def verify(
    source: Path,
    model: str,
    sidecar: Path | None,
    arch: str | None,
    trust: tuple[str, ...],
    trust_model: str | None,
    pick: str,
    at_least: float | None,
    attestation: Path | None,
    key: Path | None,
    device: str,
    threads: int | None,
    isolate: bool | None,
    deadline: float | None,
    memory: float | None,
) -> Outcome:
    """Query a model about stored counterfactuals, in the form in which they are stored.

    Counts inputs whose original class is kept, and inputs whose picked counterfactual (and any
    of its front) still flips, with 95 % Wilson intervals. Only what was verified in the run counts.
    """
    if key is not None and attestation is None:
        raise ConfigError("verify: --key goes with --attestation.")
    if attestation is not None and not source.is_dir():
        raise ConfigError("verify: --attestation speaks of a run; give its directory, not a front.")
    if not source.exists():
        raise RunError(f"{str(source)!r}: there is no such run directory or front file. Check the path.")
    isolation = isolation_of(
        isolate,
        model=model,
        deadline=deadline,
        memory=memory,
        threads=threads,
        offline=trust_model is not None,
    )
    use_threads(threads)

    with interruptible("interrupted; verify keeps nothing. Run it again."):
        found = _fronts(source)
        first = next(found, None)
        provider = model_of_front(
            model,
            None if first is None else first[2],
            sidecar=None if sidecar is None else str(sidecar),
            arch=arch,
            device=device,
            trusted=trust,
            trust_model=trust_model,
            isolation=isolation,
            deadline=deadline,
        )
        detail(f"model {provider.name} {provider.fingerprint}")
        noun = "image" if first is None else first[2].modality.noun
        with progress("verify") as line:
            rows = []
            for done, total, front in chain([] if first is None else [first], found):
                queried = (
                    text_model_of_front(front, model, sidecar=sidecar, device=device, isolation=isolation)
                    or provider
                )
                rows.append(_again(front, queried, pick=pick, device=device))
                detail(_line(rows[-1], pick=pick))
                line.update(f"{done}/{total} {noun}s", share=done / total)
    document = _document(provider, rows, pick=pick)
    if at_least is not None:
        document["at_least"] = at_least
    error = None if at_least is None else _below(document, at_least=at_least)
    if attestation is not None:
        document["attestation"] = _attested(attestation, source, document, key=key)
        error = error or _refuted(document["attestation"])
    return Outcome(document=document, show=lambda console: _show(console, document, noun=noun), error=error)


def _attested(path: Path, run: Path, document: dict[str, Any], *, key: Path | None) -> dict[str, Any]:
    """What of a statement still holds, by what the model answered about the stored members."""
    from cfsearch.audits.exchange.attestation import check_statement, is_private, read_statement
    from cfsearch.audits.exchange.commitment import read_key

    stated = read_statement(path)
    if is_private(stated) is not (key is not None):
        needs = (
            "holds commitments; give their key with --key" if key is None else "holds none; leave --key out"
        )
        raise ConfigError(f"verify: the statement {str(path)!r} {needs}.")
    return check_statement(
        stated,
        run,
        fingerprint=document["model"]["fingerprint"],
        key=None if key is None else read_key(key),
        members_then=document["members_then"],
        members_still=document["members_still"],
    )


def _refuted(found: dict[str, Any]) -> BelowThreshold | None:
    """The error of a statement that no longer holds; None where it does."""
    if found["holds"]:
        return None
    broken = sum(not claim["holds"] for claim in found["claims"])
    why = found["because"] or next(claim["because"] for claim in found["claims"] if not claim["holds"])
    return BelowThreshold(
        f"verify: the attestation no longer holds ({broken} of {len(found['claims'])} claims): {why}."
    )


def _below(document: dict[str, Any], *, at_least: float) -> BelowThreshold | None:
    """The error of a share below the least that the user set; None where it is met."""
    share, pick = document["picks_still"], document["pick"]
    if share["n"] == 0:
        return BelowThreshold(
            f"verify: there is no {pick} counterfactual to verify, --at-least {at_least:g}."
        )
    if share["count"] / share["n"] >= at_least:
        return None
    return BelowThreshold(
        f"verify: {share['count']} of {share['n']} {pick} counterfactuals still flip "
        f"({percent(share['count'] / share['n'])}), fewer than --at-least {at_least:g}."
    )


def _line(row: dict[str, Any], *, pick: str) -> str:
    """What became of one input, for ``-v``."""
    from cfsearch.fronts.predicted import numbered

    then, today = (
        numbered(row[label], row.get(number))
        for label, number in (("source", "predicted"), ("now", "predicted_now"))
    )
    now = "" if today == then else f", the original is {today} now"
    still = {True: "still flips", False: "no longer flips", None: "was not found"}[row["pick_still"]]
    return (
        f"{row['name']}: {then}{now}; its {pick} counterfactual {still}{_to(row)}; "
        f"{row['still']} of {row['verified_then']} members still flip"
    )


def _to(row: dict[str, Any]) -> str:
    """The number that the model predicts of the picked counterfactual now, ", at 252,094"; empty of a classifier."""
    from cfsearch.fronts.predicted import number_text

    return f", at {number_text(row['pick_predicted_now'])}" if "pick_predicted_now" in row else ""


def _fronts(source: Path) -> "Iterator[tuple[int, int, ParetoFront]]":
    from cfsearch.audits.pages import open_run
    from cfsearch.fronts.front import ParetoFront

    if not source.is_dir():
        yield 1, 1, ParetoFront.load(source)
        return
    with open_run(source) as run:
        total = max(len(run.done()), 1)
        for number, row in enumerate(run.rows(), start=1):
            if row.front is not None:
                yield number, total, row.front


def _again(front: "ParetoFront", provider: "Provider", *, pick: str, device: str) -> dict[str, Any]:
    """What the model gives now for the stored members of one front."""
    import torch

    from cfsearch.contracts.records import UNTARGETED, flipped
    from cfsearch.contracts.scores import verdict_scores
    from cfsearch.fronts.predicted import predicted_numbers

    if provider.labels != front.labels:
        raise ConfigError(
            f"verify: the front of {front.name!r} has the classes {listed(front.labels)}, the model "
            f"{provider.name!r} has {listed(provider.labels)}. Name them alike, in the same order."
        )
    stored = stored_inputs(front)
    with torch.no_grad():
        # one at a time: the answer must not depend on what else stands in the batch
        raw = torch.cat([provider.predict(one[None].to(device)) for one in stored])
    if not bool(torch.isfinite(raw).all()):
        raise ProviderError(
            f"{provider.name}: answered NaN or infinity for what is stored of {front.name!r}."
        )
    scores = verdict_scores(raw.cpu(), provider)
    n = len(front)
    target = UNTARGETED if front.target is None else front.target
    flips = flipped(scores[1:], source=torch.full((n,), front.source), target=torch.full((n,), target))
    known = "plausibility" in front.objectives or pick != "crossing"
    picked = front.pick(pick) if known else None
    then, numbers = front.verified, predicted_numbers(front.labels, scores)
    before = predicted_numbers(front.labels, front.original_scores[None])
    return {
        "name": front.name,
        "source": front.labels[front.source],
        **({} if before is None else {"predicted": before[0]}),
        "now": front.labels[int(scores[0].argmax())],
        **({} if numbers is None else {"predicted_now": numbers[0]}),
        "original_kept": int(scores[0].argmax()) == front.source,
        "verified_then": int(then.sum()),
        "still": int((flips & then).sum()),
        "new": int((flips & ~then).sum()),
        **_by_both(front, flips),
        "pick": picked,
        "pick_still": None if picked is None else bool(flips[picked]),
        **({} if numbers is None or picked is None else {"pick_predicted_now": numbers[1 + picked]}),
    }


def _by_both(front: "ParetoFront", flips: "Tensor") -> dict[str, int]:
    """Members that are genuine by two generators, and how many of them still flip; nothing of a front of one generator."""
    if front.genuineness_each is None:
        return {}
    return {"agreed_then": int(front.valid.sum()), "agreed_still": int((flips & front.valid).sum())}


def _document(provider: "Provider", rows: list[dict[str, Any]], *, pick: str) -> dict[str, Any]:
    had = [row for row in rows if row["verified_then"]]
    return {
        "format": FORMAT,
        "model": {
            "name": provider.name,
            "fingerprint": provider.fingerprint,
            "labels": list(provider.labels),
        },
        "pick": pick,
        "originals_kept": _share(sum(row["original_kept"] for row in rows), len(rows)),
        "picks_still": _share(
            sum(row["pick_still"] is True for row in had), sum(row["pick"] is not None for row in had)
        ),
        "any_still": _share(sum(row["still"] > 0 for row in had), len(had)),
        "members_then": sum(row["verified_then"] for row in rows),
        "members_still": sum(row["still"] for row in rows),
        **{
            f"agreed_{when}": sum(row.get(f"agreed_{when}", 0) for row in rows)
            for when in ("then", "still")
            if any("agreed_then" in row for row in rows)
        },
        "instances": rows,
    }


def _share(count: int, n: int) -> dict[str, Any]:
    from cfsearch.numerics.intervals import wilson

    rate = wilson(count, n)
    return {"count": count, "n": n, "rate": None if rate is None else rate.to_dict()}


def _show(console: "Console", document: dict[str, Any], *, noun: str) -> None:
    from rich.text import Text

    console.print(Text(f"{plain(document['model']['name'])}, queried again about what is stored:"))
    for text, key in (
        ("originals that keep their class", "originals_kept"),
        (f"{document['pick']} counterfactuals that still flip", "picks_still"),
        (f"{noun}s with any that still flips", "any_still"),
    ):
        console.print(Text(f"  {_share_text(document[key])}  {text}"))
    console.print(
        f"  {document['members_still']} of {document['members_then']} members that were verified then still flip"
    )
    if "agreed_then" in document:
        console.print(
            f"  {document['agreed_still']} of {document['agreed_then']} members that were genuine by both generators then still flip"
        )
    for claim in document.get("attestation", {}).get("claims", []):
        holds = "holds" if claim["holds"] else f"does not hold, {claim['because']}"
        console.print(Text(f"  {claim['stated']}: {plain(claim['claim'])}: {plain(holds)}"))
    lost = [f"{row['name']}{_to(row)}" for row in document["instances"] if row["pick_still"] is False]
    for name in lost[:10]:
        console.print(Text(f"no longer: {plain(name)}"))
    if len(lost) > 10:
        console.print(f"and {len(lost) - 10} more (--json lists all)")


def _share_text(share: dict[str, Any]) -> str:
    rate = share["rate"]
    if rate is None:
        return "none to verify"
    return f"{share['count']} of {share['n']} ({percent(rate['value'])}, {percent(rate['low'])} to {percent(rate['high'])})"
