"""Each stranger's plugin is built into a wheel, and runs the conformance suite of its kind out of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "plugins"
SUITES = {"handbook": "ProviderConformance", "keyguard": "AdmissionConformance", "wallboard": "MountConformance"}


def test_every_example_is_tried():
    assert {path.parent.name for path in EXAMPLES.glob("*/pyproject.toml")} == set(SUITES)


@pytest.mark.slow
@pytest.mark.parametrize("name", SUITES)
def test_an_example_runs_its_suite_out_of_its_own_wheel(name, build_example, unpack, tmp_path):
    tests = EXAMPLES / name / "tests"
    text = "".join(path.read_text() for path in tests.glob("*.py"))
    assert f"({SUITES[name]})" in text
    assert "(PluginConformance)" in text

    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "aexl.testing.plugin", "-p", "no:cacheprovider"]
    command += ["-c", str(EXAMPLES / name / "pyproject.toml"), "--import-mode=importlib", str(tests)]
    env = os.environ | {"PYTHONPATH": str(unpack(build_example(name)))}
    ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", SUITES)
def test_a_wheel_has_its_entry_point_and_no_tests(name, build_example):
    project = tomllib.loads((EXAMPLES / name / "pyproject.toml").read_text())["project"]
    with zipfile.ZipFile(build_example(name)) as archive:
        names = archive.namelist()
        points = next(archive.read(path).decode() for path in names if path.endswith("entry_points.txt"))
    assert points.split() == ["[aexl.plugins]", name, "=", project["entry-points"]["aexl.plugins"][name]]
    assert f"aexl_{name}/py.typed" in names
    assert not [path for path in names if "test" in path]


@pytest.mark.slow
def test_one_wheel_of_the_handbook_serves_every_python_from_3_11_on(build_example):
    assert "-cp311-abi3-" in build_example("handbook").name


@pytest.mark.slow
def test_the_handbook_needs_a_module_of_the_standard_library_that_the_host_does_not():
    script = (
        "import importlib, pkgutil, sys, aexl\n"
        "for module in pkgutil.walk_packages(aexl.__path__, 'aexl.'):\n"
        "    if '__main__' not in module.name: importlib.import_module(module.name)\n"
        "assert 'graphlib' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert "from graphlib import" in (EXAMPLES / "handbook/aexl_handbook/synonyms.py").read_text()


def test_the_examples_keep_to_what_a_plugin_may_import():
    for path in EXAMPLES.glob("*/aexl_*/*.py"):
        assert "aexl.core" not in path.read_text(), path
