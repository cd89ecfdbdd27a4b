"""The plugin in a host: off it is nothing, on it changes nothing that passes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from aexl.api import Provider
from aexl.testing.factories import make_call, make_target
from aexl.testing.loading import PluginConformance
from aexl.testing.provider import FakeProvider, FakeReply, ProviderConformance, read_all
from aexl_telemetry.observer import KEPT, MOST, Notebook, Observed
from aexl_telemetry.plugin import TelemetryPlugin


class TestOff(PluginConformance):
    def make_plugin(self) -> object:
        return TelemetryPlugin


class TestOn(TestOff):
    config = "[telemetry]\nendpoint = 'http://127.0.0.1:1'\nflush_seconds = 0.1\n"


class TestObserved(ProviderConformance):
    def make_provider(self) -> Provider:
        return Observed(FakeProvider(), Notebook())

    def scripted(self, reply: FakeReply) -> Provider:
        return Observed(FakeProvider(reply), Notebook())


@pytest.mark.parametrize(("size", "kept"), [(KEPT, 2), (KEPT + 1, 0)])
async def test_of_an_answer_that_is_too_long_nothing_is_read(size, kept):
    notebook = Notebook()
    call = make_call()
    reply = FakeReply(chunks=(b"x" * (size - 1), b"y"))
    async with Observed(FakeProvider(reply), notebook).open(call, make_target()) as answer:
        await read_all(answer)
    seen = notebook.take(call.id)

    assert len(seen.pieces()) == kept
    assert notebook.take(call.id) is None


def test_answers_that_nobody_asks_for_are_forgotten():
    notebook = Notebook()
    for number in range(MOST + 1):
        notebook.begin(str(number), True)

    assert notebook.take("0") is None
    assert notebook.take("1") is not None


@pytest.mark.slow
@pytest.mark.parametrize(("text", "is_on"), [("", False), ("[telemetry]\nendpoint = 'http://127.0.0.1:1'\n", True)])
def test_while_it_is_off_nothing_of_it_is_imported_and_nobody_listens(home, text, is_on):
    (home / "aexl.toml").write_text(text)
    code = (
        "import sys, pathlib\n"
        "from aexl.core.host import LocalHost\n"
        "from aexl.core.surroundings import Surroundings\n"
        "host = LocalHost(Surroundings(pathlib.Path(sys.argv[1]), environ={}))\n"
        "print(sorted(name for name in sys.modules if name.startswith('aexl_telemetry')))\n"
        "print([o.plugin for o in host.registry.offers('aexl_subscribers') if o.plugin == 'telemetry'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(home)], capture_output=True, text=True, check=True)
    modules, subscribers = done.stdout.splitlines()

    assert (modules == "['aexl_telemetry', 'aexl_telemetry.config', 'aexl_telemetry.plugin']") is not is_on
    assert subscribers == ("['telemetry']" if is_on else "[]")


def test_a_variable_that_cannot_be_followed_switches_the_plugin_off_and_says_why(home, monkeypatch):
    from aexl.core.host import LocalHost
    from aexl.core.plugins import Source
    from aexl.core.surroundings import Surroundings

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    (home / "aexl.toml").write_text("")
    source = Source("telemetry", "tests", "0", TelemetryPlugin)
    host = LocalHost(Surroundings(home, environ={}, sources=[source]))

    assert "aexl exports http/protobuf and http/json" in str(host.plugins.records["telemetry"].reason)
