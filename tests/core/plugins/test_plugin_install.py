"""Installing, upgrading and removing: all of it or nothing, also when the process is killed in the middle."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from pathlib import Path

import msgspec
import pytest

from aexl.core.plugins import Plugins, find_sources
from aexl.core.plugins.folders import find, remove
from aexl.core.plugins.install import Workshop, install
from aexl.core.plugins.lock import LOCK_NAME, read_lock
from aexl.core.plugins.wheel import read_wheel
from aexl.core.plugins.worker import Verdict
from aexl.errors import Conflict, NotFound, PluginError, Unavailable

pytestmark = pytest.mark.usefixtures("clean_imports")


@pytest.fixture
def put(home, make_wheel, shop):
    """Build a wheel and install it, with others."""

    def do(*arguments, more=(), workshop=shop, **options):
        wheels = [read_wheel(path) for path in (make_wheel(*arguments, **options), *more)]
        return install(home, wheels, workshop=workshop)

    return do


def names(root):
    return sorted(path.name for path in root.iterdir())


def state(home):
    """What counts: each plugin's version, and whether it is on."""
    records = Plugins(s for s in find_sources(home) if s.place == "folder").records
    return {name: (record.version, record.reason) for name, record in records.items()}


def test_an_installed_plugin_is_on_and_its_hooks_are_known(home, put):
    put()
    plugins = Plugins(find_sources(home))

    record = plugins.records["hello"]
    assert (record.version, record.reason, record.place) == ("1.0", None, "folder")
    assert record.hooks == ("aexl_commands",)
    assert names(home / "plugins") == [".lock", "hello", "lock.json"]
    assert (home / "plugins").stat().st_mode & 0o77 == 0


def test_a_plugin_that_is_off_is_neither_imported_nor_put_on_the_path(home, put):
    put(files={"hello_plugin.py": "raise SystemExit('imported')"})
    path = list(sys.path)
    record = Plugins(find_sources(home), off=["hello"]).records["hello"]

    assert record.reason == "switched off by [plugins] off"
    assert record.hooks == ("aexl_commands",)
    assert sys.path == path


def test_the_hosts_packages_stand_before_the_plugins(home, put):
    put(files={"hello_plugin.py": "import msgspec\nclass Hello:\n    place = msgspec.__file__\n", "msgspec.py": ""})
    plugins = Plugins(find_sources(home))

    assert plugins.manager.get_plugin("hello").place == msgspec.__file__


def test_a_changed_file_switches_the_plugin_off_by_name_and_nothing_of_it_is_imported(home, put):
    [plugin] = put()
    (home / "plugins" / plugin.folder / "hello_plugin.py").write_text("raise SystemExit('imported')")
    put("other")

    assert state(home)["other"] == ("1.0", None)
    assert "hello_plugin.py changed; install it again" in state(home)["hello"][1]


def test_an_upgrade_replaces_and_the_old_files_go(home, put):
    put()
    put(version="2.0")

    assert state(home) == {"hello": ("2.0", None)}
    assert len(names(home / "plugins" / "hello")) == 1


def test_files_that_a_running_server_may_have_loaded_stay_until_a_later_one_runs(home, make_wheel, shop):
    def put(version, since):
        install(home, [read_wheel(make_wheel(version=version))], workshop=shop, server_since=since)

    put("1.0", None)
    put("2.0", time.time() - 60)
    assert len(names(home / "plugins" / "hello")) == 2
    put("3.0", time.time() - 30)
    assert len(names(home / "plugins" / "hello")) == 3
    put("4.0", time.time() + 60)  # a server that has started since
    assert len(names(home / "plugins" / "hello")) == 1
    remove(home, "hello", server_since=time.time() - 60)
    assert len(names(home / "plugins" / "hello")) == 1
    assert state(home) == {}


def test_a_dependency_comes_along_and_stays_over_an_upgrade(home, put, make_wheel):
    needs = make_wheel("needed", "1.5", files={"needed.py": "answer = 42\n"}, plugins={})
    put(requires=["needed>=1"], more=[needs])
    source = "import needed\nclass Hello:\n    answer = needed.answer\n"
    [plugin] = put(version="2.0", requires=["needed>=1"], files={"hello_plugin.py": source})

    assert [wheel.name for wheel in plugin.wheels] == ["hello", "needed"]
    assert Plugins(find_sources(home)).manager.get_plugin("hello").answer == 42
    sys.modules.pop("needed")


def test_what_is_missing_is_said_and_nothing_is_changed(home, put):
    with pytest.raises(Conflict, match=r"hello 1.0 is not installed: it needs needed>=1, which is not there"):
        put(requires=["needed>=1"])

    assert state(home) == {}
    assert names(home / "plugins") == [".lock"]


def test_a_wheel_that_nobody_needs_is_refused(put, make_wheel):
    with pytest.raises(Conflict, match=r"needed-1.0-py3-none-any.whl is no plugin, and hello does not need it"):
        put(more=[make_wheel("needed", plugins={})])


def test_a_wheel_of_the_hosts_own_package_is_left_out(put, make_wheel):
    [plugin] = put(requires=["msgspec"], more=[make_wheel("msgspec", "99.0", plugins={})])

    assert [wheel.name for wheel in plugin.wheels] == ["hello"]


def test_a_wheel_without_a_plugin_is_none(put):
    with pytest.raises(Conflict, match="no plugin, for there is no entry point"):
        put(plugins={})


def test_a_name_of_another_plugin_is_refused(put):
    with pytest.raises(Conflict, match=r"a plugin called 'echo' comes from aexl .* already"):
        put(plugins={"echo": "hello_plugin:Hello"})
    put()
    with pytest.raises(Conflict, match=r"a plugin called 'hello' comes from hello 1.0 already"):
        put("other", plugins={"hello": "other_plugin:Hello"})


def test_two_plugins_cannot_bring_two_versions_of_one_package(put, make_wheel):
    put(requires=["needed"], more=[make_wheel("needed", "1.0", plugins={})])
    with pytest.raises(Conflict, match=r"plugin hello brings needed 1.0, and only one version can be loaded"):
        put("other", requires=["needed"], more=[make_wheel("needed", "2.0", plugins={})])
    put("other", requires=["needed"], more=[make_wheel("needed", "1.0", plugins={})])


def test_two_wheels_of_one_plugin_with_one_file_are_refused(put, make_wheel):
    with pytest.raises(Exception, match="another wheel of this plugin has a file of the same name"):
        put(requires=["needed"], more=[make_wheel("needed", files={"hello_plugin.py": ""}, plugins={})])


def test_several_plugins_are_installed_together_or_none_is(home, put, make_wheel, shop, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # this workshop compiles nothing, so an import would
    put(more=[make_wheel("other")])
    assert state(home) == {"hello": ("1.0", None), "other": ("1.0", None)}

    def load(order):
        return {p.name: Verdict(reason="no" if p.name == "other" else None) for p in order.points}

    with pytest.raises(PluginError, match="'other', trial: no; it is not installed"):
        put(version="2.0", more=[make_wheel("other", "2.0")], workshop=Workshop(compile=shop.compile, load=load))
    assert state(home) == {"hello": ("1.0", None), "other": ("1.0", None)}
    assert names(home / "plugins") == [".lock", "hello", "lock.json", "other"]


def test_an_upgrade_that_cannot_be_loaded_leaves_the_old_one(home, put, shop):
    put()
    broken = Workshop(compile=shop.compile, load=lambda order: {"hello": Verdict(reason="it crashed")})
    with pytest.raises(PluginError, match="it crashed"):
        put(version="2.0", workshop=broken)

    assert state(home) == {"hello": ("1.0", None)}


def test_a_plugin_that_writes_into_its_own_folder_is_refused(put, shop):
    def load(order):
        Path(order.folder, "cache.txt").write_text("")
        return {"hello": Verdict()}

    with pytest.raises(PluginError, match="it writes into its own folder"):
        put(workshop=Workshop(compile=shop.compile, load=load))


def test_a_wheel_that_changed_since_it_was_read_is_refused(home, make_wheel, shop):
    wheel = read_wheel(make_wheel())
    make_wheel(files={"hello_plugin.py": "import evil"})
    with pytest.raises(Exception, match="the file changed while it was read"):
        install(home, [wheel], workshop=shop)

    assert state(home) == {}


def test_only_one_command_changes_plugins_at_a_time(home, put):
    (home / "plugins").mkdir()
    with (home / "plugins" / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="another command is changing the plugins"):
            put()


def test_removing_takes_everything_away(home, put):
    put("other")
    put(requires=[])
    assert remove(home, "hello").version == "1.0"

    assert state(home) == {"other": ("1.0", None)}
    assert names(home / "plugins") == [".lock", "lock.json", "other"]
    with pytest.raises(NotFound, match="no plugin 'hello' is installed"):
        remove(home, "hello")


def test_a_plugin_is_found_by_its_own_name_and_by_its_distributions(home, put):
    put("my-dist", plugins={"short": "my_dist_plugin:Hello"})
    lock = read_lock(home / "plugins")

    assert find(lock, "short") is find(lock, "My_Dist") is not None
    assert find(lock, "other") is None


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"version": 1, "plugins": 3}', '{"version": 2}', "[]"],
)
def test_a_lock_that_cannot_be_read_switches_its_plugins_off_and_says_so(home, put, text):
    put()
    (home / "plugins" / LOCK_NAME).write_text(text)

    [(_, reason)] = state(home).values()
    assert LOCK_NAME in reason


@pytest.mark.parametrize("folder", ["../../etc", "hello/../../x", "/etc", "hello", "other/0123456789abcdef"])
def test_a_lock_that_names_a_folder_elsewhere_is_not_followed(home, put, folder):
    [plugin] = put()
    path = home / "plugins" / LOCK_NAME
    path.write_text(path.read_text().replace(plugin.folder, folder))

    assert "none of ours" in state(home)["hello"][1]


def test_a_folder_that_was_put_there_by_hand_is_named_and_not_loaded(home, put):
    put()
    (home / "plugins" / "byhand").mkdir()
    (home / "plugins" / "byhand" / "byhand.py").write_text("raise SystemExit")

    assert state(home)["hello"] == ("1.0", None)
    assert "was not put there by 'aexl plugin install'" in state(home)["byhand"][1]


def test_a_plugin_of_another_python_is_off_with_what_to_do(home, put):
    put()
    path = home / "plugins" / LOCK_NAME
    path.write_text(path.read_text().replace(f'"{sys.implementation.cache_tag}"', '"cpython-399"'))

    assert state(home)["hello"][1] == (
        f"it was installed for cpython-399, and this is {sys.implementation.cache_tag}; install it again"
    )


def test_a_start_that_read_the_lock_just_before_an_upgrade_loads_the_new_version(home, put):
    put()
    sources = [source for source in find_sources(home) if source.place == "folder"]
    put(version="2.0")

    plugins = Plugins(sources)
    assert plugins.records["hello"].reason is None
    assert sys.modules["hello_plugin"].VERSION == "2.0"


def test_the_path_lines_of_an_editable_wheel_are_followed(home, put, tmp_path):
    source = tmp_path / "checkout"
    source.mkdir()
    (source / "hello_plugin.py").write_text("class Hello:\n    edited = 1\n")
    put(files={"__editable__.hello.pth": f"{source}\n"})

    assert Plugins(find_sources(home)).manager.get_plugin("hello").edited == 1


def killed_after(step, work):
    """Run ``work`` in a process that ends itself at its so-many-th change of the file system."""
    child = os.fork()
    if child == 0:
        count = 0

        def hook(event, arguments):
            nonlocal count
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if writes or event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.utime"):
                count += 1
                if count > step:
                    os._exit(9)

        try:
            sys.addaudithook(hook)
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.slow
@pytest.mark.parametrize("what", ["install", "upgrade", "remove"])
def test_killed_at_any_point_there_is_the_old_state_or_the_new_one(home, make_wheel, shop, what):
    one, two = read_wheel(make_wheel()), read_wheel(make_wheel(version="2.0"))
    old, new = {
        "install": ({}, {"hello": ("1.0", None)}),
        "upgrade": ({"hello": ("1.0", None)}, {"hello": ("2.0", None)}),
        "remove": ({"hello": ("1.0", None)}, {}),
    }[what]
    work = {
        "install": lambda: install(home, [one], workshop=shop),
        "upgrade": lambda: install(home, [two], workshop=shop),
        "remove": lambda: remove(home, "hello"),
    }[what]
    seen = []
    for step in range(100):
        if (home / "plugins" / LOCK_NAME).exists() and read_lock(home / "plugins").plugins:
            remove(home, "hello")
        if old:
            install(home, [one], workshop=shop)
        code = killed_after(step, work)
        found = state(home)
        sys.modules.pop("hello_plugin", None)
        assert found in (old, new), f"after step {step}"
        seen.append(found)
        if code == 0:
            break
        assert code == 9
        install(home, [one], workshop=shop)  # the next change sweeps
        assert len(names(home / "plugins" / "hello")) == 1
        assert [
            name for name in names(home / "plugins") if name not in (".lock", ".seen.json", "hello", LOCK_NAME)
        ] == []
    assert seen[0] == old
    assert seen[-1] == new
    assert len(seen) > (3 if what == "remove" else 8)
    assert code == 0
