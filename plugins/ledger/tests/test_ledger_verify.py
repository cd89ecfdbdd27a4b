"""Whatever is changed behind the ledger's back is found, with the right sequence number."""

from __future__ import annotations

import json

import apsw
import pytest

from aexl.errors import Unavailable
from aexl.testing.factories import make_call, make_outcome, make_plan
from aexl_ledger.aftermath import Correct
from aexl_ledger.agents import CreateAgent, NewAgent
from aexl_ledger.chain import GENESIS, Broken, Chain, check_export, decode, encode, format_line, link
from aexl_ledger.executions import Reserve, Settle
from aexl_ledger.journal import Append
from aexl_ledger.options import LedgerOptions
from aexl_ledger.reader import Reader
from aexl_ledger.reading import read_events
from aexl_ledger.sqlite import SqliteDriver
from aexl_ledger.tokens import MintToken
from aexl_ledger.verify import Verification, verify


@pytest.fixture
def path(tmp_path):
    """A ledger of some twenty events, closed."""
    driver = SqliteDriver(tmp_path / "ledger.db", LedgerOptions(low_water=0, ballast=0))
    driver.open()
    driver.execute([CreateAgent(NewAgent(name="alice", budget=10**12, daily=10**12))])
    driver.execute([MintToken("alice", "execute", {}, None), Append("tests.begun", "x", {"note": "ü", "n": -1})])
    holds = driver.execute([Reserve(make_call(), make_plan(), 10**9) for _ in range(8)]).results
    driver.execute([Settle(hold.execution, make_outcome(), None, None, 10**9) for hold in holds[:7]])
    driver.execute([Correct(holds[0].execution, 5, "invoice")])
    driver.close()
    return tmp_path / "ledger.db"


def change(path, *statements: str) -> None:
    connection = apsw.Connection(str(path))
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_a_ledger_that_nobody_touched_holds(path):
    verdict = verify(path)
    assert (verdict.ok, verdict.events, verdict.first_bad) == (True, 20, None)
    assert verdict.detail.startswith("every event")


@pytest.mark.parametrize(
    ("statement", "seq"),
    [
        ("UPDATE events SET body = CAST(replace(body, '\"alice\"', '\"alicf\"') AS BLOB) WHERE seq = 5", 5),
        ("UPDATE events SET hash = zeroblob(32) WHERE seq = 7", 7),
        ("DELETE FROM events WHERE seq = 9", 9),
        ("DELETE FROM events WHERE seq = 1", 1),
        ("UPDATE events SET seq = -seq WHERE seq IN (3, 4)", None),
        ("UPDATE executions SET cost = cost + 1 WHERE began = 7", 15),
        ("DELETE FROM executions WHERE began = 7", 15),
        ("UPDATE executions SET upstream_id = 'stolen' WHERE began = 7", 15),
    ],
)
def test_an_edited_or_missing_row_is_named(path, statement, seq):
    if seq is None:
        swap = "UPDATE events SET seq = CASE seq WHEN 3 THEN 104 ELSE 103 END WHERE seq IN (3, 4)"
        change(path, swap, "UPDATE events SET seq = seq - 100 WHERE seq > 100")
        seq = 3
    else:
        change(path, statement)
    verdict = verify(path)
    assert (verdict.ok, verdict.first_bad) == (False, seq), verdict.detail


def flip(body: bytes, place: int) -> bytes:
    """Return the body with the lowest bit of one byte turned over."""
    changed = bytearray(body)
    changed[place] ^= 1
    return bytes(changed)


@pytest.mark.parametrize("seq", [1, 9, 20])
@pytest.mark.parametrize("part", ["first", "middle", "last"])
def test_a_flipped_bit_is_found_by_the_hash_wherever_it_is_in_a_body(path, seq, part):
    """Without the hash some flips are still found, as a body that cannot be read: so the detail counts too."""
    connection = apsw.Connection(str(path))
    [(body,)] = connection.execute("SELECT body FROM events WHERE seq = ?", (seq,))
    place = {"first": 0, "middle": len(body) // 2, "last": -1}[part]
    connection.execute("UPDATE events SET body = ? WHERE seq = ?", (flip(body, place), seq))
    connection.close()
    verdict = verify(path)
    assert (verdict.ok, verdict.first_bad) == (False, seq)
    assert "its hash is not" in verdict.detail


def test_the_hash_covers_every_byte_of_a_body():
    body = encode(1, 2, "tests.begun", "x", {"note": "n" * 200})
    digest = link(GENESIS, body)
    Chain().check(1, body, digest)
    for place in range(len(body)):
        changed = flip(body, place)
        assert link(GENESIS, changed) != digest
        with pytest.raises(Broken, match="its hash is not"):
            Chain().check(1, changed, digest)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE agents SET spent = 0", "agents"),
        ("UPDATE agents SET budget = budget * 2", "agents"),
        ("UPDATE agents SET day_spent = 0", "agents"),
        ("DELETE FROM tokens", "tokens"),
        ("UPDATE tokens SET scope = 'admin'", "tokens"),
        ("UPDATE tokens SET digest = hex(zeroblob(32))", "tokens"),
        ("INSERT INTO tokens SELECT 'mine', agent, digest, scope, labels, created, expires, 0 FROM tokens", "tokens"),
        ("DELETE FROM executions WHERE ended IS NULL", "executions"),
        ("UPDATE executions SET corrected = 4 WHERE corrected IS NOT NULL", "correction"),
        ("UPDATE executions SET corrected = 4 WHERE began = 8", "correction"),
        ("INSERT INTO executions VALUES ('x', 'alice', 'committed', 1, 1, 1, 2, NULL, NULL)", "has 9 rows"),
    ],
)
def test_a_table_that_does_not_follow_from_the_events_is_named(path, statement, named):
    change(path, statement)
    verdict = verify(path)
    assert not verdict.ok
    assert verdict.first_bad is None
    assert named in verdict.detail


def test_an_event_that_was_rewritten_with_all_hashes_after_it_still_has_to_make_sense(path):
    connection = apsw.Connection(str(path))
    rows = list(connection.execute("SELECT seq, body FROM events ORDER BY seq"))
    previous = GENESIS
    for seq, body in rows:
        event = decode(body)
        subject = "nobody" if seq == 14 else event.subject
        body = encode(seq, event.time, event.kind, subject, event.data)
        previous = link(previous, body)
        connection.execute(
            "UPDATE events SET body = ?, hash = ?, subject = ? WHERE seq = ?", (body, previous, subject, seq)
        )
    connection.close()
    verdict = verify(path)
    assert (verdict.ok, verdict.first_bad) == (False, 14)


def test_a_tail_that_was_cut_off_is_seen_in_the_tables(path):
    """With the tables cut as well it is not: the receipts that answers carried are the proof then."""
    change(path, "DELETE FROM events WHERE seq = 20")
    assert not verify(path).ok
    change(path, "UPDATE executions SET corrected = NULL", "UPDATE agents SET spent = spent + 50000 - 5")
    detail = verify(path).detail
    assert "agents" in detail or "every event" in detail


def test_progress_is_told_to_the_end(path):
    said: list[tuple[int, int]] = []
    with Reader(path) as reader:
        Verification(reader, lambda done, of: said.append((done, of))).run()
    assert said[-1] == (20, 20)


def exported(path) -> list[bytes]:
    with Reader(path) as reader:
        rows = reader.read(lambda connection: read_events(connection, 0, 1000))
    return [format_line(body, digest) for _, body, digest in rows]


def test_an_export_can_be_checked_without_a_database_and_by_anyone(path):
    lines = exported(path)
    assert check_export(lines).seq == 20
    for line in lines:
        entry = json.loads(line)
        again = json.dumps(entry["event"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert again.encode() in line


@pytest.mark.parametrize(
    ("damage", "seq"),
    [
        (lambda lines: lines[4:5] + lines[1:], 1),
        (lambda lines: lines[:4] + lines[5:], 5),
        (lambda lines: [*lines[:5], lines[6], lines[5], *lines[7:]], 6),
        (lambda lines: [*lines[:8], lines[8].replace(b"alice", b"alicf", 1), *lines[9:]], 9),
        (lambda lines: [*lines[:8], b"not json", *lines[9:]], 9),
        (lambda lines: [*lines[:8], b"", *lines[8:]], 9),
    ],
)
def test_a_changed_export_is_found(path, damage, seq):
    with pytest.raises(Broken) as caught:
        check_export(damage(exported(path)))
    assert caught.value.seq == seq


def test_an_export_that_was_cut_off_at_the_end_passes_and_has_fewer_events(path):
    assert check_export(exported(path)[:12]).seq == 12


def test_a_ledger_whose_last_event_was_changed_is_not_appended_to(path):
    change(path, "UPDATE events SET hash = zeroblob(32) WHERE seq = 20")
    with pytest.raises(Unavailable, match="damaged at event 20"):
        SqliteDriver(path, LedgerOptions(low_water=0, ballast=0)).open()


def test_what_a_body_is_does_not_depend_on_the_order_of_its_data():
    assert encode(1, 2, "a.b", "s", {"b": 1, "a": {"d": 1, "c": "x"}}) == (
        b'{"data":{"a":{"c":"x","d":1},"b":1},"kind":"a.b","seq":1,"subject":"s","time":2,"v":1}'
    )
