"""A journal's lines: what is written is read again, what is torn is cut, what is damaged is said."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.errors import Invalid
from aexl_pipelines.journal.lines import BEGIN, decode_lines, encode_line
from aexl_pipelines.journal.records import Gate, GateOpened, LoopTurn, Noted, Record, RunBegun, StepEnded

TEXTS = st.text(max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXTS, lambda x: st.lists(x, max_size=3), max_leaves=4
)
RECORDS = st.one_of(
    st.builds(Noted, at=st.floats(0, 1e9), text=TEXTS, step=st.none() | TEXTS),
    st.builds(LoopTurn, at=st.just(1.0), step=TEXTS, turn=st.integers(1, 9), total=st.just(9), item=JSON),
    st.builds(
        lambda text, value: StepEnded(
            at=1.0, step="a", kind="prompt", status="completed", response=text, outputs={"x": value}
        ),
        TEXTS,
        JSON,
    ),
    st.builds(
        lambda t: GateOpened(at=1.0, step="a", gate=Gate(id="g", run="r", step="a", kind="pause", text=t)), TEXTS
    ),
)


def written(records: list[Record]) -> bytes:
    data, position = b"", BEGIN
    for record in records:
        line, position = encode_line(record, position)
        data += line
    return data


@given(st.lists(RECORDS, max_size=6))
def test_what_is_written_is_read_again(records):
    assert [found.record for found, _ in decode_lines(written(records))] == records


@given(st.lists(RECORDS, min_size=1, max_size=4), st.data())
def test_a_line_that_is_torn_anywhere_is_no_record_and_those_before_it_are(records, data):
    whole, before = written(records), written(records[:-1])
    cut = data.draw(st.integers(len(before), len(whole) - 1))
    assert [found.record for found, _ in decode_lines(whole[:cut])] == records[:-1]


@given(st.lists(RECORDS, min_size=2, max_size=4), st.data())
def test_a_flipped_byte_is_never_taken_for_a_record(records, data):
    whole = bytearray(written(records))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 6))
    try:
        found = [each.record for each, _ in decode_lines(bytes(whole))]
    except Invalid:
        return
    assert found == records[: len(found)]
    assert len(found) < len(records)


def test_damage_before_sound_lines_is_said_to_be():
    lines = written([Noted(at=1.0, text="a"), Noted(at=2.0, text="b")]).splitlines(keepends=True)
    with pytest.raises(Invalid, match="damaged at its record 0"):
        list(decode_lines(b"x" + lines[0] + lines[1]))
    with pytest.raises(Invalid, match="damaged at its record 0"):
        list(decode_lines(lines[1] + lines[0]))


def test_a_record_of_another_version_is_said_to_be_one():
    line, _ = encode_line(RunBegun(at=1.0, run="r", project="/", file=None), BEGIN)
    decoded = msgspec.json.decode(line)
    decoded["record"]["type"] = "of the future"
    data = msgspec.json.encode(decoded["record"])
    import zlib

    other = b'{"n":0,"sum":"%08x","record":%b}\n' % (zlib.crc32(data), data)
    with pytest.raises(Invalid, match="another version"):
        list(decode_lines(other))
