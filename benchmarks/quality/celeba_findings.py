"""What the first paper says of its two experiments on faces, and what the audits of them say."""

import json
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from cfsearch.numerics.intervals import Interval, paired_mean

Floats = NDArray[np.float64]
_HAIR: Final = ("Black_Hair", "Blond_Hair", "Brown_Hair")


def findings(
    first: dict[str, Any],
    second: dict[str, Any],
    effects: tuple[Floats, Floats],
    difference: dict[str, Interval],
    names: tuple[str, ...],
    hardly: frozenset[str] = frozenset(),
) -> list[dict[str, Any]]:
    """Each claim, whether the audits agree, and the figures that say so.

    Args:
        first, second: what ``celeba_experiments.summarise`` says of the two models.
        effects: of each attribute on each face, in logits, ``(n, a)``, of the two models.
        difference: by how much associations in photographs differ, the second model's less the first's.
        names: of the ``a`` attributes.
        hardly: those that the generator hardly edits, whose effects are none of theirs.
    """
    blond = names.index("Blond_Hair")
    change = paired_mean(torch.from_numpy(effects[1][:, blond] - effects[0][:, blond]))
    weaker = paired_mean(torch.from_numpy(np.abs(effects[0][:, blond]) - np.abs(effects[1][:, blond])))
    others = [name for name in names if name != "Male"]

    def strongest(found: dict[str, Any]) -> list[str]:
        edited = [name for name in others if name not in hardly]
        return sorted(edited, key=lambda name: -abs(found[name]["effect"]["value"]))

    def rank(found: dict[str, Any]) -> int | None:
        return None if "Blond_Hair" in hardly else strongest(found).index("Blond_Hair") + 1

    def in_photographs(found: dict[str, Any]) -> list[tuple[str, dict[str, float]]]:
        shares = [(name, found[name]["photographs"]) for name in others]
        return sorted(shares, key=lambda pair: -abs(pair[1]["value"]))

    def most_changed(found: dict[str, Any], way: str) -> list[tuple[str, float]]:
        shares = [
            (f"{sign}{name}", part["value"])
            for name in others
            for sign in "+-"
            if (part := found[name]["sparsest"].get(f"{way}{sign}")) is not None
        ]
        return sorted(shares, key=lambda pair: -pair[1])[:4]

    def below_zero(part: dict[str, float] | None) -> bool:
        return part is not None and part["high"] < 0.0

    def interval(found: Interval | None) -> dict[str, float] | None:
        return None if found is None else found.to_dict()

    men_first, women_first = most_changed(first, "to_first"), most_changed(first, "to_last")
    dark = [name for name, _ in women_first if name in ("-Blond_Hair", "+Black_Hair", "+Brown_Hair")]
    return [
        {
            "paper": "1: blond hair makes men into women (decisive)",
            "agrees": below_zero(first["Blond_Hair"]["men"])
            and bool(men_first)
            and men_first[0][0] == "+Blond_Hair",
            "effect_on_men": first["Blond_Hair"]["men"],
            "rank_of_effect": rank(first),
            "alone_flips_men": first["Blond_Hair"]["flips_last"],
            "sparsest_of_men": men_first,
        },
        {
            "paper": "1: dark hair makes women into men",
            "agrees": below_zero(first["Blond_Hair"]["women"]) and bool(dark),
            "effect_on_women": first["Blond_Hair"]["women"],
            "alone_flips_women": {h: first[h]["flips_first"] for h in _HAIR},
            "sparsest_of_women": women_first,
        },
        {
            "paper": "2: without blond women in training, blond hair matters less",
            "agrees": weaker is not None and weaker.low > 0.0,
            "effect": second["Blond_Hair"]["effect"],
            "change_of_effect": interval(change),
            "loss_of_size": interval(weaker),
            "photographs": {
                "first": first["Blond_Hair"]["photographs"],
                "second": second["Blond_Hair"]["photographs"],
                "change": difference["Blond_Hair"].to_dict(),
            },
            "rank_of_effect": rank(second),
        },
        {
            "paper": "2: bangs and age, not hair colour, are named in its place",
            "agrees": strongest(second)[0] not in _HAIR
            and bool({"Bangs", "Young"} & set(strongest(second)[:3])),
            "strongest": [(name, second[name]["effect"]) for name in strongest(second)[:4]],
            "strongest_in_photographs": in_photographs(second)[:4],
            "sparsest_of_men": most_changed(second, "to_first"),
            "sparsest_of_women": most_changed(second, "to_last"),
        },
    ]


def printed(found: list[dict[str, Any]]) -> str:
    """The claims for a terminal, a line each."""
    lines = ["\nthe paper, and these audits:"]
    for claim in found:
        rest = {k: v for k, v in claim.items() if k not in ("paper", "agrees")}
        lines.append(
            f"- {claim['paper']}: {'agrees' if claim['agrees'] else 'does not agree'}; {json.dumps(rest)}"
        )
    return "\n".join(lines)
