"""What is found out is kept, and asked for again when it cannot be trusted any more."""

import json
import os
import sys

import pytest

from aexl_runtime.sandbox import probing
from aexl_runtime.sandbox.confining import confine
from aexl_runtime.sandbox.paths import is_public, outermost
from aexl_runtime.sandbox.ports import Layer, Policy, Probed

FOUND = Probed(
    problems={Layer.LANDLOCK: "too old"}, uid=os.geteuid(), landlock=0, accounts=(5, 9), groups={"pids": "/p"}
)


@pytest.fixture
def asked(monkeypatch):
    """How often the machine was asked; each process's memory is empty at first."""
    asked = []
    monkeypatch.setattr(probing, "_known", {})
    monkeypatch.setattr(probing, "_ask", lambda: asked.append(1) or FOUND)
    return asked


def test_a_machine_is_asked_once_in_a_processs_life(asked):
    assert probing.probe() is probing.probe()
    assert asked == [1]


def test_a_later_process_reads_what_was_kept(asked, tmp_path):
    cache = tmp_path / "made" / "sandbox.json"
    assert probing.probe(cache) == FOUND
    probing._known.clear()
    assert probing.probe(cache) == FOUND
    assert asked == [1]
    assert cache.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": []}', '{"key": 1, "probed": {}}'])
def test_a_file_that_is_broken_is_written_anew(asked, tmp_path, text):
    cache = tmp_path / "sandbox.json"
    cache.write_text(text)
    assert probing.probe(cache) == FOUND
    assert json.loads(cache.read_text())["probed"]["landlock"] == 0


@pytest.mark.parametrize("position", range(5))
def test_findings_of_another_start_kernel_user_or_program_are_not_used(asked, tmp_path, position):
    cache = tmp_path / "sandbox.json"
    probing.probe(cache)
    record = json.loads(cache.read_text())
    record["key"][position] = "another"
    cache.write_text(json.dumps(record))
    probing._known.clear()
    probing.probe(cache)
    assert asked == [1, 1]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these layers")
def test_each_layer_of_this_machine_is_there_or_has_a_reason():
    found = probing._ask()
    assert found.uid == os.geteuid()
    assert all(reason for reason in found.problems.values())
    assert found.has(Layer.LANDLOCK) == (found.landlock > 0)
    assert found.has(Layer.CGROUPS) == bool(found.groups)
    assert confine(Policy(demands={}), ["true"], probed=found).report.json()["enforced"]


def test_a_folder_in_another_one_is_not_shown_twice():
    assert outermost(["/usr/lib", "/usr", "/usrlocal", "/a/b/", "/a/b/c"]) == ("/a/b", "/usr", "/usrlocal")


def test_a_folder_is_public_only_if_the_way_to_it_is(tmp_path):
    inner = tmp_path / "closed" / "open"
    inner.mkdir(parents=True)
    inner.parent.chmod(0o700)
    inner.chmod(0o755)
    assert is_public(str(inner), alone=True)
    assert not is_public(str(inner), alone=False)
    inner.chmod(0o750)
    assert not is_public(str(inner), alone=True)
    assert not is_public(str(tmp_path / "missing"), alone=True)
