"""A name server of a test's own: one name, whose addresses the test changes."""

import asyncio
import ipaddress
import struct
from collections.abc import Sequence

_A, _IN = 1, 1


class NameServer(asyncio.DatagramProtocol):
    """Answers every question for IPv4 addresses with `addresses`, for anything else with nothing; nobody may keep it.

    gRPC asks it for a target `dns://HOST:PORT/name:port`.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        self.addresses = list(addresses)
        self.asked = 0
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> "NameServer":
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.port = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_exception: object) -> None:
        assert self._transport is not None
        self._transport.close()

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        assert self._transport is not None
        end = data.index(b"\0", 12) + 5
        kind, _ = struct.unpack("!HH", data[end - 4 : end])
        found = self.addresses if kind == _A else []
        self.asked += kind == _A
        # A response, with recursion, without error; of the request only the question is repeated.
        head = data[:2] + struct.pack("!HHHHH", 0x8180, 1, len(found), 0, 0)
        answers = b"".join(
            struct.pack("!HHHIH", 0xC00C, _A, _IN, 0, 4) + ipaddress.IPv4Address(each).packed for each in found
        )
        self._transport.sendto(head + data[12:end] + answers, address)
