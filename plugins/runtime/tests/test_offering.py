"""What the built-in interpreter says it offers."""

from __future__ import annotations

import platform
import sys

from aexl.api import BUILTIN
from aexl.sdk import SDK_VERSION
from aexl_runtime.offering import SHIM, builtin_offer


def install(folder, name, version):
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_it_offers_its_own_versions_and_what_is_installed(tmp_path):
    offer = builtin_offer(tmp_path / "plugins", compat=False)
    assert (offer.name, offer.python, offer.sdk) == (BUILTIN, platform.python_version(), SDK_VERSION)
    assert {"aexl", "msgspec", "pytest-trio"} <= set(offer.distributions)
    assert (offer.problem, SHIM in offer.distributions) == ("", False)


def test_names_are_normalised_and_the_servers_plugins_are_not_the_handlers(tmp_path, monkeypatch):
    plugins = tmp_path / "plugins"
    install(plugins / "one", "only-a-plugin", "1.0")
    install(tmp_path / "site", "Odd__Name.x", "2.0")
    monkeypatch.setattr(sys, "path", [*sys.path, str(plugins / "one"), str(tmp_path / "site")])
    offered = builtin_offer(plugins, compat=False).distributions
    assert offered["odd-name-x"] == "2.0"
    assert "only-a-plugin" not in offered


def test_the_older_sdk_is_answered_for_where_the_server_says_so(tmp_path):
    assert builtin_offer(tmp_path / "plugins", compat=True).distributions[SHIM] == SDK_VERSION
