"""Addresses that cannot be had are told apart."""

from __future__ import annotations

import pytest

from aexl.core.listening import listen_on_file, listen_on_port
from aexl.errors import Unavailable


async def test_a_port_that_another_has_is_named():
    [first] = await listen_on_port("127.0.0.1", 0)
    async with first:
        port = first.socket.getsockname()[1]
        with pytest.raises(Unavailable, match=rf"port {port} on 127.0.0.1 cannot be had: Address already in use"):
            await listen_on_port("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "a..b"])
async def test_a_host_that_is_not_this_machine_is_named_and_not_its_port(host):
    with pytest.raises(Unavailable, match=rf"^{host} is no address of this machine: .*; choose another with --host$"):
        await listen_on_port(host, 0)


@pytest.mark.parametrize(
    ("place", "why"),
    [("nowhere/s.sock", "No such file or directory"), ("s" * 120, "AF_UNIX path too long"), ("s" * 300, "too long")],
)
async def test_a_socket_file_that_cannot_be_made_is_named(tmp_path, place, why):
    with pytest.raises(Unavailable, match=rf"the socket {tmp_path}/{place} cannot be made: .*{why}"):
        await listen_on_file(tmp_path / place)


async def test_a_socket_file_in_a_deep_folder_is_no_problem(tmp_path):
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    async with await listen_on_file(folder / "s.sock") as listener:
        assert listener.path.is_socket()
    assert not (folder / "s.sock").exists()
