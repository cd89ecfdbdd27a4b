"""A plugin that is tried harms nothing but its own process. Real processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from aexl.core.plugins import Plugins, find_sources
from aexl.core.plugins.install import install
from aexl.core.plugins.trial import try_plugins
from aexl.core.plugins.wheel import read_wheel
from aexl.core.plugins.worker import Order, Point
from aexl.errors import PluginError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clean_imports")]

HOOKS = """
from aexl.hookspecs import Plugin, hookimpl

class Hello(Plugin):
    @hookimpl
    def {hook}(self, host):
        {body}
"""


def attempt(tmp_path, source, *, seconds=30.0, **order):
    (tmp_path / "hello_plugin.py").write_text(source)
    point = Point(name="hello", value="hello_plugin:Hello")
    return try_plugins(Order(folder=str(tmp_path), origin="hello", points=(point,), **order), seconds=seconds)["hello"]


def hook(name, body):
    return HOOKS.format(hook=name, body=body)


def test_a_good_plugin_has_its_hooks_and_no_reason(tmp_path):
    verdict = attempt(tmp_path, hook("aexl_routes", "return ()"))

    assert (verdict.hooks, verdict.reason) == (("aexl_routes",), None)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import os; os._exit(3)", "it ended its process with exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "it crashed its process (SIGKILL)"),
        ("import ctypes; ctypes.string_at(0)", "it crashed its process (SIGSEGV)"),
        ("import sys; sys.exit('not today')", "SystemExit: not today"),
        ("raise OSError('no disk')", "OSError: no disk"),
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("print('noise' * 200_000)\nraise OSError('no disk')", "OSError: no disk"),
        ("x = 1", "AttributeError: module 'hello_plugin' has no attribute 'Hello'"),
        (hook("aexl_routes", "return 3"), "aexl_routes: returned int, not a sequence of Mount"),
        (hook("aexl_metrics", "raise KeyError('x')"), "aexl_metrics: KeyError: 'x'"),
        (hook("aexl_rutes", "return ()"), "aexl_rutes"),
    ],
)
def test_what_is_wrong_with_a_plugin_is_said(tmp_path, source, reason):
    assert reason in attempt(tmp_path, source).reason


def test_a_plugin_that_hangs_is_killed_with_what_it_started(tmp_path):
    pid = tmp_path / "pid"
    source = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        f"open({str(pid)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(600)"
    )
    begun = time.monotonic()
    verdict = attempt(tmp_path, source, seconds=1.5)

    assert verdict.reason == "it did not come to an end within 1.5 seconds"
    assert time.monotonic() - begun < 15
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


OFFER = """
from aexl.api import Command
from aexl.hookspecs import Plugin, hookimpl

class Hello(Plugin):
    @hookimpl
    def aexl_commands(self):
        return [Command(name="agent", summary="mine", load=None)]
"""


def test_a_name_that_a_built_in_plugin_has_is_a_reason_unless_it_is_preferred(tmp_path):
    assert "command 'agent' already comes from plugin 'ledger'" in attempt(tmp_path, OFFER).reason
    assert attempt(tmp_path, OFFER, prefer={"command": {"agent": "hello"}}).reason is None


def test_no_key_of_the_machine_is_in_the_environment_of_what_is_only_tried(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    source = "import os\nassert 'OPENAI_API_KEY' not in os.environ, 'seen'\nclass Hello: pass"

    assert attempt(tmp_path, source).reason is None


def test_an_installed_plugin_is_compiled_and_no_start_writes_byte_code(home, make_wheel):
    [plugin] = install(home, [read_wheel(make_wheel(files={"hello_plugin.py": "class Hello: pass", "bad.py": "("}))])
    compiled = [path for path in plugin.files if path.endswith(".pyc")]

    assert compiled == [f"__pycache__/hello_plugin.{sys.implementation.cache_tag}.pyc"]
    for _ in range(2):
        assert Plugins(find_sources(home)).records["hello"].reason is None
        code = sys.modules.pop("hello_plugin").__dict__["__cached__"]
        assert Path(code).is_relative_to(home)


C_SOURCE = """
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *none) { return PyLong_FromLong(5050); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "hello_native", "", -1, methods};
PyMODINIT_FUNC PyInit_hello_native(void) { return PyModule_Create(&module); }
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no C compiler")
def test_a_wheel_with_a_c_extension_is_installed_and_works(home, make_wheel, tmp_path):
    (tmp_path / "native.c").write_text(C_SOURCE)
    name = f"hello_native{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = f"-I{sysconfig.get_paths()['include']}"
    subprocess.run(["gcc", "-shared", "-fPIC", "-w", include, tmp_path / "native.c", "-o", tmp_path / name], check=True)
    version = f"cp{sys.version_info.major}{sys.version_info.minor}"
    tag = f"{version}-{version}-linux_{os.uname().machine}"
    source = "import hello_native\nclass Hello:\n    answer = hello_native.answer()\n"
    path = make_wheel(
        tag=tag,
        files={"hello_plugin.py": source, name: (tmp_path / name).read_bytes()},
        wheel=f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n",
    )
    install(home, [read_wheel(path)])
    plugins = Plugins(find_sources(home))

    assert plugins.records["hello"].reason is None
    assert plugins.manager.get_plugin("hello").answer == 5050
    sys.modules.pop("hello_native")


def test_a_crash_at_installation_leaves_nothing_behind(home, make_wheel):
    with pytest.raises(PluginError, match=r"plugin 'hello', trial: it ended its process with exit code 3"):
        install(home, [read_wheel(make_wheel(files={"hello_plugin.py": "import os; os._exit(3)"}))])

    assert [path.name for path in (home / "plugins").iterdir()] == [".lock"]
