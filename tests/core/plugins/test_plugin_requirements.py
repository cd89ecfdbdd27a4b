"""How requirements are met: by the host, by given wheels, by what the plugin's folder has."""

from __future__ import annotations

from aexl.core.plugins.requirements import Present, host_distributions, plan_folder
from aexl.core.plugins.wheel import read_wheel

HOST = {"msgspec": Present("0.20.0"), "httpx": Present("0.28.1", ('h2>=3; extra == "http2"', "certifi"))}


def plan(requires, *, given=(), host=None, own=None):
    wheels = {wheel.name: wheel for wheel in map(read_wheel, given)}
    return plan_folder("hello", requires, given=wheels, host=HOST if host is None else host, own=own or {})


def test_what_the_host_has_is_there():
    found = plan(["msgspec>=0.19", "httpx", "aexl>=0.0.1"])

    assert (found.missing, found.contradictions, found.wheels) == ([], [], [])


def test_the_hosts_version_wins_also_against_a_given_wheel(make_wheel):
    found = plan(["msgspec>=0.21"], given=[make_wheel("msgspec", "0.21", plugins={})])

    assert found.contradictions == ["hello needs msgspec>=0.21, and aexl's own msgspec is 0.20.0, and it always wins"]


def test_an_extra_of_a_host_package_is_looked_at_too():
    assert plan(["httpx[http2]"]).missing == ["h2>=3"]
    assert plan(["httpx[http2]"], host={**HOST, "h2": Present("4.0")}).missing == []


def test_what_given_wheels_require_is_followed(make_wheel):
    one = make_wheel("one", "1.2", plugins={}, requires=["Two_Things>=2"])
    two = make_wheel("two-things", "2.0", plugins={}, requires=["three"])
    found = plan(["one>1"], given=[one, two])

    assert [wheel.name for wheel in found.wheels] == ["one", "two-things"]
    assert found.missing == ["three"]


def test_a_given_wheel_of_a_wrong_version_is_a_contradiction(make_wheel):
    found = plan(["one>=2"], given=[make_wheel("one", "1.2", plugins={})])

    assert found.contradictions == ["hello needs one>=2, and the given one is 1.2"]


def test_what_the_folder_has_goes_on_being_used_while_it_fits():
    own = {"one": Present("1.2", ("two",)), "two": Present("1")}

    assert plan(["one"], own=own).kept == ["one", "two"]
    assert plan(["one>=2"], own=own).missing == ["one>=2"]


def test_requirements_that_do_not_apply_here_are_none():
    assert plan(['other; python_version < "3"', 'more; extra == "dev"']).missing == []


def test_requirements_in_a_circle_come_to_an_end(make_wheel):
    one = make_wheel("one", plugins={}, requires=["two"])
    two = make_wheel("two", plugins={}, requires=["one", "hello"])
    found = plan(["one"], given=[one, two])

    assert [wheel.name for wheel in found.wheels] == ["one", "two"]
    assert found.missing == ["hello"]


def test_another_aexl_than_this_is_a_contradiction():
    [sentence] = plan(["aexl>=99"]).contradictions

    assert "needs aexl>=99, and this is aexl" in sentence


def test_the_folders_of_plugins_are_no_part_of_the_host(tmp_path, monkeypatch):
    folder = tmp_path / "plugins" / "x"
    (folder / "lonely-1.0.dist-info").mkdir(parents=True)
    (folder / "lonely-1.0.dist-info" / "METADATA").write_text("Name: lonely\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(folder))

    assert "lonely" in host_distributions(tmp_path / "elsewhere")
    assert "lonely" not in host_distributions(tmp_path / "plugins")
    assert host_distributions(tmp_path)["msgspec"].version
