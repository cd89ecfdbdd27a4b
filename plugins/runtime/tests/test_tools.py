"""Tools that are sold: their tables, their manifests, and what a use is."""

import hashlib
import subprocess
import sys

import pytest

from aexl.api import Planning, Provider, Standing, Usage
from aexl.errors import ConfigError, Invalid
from aexl.testing.factories import make_call
from aexl.testing.host import FakeHost
from aexl_runtime.player import HandlersPlayer
from aexl_runtime.settings import ToolTable
from aexl_runtime.tools.manifest import read_manifest
from aexl_runtime.tools.offers import read_tools
from aexl_runtime.tools.provider import ToolsType

SOURCE = b"print()\n"


@pytest.fixture
def write(tmp_path):
    (tmp_path / "tool.py").write_bytes(SOURCE)

    def write(**changes):
        table = {
            "name": "t",
            "version": "1",
            "entrypoint": "python3 tool.py --fast",
            "sha256": hashlib.sha256(SOURCE).hexdigest(),
            **changes,
        }
        path = tmp_path / "manifest.yaml"
        path.write_text("".join(f"{key}: {value}\n" for key, value in table.items() if value is not None))
        return path

    return write


def test_a_manifest_says_what_runs_and_for_how_much(write, tmp_path):
    manifest = read_manifest(write(cost_micro=700, ttl_ms=5000, net_policy="allow", allowed_fs="[/srv]"))
    assert manifest.words == ("python3", str(tmp_path / "tool.py"), "--fast")
    assert (manifest.price, manifest.seconds, manifest.network, manifest.readable) == (700_000, 5.0, True, ("/srv",))
    manifest.check()
    (tmp_path / "tool.py").write_text("other")
    with pytest.raises(Invalid, match="has changed"):
        manifest.check()
    (tmp_path / "tool.py").unlink()
    with pytest.raises(Invalid, match="cannot be read"):
        manifest.check()


def test_a_manifest_that_says_little_has_defaults(write):
    manifest = read_manifest(write())
    assert (manifest.price, manifest.seconds, manifest.output, manifest.network) == (500_000, 3.0, 65536, False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": None}, "needs 'name'"),
        ({"sha256": None}, "needs 'sha256'"),
        ({"entrypoint": "python3 nothing.py"}, "names no file beside the manifest"),
        ({"entrypoint": "python3 ../tool.py"}, "names no file beside the manifest"),
        ({"entrypoint": "/bin/true"}, "names no file beside the manifest"),
        ({"cost_micro": -1}, "cost_micro must be from 0 to 10000000"),
        ({"cost_micro": 10_000_001}, "cost_micro must be from 0"),
        ({"ttl_ms": 99}, "ttl_ms must be from 100 to 60000"),
        ({"max_output_bytes": 1_000_001}, "max_output_bytes must be from 1000"),
        ({"net_policy": "maybe"}, "must be deny or allow"),
        ({"allowed_fs": "[relative]"}, "list of absolute paths"),
    ],
)
def test_a_manifest_that_is_wrong_says_where(write, changes, message):
    with pytest.raises(Invalid, match=message):
        read_manifest(write(**changes))


def test_what_is_no_manifest_is_said_to_be_none(tmp_path):
    for text in ("- a\n- b\n", "a: [", "\x00"):
        path = tmp_path / "m.yaml"
        path.write_text(text)
        with pytest.raises(Invalid):
            read_manifest(path)
    with pytest.raises(Invalid, match="cannot be read"):
        read_manifest(tmp_path / "missing.yaml")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (ToolTable(), "needs either 'snapshot' or 'manifest'"),
        (ToolTable(snapshot="/p", manifest="/m"), "needs either"),
        (ToolTable(snapshot="/p", price="free"), "price must be a plain decimal"),
        (ToolTable(manifest="relative"), "must be absolute"),
    ],
)
def test_a_table_that_is_wrong_is_an_error_of_the_configuration(table, message, tables):
    with pytest.raises(ConfigError, match=message) as caught:
        read_tools(tables(t=table))
    assert caught.value.problems[0].key == "tools.t"


@pytest.fixture
def kind(tmp_path):
    return ToolsType(HandlersPlayer(FakeHost(tmp_path)).service)


def test_the_provider_is_there_if_a_tool_is(kind, tables):
    assert isinstance(kind, Standing)
    assert kind.standing(tables()) is None
    provider = kind.standing(tables(t=ToolTable(snapshot="/p")))
    assert isinstance(provider, Provider)
    assert isinstance(provider, Planning)
    with pytest.raises(ConfigError, match="tools are offered by"):
        kind.build("mine", {})


def test_a_use_is_planned_at_its_price(kind, tables):
    provider = kind.standing(tables(t=ToolTable(snapshot="/p", price="0.0005")))
    plan = provider.plan(make_call(surface="tools", model="t"))
    assert (plan.hold, plan.fixed, plan.output_bound) == (500_000, 500_000, 0)
    [target] = plan.targets
    assert target.price.cost(Usage(tool_uses={"t": 1})) == 500_000
    assert provider.plan(make_call(surface="tools", model="other")) is None


@pytest.mark.slow
def test_the_plugin_is_light_until_a_handler_is_run():
    code = (
        "import sys, aexl.core.host; from aexl_runtime import player, step; from aexl_runtime.tools import app, provider;"
        "print([n for n in sys.modules if n.startswith('aexl_runtime.sandbox') or n == 'aexl_runtime.service'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
