"""Interpreters by name: found, asked, made, gone; and handlers that run under them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import trio

from aexl.api import BUILTIN, Invocation, Journal
from aexl.errors import NotFound, Unavailable
from aexl.testing.host import FakeConfig, FakeHost
from aexl_runtime.runtimes.carried import carry
from aexl_runtime.runtimes.inquiry import inquire
from aexl_runtime.runtimes.interpreters import Interpreters
from aexl_runtime.runtimes.making import make_environment, prune
from aexl_runtime.runtimes.tables import read_tables
from aexl_runtime.service import HandlerService
from aexl_runtime.settings import RuntimeConfig, RuntimeTable, SandboxConfig, WorkersConfig

pytestmark = pytest.mark.slow

ENTRY = """
from aexl.sdk import tool

@tool("where")
def where(ctx, payload):
    import sys, nowhere_else
    return {"version": nowhere_else.VERSION, "prefix": sys.prefix, "python": list(sys.version_info[:2])}

@tool("peek")
def peek(ctx, payload):
    import importlib.util, sys
    return {name: importlib.util.find_spec(name) is not None for name in ("trio", "msgspec", "aexl.sdk", "aexl.core")}

@tool("write")
def write(ctx, payload):
    import sys
    open(sys.prefix + "/lib/mine", "w")
"""


class FakeJournal:
    def __init__(self):
        self.events = []

    async def append(self, kind, subject, data):
        self.events.append(dict(data))


async def keep_running(service, task_status=trio.TASK_STATUS_IGNORED):
    async with service.running():
        task_status.started()
        await trio.sleep_forever()


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    (root / "entry_point.py").write_text(ENTRY)
    return str(root)


@pytest.fixture
def make_service(home, nursery):
    async def make(tables):
        config = FakeConfig(WorkersConfig(), SandboxConfig(), RuntimeConfig(), mappings={RuntimeTable: tables})
        host = FakeHost(home, config=config)
        host.services[Journal] = FakeJournal()
        service = HandlerService(host)
        await nursery.start(keep_running, service)
        return service, host

    return make


def found(home, **tables):
    return Interpreters(home, read_tables(tables, home))


async def call(service, project, runtime, handler="where"):
    asked = Invocation(project=project, kind="tool", handler=handler, runtime=runtime)
    return await service.invoke(asked)


async def test_two_runtimes_at_once_each_with_its_own_packages(make_service, venvs, project):
    service, host = await make_service({name: RuntimeTable(venv=str(path)) for name, path in venvs.items()})
    ran = {}

    async def run(name):
        ran[name] = (await call(service, project, name)).result

    for _ in range(2):
        async with trio.open_nursery() as nursery:
            for name in venvs:
                nursery.start_soon(run, name)
        assert {name: result["version"] for name, result in ran.items()} == {"old": "1.0", "new": "2.0"}
        assert {name: result["prefix"] for name, result in ran.items()} == {n: str(p) for n, p in venvs.items()}
    assert service.pool.counts == {"warm": 2, "kept": 2, "cold": 0}
    assert {event["runtime"] for event in host.services[Journal].events} == {"old", "new"}


async def test_the_host_s_packages_are_not_the_runtime_s(make_service, venvs, project):
    service, _ = await make_service({"old": RuntimeTable(venv=str(venvs["old"]))})
    ran = await call(service, project, "old", "peek")
    assert ran.result == {"trio": False, "msgspec": False, "aexl.sdk": True, "aexl.core": False}
    ran = await call(service, project, None)
    assert "nowhere_else" in ran.answer["error"]["message"]


async def test_a_handler_cannot_write_into_its_runtime(make_service, venvs, project):
    service, _ = await make_service({"old": RuntimeTable(venv=str(venvs["old"]))})
    ran = await call(service, project, "old", "write")
    assert ran.answer["error"]["code"] == "USER_CODE_ERROR"
    assert not (venvs["old"] / "lib" / "mine").exists()


async def test_a_project_is_described_under_a_runtime(make_service, venvs, tmp_path):
    root = tmp_path / "needs"
    root.mkdir()
    (root / "entry_point.py").write_text("import nowhere_else\n" + ENTRY)
    service, _ = await make_service({"old": RuntimeTable(venv=str(venvs["old"]))})
    ran = await service.invoke(Invocation(project=str(root), action="describe", runtime="old"))
    assert ran.result["tools"] == ["peek", "where", "write"]


async def test_runtimes_say_what_they_offer(make_service, venvs, home):
    tables = {
        "old": RuntimeTable(venv=str(venvs["old"])),
        "ghost": RuntimeTable(venv="no/such"),
        "science": RuntimeTable(requirements=("nowhere-else==1.0",)),
    }
    service, _ = await make_service(tables)
    offers = {offer.name: offer for offer in await service.runtimes()}
    assert list(offers) == [BUILTIN, "ghost", "old", "science"]
    assert offers["old"].distributions == {"nowhere-else": "1.0"}
    assert offers["old"].python == ".".join(map(str, sys.version_info[:3]))
    assert "has gone" in offers["ghost"].problem
    assert "aexl runtime make science" in offers["science"].problem
    assert "aexl" in offers[BUILTIN].distributions or offers[BUILTIN].problem == ""


async def test_an_unknown_runtime_is_named(make_service, project):
    service, _ = await make_service({})
    with pytest.raises(NotFound, match=r"no runtime 'gpu'.*there are: builtin"):
        await call(service, project, "gpu")
    assert (await call(service, project, BUILTIN, "peek")).ok


async def test_a_runtime_that_has_gone_is_said_although_a_worker_of_it_is_ready(make_service, venvs, project, tmp_path):
    moved = tmp_path / "moved"
    moved.symlink_to(venvs["old"])
    service, _ = await make_service({"mine": RuntimeTable(venv=str(moved))})
    assert (await call(service, project, "mine")).ok
    moved.unlink()
    with pytest.raises(Unavailable, match="the runtime 'mine' has gone"):
        await call(service, project, "mine")


async def test_what_is_installed_later_is_found_by_the_next_run(make_service, make_venv, project):
    venv = make_venv("something", "1")
    service, _ = await make_service({"mine": RuntimeTable(venv=str(venv))})
    assert not (await call(service, project, "mine")).ok
    [site] = venv.glob("lib/python3*/site-packages")
    (site / "nowhere_else.py").write_text("VERSION = 'late'")
    assert (await call(service, project, "mine")).result["version"] == "late"


async def test_a_reload_changes_the_runtimes(make_service, venvs, project):
    service, _ = await make_service({})
    tables = {RuntimeTable: {"old": RuntimeTable(venv=str(venvs["old"]))}}
    swap = await service.prepare(FakeConfig(WorkersConfig(), SandboxConfig(), RuntimeConfig(), mappings=tables))
    swap()
    assert (await call(service, project, "old")).result["version"] == "1.0"


def test_what_is_carried_imports_itself_and_the_standard_library_only(home):
    code = carry(home)
    assert carry(home) == code
    names = [str(path.relative_to(code))[:-3].replace("/", ".") for path in code.rglob("*.py")]
    modules = [name.removesuffix(".__init__") for name in names]
    program = (
        "import sys, importlib; sys.path[:] = [sys.argv[1], *(p for p in sys.path if 'site-packages' not in p)]\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print([m for m in sys.modules if m.startswith('aexl') and not sys.modules[m].__file__.startswith(sys.argv[1])])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(code)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "[]\n", done.stderr


def test_what_is_carried_is_readable_for_a_worker_that_is_another_user(home):
    before = os.umask(0o077)
    try:
        code = carry(home)
        inquire("own", Path(sys.executable), code)
    finally:
        os.umask(before)
    assert list(code.rglob("*.pyc"))
    assert [path for path in (code, *code.rglob("*")) if path.stat().st_mode & 0o044 != 0o044] == []


def test_a_runtime_that_would_show_the_home_is_refused(tmp_path, make_venv):
    venv = make_venv("nowhere_else", "1")
    [site] = venv.glob("lib/python3*/site-packages")
    (site / "editable.pth").write_text(f"{tmp_path}\n")
    home = tmp_path / "home"
    home.mkdir()
    with pytest.raises(Unavailable, match=f"handlers would see {tmp_path}, and aexl's home lies in it"):
        found(home, mine=RuntimeTable(venv=str(venv))).find("mine")


def test_an_interpreter_that_is_none_is_said(home, tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'no such library' >&2\nexit 3\n")
    broken.chmod(0o755)
    [standing] = [found(home, mine=RuntimeTable(python=str(broken))).standing("mine")]
    assert (standing.state, standing.version) == ("broken", "")
    assert standing.detail == f"the runtime 'mine' does not work: {broken}: no such library"
    broken.write_text("#!/bin/sh\necho ready\n")
    with pytest.raises(Unavailable, match="does not work"):
        inquire("mine", broken)


def test_a_python_that_is_too_old_is_said(tmp_path):
    old = tmp_path / "python"
    old.write_text("""#!/bin/sh\necho '{"version": [3, 10, 4]}'\n""")
    old.chmod(0o755)
    with pytest.raises(Unavailable, match=r"'mine' is Python 3.10.4; handlers need 3.11 or later"):
        inquire("mine", old)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "needs one of"),
        ({"venv": "v", "python": "p"}, "neither"),
        ({"venv": "v", "requirements": ["a"]}, "neither"),
        ({"requirements": ["--index-url x"]}, "options are for"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(table, said):
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert(table, RuntimeTable)


def test_names_and_files_that_cannot_be_are_said_and_stop_no_other(home, venvs):
    interpreters = found(
        home,
        builtin=RuntimeTable(python=sys.executable),
        Bad=RuntimeTable(python=sys.executable),
        lines=RuntimeTable(requirements_file="missing.txt"),
        old=RuntimeTable(venv=str(venvs["old"])),
    )
    states = {name: interpreters.standing(name).state for name in interpreters.names}
    assert states == {"builtin": "broken", "Bad": "broken", "lines": "broken", "old": "ready"}
    assert "missing.txt cannot be read" in interpreters.standing("lines").detail


def test_an_environment_is_named_by_what_it_is_made_of(home):
    def folder(**table):
        return read_tables({"x": msgspec.convert(table, RuntimeTable)}, home)["x"].made.folder

    (home / "wanted.txt").write_text("# numbers\nnumpy==2.0\n\n")
    assert folder(requirements=["numpy==2.0"]) == folder(requirements_file="wanted.txt")
    assert folder(requirements=["numpy==2.0"]) != folder(requirements=["numpy==2.1"])
    assert folder(requirements=["numpy==2.0"]) != folder(requirements=["numpy==2.0"], python="3.12")


FAKE_UV = """#!{python}
import subprocess, sys, zipfile, glob, pathlib
words = sys.argv[1:]
print("fake", *words[:2], flush=True)
if words[0] == "venv":
    subprocess.run([{python!r}, "-m", "venv", "--without-pip", words[-1]], check=True)
else:
    venv = pathlib.Path(words[words.index("--python") + 1]).parent.parent
    lines = pathlib.Path(words[words.index("--requirement") + 1]).read_text().splitlines()
    if "broken" in lines:
        sys.exit("no such distribution: broken")
    [site] = venv.glob("lib/python3*/site-packages")
    for line in lines:
        zipfile.ZipFile(line.partition("@ file://")[2]).extractall(site)
"""


@pytest.fixture
def fake_uv(tmp_path, monkeypatch):
    """Takes the options that ours gives, and installs wheels that are named as files."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "uv").write_text(FAKE_UV.format(python=sys.executable))
    (folder / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


async def check_made(home, make_service, project, venvs):
    wheel = venvs["old"].parent / "nowhere_else-1.0-py3-none-any.whl"
    table = RuntimeTable(requirements=(f"nowhere-else @ file://{wheel}",), python=sys.executable)
    sources = read_tables({"made": table}, home)
    environment = sources["made"].made
    assert Interpreters(home, sources).standing("made").state == "not made"
    lines = []
    assert make_environment(environment, lines.append)
    assert lines
    assert not make_environment(environment, lines.append)
    assert [path.name for path in (home / "runtimes").iterdir() if path.name.startswith(".")] == []
    service, _ = await make_service({"made": table})
    ran = await call(service, project, "made")
    assert ran.ok, ran.answer
    assert (ran.result["version"], ran.result["prefix"]) == ("1.0", str(environment.folder))
    assert prune(home, [environment.folder]) == []
    assert prune(home, []) == [environment.folder]
    assert not environment.folder.exists()


async def test_an_environment_is_made_by_uv_and_used(fake_uv, home, make_service, project, venvs):
    await check_made(home, make_service, project, venvs)


async def test_an_environment_is_made_by_the_real_uv_and_used(uv, home, make_service, project, venvs):
    await check_made(home, make_service, project, venvs)


def test_an_environment_that_fails_leaves_nothing(fake_uv, home):
    environment = read_tables({"x": RuntimeTable(requirements=("broken",))}, home)["x"].made
    with pytest.raises(Unavailable, match=r"'uv pip' ended with status 1: .*no such distribution: broken"):
        make_environment(environment, lambda line: None)
    assert list((home / "runtimes").iterdir()) == []


def test_what_a_killed_maker_left_is_removed_by_the_next(fake_uv, home):
    left = home / "runtimes" / ".unfinished-999999999-x"
    left.mkdir(parents=True)
    (home / "empty.txt").write_text("")
    environment = read_tables({"x": RuntimeTable(requirements_file="empty.txt")}, home)["x"].made
    assert make_environment(environment, lambda line: None)
    assert not left.exists()


def test_without_uv_it_is_said_what_to_do(home, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    environment = read_tables({"x": RuntimeTable(requirements=("numpy",))}, home)["x"].made
    with pytest.raises(Unavailable, match=r"made by 'uv', which is not on PATH.*'venv'"):
        make_environment(environment, lambda line: None)


def test_commands_show_and_make_them(fake_uv, home, venvs, tmp_path):
    wheel = venvs["new"].parent / "nowhere_else-2.0-py3-none-any.whl"
    (home / "aexl.toml").write_text(
        f'[runtimes.made]\nrequirements = ["nowhere-else @ file://{wheel}"]\n'
        f'[runtimes.old]\nvenv = "{venvs["old"]}"\n[runtimes.ghost]\npython = "/no/python"\n'
    )

    def aexl(*words):
        environment = {**os.environ, "AEXL_HOME": str(home)}
        program = str(Path(sys.executable).parent / "aexl")
        return subprocess.run(
            [program, *words], capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
        )

    listed = {row["name"]: row for row in json.loads(aexl("runtime", "list", "--json").stdout)}
    assert {name: row["state"] for name, row in listed.items()} == {
        "builtin": "ready", "made": "not made", "old": "ready", "ghost": "gone",
    }  # fmt: skip
    made = aexl("runtime", "make")
    assert (made.returncode, made.stdout) == (0, "Made made.\n"), made.stderr
    shown = aexl("runtime", "list")
    assert "nowhere" not in shown.stdout
    assert [line.split()[:2] for line in shown.stdout.splitlines() if line.startswith(("made", "old"))]
    assert "there is no /no/python" in shown.stderr
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "entry_point.py").write_text(ENTRY)
    ran = aexl("runtime", "invoke", "project", "--kind", "tool", "--handler", "where", "--runtime", "made")
    assert json.loads(ran.stdout)["result"]["version"] == "2.0", ran.stderr
    gone = aexl("runtime", "invoke", "project", "--kind", "tool", "--handler", "where", "--runtime", "ghost")
    assert (gone.returncode, gone.stderr) == (3, "")
    assert "the runtime 'ghost' has gone" in json.loads(gone.stdout)["error"]["message"]
    assert "there is no /no/python" in aexl("doctor").stdout
