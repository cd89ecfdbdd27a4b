import os
import socket
import stat

import pytest
import trio

from aexl.core.http.unix import open_unix_listener, open_unix_stream
from aexl.errors import Conflict, Unavailable


@pytest.mark.parametrize("mode", [0o600, 0o660])
async def test_the_file_has_its_mode(tmp_path, mode) -> None:
    path = tmp_path / "a.sock"
    async with await open_unix_listener(path, mode):
        assert stat.S_IMODE(path.stat().st_mode) == mode
        assert stat.S_ISSOCK(path.stat().st_mode)
    assert not path.exists()


async def test_a_dead_servers_file_is_taken_over(tmp_path) -> None:
    path = tmp_path / "a.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    async with await open_unix_listener(path) as listener:
        client = await open_unix_stream(path)
        await (await listener.accept()).aclose()
        await client.aclose()


async def test_a_living_server_is_left_alone(tmp_path) -> None:
    path = tmp_path / "a.sock"
    async with await open_unix_listener(path):
        with pytest.raises(Unavailable, match="another server listens"):
            await open_unix_listener(path)
        assert path.exists()


async def test_of_many_that_start_at_once_one_wins(tmp_path) -> None:
    path = tmp_path / "a.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    won = []
    lost = []

    async def start() -> None:
        try:
            won.append(await open_unix_listener(path))
        except Unavailable as error:
            lost.append(error)

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(start)
    assert (len(won), len(lost)) == (1, 7)
    await won[0].aclose()


async def test_a_file_that_is_no_socket_is_left_alone(tmp_path) -> None:
    path = tmp_path / "a.sock"
    path.write_text("precious")
    with pytest.raises(Conflict, match="not a socket"):
        await open_unix_listener(path)
    assert path.read_text() == "precious"


async def test_a_link_is_not_followed(tmp_path) -> None:
    path = tmp_path / "a.sock"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Conflict):
        await open_unix_listener(path)


async def test_a_missing_folder_is_an_error(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        await open_unix_listener(tmp_path / "none" / "a.sock")


async def test_closing_leaves_anothers_file(tmp_path) -> None:
    path = tmp_path / "a.sock"
    listener = await open_unix_listener(path)
    path.unlink()
    async with await open_unix_listener(path):
        await listener.aclose()
        await listener.aclose()
        assert path.exists()


async def test_a_folder_that_stays_locked_is_said(tmp_path, autojump_clock) -> None:
    import fcntl

    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with pytest.raises(Unavailable, match="locked"):
        await open_unix_listener(tmp_path / "a.sock")
    os.close(folder)
    await (await open_unix_listener(tmp_path / "a.sock")).aclose()
