"""Settings that refuse unknown names, and the sentence about the first fault of a file."""

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from cfsearch.errors import ConfigError
from cfsearch.secrecy import shown

_WORDS: Final = {
    **dict.fromkeys(("tuple_type", "list_type"), "must be a list, in square brackets"),
    "string_type": "must be a text, in quotes",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "must be a table"),
    "finite_number": "must be a finite number",
}
"""What is stated of a value of another type, by pydantic's name of the fault."""
_BOUNDS: Final = {
    "greater_than_equal": ("must be at least", "ge"),
    "less_than_equal": ("must be at most", "le"),
    "greater_than": ("must be above", "gt"),
    "less_than": ("must be below", "lt"),
    "literal_error": ("must be", "expected"),
}
"""What is stated of a value that is not allowed, by pydantic's name of the fault, and its name of what is."""


class Counted(BaseModel):
    """Settings in which true and false are no numbers; pydantic takes them for 1 and 0."""

    @field_validator("*", mode="before")
    @classmethod
    def _no_truths(cls, value: object, info: ValidationInfo) -> object:
        field = cls.model_fields.get(info.field_name or "")
        kinds = set() if field is None else _kinds(field.annotation)
        if bool not in kinds and not kinds.isdisjoint((int, float)):
            found = value if isinstance(value, list | tuple) else (value,)
            for one in found:
                if isinstance(one, bool):
                    raise ValueError(f"must be a number, got {str(one).lower()}")
        return value


def _kinds(annotation: object) -> set[object]:
    """The types that stand in an annotation."""
    inner = get_args(annotation)
    return {annotation} if not inner else {kind for part in inner for kind in _kinds(part)}


class Strict(Counted):
    """Settings that take no unknown names and do not change."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def _of_some_letters(value: str) -> str:
    if not value.strip():
        raise ValueError("is an empty text; name a file, or take the setting out")
    return value


Place = Annotated[str, AfterValidator(_of_some_letters)]
"""A file, a folder or another name of something to open: the empty text would be the working folder."""


def sentence(error: ValidationError, *, model: type[BaseModel], where: str, text: str) -> str:
    """What is wrong with settings, where, and what may have been meant.

    Args:
        error: as pydantic raised it; its first fault is described.
        model: the settings that were checked.
        where: the file, or what else they come from.
        text: of the file, for lines and columns; empty where there is none.
    """
    faults = error.errors()
    # a misspelt table is also a missing one: the name that was written comes first
    fault = next((one for one in faults if one["type"] == "extra_forbidden"), faults[0])
    path = [str(part) for part in fault["loc"]]
    dotted = ".".join(path)
    if fault["type"] == "extra_forbidden":
        known = _fields(model, path[:-1])
        near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        section = f" in [{'.'.join(path[:-1])}]" if path[:-1] else ""
        return (
            f"{where}{_position(text, path[-1])}: unknown setting `{path[-1]}`{section} "
            f"(it takes: {', '.join(known)}).{hint}"
        )
    if fault["type"] == "missing":
        return f"{where}: the setting `{dotted}` is missing. `cfsearch init` writes a file that shows all."
    context = fault.get("ctx", {})
    if isinstance(context.get("error"), ConfigError):
        return f"{where}: {context['error']}"
    message = words_of_fault(fault)
    if fault["type"] in {*_WORDS, *_BOUNDS}:
        message += f", got {shown(fault['input'])}"
    return f"{where}{_position(text, path[-1]) if path else ''}: `{dotted}`: {message}."


def words_of_fault(fault: Mapping[str, Any]) -> str:  # Any: as pydantic gives it
    """What pydantic found wrong with a value, in words of a file of settings.

    Args:
        fault: one of ``ValidationError.errors()``.

    Example:
        >>> fault = {"type": "too_short", "msg": "Tuple should have at least 2 items after validation, not 0"}
        >>> words_of_fault(fault | {"ctx": {"min_length": 2, "actual_length": 0}})
        'must be a list of 2 or more, not of 0'
    """
    context = fault.get("ctx", {})
    if fault["type"] == "too_short" and "min_length" in context:
        return f"must be a list of {context['min_length']} or more, not of {context['actual_length']}"
    if fault["type"] == "too_long" and "max_length" in context:
        return f"must be a list of {context['max_length']} or fewer"
    if fault["type"] in _WORDS:
        return _WORDS[fault["type"]]
    if fault["type"] in _BOUNDS:
        words, name = _BOUNDS[fault["type"]]
        bound = context[name]
        return f"{words} {bound:,}" if isinstance(bound, int) else f"{words} {bound}"
    return str(fault["msg"]).removeprefix("Value error, ")


def _fields(model: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        field = model.model_fields.get(part)
        inner = field.annotation if field is not None else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _position(text: str, key: str) -> str:
    for number, line in enumerate(text.splitlines(), start=1):
        column = line.find(key)
        if column >= 0 and line[:column].strip() in ("", '"', "[", "[["):
            return f", line {number}, column {column + 1}"
    return ""
