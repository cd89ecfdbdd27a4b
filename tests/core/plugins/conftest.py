"""Wheels made by hand, so that each can be wrong in one way."""

from __future__ import annotations

import base64
import hashlib
import importlib
import os
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from aexl.core.plugins.install import Workshop
from aexl.core.plugins.requirements import Present, host_distributions
from aexl.core.plugins.worker import Order, Verdict, Verdicts

MakeWheel = Callable[..., Path]

PLUGIN = """
from aexl.hookspecs import Plugin, hookimpl

VERSION = {version!r}

class Hello(Plugin):
    @hookimpl
    def aexl_commands(self):
        return []
"""


def record_row(name: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"{name},sha256={digest},{len(data)}\n"


def build_wheel(
    folder: Path,
    name: str = "hello",
    version: str = "1.0",
    *,
    tag: str = "py3-none-any",
    files: Mapping[str, str | bytes] | None = None,
    plugins: Mapping[str, str] | None = None,
    requires: Sequence[str] = (),
    metadata: str = "",
    wheel: str | None = None,
    record: Callable[[str], str] = str,
    change: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a wheel.

    Args:
        files: What is in it; by default a module with a plugin that has one hook.
        plugins: Entry points; by default that plugin, called as the distribution is.
        metadata: More lines of METADATA.
        wheel: The text of WHEEL.
        record: Changes the text of RECORD.
        change: Contents that RECORD does not know of.
    """
    plain = name.replace("-", "_")
    info = f"{plain}-{version}.dist-info"
    contents = {f"{plain}_plugin.py": PLUGIN.format(version=version)} if files is None else dict(files)
    points = {name: f"{plain}_plugin:Hello"} if plugins is None else plugins
    needs = "".join(f"Requires-Dist: {text}\n" for text in requires)
    contents[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}{metadata}\n"
    contents[f"{info}/WHEEL"] = wheel or f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
    if points:
        rows = "".join(f"{key} = {value}\n" for key, value in points.items())
        contents[f"{info}/entry_points.txt"] = f"[aexl.plugins]\n{rows}"
    data = {key: value.encode() if isinstance(value, str) else value for key, value in contents.items()}
    text = "".join(record_row(key, value) for key, value in data.items()) + f"{info}/RECORD,,\n"
    data[f"{info}/RECORD"] = record(text).encode()
    path = folder / f"{plain}-{version}-{tag}.whl"
    folder.mkdir(exist_ok=True, parents=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, value in {**data, **(change or {})}.items():
            archive.writestr(key, value)
    return path


@pytest.fixture
def make_wheel(tmp_path: Path) -> MakeWheel:
    """``build_wheel`` in a folder of the test's own."""

    def make(*arguments: str, **options: object) -> Path:
        return build_wheel(tmp_path / "wheels", *arguments, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def shop() -> Workshop:
    """A workshop that starts no process: nothing is compiled, and every plugin loads."""

    def load(order: Order) -> Verdicts:
        return {point.name: Verdict(hooks=("aexl_commands",)) for point in order.points}

    return Workshop(compile=lambda folder, final: None, load=load)


@pytest.fixture
def clean_imports() -> Iterator[None]:
    """Whatever a test imports from a plugin's folder is gone afterwards."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.endswith("_plugin"):
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here loses power, so nothing waits for the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="session")
def present() -> Mapping[str, Present]:
    """What this environment has, read once."""
    return host_distributions(Path("nowhere"))


@pytest.fixture(autouse=True)
def quick_environment(monkeypatch: pytest.MonkeyPatch, present: Mapping[str, Present]) -> None:
    """The environment does not change, so it is not read for each installation."""
    monkeypatch.setattr("aexl.core.plugins.install.host_distributions", lambda root: present)
