"""``aexl snapshot`` as a stranger runs it: the installed program, in folders of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
from project import AEXL, Project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A project with one snapshot, and a clone of it by way of a store that both push to."""
    base = tmp_path_factory.mktemp("begun")
    made = Project(base / "project", base / "home")
    made.write(src__app_dot_py="print('one')\n", README_dot_md="read me\n")
    (made.folder / "run.sh").write_text("#!/bin/sh\n")
    (made.folder / "run.sh").chmod(0o755)
    (made.folder / "data.bin").write_bytes(bytes(range(256)) * 20)
    made.run("init")
    made.run("add", ".")
    made.run("commit", "-m", "one")
    shutil.copytree(base, base.with_name("alone"))
    made.run("remote", "add", "origin", str(base / "store"))
    made.run("push")
    made.run("clone", str(base / "store"), str(base / "other"))
    return base


@pytest.fixture
def project(begun, tmp_path):
    """A copy of that project, from before there was a clone."""
    shutil.copytree(begun.with_name("alone"), tmp_path, dirs_exist_ok=True)
    return Project(tmp_path / "project", tmp_path / "home")


@pytest.fixture
def other(begun, project, tmp_path):
    """A copy of the clone, and of the project and the store as they were then."""
    shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
    for folder in (project.folder, tmp_path / "other"):
        remotes = folder / ".aexl" / "snapshots" / "remotes.json"
        remotes.write_text(remotes.read_text().replace(str(begun), str(tmp_path)))
    return Project(tmp_path / "other", project.home)


def test_a_project_goes_from_init_to_a_clone_elsewhere(project, tmp_path):
    first = project.read()
    project.write(src__app_dot_py="print('two')\n")
    diff = project.run("diff").stdout
    assert "-print('one')\n+print('two')\n" in diff
    project.run("commit", "-a", "-m", "two")
    second = project.read()
    assert [each["message"] for each in project.json("log")] == ["two", "one"]
    project.run("restore", "main~1")
    assert project.read() == first
    project.run("restore", "main")
    assert project.read() == second
    project.run("remote", "add", "origin", str(tmp_path / "store"))
    project.run("push")
    project.run("clone", str(tmp_path / "store"), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone", project.home)
    assert clone.read() == second
    assert clone.json("log") == project.json("log")
    assert clone.json("status")["clean"] is True
    assert "Sound" in clone.run("check", "--read-data").stdout


def test_what_is_committed_is_what_was_added_and_not_what_came_later(project):
    project.write(README_dot_md="added\n")
    project.run("add", "README.md")
    project.write(README_dot_md="later\n")
    project.run("commit", "-m", "two")
    assert project.run("cat", "README.md").stdout == "added\n"
    assert (project.folder / "README.md").read_text() == "later\n"
    status = project.json("status")
    assert [change["path"] for change in status["unstaged"]] == ["README.md"]


def test_status_tells_staged_from_changed_from_unknown(project):
    project.write(README_dot_md="staged\n", src__app_dot_py="changed\n", new__file="new\n")
    project.run("add", "README.md")
    status = project.json("status")
    assert [change["path"] for change in status["staged"]] == ["README.md"]
    assert [change["path"] for change in status["unstaged"]] == ["src/app.py"]
    assert status["untracked"] == ["new/file"]
    shown = project.run("status").stdout
    assert "M README.md" in shown
    assert "  new/\n" in shown
    assert "\x1b" not in shown
    project.run("unstage", "README.md")
    assert project.json("status")["staged"] == []
    assert (project.folder / "README.md").read_text() == "staged\n"


def test_it_runs_from_any_subfolder_with_paths_from_there(project):
    project.write(src__deep__x="x\n")
    project.run("add", "deep", at="src")
    assert [change["path"] for change in project.json("status", at="src/deep")["staged"]] == ["src/deep/x"]
    project.run("add", "../..", at="src/deep")
    done = project.run("add", "../../outside", at="src", code=2)
    assert "outside of" in done.stderr


def test_secrets_are_left_out_by_default_and_init_says_so(tmp_path):
    made = Project(tmp_path / "fresh", tmp_path / "home")
    made.write(_dot_env="KEY=1", a="a")
    (made.folder / ".gitignore").write_text("node_modules/\n")
    done = made.run("init")
    assert ".env" in done.stdout
    assert "node_modules/" in (made.folder / ".aexlignore").read_text()
    made.run("add", ".")
    assert [entry["path"] for entry in made.json("status")["staged"]] == [".aexlignore", ".gitignore", "a"]
    assert "/snapshots/" in (made.folder / ".aexl/.gitignore").read_text()
    assert "--force" in made.run("add", ".env", code=2).stderr
    made.run("add", "--force", ".env")


def test_a_file_that_looks_like_a_credential_needs_force(project):
    project.write(config_dot_py="key = 'AKIA" + "IOSFODNN7EXAMPLE'\n")
    done = project.run("add", ".", code=2)
    assert "config.py: line 1 looks like an AWS access key" in done.stderr
    assert project.json("status")["staged"] == []
    project.run("add", "--force", ".")
    assert [change["path"] for change in project.json("status")["staged"]] == ["config.py"]


def test_what_cannot_be_kept_is_refused_with_its_path(project):
    (project.folder / "src/link").symlink_to("app.py")
    os.mkfifo(project.folder / "pipe")
    project.write(good="good\n")
    done = project.run("add", ".", code=2)
    assert "src/link: is a symbolic link" in done.stderr
    assert "pipe: is a named pipe" in done.stderr
    assert project.json("status")["staged"] == []
    assert "left out pipe" in project.run("add", "--skip", ".").stderr
    assert [change["path"] for change in project.json("status")["staged"]] == ["good"]


def test_restore_never_overwrites_unsaved_work_unless_told(project):
    project.write(README_dot_md="work\n")
    before = project.read()
    done = project.run("restore", "main", code=5)
    assert "README.md: has changes that are in no snapshot" in done.stderr
    assert project.read() == before
    project.run("restore", "README.md", "--force")
    assert (project.folder / "README.md").read_text() == "read me\n"
    project.run("restore", "nothing", code=4)
    project.run("restore", code=2)
    project.write(README_dot_md="work\n")
    assert "empty" in project.run("restore", "", "--force", code=2).stderr
    assert project.read() == before


def test_a_head_that_moved_is_told_and_pull_merges(project, other):
    other.write(theirs="theirs\n")
    other.run("add", ".")
    other.run("commit", "-m", "theirs")
    other.run("push")
    project.write(ours="ours\n")
    project.run("add", ".")
    project.run("commit", "-m", "ours")
    done = project.run("push", code=5)
    assert "the head moved" in done.stderr
    assert "aexl snapshot pull" in done.stderr
    project.write(README_dot_md="uncommitted\n")
    assert "Merged" in project.run("pull").stdout
    assert (project.folder / "theirs").read_text() == "theirs\n"
    assert (project.folder / "README.md").read_text() == "uncommitted\n"
    project.run("push")
    graph = project.run("log", "--graph", "--oneline").stdout.splitlines()
    assert graph[0].startswith("* ")
    assert graph[1] == "|\\"
    assert sum("*" in line for line in graph) == 4
    other.run("pull")
    assert other.json("status")["remotes"] == {"origin": {"ahead": 0, "behind": 0}}


def test_conflicts_are_listed_and_nothing_changes_until_asked(project, other):
    for each, text in ((other, "theirs\n"), (project, "ours\n")):
        each.write(README_dot_md=text)
        each.run("commit", "-a", "-m", text.strip())
    other.run("push")
    before = project.read()
    assert "README.md: both sides changed it" in project.run("pull", code=5).stderr
    assert project.read() == before
    project.run("pull", "--mark", code=1)
    marked = (project.folder / "README.md").read_text()
    assert marked == "<<<<<<< ours\nours\n=======\ntheirs\n>>>>>>> theirs\n"
    shown = project.run("status").stdout
    assert "Merging" in shown
    assert "README.md: both sides changed it" in shown
    assert "M README.md" not in shown
    assert "README.md" in project.run("commit", "-m", "too early", code=5).stderr
    assert "Gave the merge up: 1 file restored" in project.run("pull", "--abort").stdout
    assert project.read() == before
    project.run("pull", "--mark", code=1)
    assert [each["path"] for each in project.json("status")["conflicts"]] == ["README.md"]
    project.write(README_dot_md="settled\n")
    project.run("commit", "-a", "-m", "merged")
    assert len(project.json("log", "-n", "1")[0]["parents"]) == 2
    project.run("push")


def test_local_edits_in_the_way_of_a_pull_are_kept_and_listed(project, other):
    other.write(README_dot_md="theirs\n", new="theirs\n")
    other.run("add", ".")
    other.run("commit", "-m", "theirs")
    other.run("push")
    project.write(README_dot_md="work\n", new="work\n")
    before = project.read()
    done = project.run("pull", code=5)
    assert "README.md" in done.stderr
    assert "new" in done.stderr
    assert project.read() == before


def test_force_with_lease_replaces_only_what_was_seen(project, other):
    other.write(x="x\n")
    other.run("add", ".")
    other.run("commit", "-m", "x")
    other.run("push")
    project.write(y="y\n")
    project.run("add", ".")
    project.run("commit", "-m", "y")
    project.run("push", "--force-with-lease", code=5)


def test_git_takes_the_export_and_gives_it_back(project, tmp_path):
    project.write(src__app_dot_py="print('two')\n")
    project.run("commit", "-a", "-m", "two\n\nwith a body")
    project.run("tag", "v1", "main~1")
    project.run("export", "--git", str(tmp_path / "out.git"))
    git = ["git", "-C", tmp_path / "out.git"]
    check = subprocess.run([*git, "fsck", "--strict", "--full"], capture_output=True, text=True, check=False)
    assert (check.returncode, check.stdout) == (0, ""), check.stderr
    log = subprocess.run(
        [*git, "log", "--format=%an|%ae|%s", "main"], capture_output=True, text=True, check=True
    ).stdout
    assert log == "Ada|ada@example.org|two\nAda|ada@example.org|one\n"
    subprocess.run(["git", "clone", "-q", tmp_path / "out.git", tmp_path / "checkout"], check=True)
    shutil.rmtree(tmp_path / "checkout" / ".git")
    assert Project(tmp_path / "checkout", project.home).read() == project.read()
    again = Project(tmp_path / "again", project.home)
    again.run("init")
    (again.folder / ".aexlignore").unlink()
    again.run("import", "--git", str(tmp_path / "out.git"))
    assert again.read() == project.read()
    assert [each["message"] for each in again.json("log")] == ["two\n\nwith a body", "one"]
    assert again.json("ls", "v1") == project.json("ls", "v1")
    assert again.json("status")["clean"]


def test_an_export_file_carries_everything(project, tmp_path):
    project.run("tag", "v1")
    project.run("export", str(tmp_path / "file.snapshots"))
    project.run("export", str(tmp_path / "file.snapshots"), code=5)
    other = Project(tmp_path / "other", project.home)
    other.run("init")
    (other.folder / ".aexlignore").unlink()
    other.run("import", str(tmp_path / "file.snapshots"))
    assert other.read() == project.read()
    assert other.json("log") == project.json("log")
    damaged = bytearray((tmp_path / "file.snapshots").read_bytes())
    damaged[damaged.index(b"AEXLPACK") + 60] ^= 1
    (tmp_path / "damaged").write_bytes(damaged)
    third = Project(tmp_path / "third", project.home)
    third.run("init")
    third.run("import", str(tmp_path / "damaged"), code=2)
    third.run("import", str(tmp_path / "project" / "README.md"), code=2)


def test_a_damaged_repository_is_named_and_repaired(project, tmp_path):
    project.run("remote", "add", "origin", str(tmp_path / "store"))
    project.run("push")
    [pack] = sorted((project.folder / ".aexl/snapshots/packs").iterdir(), key=lambda each: -each.stat().st_size)[:1]
    data = bytearray(pack.read_bytes())
    data[100] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(data)
    found = project.json("check", "--read-data", code=1)
    assert not found["sound"]
    assert found["findings"][0]["snapshots"]
    project.run("repair", "--from", "origin")
    assert project.json("check", "--read-data")["sound"]


def test_an_aiel_folder_is_taken_over(tmp_path):
    made = Project(tmp_path / "p", tmp_path / "home")
    made.write(entry_point_dot_py="# x\n", lib__a_dot_py="a\n", draft_dot_py="d\n", ignored_dot_log="log\n")
    state = {
        "version": 1,
        "base_url": "https://example.org",
        "workspace_id": "w1",
        "workspace_slug": "team",
        "project_id": "p1",
        "project_slug": "app",
        "last_pull_at": None,
        "last_manifest": {
            "entry_point.py": {"version": 3, "sha256": "00"},
            "lib/a.py": {},
            "gone.py": {},
            "../evil": {},
        },
        "pending_commit_id": None,
    }
    index = {"version": 1, "staged": {"draft.py": {"op": "upsert", "sha256": "0"}, "lib/a.py": {"op": "delete"}}}
    (made.folder / ".aiel").mkdir()
    (made.folder / ".aiel/state.json").write_text(json.dumps(state))
    (made.folder / ".aiel/index.json").write_text(json.dumps(index))
    (made.folder / ".aielignore").write_text(".aiel/\n  *.log\n")
    told = made.json("init", "--from-aiel")
    assert told["aiel"]["workspace_slug"] == "team"
    staged = {change["path"] for change in made.json("status")["staged"]}
    assert staged == {"entry_point.py", "draft.py"}
    made.run("add", ".")
    made.run("commit", "-m", "from aiel")
    [snapshot] = made.json("log")
    assert snapshot["metadata"]["aiel.project_id"] == "p1"
    assert "ignored.log" not in {entry["path"] for entry in made.json("ls")}
    assert (made.folder / ".aiel/state.json").exists()


def test_an_aiel_folder_that_cannot_be_read_is_refused(tmp_path):
    made = Project(tmp_path / "p", tmp_path / "home")
    made.run("init", "--from-aiel", code=4)
    (made.folder / ".aiel").mkdir()
    (made.folder / ".aiel/state.json").write_text("{")
    assert "state.json" in made.run("init", "--from-aiel", code=2).stderr
    assert not (made.folder / ".aexl").exists()


def test_tags_show_diff_and_ls(project):
    project.run("tag", "v1")
    project.run("tag", "v1")
    project.write(src__app_dot_py="print('two')\n")
    (project.folder / "data.bin").write_bytes(b"\0" * 10)
    project.run("commit", "-a", "-m", "two", "--meta", "runtime=python3.11")
    project.run("tag", "v1", code=5)
    assert project.json("tag") == {"v1": project.json("log")[1]["id"]}
    shown = project.run("show").stdout
    assert "Binary files differ: 5.0 KiB -> 10 bytes" in shown
    assert "runtime = python3.11" in shown
    assert "+print('two')" in project.run("diff", "v1", "main", "src").stdout
    assert "data.bin" not in project.run("diff", "v1", "main", "src").stdout
    assert project.run("cat", "v1", "src/app.py").stdout == "print('one')\n"
    assert project.run("ls", "v1", "src").stdout == "src/app.py\n"
    assert "which tag" in project.run("tag", "--delete", code=2).stderr
    project.run("tag", "--delete", "v1")
    project.run("diff", "v1", code=4)


def test_a_command_outside_of_a_project_says_what_to_do(tmp_path):
    made = Project(tmp_path / "empty", tmp_path / "home")
    assert "aexl snapshot init" in made.run("status", code=4).stderr
    made.run("init")
    assert "nothing is staged" in made.run("commit", "-m", "x", code=5).stderr
    assert "remote add" in made.run("push", code=4).stderr
    assert made.run("log", code=4).stderr


def test_gc_keeps_what_is_staged_and_what_is_reachable(project):
    project.write(staged="staged\n")
    project.run("add", "staged")
    project.run("gc", "--grace", "0")
    project.run("gc", "--grace", "0")
    project.run("commit", "-m", "two")
    assert project.json("check", "--read-data")["sound"]
    project.run("gc", "--grace", "soon", code=2)


def test_the_ledger_hears_of_pushes_tags_restores_and_collections_where_there_is_one(project, tmp_path):
    project.run("tag", "before")
    assert not (project.home / "ledger.db").exists()
    ledger = [AEXL, "agent", "create", "alice", "5"]
    environ = {"PATH": os.environ["PATH"], "AEXL_HOME": str(project.home), "HOME": str(tmp_path)}
    subprocess.run(ledger, env=environ, check=True, capture_output=True)
    project.run("tag", "v1")
    project.run("remote", "add", "origin", str(tmp_path / "store"))
    project.run("push")
    project.run("restore", "v1")
    project.run("gc")
    done = subprocess.run([AEXL, "ledger", "tail", "--json"], env=environ, check=True, capture_output=True, text=True)
    kinds = [json.loads(line)["kind"] for line in done.stdout.splitlines()]
    assert [kind for kind in kinds if kind.startswith("snapshots.")] == [
        "snapshots.tag",
        "snapshots.push",
        "snapshots.restore",
        "snapshots.gc",
    ]
