"""Export files from anywhere: refused whole, before they take more than they are."""

from __future__ import annotations

import io
import tarfile

import pytest
from made import commit

from aexl.errors import Conflict, Invalid, NotFound, Unavailable
from aexl_snapshots.exchange.archive import read_archive, write_archive
from aexl_snapshots.objects import pack
from aexl_snapshots.progress import unwatched

PACK = "aexl-snapshots/packs/" + "a" * 64


@pytest.fixture
async def archive(tmp_path, here):
    made = commit(here, {"a": b"1"})
    here.tag("t" * 100, made)
    await write_archive(here, tmp_path / "file", made, "main", ["t" * 100], unwatched())
    return tmp_path / "file"


def tar_of(*members):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return target.getvalue()


def member(name=PACK, **headers):
    made = tarfile.TarInfo(name)
    made.pax_headers = {key.replace("__", "."): value for key, value in headers.items()}
    return made


def claiming(size, kind=tarfile.REGTYPE):
    made = tarfile.TarInfo(PACK)
    made.size, made.type = size, kind
    return made.tobuf(tarfile.GNU_FORMAT) + bytes(1024)


async def test_an_archive_is_read_with_its_longest_names(archive, there):
    found = await read_archive(there, archive, (), unwatched())
    assert list(found.tags) == ["t" * 100]
    assert found.heads == {"main": there.tags()["t" * 100]}


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (tar_of((member(GNU__sparse__size=str(2**40), GNU__sparse__map=f"{2**40},0"), b"")), "it holds"),
        (tar_of((member(GNU__sparse__size="abc"), b"")), "is no export"),
        (tar_of((member(size="abc"), b"x")), "something follows its end"),
        (tar_of((member(size=str(2**80)), b"x")), "bytes"),
        (tar_of((member(size="-1024"), b"x")), "-1024 bytes"),
        (tar_of((member(), b"x"), (member(), b"y")), "twice"),
        (tar_of((member("aexl-snapshots/remotes.json"), b"{}")), "it holds 'aexl-snapshots/remotes.json'"),
        (tar_of((member("packs/x"), b"{}")), "it holds 'packs/x'"),
        (tar_of((member("aexl-snapshots/packs/../../x"), b"{}")), "cannot name anything"),
        (tar_of((member(), b"x")) + b"more", "something follows its end"),
        (tar_of((member(), b"x"))[:513], "is no export"),
        (claiming(pack.LARGEST + 1), f"{pack.LARGEST + 1} bytes"),
        (claiming(pack.LARGEST), "unexpected end"),
        (claiming(2**40, tarfile.XHDTYPE), "a header of 1099511627776 bytes"),
        (claiming(2**70, tarfile.GNUTYPE_LONGNAME), "a header of"),
        (b"", "empty"),
    ],
)
async def test_what_an_archive_may_not_hold_is_refused_and_nothing_is_taken(tmp_path, there, data, match):
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(Invalid, match=match):
        await read_archive(there, tmp_path / "file", (), unwatched())
    assert there.heads() == there.tags() == {}


async def test_the_file_is_named_when_it_cannot_be_reached(tmp_path, here, archive):
    long, nothing = tmp_path / ("x" * 300), unwatched()
    with pytest.raises(Unavailable, match="xxx: File name too long"):
        await read_archive(here, long, (), nothing)
    with pytest.raises(Unavailable, match="xxx: File name too long"):
        await write_archive(here, long, here.head(), "main", [], nothing)
    with pytest.raises(NotFound, match="there is no file"):
        await read_archive(here, tmp_path / "none", (), nothing)
    with pytest.raises(Conflict, match="exists already"):
        await write_archive(here, archive, here.head(), "main", [], nothing)
