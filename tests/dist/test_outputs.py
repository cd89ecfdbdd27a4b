"""The files in ``dist/out``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from freezing.binaries import glibc_floor, is_compiled
from freezing.neutral import leaks, machine_paths

import build

pytestmark = pytest.mark.dist

ROOT = Path(__file__).parents[2]
SIZE = 40_000_000


@pytest.fixture(scope="module")
def bill(out):
    return json.loads((out / "sbom.json").read_text())


def test_the_sums_are_those_of_the_files(out):
    listed = dict(line.split("  ")[::-1] for line in (out / "SHA256SUMS").read_text().splitlines())

    assert listed == {
        name: hashlib.sha256((out / name).read_bytes()).hexdigest()
        for name in ("aexl", "aexl-onedir.tar.gz", "sbom.json")
    }


def test_the_bill_of_materials_follows_the_schema(out):
    from cyclonedx.schema import SchemaVersion  # a second, which only this test needs
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str((out / "sbom.json").read_text()) is None


def test_the_bill_names_distributions_libraries_and_what_is_linked_into_them(bill):
    components = {component["name"]: component for component in bill["components"]}

    assert bill["metadata"]["component"]["name"] == "aexl"
    assert {"trio", "obstore", "psycopg-binary", "cpython", "pyinstaller-bootloader"} <= set(components)
    assert {"sqlite (in apsw)", "openssl (in cryptography)", "libpq (in psycopg-binary)"} <= set(components)
    assert all(component["version"] for name, component in components.items() if "linked:" in component["bom-ref"])
    assert any(name.startswith("libcrypto") for name in components)
    assert all("hashes" in component for component in bill["components"] if "file:" in component["bom-ref"])
    assert {"pyinstaller", "setuptools", "pip"}.isdisjoint(components)


def test_every_distribution_in_the_bill_has_the_hash_of_its_wheel(bill):
    packages = [
        one for one in bill["components"] if one.get("purl", "").startswith("pkg:pypi") and "#" not in one["bom-ref"]
    ]

    assert len(packages) > 30
    assert [one["name"] for one in packages if "hashes" not in one] == []


def test_the_onefile_has_its_floor_of_size(onefile):
    assert onefile.stat().st_size <= SIZE


def test_nothing_names_the_machine_that_built_it(onedir):
    assert list(leaks(onedir.parent, machine_paths(ROOT, ROOT / "build" / "dist"))) == []


def test_the_glibc_floor_is_known(onedir):
    major, minor = glibc_floor(path for path in onedir.parent.rglob("*") if is_compiled(path))

    assert (2, 17) <= (major, minor) <= (2, 40)


def test_only_what_is_frozen_makes_a_new_build_needed(tmp_path, monkeypatch):
    for name in ("aexl/__init__.py", "dist/build.py", "dist/freezing/later.py", "pyproject.toml", "tests/test_x.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    for name in ("README.md", "LICENSE", "requirements/dist.txt", "dist/aexl.spec", "dist/early.py", "dist/verify.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "HERE", tmp_path / "dist")
    first = build.inputs()

    (tmp_path / "tests/test_x.py").write_text("other")
    (tmp_path / "dist/verify.py").write_text("other")
    assert build.inputs() == first
    (tmp_path / "aexl/__init__.py").write_text("other")
    assert build.inputs() != first
