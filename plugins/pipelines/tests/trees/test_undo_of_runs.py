"""``aexl pipeline undo``: the files as they were before, and nothing lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from aexl.api import Journal, Snapshots
from aexl_pipelines.trees.keeping import drop_runs

AEXL = Path(sys.executable).with_name("aexl")


@pytest.fixture
def broken(project, service, make, write_journal):
    """A run of two steps, the second of which broke the project; returns the files as they were before each."""

    async def main():
        before = await service.capture(str(project), "before")
        (project / "src" / "new.py").write_text("new\n")
        between = await service.capture(str(project), "between")
        (project / "src" / "app.py").write_text("broken")
        (project / "README").unlink()
        (project / "logo.bin").write_bytes(b"\0\0")
        (project / "tool").chmod(0o644)
        (project / "deep" / "er").mkdir(parents=True)
        (project / "deep" / "er" / "junk").write_text("junk")
        after = await service.capture(str(project), "after")
        await service.keep(f"run.{make.run}", [before, between, after])
        steps = [*make.step("plan", before, between), *make.step("fix", between, after)]
        return await write_journal([make.begun(project), *steps, make.ended(before, after)])

    return trio.run(main)


def test_undo_gives_back_every_byte_and_mode(project, contents, run, request):
    first = contents(project)
    request.getfixturevalue("broken")
    assert contents(project) != first
    done = run("undo", "0199a3b2")
    assert (done.code, done.err) == (0, "")
    assert contents(project) == first
    assert not (project / "deep").exists()
    assert "Put 6 files" in done.out
    again = run("undo", "0199a3b2")
    assert (again.code, "Nothing to undo" in again.out) == (0, True)


def test_undo_of_a_step_gives_back_what_was_before_that_step(project, contents, run, broken, make):
    assert run("undo", f"{make.run}/fix").code == 0
    assert (project / "src" / "new.py").read_text() == "new\n"
    assert (project / "README").read_text() == "hello\n"
    assert os.access(project / "tool", os.X_OK)


def test_undo_is_refused_when_a_person_edited_since(project, contents, run, broken):
    (project / "src" / "app.py").write_text("mine")
    edited = contents(project)
    done = run("undo", "last")
    assert done.code == 5
    assert "src/app.py" in done.err
    assert "--force" in done.err
    assert contents(project) == edited


def test_an_edit_of_a_file_that_the_run_did_not_touch_is_not_lost_either(project, contents, run, broken):
    (project / "notes").write_text("mine")
    done = run("undo", "last")
    assert (done.code, "notes" in done.err) == (5, True)
    assert run("undo", "last", "--force").code == 0
    assert not (project / "notes").exists()


def test_later_edits_can_be_kept(project, run, broken):
    (project / "notes").write_text("mine")
    (project / "src" / "new.py").write_text("new\nmine\n")
    done = run("undo", "last/fix", "--keep-edits")
    assert done.code == 0, done.err
    assert (project / "notes").read_text() == "mine"
    assert (project / "src" / "new.py").read_text() == "new\nmine\n"
    assert (project / "src" / "app.py").read_text() == "def run():\n    return 1\n"


def test_later_edits_of_the_same_place_cannot_be_kept(project, contents, run, broken):
    (project / "src" / "app.py").write_text("broken, and mine")
    edited = contents(project)
    done = run("undo", "last", "--keep-edits")
    assert (done.code, "src/app.py" in done.err) == (5, True)
    assert contents(project) == edited


def test_an_undo_can_be_taken_back_and_so_can_that(project, contents, run, request, make):
    first = contents(project)
    request.getfixturevalue("broken")
    broken = contents(project)
    done = run("undo", "last", "--json").json()
    assert contents(project) == first
    assert run("undo", "--to", done["saved"][:12]).code == 0
    assert contents(project) == broken
    assert run("undo", "last").code == 0
    assert contents(project) == first


def test_taking_an_undo_back_is_refused_when_a_person_edited_since(project, run, broken):
    saved = run("undo", "last", "--json").json()["saved"]
    (project / "README").write_text("mine")
    done = run("undo", "--to", saved)
    assert (done.code, "README" in done.err) == (5, True)


def test_a_dry_run_says_what_would_change_and_writes_nothing(project, contents, run, broken, home):
    before = contents(project)
    stored = contents(home / "store")
    done = run("undo", "last", "--dry-run")
    assert done.code == 0
    assert "A README" in done.out
    assert "D deep/er/junk" in done.out
    assert contents(project) == before
    assert {name for name in contents(home / "store") if "packs" in name} == {n for n in stored if "packs" in n}
    (project / "README").write_text("mine")
    assert run("undo", "last", "--dry-run").code == 5
    told = run("undo", "last", "--dry-run", "--force", "--json").json()
    assert (told["written"], told["later"], len(told["changes"])) == (False, ["README"], 6)


def test_a_run_without_an_end_is_undone_with_force_only(project, contents, run, service, make, write_journal):
    first = contents(project)

    async def main():
        before = await service.capture(str(project), "before")
        await service.keep(f"run.{make.run}", [before])
        await write_journal([make.begun(project), make.step("fix", before, None)[0]])

    trio.run(main)
    (project / "README").write_text("half")
    done = run("undo", "last")
    assert (done.code, "README" in done.err, "no end" in done.err) == (5, True, True)
    assert run("undo", "last", "--force").code == 0
    assert contents(project) == first


def test_a_run_that_is_running_is_not_undone(broken, run):
    from aexl_pipelines.journal.writing import open_journal

    journal = open_journal(broken)
    try:
        done = run("undo", "last", "--force")
    finally:
        journal.close()
    assert (done.code, "running in another process" in done.err) == (5, True)


def test_ignored_files_and_links_stay_as_they_are(project, contents, run, service, make, write_journal):
    (project / ".gitignore").write_text("*.log\n")
    (project / "link").symlink_to("README")

    async def main():
        before = await service.capture(str(project), "before")
        (project / "README").write_text("changed")
        (project / "x.log").write_text("log")
        after = await service.capture(str(project), "after")
        await write_journal([make.begun(project), *make.step("fix", before, after), make.ended()])
        assert [change.path for change in await service.diff(before, after)] == ["README"]
        await service.keep(f"run.{make.run}", [before, after])

    trio.run(main)
    assert run("undo", "last").code == 0
    assert (project / "x.log").read_text() == "log"
    assert (project / "link").read_text() == "hello\n"


def test_who_may_read_a_file_stays_as_it_is(project, contents, run, request):
    (project / "src" / "app.py").chmod(0o600)
    (project / "tool").chmod(0o700)
    first = contents(project)
    request.getfixturevalue("broken")
    (project / "tool").chmod(0o600)
    assert run("undo", "last").code == 0
    assert contents(project) == first


def test_a_link_in_the_place_of_a_file_goes_with_force_only(project, contents, run, service, make, write_journal):
    first = contents(project)

    async def main():
        before = await service.capture(str(project), "before")
        (project / "README").unlink()
        (project / "README").symlink_to("tool")
        after = await service.capture(str(project), "after")
        await write_journal([make.begun(project), *make.step("fix", before, after), make.ended(before, after)])
        await service.keep(f"run.{make.run}", [before, after])

    trio.run(main)
    done = run("undo", "last")
    assert (done.code, "symbolic link" in done.err, "--force" in done.err) == (5, True, True)
    assert (project / "README").is_symlink()
    assert run("undo", "last", "--force").code == 0
    assert contents(project) == first
    assert not (project / "README").is_symlink()


def test_what_cannot_be_undone_says_why(run, broken, host, make, project):
    assert (run("undo", "nothing").code, run("undo", "last/nothing").code) == (4, 4)
    assert "did you mean" in run("undo", "last/fx").err
    assert run("undo").code == run("undo", "last", "--to", "abcd").code == 2
    assert run("undo", "last", "--force", "--keep-edits").code == 2
    assert run("undo", "--to", "abcdef").code == 4
    del host.services[Snapshots]
    assert "no plugin plays Snapshots" in run("undo", "last").err


def test_the_ledger_hears_of_it(run, broken, host, home):
    class Heard:
        def __init__(self):
            self.events = []

        async def append(self, kind, subject, data):
            self.events.append((kind, subject, data))

    heard = host.services[Journal] = Heard()
    (home / "ledger.db").touch()
    assert run("undo", "last/fix").code == 0
    [(kind, subject, data)] = heard.events
    assert (kind, subject, data["step"], data["files"]) == ("pipelines.undo", broken.name, "fix", 5)


def test_an_undo_that_cannot_be_remembered_is_not_done(project, contents, run, broken):
    before = contents(project)
    (broken / "undone.jsonl").mkdir()
    assert run("undo", "last").code == 6
    assert contents(project) == before


@pytest.fixture
def aexl(home, project, tmp_path):
    """The installed program, in the project or in another folder."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AEXL_HOME": str(home)}

    def run_it(*arguments, cwd=project):
        return subprocess.run([AEXL, *arguments], cwd=cwd, env=environ, capture_output=True, text=True, check=False)

    return run_it


@pytest.mark.slow
def test_what_a_run_keeps_outlives_a_garbage_collection_and_goes_with_the_run(
    aexl, project, contents, home, request, service, make
):
    first = contents(project)
    request.getfixturevalue("broken")
    collected = aexl("snapshot", "gc", "--grace", "0", cwd=home / "store")
    assert collected.returncode == 0, collected.stderr
    assert aexl("pipeline", "diff", "last", "--name-only").stdout.split() == [
        "README",
        "deep/er/junk",
        "logo.bin",
        "src/app.py",
        "src/new.py",
        "tool",
    ]
    done = aexl("pipeline", "undo", f"{make.run}/fix")
    assert done.returncode == 0, done.stderr
    assert aexl("pipeline", "undo", "last", "--force").returncode == 0
    assert contents(project) == first
    before = sum(len(data) for name, (data, _) in contents(home / "store").items() if name.endswith(".pack"))
    trio.run(drop_runs, service, [make.run])
    assert aexl("snapshot", "gc", "--grace", "0", cwd=home / "store").returncode == 0
    after = sum(len(data) for name, (data, _) in contents(home / "store").items() if name.endswith(".pack"))
    assert after < before
    assert aexl("pipeline", "diff", "last").returncode == 4


@pytest.mark.slow
def test_undo_works_beside_a_server_and_the_ledger_has_it(aexl, project, contents, home, request):
    first = contents(project)
    request.getfixturevalue("broken")
    server = subprocess.Popen(
        [AEXL, "serve", "--port", "0"],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "AEXL_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        while "serves http" not in server.stdout.readline():
            assert server.poll() is None
        assert aexl("pipeline", "diff", "last", "--exit-code").returncode == 1
        done = aexl("pipeline", "undo", "last")
        assert (done.returncode, done.stderr) == (0, "")
        assert contents(project) == first
        (project / "README").write_text("mine")
        saved = json.loads(next((home / "runs").glob("*/undone.jsonl")).read_text())["saved"]
        refused = aexl("pipeline", "undo", "--to", saved[:12])
        assert (refused.returncode, "README" in refused.stderr) == (5, True)
        assert "pipelines.undo" in aexl("ledger", "export").stdout
    finally:
        server.terminate()
        server.communicate()
