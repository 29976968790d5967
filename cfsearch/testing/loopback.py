"""A server on this machine that answers as a served model does, or misbehaves as it is set to."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """What a server sends back.

    Args:
        status: of HTTP.
        body: as it is sent.
        headers: besides the length.
        length: the content length that is claimed; the true one when None.
        cut: whether the connection is closed without an answer.
        pieces: sent one by one with ``pause`` seconds between them.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    length: int | None = None
    cut: bool = False
    pieces: int = 1
    pause: float = 0.0


def json_reply(document: Any, *, status: int = 200, **headers: str) -> Reply:
    """A JSON answer."""
    return Reply(status, json.dumps(document).encode(), {"content-type": "application/json", **headers})


@dataclass
class Seen:
    """A request that arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Loopback:
    """A running server; ``url`` is where, ``seen`` what arrived."""

    def __init__(self, answer: Callable[[Seen], Reply]) -> None:
        self.answer = answer
        self.seen: list[Seen] = []
        self.lock: threading.Lock = threading.Lock()
        self.busy = 0
        self.most_at_once = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                del format, args

            def _any(self) -> None:
                size = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(size)
                headers = {name.lower(): value for name, value in self.headers.items()}
                seen = Seen(self.command, self.path, headers, body)
                with outer.lock:
                    outer.seen.append(seen)
                    outer.busy += 1
                    outer.most_at_once = max(outer.most_at_once, outer.busy)
                try:
                    self._send(outer.answer(seen))
                finally:
                    with outer.lock:
                        outer.busy -= 1

            def _send(self, reply: Reply) -> None:
                if reply.cut:
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                length = len(reply.body) if reply.length is None else reply.length
                self.send_header("content-length", str(length))
                self.end_headers()
                step = max(1, -(-len(reply.body) // reply.pieces))
                stop = outer.stopping
                for at in range(0, len(reply.body), step):
                    self.wfile.write(reply.body[at : at + step])
                    self.wfile.flush()
                    if reply.pause and stop.wait(reply.pause):
                        return
                if length != len(reply.body):
                    self.close_connection = True

            do_GET = do_POST = _any  # noqa: N815 - the base class's names

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: object, client_address: object) -> None:
                del request, client_address  # a client that went away is no fault of the test

        self.stopping: threading.Event = threading.Event()
        self._server = Quiet(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def posts(self) -> list[Seen]:
        """Requests for scores."""
        return [one for one in self.seen if one.method == "POST"]

    def stop(self) -> None:
        """No more answers; a port that nobody listens to."""
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def serving(answer: Callable[[Seen], Reply]) -> Iterator[Loopback]:
    """A server for the time of a test."""
    server = Loopback(answer)
    try:
        yield server
    finally:
        server.stop()
