"""``aexl pipeline validate|show|graph|list|init|spec``, as a stranger uses them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from aexl.api import Snapshots
from aexl.errors import ConfigError, Invalid, Problem, Unavailable
from aexl.testing.host import FakeHost
from aexl.testing.session import FakeSession, run_command
from aexl.testing.snapshots import FakeSnapshots
from aexl_pipelines.cli.app import app
from aexl_pipelines.cli.fetching import LARGEST, Fetcher
from aexl_pipelines.cli.root import MODULES
from aexl_pipelines.cli.start import read_templates

FILES = Path(__file__).parent / "language" / "files"
AEXL = Path(sys.executable).with_name("aexl")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made = tmp_path / "project"
    made.mkdir()
    (made / ".git").mkdir()
    monkeypatch.chdir(made)
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    return made


@pytest.fixture
def host(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    return FakeHost(data_dir=home)


@pytest.fixture
def run(host, folder):
    session = FakeSession(host)

    def run_it(*arguments):
        return run_command(app, session, *arguments)

    return run_it


def test_every_template_is_written_valid_and_not_twice(run, folder):
    assert len(read_templates()) >= 4
    for name in read_templates():
        done = run("init", name, "--force")
        assert (done.code, "Wrote .aexl.yaml" in done.out) == (0, True)
        valid = run("validate")
        assert (valid.code, "Pipeline valid: .aexl.yaml" in valid.out) == (0, True), valid.err
    again = run("init")
    assert again.code == 5
    assert "--force" in again.err
    assert run("init", "absent").code == 4
    assert {row["name"] for row in run("init", "--list", "--json").json()} == set(read_templates())


def test_a_dry_run_of_init_writes_nothing(run, folder):
    done = run("init", "starter", "--dry-run")
    assert "pipeline:" in done.out
    assert not (folder / ".aexl.yaml").exists()


def test_twelve_mistakes_are_shown_with_exit_code_3(run):
    done = run("validate", "--pipeline", str(FILES / "wrong/twelve.yaml"))
    assert done.code == 3
    assert "the pipeline has 12 problems" in done.err
    assert "twelve.yaml:8:5: there is no key 'promt' in step; did you mean 'prompt'?" in done.err

    as_json = run("validate", "-p", str(FILES / "wrong/twelve.yaml"), "--json")
    errors = as_json.json()["errors"]
    assert (as_json.code, as_json.json()["valid"], len(errors)) == (3, False, 12)
    assert {"message", "error_type", "file", "line", "column", "suggestion"} == set(errors[0])


def test_a_valid_file_is_said_to_be_valid_as_ails_tools_read_it(run):
    answer = run("validate", "-p", str(FILES / "current/child.yaml"), "--json").json()
    assert (answer["valid"], answer["step_count"]) == (True, 1)


def test_what_other_plugins_have_is_asked_of_them(run, folder, host):
    class Count:
        name = "count"

        def parse(self, arguments):
            if "of" not in arguments:
                raise ConfigError([Problem(key="of", message="is missing")])

    (folder / ".aexl.yaml").write_text("pipeline: [{id: a, use: count}, {id: b, prompt: x, runner: their}]\n")
    absent = run("validate")
    assert "no plugin has a step type 'count'; install the plugin that has it" in absent.err
    assert "there is no runner 'their'" in absent.err
    host.offered_step_types = {"count": Count()}
    host.offered_runners = {"their": object()}
    assert "of: is missing" in run("validate").err
    (folder / ".aexl.yaml").write_text(
        "pipeline: [{id: a, use: count, with: {of: 1}}, {id: b, prompt: x, runner: their}]\n"
    )
    assert run("validate").code == 0


def test_show_graph_and_list_show_the_folders_pipeline_from_below(run, folder, monkeypatch):
    run("init", "second-opinions")
    (folder / ".ail/ops").mkdir(parents=True)
    (folder / ".ail/ops/broken.ail.yaml").write_text("pipeline: [{id: a}]\n")
    (folder / "deep").mkdir()
    monkeypatch.chdir(folder / "deep")

    assert "verdict" in run("show").out
    assert run("show", "--json").json()["steps"][0]["id"] == "invocation"
    assert "╌ simplicity" in run("graph").out
    assert run("graph", "--format", "mermaid").out.startswith("flowchart TD")
    assert run("graph", "--format", "dot").out.startswith("digraph")
    assert run("graph", "--format", "png").code == 2
    assert {"from": "opinions", "to": "verdict", "relation": "then"} in [
        {key: edge.get(key, "then") for key in ("from", "to", "relation")}
        for edge in run("graph", "--json").json()["edges"]
    ]
    listed = {entry["name"]: entry for entry in run("list", "--json").json()}
    assert (listed["default"]["default"], listed["default"]["steps"]) == (True, 5)
    assert listed["ops/broken"]["valid"] is False
    assert "default *" in run("list").out
    assert run("validate", "-p", "ops/broken").code == 3


def test_resolved_goes_to_a_file_that_is_valid_and_means_the_same(run, folder):
    shutil.copytree(FILES / "current", folder / "flows")
    shutil.copytree(FILES / "prompts", folder / "prompts")
    done = run("show", "-p", "flows/grandchild.yaml", "--resolved", "--out", "whole.yaml")
    assert "flows/grandchild.yaml, flows/heir.yaml, flows/everything.yaml" in done.out
    text = (folder / "whole.yaml").read_text()
    assert "# flows/everything.yaml:" in text
    assert "file: ./prompts/tests.md" in text
    assert run("validate", "-p", "whole.yaml").code == 0
    assert run("show", "--out", "x").code == 2


def test_without_any_pipeline_the_next_step_is_named(run):
    done = run("validate")
    assert done.code == 4
    assert "aexl pipeline init" in done.err
    assert "no pipeline here" in run("list").out


def test_the_language_is_printed_whole_short_and_by_section(run):
    assert run("spec").out.startswith("# Pipelines")
    assert '"$defs"' in run("spec", "schema").out
    assert "### retry" in run("spec", "--section", "retry").out
    assert "Inheritance" in run("spec", "--list").out
    assert run("spec", "copmact").code == 2
    assert run("spec", "--section", "nothing").code == 4
    assert run("spec", "compact", "--json").json()["text"]


def test_a_base_from_the_web_comes_from_the_cache_once_it_is_there(run, folder, host):
    text = "pipeline: [{id: a, prompt: from the web}]\n"
    wanted = hashlib.sha256(text.encode()).hexdigest()
    (folder / ".aexl.yaml").write_text(f"FROM: https://example.invalid/base.yaml#sha256={wanted}\n")
    assert "cannot be fetched" in run("validate").err
    cache = host.data_dir / "cache/pipelines"
    cache.mkdir(parents=True)
    (cache / wanted).write_text(text)
    assert run("validate").code == 0
    (cache / wanted).write_text(text + " ")
    assert run("validate").code == 3


def test_a_base_of_a_snapshot_comes_from_who_keeps_snapshots(run, folder, host, tmp_path):
    import trio

    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / ".aexl.yaml").write_text("pipeline: [{id: a, prompt: kept}]\n")
    snapshots = FakeSnapshots()
    kept_id = trio.run(snapshots.capture, str(kept), "a base")
    (folder / ".aexl.yaml").write_text(f"FROM: snapshot:{kept_id}\n")
    assert "no plugin plays Snapshots" in run("validate").err
    host.services[Snapshots] = snapshots
    assert run("validate").code == 0, run("validate").err
    assert "snapshot:" in run("show", "--resolved").out
    (folder / ".aexl.yaml").write_text(f"FROM: snapshot:{'0' * 64}\n")
    assert "there is no snapshot 000000000000 of this project" in run("validate").err


def test_a_base_of_a_snapshot_of_the_projects_own_counts_first(run, folder, host, tmp_path):
    import trio

    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "flow.yaml").write_text("pipeline: [{id: a, prompt: ./a.md}]\n")
    (kept / "a.md").write_text("from the project")
    snapshots = FakeSnapshots()
    kept_id = trio.run(snapshots.capture, str(kept), "a base")
    snapshots.projects[str(folder)] = {kept_id}
    host.services[Snapshots] = snapshots
    (folder / ".aexl.yaml").write_text(f"FROM: snapshot:{kept_id}/flow.yaml\n")
    assert "from the project" in run("show", "--json").out
    host.services.clear()
    assert run("validate").code == 0


def test_a_download_is_bounded_pinned_and_stays_on_https(host):
    text = "pipeline: []\n"
    wanted = hashlib.sha256(text.encode()).hexdigest()
    asked = []

    def answer(request):
        asked.append(str(request.url))
        match request.url.path:
            case "/moved":
                return httpx.Response(302, headers={"location": "/there"})
            case "/down":
                return httpx.Response(302, headers={"location": "http://e.org/there"})
            case "/round":
                return httpx.Response(302, headers={"location": "/round"})
            case "/large":
                return httpx.Response(200, content=b"x" * (LARGEST + 1))
            case "/there":
                return httpx.Response(200, text=text)
            case _:
                return httpx.Response(404)

    fetcher = Fetcher(FakeSession(host), lambda: httpx.Client(transport=httpx.MockTransport(answer)))
    assert fetcher.fetch("https://e.org/moved", wanted) == text
    assert fetcher.fetch("https://e.org/moved", wanted) == text
    assert asked == ["https://e.org/moved", "https://e.org/there"]
    for path, error, message in (
        ("down", Invalid, "is not https"),
        ("round", Unavailable, "leads on and on"),
        ("large", Invalid, "more than"),
        ("there", Invalid, "has the hash"),
        ("absent", Unavailable, "404"),
    ):
        with pytest.raises(error, match=message):
            fetcher.fetch(f"https://e.org/{path}", "0" * 64)


@pytest.mark.slow
def test_the_installed_program_has_the_command(tmp_path):
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AEXL_HOME": str(tmp_path / "home")}

    def run_it(*arguments):
        return subprocess.run(
            [AEXL, "pipeline", *arguments], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )

    assert run_it("init", "quality-gates").returncode == 0
    assert "Pipeline valid" in run_it("validate").stdout
    assert "audit" in run_it("graph").stdout
    wrong = run_it("validate", "-p", str(FILES / "wrong/twelve.yaml"))
    assert (wrong.returncode, wrong.stderr.count("\n")) == (3, 13)
    assert "Traceback" not in wrong.stderr


SHOWN = """
import sys
from aexl.core.cli.main import run
for words in sys.argv[1].split(","):
    sys.argv = ["aexl", "pipeline", *words.split()]
    try:
        run()
    except SystemExit as end:
        assert not end.code, (words, end.code)
    heavy = [name for name in ("trio", "httpx", "apsw", "aexl.core.surroundings") if name in sys.modules]
    assert not heavy, (words, heavy)
"""


@pytest.mark.slow
def test_commands_that_only_read_files_start_no_loop_and_ask_no_plugin(folder, tmp_path):
    shutil.copy(FILES.parent.parent.parent / "aexl_pipelines" / "templates" / "starter.yaml", folder / ".aexl.yaml")
    environ = {**os.environ, "AEXL_HOME": str(tmp_path / "home")}
    words = "gates,runs,init --list,validate,show,graph,list,spec core,hook status"
    done = subprocess.run(
        [sys.executable, "-c", SHOWN, words], env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_command_imports_its_own_module_and_the_help_names_all_in_the_order_of_use(run):
    script = (
        "import sys; from typer.main import get_group; from aexl_pipelines.cli.app import app; group = get_group(app);"
        "group.get_command(None, 'gates'); print(*[n for n in sys.modules if n.startswith('aexl_pipelines.cli.')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {f"aexl_pipelines.cli.{name}" for name in ("app", "root", "gates")}
    said = run("--help").out
    places = [said.index(f"│ {name} ") for name in MODULES]
    assert places == sorted(places)
    assert run("nosuch").code == 2
