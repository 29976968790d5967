"""The verdict and the plain summary: sentences written from the numbers, and nothing more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from cfsearch.contracts.modality import Modality, modality_named

from . import wording
from .agreement import counterfactual, genuineness_words, loses_flips
from .charts import judged
from .contrasts import Contrast, contrasts
from .decisions import decisions, headline
from .gallery import Article, Strip
from .wording import finite

_GENUINE = 0.9  # a smaller share is a weakness that stands first
_MOST = 3


@final
@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the verdict strip."""

    model: str
    value: str
    label: str
    interval: str


@final
@dataclass(frozen=True, slots=True)
class Example:
    """One flip of one model, to begin with; ``place`` is its tile in the strip."""

    model: str
    picture: str
    strip: Strip
    article: Article
    place: int = 0


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """Main finding on one model, in words."""

    model: str
    sentences: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True)
class Verdict:
    """A further first sentence, of another protected attribute or another model."""

    headline: str
    detail: str


@final
@dataclass(frozen=True, slots=True)
class Story:
    """Everything above the fold."""

    headline: str
    detail: str
    logits: str
    verdicts: tuple[Verdict, ...]
    figures: tuple[Figure, ...]
    weaknesses: tuple[str, ...]
    findings: tuple[Finding, ...]
    contrast: tuple[Contrast, ...]
    examples: tuple[Example, ...]


def tell(document: Mapping[str, Any], articles: Sequence[Article]) -> Story:
    """The story of an audit.

    Args:
        document: the content of ``audit.json``.
        articles: the pictures or rows of the gallery.
    """
    names = {m["id"]: m["name"] for m in document["models"]}
    thing, genuine = _thing(document), loses_flips(document)
    contrast = contrasts(document["effects"], names)
    verdicts = [Verdict(v["headline"], v["detail"]) for v in document.get("verdicts", ())]
    protected = document.get("protected", ())
    first = [c for c in contrast if not protected or c.variable in protected][:1]
    if first:
        leading = first[0].variable
        verdicts = [Verdict(first[0].headline, first[0].detail), *verdicts]
        contrast = [c for c in contrast if c.variable != leading]
        about = leading
    else:
        about = document["verdicts"][0]["variable"] if verdicts else ""
    decided = [Verdict(sentence, "") for sentence in map(headline, decisions(document)) if sentence]
    # of rows what the model decides comes first; of images the effects of what was edited
    verdicts = [*decided, *verdicts] if document.get("inputs") == "rows" else [*verdicts, *decided]
    opening = verdicts[0] if verdicts else Verdict(_headline(document, thing=thing, genuine=genuine), "")
    return Story(
        headline=opening.headline,
        detail=opening.detail,
        logits=_logits(document),
        verdicts=tuple(verdicts[1:]),
        figures=tuple(_figures(document, names, thing=thing, flip=counterfactual(genuine=genuine))),
        weaknesses=tuple(_weaknesses(document, names)),
        findings=tuple(
            Finding(model=name, sentences=tuple(_sentences(document, model, thing=thing, genuine=genuine)))
            for model, name in names.items()
        ),
        contrast=tuple(contrast[:_MOST]),
        examples=tuple(_examples(articles, about=about)),
    )


def _logits(document: Mapping[str, Any]) -> str:
    """What a logit is, where any are shown."""
    columns = any(row["comparisons"] for row in document.get("columns", ()))
    if not columns and not any(effect["estimate"] or effect["truth"] for effect in document["effects"]):
        return ""
    label = document["columns"][0]["label"] if columns else document["models"][0]["labels"][-1]
    return (
        f"Logits measure log-odds: +1 multiplies the odds of “{label}” by 2.7, which from an even chance is "
        f"+23{wording.SPACE}points of probability. A + makes “{label}” more likely, a {wording.MINUS} less."
    )


def _of(entries: Sequence[Mapping[str, Any]], model: str) -> list[Mapping[str, Any]]:
    return [e for e in entries if e["model"] == model]


def _headline(document: Mapping[str, Any], *, thing: str, genuine: bool) -> str:
    """The headline where no effect stands out."""
    counts = document["counts"]
    found, searched = sum(c["found"] for c in counts), sum(c["searched"] for c in counts)
    if not searched:
        return "Nothing was searched, so this page can say nothing about the model."
    if not found:
        searches = wording.counted(searched, "search").replace("searchs", "searches")
        return f"No {counterfactual(genuine=genuine)} was found in {searches}; the reasons are below."
    model = "the model" if len(document["models"]) == 1 else "a model"
    if any(effect["estimate"] for effect in document["effects"]):
        return f"One cannot tell of any attribute that {model} leans on it."
    changes = [c for c in document["changes"] if _recurs(c)]
    if not changes:
        return f"The model changes its mind, but not by a change that recurs from one {thing} to the next."
    top = max(changes, key=lambda c: wording.rate(c["rate"]) or 0.0)
    modality = modality_named(document.get("inputs", ""))
    words = wording.shared(top["variable"], direction=top["direction"], modality=modality)
    return f"The sparsest flips most often hold: {words}, in {top['count']} of {wording.counted(top['n'], thing)}."


def _figures(document: Mapping[str, Any], names: Mapping[str, str], *, thing: str, flip: str) -> list[Figure]:
    figures = [
        Figure(
            model=names.get(c["model"], c["model"]),
            value=f"{c['found']} of {c['searched']}" if c["searched"] else wording.MISSING,
            label=f"{thing}s with a {flip}",
            interval=wording.span(c["found_rate"]),
        )
        for c in document["counts"]
    ]
    figures += [
        Figure(
            model=names.get(g["model"], g["model"]),
            value=f"{g['count']} of {g['n']}",
            label="sparsest flips that are genuine: the true re-render flips too",
            interval=wording.span(g["rate"]),
        )
        for g in document["genuine"]
        if g["n"]
    ]
    return figures


def _weaknesses(document: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """What the document warns of, after the flips that turned out to be artefacts."""
    found = []
    for g in document["genuine"]:
        value = wording.rate(g["rate"])
        if value is not None and value < _GENUINE:
            found.append(
                f"{names.get(g['model'], g['model'])}: {g['n'] - g['count']} of "
                f"{wording.counted(g['n'], 'flip')} did not survive a true re-render. They show what the "
                "generator does, not what the model reacts to."
            )
    return list(dict.fromkeys([*found, *document["warnings"]]))


def _sentences(document: Mapping[str, Any], model: str, *, thing: str, genuine: bool) -> list[str]:
    sentences = []
    for c in _of(document["counts"], model):
        if c["searched"]:
            sentences.append(
                f"For {c['found']} of {wording.counted(c['searched'], thing)} the search found at least "
                f"one {'genuine ' if genuine else ''}counterfactual that the model itself confirms ({wording.percent(wording.rate(c['found_rate']))}, "
                f"95 % interval {wording.span(c['found_rate'])})."
            )
        if c["already_target"]:
            sentences.append(
                f"{wording.counted(c['already_target'], thing)} had the wanted class from the start."
            )
    sentences += genuineness_words(document, model, thing=thing)
    sentences += _most_frequent(_of(document["changes"], model), modality_named(document.get("inputs", "")))
    sentences += _effects(document, model)
    for g in _of(document["genuine"], model):
        if g["n"]:
            sentences.append(
                f"{g['count']} of {wording.counted(g['n'], 'flip')} are genuine "
                f"({wording.percent(wording.rate(g['rate']))}, {wording.span(g['rate'])}): the model flips on the "
                "true picture with the same change, too."
            )
    return sentences


def _recurs(change: Mapping[str, Any]) -> bool:
    """Whether a change stands in more than one of the sparsest flips, or in the only one."""
    return bool(change["count"] >= min(2, change["n"]) and change["count"])


def _most_frequent(changes: Sequence[Mapping[str, Any]], modality: Modality) -> list[str]:
    if any(c["count"] for c in changes) and not any(_recurs(c) for c in changes):
        return ["No change stands in the sparsest flips of two of them."]
    ranked = sorted(changes, key=lambda c: -(wording.rate(c["rate"]) or 0.0))
    words = [
        f"{wording.shared(c['variable'], direction=c['direction'], modality=modality)} ({c['count']} of {c['n']}, {wording.span(c['rate'])})"
        for c in ranked[:_MOST]
        if c["count"]
    ]
    return [f"Most frequent in the sparsest flips: {wording.listing(words)}."] if words else []


def _effects(document: Mapping[str, Any], model: str) -> list[str]:
    effects = _of(document["effects"], model)
    labels = next((m["labels"] for m in document["models"] if m["id"] == model), ["the last class"])
    label = labels[-1]
    named = [e for e in effects if e["variable"] not in labels]  # that a class moves itself is no news
    clear = [e for e in named if judged(e) in ("raises", "lowers")]
    clear.sort(key=lambda e: -abs(wording.rate(e["estimate"]) or 0.0))
    sentences = []
    if clear:
        words = [
            f"{wording.human(e['variable'])} {wording.number(e['estimate']['value'], signed=True)} "
            f"({wording.span(e['estimate'], form='logit')})"
            for e in clear[:_MOST]
        ]
        how = ", less its own error" if any(e.get("correction") for e in clear) else ""
        sentences.append(
            f"Strongest effects on the log-odds of “{label}”, through the generator{how}: "
            f"{wording.listing(words)}."
        )
    wrong = [wording.human(e["variable"]) for e in effects if judged(e).startswith("contradicted")]
    if wrong:
        sentences.append(
            f"Re-rendering contradicts the generator for {wording.listing(wrong)}: do not rely on these."
        )
    unmeasured = [wording.human(e["variable"]) for e in effects if judged(e) == "edits never measured"]
    if unmeasured:
        sentences.append(f"Cannot tell (edits were never measured): {wording.listing(unmeasured, most=6)}.")
    unknown = [wording.human(e["variable"]) for e in effects if judged(e) == "error not measured"]
    if unknown:
        sentences.append(
            "Cannot tell (the generator's own error was not measured on this model): "
            f"{wording.listing(unknown, most=6)}."
        )
    unsure = [e for e in effects if judged(e) == "cannot tell"]
    if unsure:
        listed = wording.listing([wording.human(e["variable"]) for e in unsure], most=6)
        sentences.append(f"Cannot tell ({_why_unsure(document)}{_found_from(unsure)}): {listed}.")
    sentences += _error(document, model, label=label)
    hardly = [
        f"{wording.human(e['variable'])} ({wording.percent(e['edit_success'])})"
        for e in effects
        if judged(e) == "hardly edited"
    ]
    if hardly:
        sentences.append(
            "Cannot tell (the generator hardly edits it; how often an edit was seen, as its maker measured): "
            f"{wording.listing(hardly, most=6)}."
        )
    return sentences


def _found_from(effects: Sequence[Mapping[str, Any]]) -> str:
    """From which size on such an audit finds an effect; empty where that was not computed."""
    sizes = [size for e in effects if (size := finite(e.get("detectable"))) is not None]
    if not sizes:
        return ""
    ends = [wording.number(size) for size in (min(sizes), max(sizes))]
    return f"; with so many, one would be found from {' to '.join(dict.fromkeys(ends))} logits on"


def _error(document: Mapping[str, Any], model: str, *, label: str) -> list[str]:
    """What the generator's own error is on a model; nothing where it was not measured."""
    return [
        f"The generator's reconstruction alone moves the log-odds of “{label}” by {wording.number(error['sd'])} logits "
        f"(standard deviation over {error['photographs']} {_thing(document)}s; {wording.number(error['unexplained'])} of it beyond what "
        "attributes explain). Effects are less what they explain, and their intervals hold half of the rest"
        + (
            f"; they are combined with what {error['labelled']} labelled {_thing(document)}s show that nobody edited."
            if error["combined"]
            else "."
        )
        for error in document.get("generator_error", ())
        if error["model"] == model
    ]


def _why_unsure(document: Mapping[str, Any]) -> str:
    size = finite(document.get("practical"))
    if size is None:
        return "the interval includes 0"
    return f"too wide an interval about {wording.number(size)} logits, or too few {_thing(document)}s"


def _thing(document: Mapping[str, Any]) -> str:
    return modality_named(document.get("inputs", "")).thing


def _examples(articles: Sequence[Article], *, about: str) -> list[Example]:
    """One picture with a verified flip for every model: genuine, and telling of ``about``."""
    ranks = {"genuine": 0, "verified": 1, "artefact": 2}
    best: tuple[int, Article] | None = None
    for article in articles:
        tiles = [s.best for s in article.strips if s.best and (s.best.image or s.best.text or s.cells)]
        scores = [ranks[t.status] for t in tiles if t.status in ranks]
        shown = bool(article.original or article.text) or any(s.cells for s in article.strips)
        if not shown or not tiles or len(scores) != len(article.strips):
            continue
        telling = any(wording.subject(about) in words for t in tiles for words, _ in t.changes[:1])
        rank = 2 * sum(scores) - (1 if about and telling else 0)
        if best is None or rank < best[0]:
            best = (rank, article)
    if best is None:
        return []
    article = best[1]
    return [
        Example(s.model, article.name, s, article, s.tiles.index(s.best) if s.best else 0)
        for s in article.strips
    ]
