"""Which figures the conditions of an audit name, each with its part of the chance to err."""

from collections.abc import Sequence

from cfsearch.errors import ConfigError
from cfsearch.registry import unknown

from .conditions import EVERY, PROTECTED, Condition
from .measured import Membership
from .membership import group_pairs, group_parts
from .streams import GAPS, OF_EFFECTS, STOPPABLE, Watch


def watches(
    conditions: Sequence[Condition],
    *,
    attributes: Sequence[str],
    protected: Sequence[str],
    members: Membership | None,
) -> list[Watch]:
    """The figures that conditions name, each with its part of the chance to err.

    Args:
        conditions: what must hold.
        attributes: variables whose effects are measured; none where none are.
        protected: those that the user marked.
        members: which input is in which group; None for none.

    Raises:
        ConfigError: a condition is on a figure that has no sequence of intervals, or that the audit will not have.
    """
    found: list[tuple[Condition, str, str, tuple[frozenset[str], ...]]] = []
    for condition in conditions:
        if condition.metric not in STOPPABLE:
            raise ConfigError(
                f"until-decided: no interval of {condition.metric!r} holds at every number of inputs; an audit can stop on "
                f"{', '.join(STOPPABLE)}. Put the others into `cfsearch gate` when it has ended."
            )
        subjects = _subjects(condition, attributes=attributes, protected=protected)
        groups = _groups(condition, members)
        found += [(condition, subject, group, sides) for subject in subjects for group, sides in groups]
    return [
        Watch(
            condition,
            subject=subject,
            group=group,
            sides=sides,
            alpha=(1.0 - condition.confidence) / len(found),
        )
        for condition, subject, group, sides in found
    ]


def _subjects(condition: Condition, *, attributes: Sequence[str], protected: Sequence[str]) -> list[str]:
    metric, subject = condition.metric, condition.subject
    if metric == "change_rate":
        if subject[:1] not in ("+", "-", "~") or not subject[1:]:
            raise ConfigError(
                f"until-decided: {metric} needs a change, such as {metric}:+Blond_Hair (+ more, - less, ~ another "
                f"category), got {subject!r}."
            )
        return [subject]
    if metric not in OF_EFFECTS:
        if subject:
            raise ConfigError(f"until-decided: {metric} has no subject, got {subject!r}.")
        return [""]
    if not attributes:
        raise ConfigError(
            f"until-decided: {metric} needs a generator that changes named attributes (faces64, celeba64, your own)."
        )
    if subject == PROTECTED and not protected:
        raise ConfigError("until-decided: no attribute is protected; name them with --protected.")
    chosen = list(protected) if subject == PROTECTED else list(attributes) if subject == EVERY else [subject]
    for name in chosen:
        if name not in attributes:
            raise ConfigError(f"until-decided: {unknown('attribute', name, list(attributes))}")
    return chosen


def _groups(condition: Condition, members: Membership | None) -> list[tuple[str, tuple[frozenset[str], ...]]]:
    gap = condition.metric in GAPS
    if not condition.group and not gap:
        if condition.metric == "decided":
            raise ConfigError("until-decided: decided is of a group; name it, such as decided@sex:female.")
        return [("", ())]
    if condition.metric not in (*GAPS, "decided", "found_rate"):
        raise ConfigError(f"until-decided: {condition.metric} is not measured by group.")
    known = dict(_pairs(members) if gap else _singles(members)) if members is not None else {}
    wanted = condition.group
    chosen = [
        (name, sides)
        for name, sides in known.items()
        if wanted in ("", EVERY, name) or name.split(":")[0] == wanted
    ]
    if not chosen:
        names = ", ".join(known) or "none; compare groups with --by"
        raise ConfigError(
            f"until-decided: the audit has no group {wanted!r} of {condition.metric}; it has {names}."
        )
    return chosen


def _singles(members: Membership) -> list[tuple[str, tuple[frozenset[str], ...]]]:
    return [(f"{column}:{name}", (part,)) for column, parts in group_parts(members) for name, part in parts]


def _pairs(members: Membership) -> list[tuple[str, tuple[frozenset[str], ...]]]:
    return [(pair.group, (pair.first, pair.second)) for pair in group_pairs(members)]
