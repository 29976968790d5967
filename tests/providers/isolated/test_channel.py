"""Messages: whole, in time, and nothing but ours."""

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from cfsearch.errors import ProviderError
from cfsearch.providers.isolated.channel import Channel, Closed, Late, Message, resident_bytes


@pytest.fixture
def pair() -> Iterator[tuple[Channel, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours), theirs


def test_messages_pass_both_ways(pair: tuple[Channel, socket.socket]) -> None:
    ours, theirs = pair[0], Channel(pair[1])
    for message in ({"op": "a"}, {"text": "é" * 5000, "shape": [1, 2], "none": None}):
        ours.send(message)
        assert theirs.receive() == message
        theirs.send(message)
        assert ours.receive(seconds=5.0) == message


def test_messages_that_come_at_once_are_taken_one_by_one(pair: tuple[Channel, socket.socket]) -> None:
    theirs = Channel(pair[1])
    messages: list[Message] = [{"op": "a"}, {"op": "a"}, {"rows": [1, 2]}, {"op": "b"}]
    for message in messages:
        theirs.send(message)
    taken = [pair[0].receive()]
    while pair[0].pending:
        taken.append(pair[0].receive(seconds=5.0))
    assert taken == messages


def test_a_message_is_the_receivers_own(pair: tuple[Channel, socket.socket]) -> None:
    theirs = Channel(pair[1])
    for _ in range(3):
        theirs.send({"op": "a"})
        message = pair[0].receive()
        assert message == {"op": "a"}
        message["op"] = "changed"


def test_values_that_compare_equal_stay_apart(pair: tuple[Channel, socket.socket]) -> None:
    theirs = Channel(pair[1])
    for value in (True, 1, 1.0, "1", None):
        theirs.send({"value": value})
        assert repr(pair[0].receive()) == repr({"value": value})


def test_a_large_message_comes_in_parts(pair: tuple[Channel, socket.socket]) -> None:
    message = {"text": "x" * 5_000_000}
    sender = threading.Thread(target=Channel(pair[1]).send, args=(message,))
    sender.start()
    assert pair[0].receive(seconds=60.0) == message
    assert not pair[0].pending
    sender.join()


def test_a_default_limit_of_sockets_is_none_of_ours() -> None:
    socket.setdefaulttimeout(0.01)
    try:
        ours, theirs = socket.socketpair()
    finally:
        socket.setdefaulttimeout(None)
    with ours, theirs:
        looks: list[int] = []
        answer = threading.Timer(0.4, Channel(theirs).send, [{"op": "late"}])
        answer.start()
        assert Channel(ours).receive(seconds=60.0, look=lambda: looks.append(1)) == {"op": "late"}
        assert looks


def test_nothing_in_time_and_looks_meanwhile(pair: tuple[Channel, socket.socket]) -> None:
    looks: list[int] = []
    with pytest.raises(Late):
        pair[0].receive(seconds=0.6, look=lambda: looks.append(1))
    assert len(looks) >= 2


def test_a_message_that_stops_half_way_is_late(pair: tuple[Channel, socket.socket]) -> None:
    pair[1].sendall(struct.pack(">I", 10) + b'{"a"')
    with pytest.raises(Late):
        pair[0].receive(seconds=0.1)


def test_an_end_that_is_gone(pair: tuple[Channel, socket.socket]) -> None:
    pair[1].close()
    with pytest.raises(Closed):
        pair[0].receive(seconds=5.0)
    with pytest.raises(Closed):
        pair[0].send({"op": "a"})


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff\xfe", b"12"])
def test_what_is_no_message_is_refused(pair: tuple[Channel, socket.socket], content: bytes) -> None:
    pair[1].sendall(struct.pack(">I", len(content)) + content)
    with pytest.raises(ProviderError, match="no message of ours"):
        pair[0].receive(seconds=5.0)


def test_a_message_of_any_length_is_not_believed(pair: tuple[Channel, socket.socket]) -> None:
    pair[1].sendall(struct.pack(">I", 2**31))
    with pytest.raises(ProviderError, match="a message of 2147483648 bytes"):
        pair[0].receive(seconds=5.0)


def test_memory_of_a_process_that_is_none() -> None:
    assert resident_bytes(2**30) == 0
