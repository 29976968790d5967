"""What flips the model and is not genuine, and how far two generators agree on that, in words."""

from collections.abc import Iterable, Mapping
from typing import Any

from . import wording


def counted_as(reasons: Iterable[str]) -> str:
    """What an audit counts as found: where a flip was lost as the generator's own, "verified" alone does not say it.

    Args:
        reasons: of all inputs, as they stand in ``audit.json``.

    Example:
        >>> counted_as(["", "not_genuine"]), counted_as(["", "stalled"])
        ('verified and genuine counterfactual', 'verified counterfactual')
    """
    return counterfactual(genuine="not_genuine" in set(reasons))


def counterfactual(*, genuine: bool) -> str:
    """What counts as found, in words.

    Args:
        genuine: whether flips that are not genuine were taken out.
    """
    return "verified and genuine counterfactual" if genuine else "verified counterfactual"


def loses_flips(document: Mapping[str, Any]) -> bool:
    """Whether an audit took out flips that are not genuine, by its document.

    Args:
        document: the content of ``audit.json``.

    Example:
        >>> loses_flips({"instances": [{"reason": ""}]}), loses_flips({"instances": [{"reason": "not_genuine"}]})
        (False, True)
    """
    return any(row["reason"] == "not_genuine" for row in document.get("instances", ()))


def found_in(document: Mapping[str, Any]) -> str:
    """What an audit counts as found, by its document; see ``counted_as``.

    Args:
        document: the content of ``audit.json``.
    """
    return counterfactual(genuine=loses_flips(document))


def genuineness_words(document: Mapping[str, Any], model: str, *, thing: str) -> list[str]:
    """Of how many inputs every flip may be the generator's own, and how far two generators agree, a sentence each.

    Args:
        document: the content of ``audit.json``.
        model: whose id.
        thing: what one input is called.

    Example:
        >>> rows = [{"model": "m", "reason": reason} for reason in ("", "not_genuine", "not_genuine")]
        >>> genuineness_words({"instances": rows}, "m", thing="picture")
        ["On 2 pictures the model flips too, but not clearly enough to be distinguished from the generator's own error."]
    """
    own = [row for row in document.get("instances", ()) if row["model"] == model]
    lost = sum(row["reason"] == "not_genuine" for row in own)
    found = [
        f"On {wording.counted(lost, thing)} the model flips too, but not clearly enough to be distinguished from the generator's own "
        "error."
    ]
    agreed = [row for row in document.get("agreement", ()) if row["model"] == model]
    return found[: bool(lost)] + [agreement_words(row, thing=thing) for row in agreed]


def agreement_words(entry: Mapping[str, Any], *, thing: str) -> str:
    """How far two generators agree on one model, in a sentence.

    Args:
        entry: as it stands in ``audit.json``.
        thing: what one input is called.

    Example:
        >>> agreement_words({"count": 3, "n": 4, "members": {"count": 5, "n": 9}, "variables": []}, thing="picture")
        'Of 4 pictures with a flip that is genuine by the first generator, 3 have one by both (5 of 9 members).'
    """
    if not entry["n"]:
        return f"By the first generator no {thing} has a genuine flip, so that the second generator was not needed."
    members = entry["members"]
    has = "has" if entry["count"] == 1 else "have"
    rate = members["count"] / members["n"]
    apart = next((row for row in entry["variables"] if row["count"] < rate * row["n"]), None)
    least = (
        f"; least agreement on {wording.human(apart['variable'])}, {apart['count']} of {apart['n']}"
        if apart
        else ""
    )
    return (
        f"Of {wording.counted(entry['n'], thing)} with a flip that is genuine by the first generator, {entry['count']} {has} one "
        f"by both ({members['count']} of {wording.counted(members['n'], 'member')}{least})."
    )
