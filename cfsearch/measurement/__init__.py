"""Measurement of a generator on labelled images: whether its edits are seen, and what else they change.

::

    measured = measure(generator, training=labelled, held_out=others)
    measured.edit_success                         # {"Male": 0.91, "Eyeglasses": 0.34}

A generator is measured before its findings are believed: an attribute whose edits an independent classifier does not
see has no effect that could be estimated, whatever the audited model answers.
"""

from typing import TYPE_CHECKING, Final

from cfsearch.lazy import lazy_names

if TYPE_CHECKING:
    from .generator import AttributeFigures as AttributeFigures
    from .generator import GeneratorMeasurement as GeneratorMeasurement
    from .generator import measure as measure
    from .judge import AttributeJudge as AttributeJudge
    from .judge import train_judge as train_judge

_HOME: Final = {
    "AttributeFigures": "generator",
    "AttributeJudge": "judge",
    "GeneratorMeasurement": "generator",
    "measure": "generator",
    "train_judge": "judge",
}

__all__ = ["AttributeFigures", "AttributeJudge", "GeneratorMeasurement", "measure", "train_judge"]

if not TYPE_CHECKING:  # to a type checker a name that is not listed is an error
    __getattr__ = lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
