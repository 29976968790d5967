"""Labels of classes that a reader of results can tell apart."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Final

from cfsearch.errors import ConfigError, is_hidden, listed

_BLANK: Final = "\u034f\u115f\u1160\u17b4\u17b5\u180e\u2800\u3164\uffa0"
"""Characters that show nothing and are neither spaces nor of the category of formats."""
_ALIKE: Final = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455"  # Cyrillic, small
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406\u0408\u0405"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf",  # Greek
    "aeopcyxijsABEKMHOPCTXIJSABEZHIKMNOPTYXo",
)
"""Letters of other scripts that look like a Latin one in every typeface."""


def indistinct(labels: Sequence[str]) -> str:
    """Why a reader could not tell labels apart, as the end of a sentence; empty where all is well.

    Two look alike that differ in white space, in what shows nothing, in how an accent is written, or in letters of
    another script that look the same.

    Args:
        labels: of the classes, in the order of the outputs.

    Example:
        >>> indistinct(("no", "yes"))
        ''
        >>> indistinct(("yes", "yes "))
        "must differ, but 'yes' and 'yes ' look alike. Rename one."
    """
    twice = sorted(label for label, count in Counter(labels).items() if count > 1)
    if twice:
        return f"must differ, but {listed(map(repr, twice))} stands twice."
    seen: dict[str, str] = {}
    for at, label in enumerate(labels):
        printed = _printed(label)
        if not printed:
            return f"must be words, but that of output {at} is blank ({label!a}). Give it a name."
        if printed in seen:
            return f"must differ, but {seen[printed]!a} and {label!a} look alike. Rename one."
        seen[printed] = label
    return ""


def check_distinct(labels: Sequence[str] | None, *, where: str) -> None:
    """Refuse labels that a reader could not tell apart.

    Args:
        labels: as they were given; None for none.
        where: what was given, for the message.

    Raises:
        ConfigError: they are no texts, or ``indistinct``.

    Example:
        >>> try:
        ...     check_distinct(("yes", "yes "), where="labels")
        ... except ConfigError as error:
        ...     print(error)
        labels must differ, but 'yes' and 'yes ' look alike. Rename one.
    """
    if labels is None:
        return
    if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
        raise ConfigError(f"{where}: expected one name a class, such as ['no', 'yes'], got {labels!r}.")
    wrong = indistinct(labels)
    if wrong:
        raise ConfigError(f"{where} {wrong}")


def doubt_of_labels(labels: Sequence[str], *, who: str) -> str:
    """What a reader must know of names that a model has itself and that look alike; empty where all is well.

    Args:
        labels: of the classes.
        who: the model.

    Example:
        >>> doubt_of_labels(("yes", "yes "), who="m").split(".")[0]
        "m: names of its classes must differ, but 'yes' and 'yes ' look alike"
    """
    wrong = indistinct(labels).removesuffix(" Rename one.").removesuffix(" Give it a name.")
    if not wrong:
        return ""
    return (
        f"{who}: names of its classes {wrong} Results name them so. To tell them apart give names of your own, in the order "
        "of its outputs: `labels` in the TOML beside it (--sidecar), or labels= from Python."
    )


def _printed(label: str) -> str:
    """What one sees of a label."""
    seen = (c for at, c in enumerate(label) if c.isspace() or not _unseen(label, at))
    return " ".join(unicodedata.normalize("NFC", "".join(seen).translate(_ALIKE)).split())


def _unseen(label: str, at: int) -> bool:
    return label[at] in _BLANK or "\ufe00" <= label[at] <= "\ufe0f" or is_hidden(label, at)
