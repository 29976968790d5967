"""Requests and responses of a served model, and the errors that they end in."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, final

from cfsearch.errors import ProviderError
from cfsearch.parsing import JSONError, parse_json

Json = Any  # Any: what a server answers is checked, not known
EXCERPT: Final = 80
LONG_EXCERPT: Final = 300


class ServerDownError(ProviderError):
    """A served model cannot be reached, or fails whatever it is sent; queries end until it is back."""

    code: ClassVar[str] = "server_down"


class RequestRefusedError(ProviderError):
    """A server refused one request (400, 413, 422, or it fails on these inputs each time)."""

    code: ClassVar[str] = "request_refused"


class BadAnswerError(ProviderError):
    """A server answered, but not with scores."""

    code: ClassVar[str] = "bad_answer"


class UnreadableAnswerError(BadAnswerError):
    """The answer of a server is empty or no JSON: perhaps its end is missing, so it is worth another try."""


class ResponseTooLargeError(BadAnswerError):
    """The answer of a server is larger than ``max_response``."""

    code: ClassVar[str] = "response_too_large"


@final
@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    Args:
        url: in full.
        read: what is made of the response; an answer that it refuses is requested again.
        body: None makes it a GET.
        headers: besides those of the settings.
        inputs: how many inputs it asks about.
    """

    url: str
    read: "Callable[[Response], Json]"
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    inputs: int = 0


@final
@dataclass(frozen=True, slots=True)
class Response:
    """The whole answer to a request that succeeded.

    Args:
        headers: in lower case.
        body: decompressed.
    """

    headers: dict[str, str]
    body: bytes

    def json(self, *, part: bytes | None = None) -> Json:
        """The answer as JSON values, without NaN and infinity.

        Args:
            part: of the body; all of it when left out.

        Raises:
            BadAnswerError: it is something else.
        """
        body = self.body if part is None else part
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not body.strip():
            raise UnreadableAnswerError("answered with an empty body, expected JSON with scores.")
        if kind in ("text/html", "application/xhtml+xml"):
            raise BadAnswerError(
                f"answered with a web page instead of JSON (a login page, a proxy?): {excerpt(body)}."
            )
        try:
            document = parse_json(body)
        except JSONError as error:
            kind_of_error = UnreadableAnswerError if error.broken else BadAnswerError
            raise kind_of_error(f"answered with what is no valid JSON: {excerpt(body)}; {error}.") from error
        complaint = complaint_of(document)
        if complaint is not None:
            raise BadAnswerError(
                f"answered with an error instead of scores: {excerpt(json.dumps(complaint, ensure_ascii=False).encode(), most=300)}. "
                f"{LOOK}"
            )
        return document


LOOK: Final = "Look into the server's log, and whether it speaks this protocol (--protocol)."
"""What a user can do about an answer that holds no scores."""
_SAYS: Final = (
    "error",
    "errors",
    "error_message",
    "exception",
    "detail",
    "details",
    "message",
    "msg",
    "error_code",
)
"""Under which keys a server says what went wrong."""
_BESIDE: Final = frozenset(
    {
        *_SAYS,
        *(
            "code",
            "status",
            "type",
            "title",
            "instance",
            "path",
            "timestamp",
            "trace",
            "stacktrace",
            "stack_trace",
        ),
        *("estimated_time", "warnings", "success", "ok", "id", "request_id", "trace_id"),
    }
)
"""What may stand beside it."""


def complaint_of(document: Json) -> Json:
    """What a server says went wrong, where an answer is that and nothing else; None where it is something else.

    Args:
        document: of the answer.

    Example:
        >>> complaint_of({"error": {"code": 5}, "status": 500}), complaint_of({"error": 0.25, "fine": 0.75})
        ({'code': 5}, None)
    """
    if not isinstance(document, dict) or not document.keys() <= _BESIDE:
        return None
    found = (document[key] for key in _SAYS if key in document)
    return next((one for one in found if isinstance(one, str | dict) and one), None)


def excerpt(body: bytes, *, most: int = EXCERPT) -> str:
    """The beginning of a body on one line, for messages.

    Args:
        body: what came.
        most: letters.
    """
    text = body[: 4 * most].decode("utf-8", errors="replace")
    text = "".join(c if c.isprintable() else " " for c in text)
    text = " ".join(text.split())
    return repr(text[:most])


def whole_number(text: str) -> int | None:
    """The number that a header, a pointer or a shape writes in digits; None for anything else.

    ``str.isdigit`` takes superscripts, which ``int`` refuses, and ``int`` refuses more than 4300 digits.

    Args:
        text: as it came.

    Example:
        >>> whole_number("17"), whole_number("10\u00b2"), whole_number("-1")
        (17, None, None)
    """
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None
