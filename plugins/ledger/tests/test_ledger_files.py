"""The database's place, version and neighbours."""

from __future__ import annotations

import stat
from pathlib import Path

import apsw
import pytest

from aexl.errors import ConfigError, Unavailable
from aexl.testing.factories import make_call, make_outcome, make_plan
from aexl_ledger import files
from aexl_ledger.agents import CreateAgent, ListAgents, NewAgent
from aexl_ledger.executions import Reserve, Settle
from aexl_ledger.files import Ballast, Lock, filesystem
from aexl_ledger.options import LedgerOptions
from aexl_ledger.reader import Reader
from aexl_ledger.schema import MIGRATIONS
from aexl_ledger.sqlite import SqliteDriver, check_version

OPTIONS = LedgerOptions(low_water=0, ballast=0)
KNOWN = len(MIGRATIONS)
NEXT = (*MIGRATIONS, "CREATE TABLE more (x INTEGER) STRICT;", "ALTER TABLE more ADD COLUMN y TEXT;")


def opened(path, **changes) -> SqliteDriver:
    driver = SqliteDriver(path, OPTIONS, **changes)
    driver.open()
    return driver


def version(path) -> int:
    connection = apsw.Connection(str(path))
    found = connection.pragma("user_version")
    connection.close()
    return found


@pytest.fixture
def path(tmp_path):
    """A ledger of this version, with an agent."""
    driver = opened(tmp_path / "ledger.db")
    driver.execute([CreateAgent(NewAgent(name="alice", budget=5))])
    driver.close()
    return tmp_path / "ledger.db"


def test_files_are_for_their_owner_only(path):
    driver = opened(path)
    driver.execute([CreateAgent(NewAgent(name="bob", budget=5))])
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    driver.close()


def test_an_older_ledger_is_brought_up_to_date_and_backed_up_first(path):
    driver = opened(path, migrations=NEXT)
    [agents] = driver.execute([ListAgents()]).results
    assert [agent.name for agent in agents] == ["alice"]
    driver.close()
    assert version(path) == KNOWN + 2
    backup = path.with_name(f"ledger.db.v{KNOWN}.bak")
    assert version(backup) == KNOWN
    driver = opened(backup.rename(path.parent / "old.db"))
    assert len(driver.execute([ListAgents()]).results[0]) == 1
    driver.close()


def test_a_ledger_of_the_first_version_is_the_same_as_a_new_one_afterwards(tmp_path):
    def schema(path):
        connection = apsw.Connection(str(path))
        found = sorted(connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL"))
        connection.close()
        return found

    opened(tmp_path / "old.db", migrations=MIGRATIONS[:1]).close()
    opened(tmp_path / "old.db").close()
    opened(tmp_path / "new.db").close()
    assert schema(tmp_path / "old.db") == schema(tmp_path / "new.db")


def test_what_a_ledger_refuses_is_the_same_after_its_rules_were_said_in_other_words(tmp_path):
    path = tmp_path / "ledger.db"
    driver = opened(path, migrations=MIGRATIONS[:2])
    driver.execute([CreateAgent(NewAgent(name="alice", budget=None))])
    [hold] = driver.execute([Reserve(make_call(), make_plan(), 1)]).results
    driver.execute([Settle(hold.execution, make_outcome(), None, None, 1)])
    driver.close()
    with pytest.raises(Unavailable):
        opened(path, migrations=(*MIGRATIONS[:2], MIGRATIONS[2] + "SELECT fail;"))
    assert version(path) == 2, "half a step leaves nothing"
    opened(path).close()

    connection = apsw.Connection(str(path))
    for wrong in (
        "UPDATE executions SET state = 'paused'",
        "UPDATE agents SET state = 'committed'",
        "INSERT INTO events SELECT stream, 100, 'execution.released', subject, body, hash FROM events WHERE seq = 3",
        "INSERT INTO events SELECT stream, 100, 'execution.denied', subject, body, hash FROM events WHERE seq = 3",
    ):
        with pytest.raises(apsw.ConstraintError):
            connection.execute(wrong)
    assert connection.pragma("integrity_check") == "ok"
    connection.close()


def test_a_migration_that_was_interrupted_goes_on_from_there(path):
    broken = (*NEXT[: KNOWN + 1], "ALTER TABLE more ADD COLUMN y TEXT; SELECT fail;")
    with pytest.raises(Unavailable):
        SqliteDriver(path, OPTIONS, migrations=broken).open()
    assert version(path) == KNOWN + 1, "the step that worked is kept, the other left nothing"
    driver = opened(path, migrations=NEXT)
    driver.close()
    assert version(path) == KNOWN + 2


def test_a_newer_ledger_is_refused(path):
    opened(path, migrations=NEXT).close()
    with pytest.raises(Unavailable, match=f"version {KNOWN + 2} and this aexl knows up to {KNOWN}: update aexl"):
        SqliteDriver(path, OPTIONS).open()
    with pytest.raises(Unavailable):
        Reader(path)


def test_a_database_of_another_program_is_refused(tmp_path):
    connection = apsw.Connection(str(tmp_path / "ledger.db"))
    connection.execute("CREATE TABLE theirs (x); PRAGMA application_id = 7; PRAGMA user_version = 1")
    connection.close()
    with pytest.raises(Unavailable, match="another program"):
        SqliteDriver(tmp_path / "ledger.db", OPTIONS).open()


def test_a_failed_start_gives_the_lock_back(tmp_path):
    (tmp_path / "ledger.db").write_bytes(b"x" * 10_000)
    for _ in range(2):
        with pytest.raises(Unavailable, match="cannot be opened"):
            SqliteDriver(tmp_path / "ledger.db", OPTIONS).open()
    assert Lock(tmp_path / "ledger.lock").acquire() is None


@pytest.mark.parametrize("old", ["3.40.1", "3.51.2", "2.8.17"])
def test_an_sqlite_that_can_damage_a_ledger_is_refused(old):
    with pytest.raises(Unavailable, match=old):
        check_version(old)


@pytest.mark.parametrize("good", ["3.51.3", "3.54.1", "4.0.0", apsw.sqlite_lib_version()])
def test_an_sqlite_with_the_fix_is_used(good):
    check_version(good)


MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:25 / /data rw,relatime shared:1 - nfs4 server:/x rw
31 30 0:26 / /data/with\\040blank rw - tmpfs tmpfs rw
32 22 0:27 / /over rw - tmpfs tmpfs rw
33 22 0:28 / /over rw - 9p share rw
broken line
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [("/", "ext4"), ("/database", "ext4"), ("/data/a", "nfs4"), ("/data/with blank/a", "tmpfs"), ("/over", "9p")],
)
def test_the_file_system_is_that_of_the_innermost_mount(place, kind):
    assert filesystem(Path(place), MOUNTS) == kind


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "9p", "cifs", "smb3"])
def test_a_network_file_system_is_refused(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(files, "filesystem", lambda _: kind)
    with pytest.raises(Unavailable, match=kind):
        SqliteDriver(tmp_path / "ledger.db", OPTIONS).open()
    assert not (tmp_path / "ledger.lock").exists()


def test_ballast_is_real_space(tmp_path):
    ballast = Ballast(tmp_path / "ballast", 64 * 1024, 0)
    assert ballast.fill()
    assert (tmp_path / "ballast").stat().st_blocks * 512 >= 64 * 1024
    assert ballast.fill()
    ballast.drop()
    ballast.drop()
    assert not (tmp_path / "ballast").exists()


def test_a_reader_without_a_ledger_says_how_to_get_one(tmp_path):
    with pytest.raises(Unavailable, match="aexl serve"):
        Reader(tmp_path / "ledger.db")


@pytest.mark.parametrize(
    "change", [{"queue": 0}, {"ballast": -1}, {"sweep_interval": 0.0}, {"path": ""}, {"hold_timeout": float("nan")}]
)
def test_an_option_out_of_range_is_named(change):
    with pytest.raises(ConfigError, match=f"ledger.{next(iter(change))}"):
        LedgerOptions(**change)
