"""Packs: what was put comes back, and nothing that is damaged does; bombs cost no memory."""

from __future__ import annotations

import hashlib
import os
import tracemalloc

import pytest
from backports.zstd import CompressionParameter, ZstdCompressor, compress
from hypothesis import given, settings
from hypothesis import strategies as st
from made import commit, contents

from aexl.errors import Invalid, NotFound
from aexl_snapshots.objects import frames, pack
from aexl_snapshots.objects.ids import EMPTY, id_bytes, object_id
from aexl_snapshots.packs import Pack
from aexl_snapshots.progress import Meter
from aexl_snapshots.repository import Repository


@pytest.fixture
def repository(tmp_path):
    return Repository.init(tmp_path)


def row_of(data, frame, kind=pack.WHOLE, size=None):
    return pack.Row(id_bytes(object_id(data)), kind, 0, len(frame), len(data) if size is None else size)


def one_pack(data=b"some text" * 100):
    buffer = pack.PackBuffer()
    frame = frames.Compressor()(data)
    buffer.add(row_of(data, frame), frame)
    return buffer.finish()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=2000), max_size=20))
def test_what_was_put_comes_back(tmp_path_factory, blobs):
    repository = Repository.init(tmp_path_factory.mktemp("r"))
    ids = repository.put_blobs(blobs)

    assert ids == [object_id(blob) for blob in blobs]
    again = Repository.open(repository.root)
    assert [again.read(id) for id in ids] == blobs
    assert len(again.packs.packs) == (1 if blobs else 0)


@pytest.mark.parametrize("size", [0, 1, frames.LARGEST - 1, frames.LARGEST, frames.LARGEST + 1, 3 * frames.LARGEST + 5])
def test_an_object_of_any_size_comes_back(repository, size):
    data = (os.urandom(1000) * (size // 1000 + 1))[:size]
    [id] = repository.put_blobs([data])

    assert id == hashlib.sha256(data).hexdigest()
    assert b"".join(repository.stream(id)) == data
    assert len(repository.packs.parts(id)) == (0 if size <= frames.LARGEST else -(-size // frames.LARGEST))


@pytest.mark.parametrize("size", [0, 1, frames.LARGEST, 2 * frames.LARGEST + 1])
def test_a_stream_is_stored_as_the_same_bytes_at_once_are(repository, size):
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    with repository.writer() as writer:
        id, stored = writer.put_stream(data[at : at + 70_000] for at in range(0, size, 70_000))

    assert (id, stored) == (object_id(data), size)
    assert b"".join(repository.stream(id)) == data


def test_what_is_there_is_not_written_again(repository):
    repository.put_blobs([b"a", b"b"])
    with repository.writer() as writer:
        writer.put(b"a")
    assert writer.packs == []
    with repository.writer() as writer:
        writer.put(b"c")
        writer.put(b"c")
    assert [len(repository.packs.packs[id].rows) for id, _ in writer.packs] == [1]


def test_a_full_pack_is_followed_by_another(repository, monkeypatch):
    monkeypatch.setattr(pack, "TARGET", 100_000)
    blobs = [os.urandom(30_000) for _ in range(10)]
    ids = repository.put_blobs(blobs)

    assert 3 <= len(repository.packs.packs) <= 4
    assert [repository.read(id) for id in ids] == blobs


def test_a_writer_that_is_left_with_an_error_writes_nothing(repository):
    def fail():
        with repository.writer() as writer:
            writer.put(b"a" * 1_000_000)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not repository.has(object_id(b"a" * 1_000_000))
    assert list((repository.path / "tmp").iterdir()) == []


def test_a_writer_can_be_stopped_from_outside(repository):
    def stop():
        raise TimeoutError

    with pytest.raises(TimeoutError), repository.writer(Meter(check=stop)) as writer:
        writer.put(b"a")
    assert repository.packs.packs == {}


def test_a_small_change_of_a_large_manifest_is_small(repository):
    files = {f"folder-{number % 50}/file-{number}": b"%d" % number for number in range(4000)}
    first = commit(repository, files)
    before = set(repository.packs.packs)
    second = commit(repository, files | {"folder-7/file-7": b"changed"})
    [new] = set(repository.packs.packs) - before

    assert repository.packs.packs[new].size < 20_000
    assert contents(repository, second)["folder-7/file-7"] == b"changed"
    assert contents(repository, first)["folder-7/file-7"] == b"7"


@pytest.mark.parametrize("change", ["end", "begin", "cut", "more"])
def test_a_frame_that_is_not_exactly_one_frame_is_refused(change):
    frame = compress(b"text" * 1000)
    bad = {"end": frame + frame, "begin": b"x" + frame, "cut": frame[:-1], "more": frame + b"\0"}[change]
    with pytest.raises(Invalid):
        frames.expand(bad, 4000, "this")


@pytest.mark.parametrize("size", [0, 3999, 4001, frames.LARGEST])
def test_a_frame_of_another_size_than_the_index_says_is_refused(size):
    with pytest.raises(Invalid):
        frames.expand(compress(b"text" * 1000), size, "this")


def test_a_bomb_is_refused_before_memory_is_spent():
    bomb = compress(bytes(256 * 1024 * 1024))
    unsized = ZstdCompressor()
    lying = unsized.compress(bytes(64 * 1024 * 1024)) + unsized.flush()
    tracemalloc.start()
    for frame, size in ((bomb, 256 * 1024 * 1024), (bomb, 1000), (lying, 1000), (lying, frames.LARGEST)):
        with pytest.raises(Invalid):
            frames.expand(frame, size, "a bomb")
    assert tracemalloc.get_traced_memory()[1] < 65_536
    tracemalloc.stop()


def test_a_frame_with_a_header_that_lies_costs_no_more_than_it_says():
    honest = compress(bytes(100_000))
    small = compress(bytes(300))
    lying = small[:4] + small[4:6] + honest[6:]  # the descriptor of 300 bytes, the blocks of more
    tracemalloc.start()
    with pytest.raises(Invalid):
        frames.expand(lying, 300, "a liar")
    assert tracemalloc.get_traced_memory()[1] < 65_536 + 300
    tracemalloc.stop()


def test_a_window_above_eight_mebibytes_is_refused():
    wide = ZstdCompressor(
        options={CompressionParameter.window_log: 27, CompressionParameter.enable_long_distance_matching: 1}
    )
    frame = wide.compress(os.urandom(1000) * 3000) + wide.flush()
    with pytest.raises(Invalid):
        frames.expand(frame, 3_000_000, "wide")


def test_the_largest_frame_is_read_and_one_byte_more_is_refused():
    data = os.urandom(frames.LARGEST)
    assert frames.expand(frames.Compressor()(data), frames.LARGEST, "x") == data
    assert len(frames.Compressor()(data)) <= frames.LARGEST_STORED
    with pytest.raises(Invalid, match="at most"):
        frames.expand(frames.Compressor()(data + b"x"), frames.LARGEST + 1, "x")


def read_pack(tmp_path, data, id=None):
    path = tmp_path / "p"
    path.write_bytes(data)
    return Pack(id or object_id(data), path)


def test_a_flipped_byte_of_a_pack_is_noticed_or_changes_nothing_that_is_read(tmp_path):
    id, data = one_pack()
    noticed = 0
    for at in range(len(pack.HEADER), len(data)):
        flipped = bytearray(data)
        flipped[at] ^= 0x10
        try:
            found = read_pack(tmp_path, bytes(flipped), id)
            assert pack.open_frame(found.rows[0], found.frame(found.rows[0]), found.what) == b"some text" * 100
        except Invalid as error:
            noticed += id in str(error) or object_id(b"some text" * 100) in str(error)
    assert noticed >= len(data) - len(pack.HEADER) - 3  # zstd has bits that mean nothing


@pytest.mark.parametrize("cut", [0, 1, 16, 55, 56, 71, 72, 100])
def test_a_pack_that_is_cut_off_is_refused(tmp_path, cut):
    id, data = one_pack()
    with pytest.raises(Invalid):
        read_pack(tmp_path, data[:cut], id)


def index_with(*rows):
    begin = len(pack.HEADER)
    end = max((row.offset + row.stored for row in rows), default=begin)
    body = pack.HEADER + bytes(end - begin)
    return body + pack.encode_index(rows, end)


@pytest.mark.parametrize(
    "rows",
    [
        [pack.Row(b"a" * 32, 0, 17, 5, 5)],  # a gap at the beginning
        [pack.Row(b"a" * 32, 0, 16, 5, 5), pack.Row(b"b" * 32, 0, 20, 5, 5)],  # an overlap
        [pack.Row(b"a" * 32, 0, 16, 5, 5), pack.Row(b"b" * 32, 0, 22, 5, 5)],  # a gap
        [pack.Row(b"a" * 32, 0, 16, 5, 5), pack.Row(b"a" * 32, 0, 21, 5, 5)],  # twice
        [pack.Row(b"a" * 32, 2, 16, 5, 5)],  # an unknown kind
        [pack.Row(b"a" * 32, 0, 16, 5, frames.LARGEST + 1)],  # too large for one frame
        [pack.Row(b"a" * 32, 1, 16, 5, 1 << 60)],  # too large for anything
        [pack.Row(b"a" * 32, 0, 16, frames.LARGEST_STORED + 1, 5)],
    ],
)
def test_an_index_that_breaks_a_rule_is_refused(tmp_path, rows):
    with pytest.raises(Invalid, match="index"):
        read_pack(tmp_path, index_with(*rows))


def parts_pack(parts, size, kind=pack.PARTS):
    frame = frames.Compressor()(pack.encode_parts(parts))
    return pack.Row(b"a" * 32, kind, 16, len(frame), size), frame


@pytest.mark.parametrize(
    ("parts", "size"),
    [
        ([], 0),
        ([pack.Part(b"b" * 32, 5)], 6),
        ([pack.Part(b"b" * 32, 0)], 0),
        ([pack.Part(b"b" * 32, frames.LARGEST + 1)], frames.LARGEST + 1),
    ],
)
def test_a_list_of_parts_that_lies_is_refused(parts, size):
    row, frame = parts_pack(parts, size)
    with pytest.raises(Invalid):
        pack.open_frame(row, frame, "here")


def test_parts_that_are_not_the_objects_bytes_are_noticed(repository):
    [one, other] = repository.put_blobs([b"one", b"two"])
    wrong = object_id(b"something else")
    with repository.writer() as writer:
        row, frame = parts_pack([pack.Part(id_bytes(one), 3), pack.Part(id_bytes(other), 3)], 6)
        writer.put_frame(row._replace(id=id_bytes(wrong)), frame)
    with pytest.raises(Invalid, match=f"{wrong}.*not its bytes"):
        repository.read(wrong)


def test_a_part_that_has_parts_itself_is_refused(repository):
    [one] = repository.put_blobs([b"one"])
    with repository.writer() as writer:
        inner, frame = parts_pack([pack.Part(id_bytes(one), 3)], 3)
        writer.put_frame(inner, frame)
        outer, frame = parts_pack([pack.Part(inner.id, 3)], 3)
        writer.put_frame(outer._replace(id=b"c" * 32), frame)
    with pytest.raises(Invalid, match="has parts itself"):
        repository.read(pack.object_of(outer._replace(id=b"c" * 32)))


def test_an_object_that_is_not_there_is_named(repository):
    with pytest.raises(NotFound, match=EMPTY):
        repository.read(EMPTY)


def test_a_larger_object_than_expected_is_refused_before_it_is_read(repository):
    [id] = repository.put_blobs([b"x" * 11])
    assert repository.read(id, 11)
    with pytest.raises(Invalid, match="at most 10"):
        repository.read(id, 10)


def test_a_damaged_pack_does_not_hide_the_others(repository):
    [good] = repository.put_blobs([b"good"])
    [bad] = repository.put_blobs([b"bad"])
    home = repository.packs.locate(bad)[0].id
    path = repository.path / "packs" / f"{home}.pack"
    path.write_bytes(path.read_bytes()[:-1])
    again = Repository.open(repository.root)

    assert again.read(good) == b"good"
    with pytest.raises(NotFound, match=home):
        again.read(bad)


def test_runs_join_neighbours_and_respect_the_limit():
    rows = [pack.Row(bytes([n]) * 32, 0, 16 + 10 * n, 10, 1) for n in range(6)]

    assert [len(run) for run in pack.runs(rows, 100)] == [6]
    assert [len(run) for run in pack.runs(rows, 30)] == [3, 3]
    assert [len(run) for run in pack.runs(rows[:2] + rows[3:], 100)] == [2, 3]
    assert list(pack.runs([], 100)) == []
