import socket

import httpx
import pytest
import trio

from aexl.core.http.upstream.dial import connect
from aexl.core.http.upstream.resolve import Address, Origin, locate, resolve
from aexl.testing.upstream import ScriptedServer, response

PUBLIC = Address(socket.AF_INET, ("93.184.216.34", 443))
PRIVATE = Address(socket.AF_INET, ("10.0.0.1", 443))
METADATA = Address(socket.AF_INET, ("169.254.169.254", 443))


def answering(*answers):
    """A resolver that gives each answer once, and the last for ever."""
    left = list(answers)

    async def resolver(host, port):
        return left.pop(0) if len(left) > 1 else left[0]

    return resolver


async def test_public_addresses_may_be_connected_to():
    found = await locate(Origin("https", "api.test", 443), private=False, resolver=answering([PUBLIC]))
    assert found == [PUBLIC]


@pytest.mark.parametrize("answer", [[PRIVATE], [METADATA], [PUBLIC, PRIVATE]])
async def test_a_name_that_leads_inside_is_refused_by_name_and_address(answer):
    with pytest.raises(httpx.ConnectError, match=r"api\.test .* not a public address .* allow private") as caught:
        await locate(Origin("https", "api.test", 443), private=False, resolver=answering(answer))
    assert caught.value.sent is False
    assert answer[-1].target[0] in str(caught.value)
    assert await locate(Origin("https", "api.test", 443), private=True, resolver=answering(answer)) == answer


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "[fd00::1]",
    ],
)
async def test_no_way_to_write_an_inner_address_passes(make, post, host):
    transport = make(private=False)
    with pytest.raises(httpx.ConnectError, match=r"not a public address|could not be resolved") as caught:
        await transport.handle_async_request(post(f"https://{host}:1/"))
    assert caught.value.sent is False


async def test_an_answer_that_changes_gains_nothing(make, post):
    """The address that was judged is the one that is connected to: there is no second look-up."""
    async with ScriptedServer(lambda request: [response(b"inside")]) as server:
        asked = []

        async def rebinding(host, port):
            asked.append(host)
            inside = Address(socket.AF_INET, ("127.0.0.1", server.port))
            return [Address(socket.AF_INET, ("192.0.2.1", port))] if len(asked) == 1 else [inside]

        transport = make(private=False, resolver=rebinding, connect=0.05)
        for _ in range(2):
            with pytest.raises(httpx.ConnectError, match="not a public address"):
                await transport.handle_async_request(post("https://rebind.test/"))
        assert len(asked) == 2  # once for each connection that was wanted
        assert server.accepted == 0
        await transport.aclose()


async def test_a_connection_goes_to_the_address_that_was_resolved(make, post, call):
    async with ScriptedServer(lambda request: [response(b"ok")]) as server:
        transport = make(resolver=answering([Address(socket.AF_INET, ("127.0.0.1", server.port))], []))
        for _ in range(2):
            assert await call(transport, post("http://api.test:8000/")) == (200, b"ok")
        assert server.requests[0].header(b"host") == b"api.test:8000"
        await transport.aclose()


async def test_a_name_without_an_address_is_an_error_that_says_so():
    async def fails(host, port):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    for resolver in (fails, answering([])):
        with pytest.raises(httpx.ConnectError, match=r"api\.test .*(resolved|no address)") as caught:
            await locate(Origin("https", "api.test", 443), private=False, resolver=resolver)
        assert caught.value.sent is False


async def test_the_systems_resolver_knows_loopback():
    found = await resolve("127.0.0.1", 80)
    assert found == [Address(socket.AF_INET, ("127.0.0.1", 80))]


async def test_families_take_turns_at_the_front(monkeypatch):
    async def getaddrinfo(host, port, **kwargs):
        six = [(socket.AF_INET6, 1, 6, "", (f"2606::{i}", port, 0, 0)) for i in range(3)]
        return [*six, (socket.AF_INET, 1, 6, "", ("93.184.216.34", port))]

    monkeypatch.setattr(trio.socket, "getaddrinfo", getaddrinfo)
    assert [address.family for address in await resolve("x", 1)] == [10, 2, 10, 10]


def _closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Address(socket.AF_INET, probe.getsockname())


async def test_the_next_address_is_tried_when_one_refuses():
    async with ScriptedServer([]) as server:
        good = Address(socket.AF_INET, ("127.0.0.1", server.port))
        connected = await connect([_closed_port(), _closed_port(), good])
        assert connected.getpeername() == good.target
        assert not connected.getblocking()
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        connected.close()


async def test_the_next_address_is_tried_beside_one_that_is_silent(autojump_clock):
    autojump_clock.autojump_threshold = 0.02
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(0)
    fill = [socket.socket() for _ in range(3)]
    for one in fill:  # a full backlog: further connects get no answer
        one.setblocking(False)
        one.connect_ex(listening.getsockname())
    async with ScriptedServer([]) as server:
        silent = Address(socket.AF_INET, listening.getsockname())
        good = Address(socket.AF_INET, ("127.0.0.1", server.port))
        connected = await connect([silent, good])
        assert connected.getpeername() == good.target
        connected.close()
    for one in [*fill, listening]:
        one.close()


async def test_when_no_address_answers_the_first_error_is_told():
    with pytest.raises(ConnectionRefusedError):
        await connect([_closed_port(), _closed_port()])
