"""Model card of a surrogate: architecture, queries spent, fidelity."""

from typing import Any

from cfsearch.numerics import percent as shares
from cfsearch.numerics.intervals import Interval


def card(name: str, about: dict[str, Any]) -> str:  # Any: plain JSON values, see ``distil``
    """Model card of a surrogate as Markdown.

    Args:
        name: of the file.
        about: what ``Surrogate.about`` holds.
    """
    hyper, queries, data = about["hyper"], about["queries"], about["data"]
    found = about["fidelity"]
    trusted = (
        f"{percent(found)} of {data['held_out']:,} inputs of the user's that it had not learned from"
        if found
        else "not measured: no input was held out"
    )
    searched = (
        f"{about['trials']} trials ({about['pruned']} given up early), mean agreement on left-out examples "
        f"{shares.percent(about['agreement'], digits=1)}"
        if about["agreement"] is not None
        else "not searched"
    )
    versions = ", ".join(f"{package} {version}" for package, version in about["versions"].items())
    notes = "".join(f"- {note}\n" for note in about["notes"])
    return f"""\
# {name}

A surrogate of **{about["model"]}**: a network that learned its answers, made by `cfsearch distill`
on {about["date"]}. It says what the audited model *probably* says. Anything found with it must be
verified on the audited model itself.

| | |
| --- | --- |
| same class as the audited model | {trusted} |
| inputs of the user's | {data["inputs"]:,}, {data["held_out"]:,} of them held out ({data["what"]}) |
| examples learned from | {data["examples"]:,} |
| queries to the audited model | {queries["spent"]:,} of at most {queries["limit"]:,} |
| answers learned from | {about["answers"]} |
| network | {about["network"]}, {about["parameters"]:,} parameters |
| training | rate {hyper["rate"]:.3g}, {hyper["epochs"]} passes, batch {hyper["batch"]} |
| search of these | {searched} |
| preset, seed | {about["preset"]}, {about["seed"]} |
| seconds | {about["seconds"]:.0f} |
| audited model | `{about["audited"]}` |
| versions | {versions} |

{notes}"""


def percent(found: "dict[str, float] | Interval") -> str:
    """A share with its 95 % interval: "97.1 % (96.4 % to 97.7 %)"."""
    interval = found.to_dict() if isinstance(found, Interval) else found
    value, low, high = (shares.percent(interval[key], digits=1) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"
