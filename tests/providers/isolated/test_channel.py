"""Messages: whole, in time, and nothing but ours."""

import socket
import struct
from collections.abc import Iterator

import pytest

from cfsearch.errors import ProviderError
from cfsearch.providers.isolated.channel import Channel, Closed, Late, resident_bytes


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


@pytest.mark.parametrize("content", [b"[1]", b"{", b"\xff\xfe", b"12"])
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
