"""Snapshots: one encoding, a signature that holds, and records that notice damage."""

from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from aexl.errors import Invalid
from aexl_snapshots.keys import PLACE, author_key
from aexl_snapshots.objects.ids import object_id
from aexl_snapshots.objects.snapshot import MAX_AUTHOR, MAX_PARENTS, Snapshot
from aexl_snapshots.records import REMEMBERED, Record, check_ref_name, next_record

ID = object_id(b"m")


def make(**changes):
    values = {"manifest": ID, "author": "Ada <ada@example.com>", "message": "first\n\nmore", "time": 1}
    return Snapshot(**(values | changes))


@given(
    st.text(max_size=30),
    st.text(max_size=50),
    st.integers(0, 2**53),
    st.dictionaries(st.text(max_size=8), st.text(), max_size=4),
)
def test_every_snapshot_that_can_be_made_comes_back(author, message, time, metadata):
    try:
        made = make(author=author, message=message, time=time, metadata=metadata)
        encoded = made.encode()
    except Invalid:
        return
    assert Snapshot.decode(encoded) == made
    assert Snapshot.decode(encoded).encode() == encoded


def test_a_signature_holds_and_names_its_key():
    key = Ed25519PrivateKey.generate()
    made = Snapshot.decode(make().sign(key).encode())
    public = key.public_key().public_bytes_raw().hex()

    assert made.verify() == public
    assert made.verify([public]) == public
    with pytest.raises(Invalid, match="nobody"):
        made.verify(["0" * 64])


def test_who_is_trusted_must_have_signed():
    assert make().verify() is None
    with pytest.raises(Invalid, match="not signed"):
        make().verify(["0" * 64])


@pytest.mark.parametrize("change", [{"message": "other"}, {"time": 2}, {"parents": (ID,)}, {"metadata": {"a": "b"}}])
def test_a_change_breaks_the_signature(change):
    signed = make().sign(Ed25519PrivateKey.generate())
    with pytest.raises(Invalid, match="signature"):
        msgspec.structs.replace(signed, **change).verify()


@pytest.mark.parametrize(
    "change",
    [
        {"manifest": "x"}, {"parents": ("x",)}, {"parents": (ID, ID)}, {"author": "a\nb"}, {"author": "a" * (MAX_AUTHOR + 1)},
        {"message": "a\x00"}, {"message": "a\x1b[0m"}, {"time": -1}, {"time": 2**53 + 1}, {"metadata": {"a\n": ""}},
        {"format": "aexl-snapshot 2"}, {"message": "\ud800"}, {"metadata": {"a": "x" * 2**20}},
        {"parents": tuple(object_id(b"%d" % n) for n in range(MAX_PARENTS + 1))}, {"metadata": {"a": "\ud800"}},
    ],
)  # fmt: skip
def test_a_value_that_breaks_a_rule_is_refused(change):
    with pytest.raises(Invalid):
        make(**change).encode()


def test_another_spelling_of_the_same_is_refused():
    encoded = make().encode()
    for other in (encoded.replace(b",", b", ", 1), encoded + b"\n", encoded.replace(b"first", b"fir\\u0073t")):
        with pytest.raises(Invalid, match=r"canonical|not a snapshot"):
            Snapshot.decode(other)
    with pytest.raises(Invalid, match="unknown field"):
        Snapshot.decode(encoded[:-1] + b',"zzz":1}')
    with pytest.raises(Invalid, match="not a snapshot"):
        Snapshot.decode(b"[]")


def test_the_authors_key_is_made_once_and_is_private(tmp_path):
    first = author_key(tmp_path).private_bytes_raw()

    assert author_key(tmp_path).private_bytes_raw() == first
    assert (tmp_path / PLACE).stat().st_mode & 0o777 == 0o600
    (tmp_path / PLACE).write_text("nonsense")
    with pytest.raises(Invalid, match="does not hold a key"):
        author_key(tmp_path)


def record():
    return next_record(None, ID, ((object_id(b"p"), 100),), "push-1", 5)


def test_a_record_comes_back_and_every_flipped_byte_is_noticed():
    data = record().encode()

    assert Record.decode(data, "heads/main") == record()
    for at in range(len(data)):
        for bit in (1, 32):
            flipped = bytearray(data)
            flipped[at] ^= bit
            with pytest.raises(Invalid, match="heads/main"):
                Record.decode(bytes(flipped), "heads/main")


def test_a_record_remembers_pushes_that_others_came_after():
    latest = record()
    for number in range(2, REMEMBERED + 1):
        latest = next_record(latest, ID, (), f"push-{number}", 5)
    assert latest.holds_push("push-1")
    assert not next_record(latest, ID, (), "one more", 5).holds_push("push-1")


@pytest.mark.parametrize("name", ["main", "v1.0", "release-2", "2024", "_x", "A" * 100])
def test_a_name_that_a_head_may_have(name):
    assert check_ref_name(name) == name


@pytest.mark.parametrize("name", ["", ".x", "-x", "a/b", "a b", "é", "a" * 101, "deadbeef", "a\n"])
def test_a_name_that_no_head_may_have(name):
    with pytest.raises(Invalid):
        check_ref_name(name)
