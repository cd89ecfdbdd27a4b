"""The plugin's own promises, and those of every plugin and every gate."""

import pytest

from aexl.api import Call, Plan
from aexl.errors import ConfigError, Refused
from aexl.testing.admission import AdmissionConformance, enter
from aexl.testing.factories import make_call, make_plan, make_principal
from aexl.testing.host import FakeConfig
from aexl.testing.loading import PluginConformance
from aexl_keyguard.finding import KNOWN, Finder
from aexl_keyguard.gate import KeyGate
from aexl_keyguard.plugin import KeyguardPlugin
from aexl_keyguard.settings import KeyguardSection

KEYS = {
    "a private key": "-----BEGIN RSA PRIVATE KEY-----",
    "an AWS access key": "AKIA" + "A1" * 8,
    "a GitHub token": "ghp_" + "a1" * 18,
    "a Slack token": "xoxb-" + "1" * 12,
    "a Stripe key": "sk_live_" + "a" * 24,
    "an aexl token": "aexl_0a1b2c_" + "x" * 32,
}


class TestItIsAPlugin(PluginConformance):
    config = '[keyguard]\npatterns = { "a customer number" = "CU-[0-9]{6}" }\n'

    def make_plugin(self) -> object:
        return KeyguardPlugin


class TestItIsAGate(AdmissionConformance):
    @pytest.fixture
    def gate(self) -> KeyGate:
        return KeyGate()

    def refused(self) -> tuple[Call, Plan]:
        return say(KEYS["a GitHub token"]), make_plan()


def say(text: str, agent: str = "alice") -> Call:
    body = {"model": "m", "messages": [{"role": "user", "content": f"Use {text}, please"}]}
    return make_call(body, principal=make_principal(agent))


async def configured(**values: object) -> KeyGate:
    gate = KeyGate()
    swap = await gate.prepare(FakeConfig(KeyguardSection(**values)))  # type: ignore[arg-type]  # the tests' own values
    swap()
    return gate


@pytest.mark.parametrize("name", KNOWN)
async def test_a_key_is_refused_and_named(name: str) -> None:
    with pytest.raises(Refused, match=f"the request has {name} in it, and was not sent") as caught:
        await enter(KeyGate(), say(KEYS[name]), make_plan())
    assert (caught.value.status, caught.value.code) == (403, "key_in_request")
    assert KEYS[name] not in caught.value.reason


@pytest.mark.parametrize(
    "text", ["the PRIVATE KEY is elsewhere", "AKIA", "ghp_short", "task_live_later", "risk_lively", "aexl_run"]
)
async def test_text_about_keys_passes(text: str) -> None:
    assert await enter(KeyGate(), say(text), make_plan()) is None


async def test_the_configuration_adds_patterns_and_exempts_agents() -> None:
    gate = await configured(patterns={"a customer number": "CU-([0-9]{6})"}, exempt=("support-*",))
    with pytest.raises(Refused, match="a customer number"):
        await enter(gate, say("CU-123456"), make_plan())
    with pytest.raises(Refused, match="an AWS access key"):
        await enter(gate, say(KEYS["an AWS access key"]), make_plan())
    assert await enter(gate, say("CU-123456", agent="support-7"), make_plan()) is None


async def test_a_wrong_pattern_changes_nothing_and_is_named() -> None:
    gate = await configured(patterns={"x": "one"})
    with pytest.raises(ConfigError, match=r"keyguard\.patterns: 'broken' is not a regular expression"):
        await gate.prepare(FakeConfig(KeyguardSection(patterns={"broken": "("})))
    with pytest.raises(Refused):
        await enter(gate, say("one"), make_plan())


def test_the_first_thing_found_is_named_whatever_groups_the_patterns_have() -> None:
    finder = Finder({"one": "(a)(b)", "two": "c(d)?", "three": "e"})
    assert [finder.find(text) for text in (b"ab", b"xc", b"e", b"cd ab", b"")] == ["one", "two", "three", "two", None]
