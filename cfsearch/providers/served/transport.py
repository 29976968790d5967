"""Requests to a served model: several at once, repeated where that may help, within a deadline."""

import asyncio
import random
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, final

from cfsearch.errors import DeadlineError, MissingExtraError, ProviderError

from .ledger import Ledger
from .messages import (
    LONG_EXCERPT,
    BadAnswerError,
    Json,
    Request,
    RequestRefusedError,
    Response,
    ResponseTooLargeError,
    ServerDownError,
    UnreadableAnswerError,
    excerpt,
)
from .retry import OVERLOADED, TRIED_AGAIN, backoff, retry_after
from .secrets import Secrets
from .settings import ServedTable

if TYPE_CHECKING:
    import httpx2

_MIB: Final = 2**20
_COOL_DOWN_S: Final = 30.0
_FAILURE_SHOWN: Final = 160
_ENDING_S: Final = 2.0
_REFUSED: Final = frozenset({400, 413, 415, 422})


class _TryAgain(Exception):
    """One try failed in a way that may pass."""

    def __init__(self, kind: str, error: ProviderError, *, wait: float | None = None) -> None:
        super().__init__(kind)
        self.kind, self.error, self.wait = kind, error, wait


@final
class Transport:
    """The connection to one server.

    A loop in a thread of its own sends requests; as many at once as the server bears: one more after
    each round that went well, half after one that it refused or that came too late (additive
    increase, multiplicative decrease). After a request that failed to its end, the others fail at
    once for half a minute (circuit breaker). Redirects are not followed, proxies and passwords of the
    environment are not used.

    Args:
        settings: ``[served]`` of the sidecar.
        secrets: its headers.
        who: the model, for messages.

    Raises:
        MissingExtraError: httpx2 is not installed.
    """

    def __init__(self, settings: ServedTable, *, secrets: Secrets, who: str) -> None:
        try:
            import httpx2 as _  # noqa: F401 - the error is wanted here, not at the first request
        except ImportError as error:
            raise MissingExtraError(
                f"{who}: models behind an address need httpx2. Install it: pip install 'cfsearch[served]'."
            ) from error
        self.ledger: Final = Ledger()
        self._settings: Final = settings
        self._secrets: Final = secrets
        self._who: Final = who
        self._lock: Final = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: Callable[[], object] | None = None
        self._clients: Final[list[httpx2.AsyncClient]] = []
        self._jitter: Final = random.Random(0)  # noqa: S311 - spreads waits, hides nothing
        self._limit = 1.0
        self._next_start = 0.0
        self._open_until = 0.0
        self._last_failure = ""

    @property
    def concurrency(self) -> int:
        """Requests that are sent at once now."""
        return max(1, int(self._limit))

    def send(self, requests: Sequence[Request]) -> list[Json | ProviderError]:
        """What the requests read from their answers, in order; one that failed to its end gives its error.

        Args:
            requests: sent several at once.

        Raises:
            ServerDownError: the server was found down less than half a minute ago.
        """
        if time.monotonic() < self._open_until:
            raise ServerDownError(
                f"{self._who}: the server failed before ({self._last_failure}); no more requests are sent for "
                f"{_COOL_DOWN_S:.0f} s. Run again when it is back: what is done is kept."
            )
        loop = self._running()
        return asyncio.run_coroutine_threadsafe(self._all(requests), loop).result()

    def close(self) -> None:
        """Closes the connections and ends the thread; a later ``send`` starts it again."""
        with self._lock:
            ending, self._ending, self._loop = self._ending, None, None
        if ending is not None:
            ending()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._clients.clear()
                thread = threading.Thread(
                    target=_serve, args=(self._loop, self._clients), name=f"cfsearch {self._who}", daemon=True
                )
                thread.start()
                self._ending = weakref.finalize(self, _end, self._loop, thread)
            return self._loop

    async def _all(self, requests: Sequence[Request]) -> list[Json | ProviderError]:
        answers: list[Json | ProviderError] = [None] * len(requests)
        waiting = list(range(len(requests)))
        waiting.reverse()
        running: set[asyncio.Task[None]] = set()

        async def one(i: int) -> None:
            try:
                answers[i] = await self._to_its_end(requests[i])
            except ProviderError as error:
                answers[i] = error

        while waiting or running:
            while waiting and len(running) < self.concurrency:
                running.add(asyncio.create_task(one(waiting.pop())))
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        return answers

    async def _to_its_end(self, request: Request) -> Json:
        """One request, tried until it is answered, refused, or out of attempts or time."""
        settings = self._settings
        begun = time.monotonic()
        attempt = 0
        while True:
            attempt += 1
            left = settings.deadline - (time.monotonic() - begun)
            try:
                async with asyncio.timeout(max(left, 0.001)):
                    await self._paced()
                    answer = self._read(request, await self._once(request))
            except TimeoutError:
                self._fewer()
                self.ledger.failed("deadline")
                error: ProviderError = DeadlineError(
                    f"{self._who}: did not answer a request of {request.inputs} inputs within {settings.deadline:g} s. "
                    "Set a longer `deadline` under [served], or lower `max_batch`."
                )
                raise self._down(error) from None
            except _TryAgain as failure:
                self.ledger.failed(failure.kind)
                wait = max(backoff(attempt, jitter=self._jitter.random()), failure.wait or 0.0)
                left = settings.deadline - (time.monotonic() - begun)
                if attempt >= settings.attempts:
                    if failure.kind == "500" and request.inputs:
                        raise RequestRefusedError(str(failure.error)) from failure
                    if isinstance(failure.error, BadAnswerError):
                        raise failure.error from failure
                    raise self._down(failure.error) from failure
                if wait >= left:
                    waits = f" wants a wait of {failure.wait:g} s, which is" if failure.wait else " is"
                    raise self._down(
                        type(failure.error)(
                            f"{failure.error} It{waits} more than what is left of its deadline of {settings.deadline:g} s."
                        )
                    ) from failure
                await asyncio.sleep(wait)
            else:
                self._limit = min(settings.concurrency, self._limit + 1.0 / self.concurrency)
                if request.inputs:
                    self.ledger.answered(request.inputs)
                return answer

    def _read(self, request: Request, response: Response) -> Json:
        try:
            return request.read(response)
        except BadAnswerError as error:
            refused = BadAnswerError(f"{self._who}: {self._secrets.redacted(str(error))}")
            if isinstance(error, UnreadableAnswerError):
                raise _TryAgain("unreadable", refused) from error
            self.ledger.failed("bad answer")
            raise refused from error

    async def _once(self, request: Request) -> Response:
        import httpx2

        client = self._opened()
        method = "GET" if request.body is None else "POST"
        if request.inputs:
            self.ledger.tried(inputs=request.inputs, size=len(request.body or b""))
        try:
            async with client.stream(
                method, request.url, content=request.body, headers=request.headers
            ) as response:
                body = await self._body(response)
                headers = {name.lower(): value for name, value in response.headers.items()}
                status = response.status_code
        except httpx2.TransportError as error:
            self._fewer()
            kind = type(error).__name__
            text = self._secrets.redacted(" ".join(str(error).split()))
            raise _TryAgain(
                kind,
                ServerDownError(
                    f"{self._who}: no answer from {_origin(request.url)}: {kind}{f': {text}' if text else ''}. "
                    "Look whether the server runs and the address is right."
                ),
            ) from error
        except httpx2.InvalidURL as error:
            raise RequestRefusedError(f"{self._who}: the address cannot be used ({error}).") from error
        if 200 <= status < 300:
            return Response(headers, body)
        text = self._secrets.redacted(excerpt(body, most=LONG_EXCERPT)) if body.strip() else "an empty body"
        if status in TRIED_AGAIN:
            if status in OVERLOADED:
                self._fewer()
            raise _TryAgain(
                str(status),
                ServerDownError(f"{self._who}: the server answered {status} each time, with {text}."),
                wait=retry_after(headers),
            )
        self.ledger.failed(str(status))
        raise _refusal(status, text, who=self._who, headers=headers)

    async def _body(self, response: "httpx2.Response") -> bytes:
        """The whole body, decompressed, and never more than ``max_response``."""
        most = self._settings.max_response * _MIB
        packed = response.headers.get("content-encoding", "identity").strip().lower()
        if packed not in ("identity", "gzip", "deflate", ""):
            raise BadAnswerError(f"{self._who}: answered in the encoding {packed!r}, which was not offered.")
        unpack = zlib.decompressobj(47) if packed in ("gzip", "deflate") else None  # 47: either header
        parts: list[bytes] = []
        size = 0
        async for piece in response.aiter_raw():
            self.ledger.received(len(piece))
            try:
                part = piece if unpack is None else unpack.decompress(piece, most + 1 - size)
            except zlib.error as error:
                raise _TryAgain(
                    "unreadable", BadAnswerError(f"{self._who}: its answer cannot be decompressed ({error}).")
                ) from error
            size += len(part)
            parts.append(part)
            if size > most or (unpack is not None and unpack.unconsumed_tail):
                raise ResponseTooLargeError(
                    f"{self._who}: its answer is larger than {self._settings.max_response} MiB. Raise `max_response` "
                    "under [served] if that is right, or lower `max_batch`."
                )
        if unpack is not None and size and not unpack.eof:
            raise _TryAgain("truncated", BadAnswerError(f"{self._who}: its answer ends before its end."))
        return b"".join(parts)

    async def _paced(self) -> None:
        """Waits for this request's turn, where a rate is set."""
        rate = self._settings.rate
        if rate is None:
            return
        now = time.monotonic()
        start = max(now, self._next_start)
        self._next_start = start + 1.0 / rate
        await asyncio.sleep(start - now)

    def _fewer(self) -> None:
        self._limit = max(1.0, self._limit / 2)

    def _down(self, error: ProviderError) -> ProviderError:
        """Opens the breaker."""
        self._open_until = time.monotonic() + _COOL_DOWN_S
        self._last_failure = str(error).removeprefix(f"{self._who}: ").rstrip(".")[:_FAILURE_SHOWN]
        return error

    def _opened(self) -> "httpx2.AsyncClient":
        import httpx2

        if not self._clients:
            settings = self._settings
            client = httpx2.AsyncClient(
                headers={"accept-encoding": "gzip, deflate, identity", "user-agent": "cfsearch"}
                | self._secrets.headers,
                timeout=settings.timeout,
                limits=httpx2.Limits(
                    max_connections=settings.concurrency, max_keepalive_connections=settings.concurrency
                ),
                follow_redirects=False,
                trust_env=False,
            )
            self._clients.append(client)
        return self._clients[0]


def _serve(loop: asyncio.AbstractEventLoop, clients: "list[httpx2.AsyncClient]") -> None:
    """Runs the loop until it is stopped, then closes what was opened in it."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        for client in clients:
            loop.run_until_complete(client.aclose())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(loop.stop)
    if thread is not threading.current_thread():
        thread.join(_ENDING_S)


def _refusal(status: int, text: str, *, who: str, headers: dict[str, str]) -> ProviderError:
    if status in _REFUSED:
        return RequestRefusedError(f"{who}: the server refused the request with {status}: {text}.")
    if status in (401, 403):
        return ProviderError(
            f"{who}: the server answered {status}, it does not let us in: {text}. Give the credentials by reference in the "
            'sidecar: [served] headers = {Authorization = "Bearer env:NAME"}.'
        )
    if status == 404:
        return ProviderError(
            f"{who}: the server has nothing at this address (404): {text}. Correct the address."
        )
    if 300 <= status < 400:
        place = _origin(headers.get("location", "")) or "another place"
        return ProviderError(
            f"{who}: the server redirects to {place} ({status}), which is not followed since headers may hold secrets. "
            "Give the address itself."
        )
    return ProviderError(f"{who}: the server answered {status}: {text}.")


def _origin(url: str) -> str:
    """Scheme, host and path without user, password and query."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        host = f"[{host}]" if ":" in host else host
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that cannot be read"
    return f"{parts.scheme}://{host}{port}{parts.path}" if host else parts.path
