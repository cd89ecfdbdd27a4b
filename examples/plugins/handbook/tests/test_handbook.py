"""The plugin's own promises, and those of every plugin and every provider."""

from pathlib import Path

import msgspec
import pytest

from aexl.api import Provider
from aexl.errors import ConfigError, ProviderFailed
from aexl.testing.factories import make_call, make_target
from aexl.testing.loading import PluginConformance
from aexl.testing.provider import ProviderConformance, read_all
from aexl_handbook._trigrams import similarity
from aexl_handbook.passages import MOST_BYTES, read_passages
from aexl_handbook.plugin import HandbookPlugin
from aexl_handbook.provider import NOTHING_FOUND, HandbookType
from aexl_handbook.synonyms import Synonyms


class TestItIsAPlugin(PluginConformance):
    config = '[providers.handbook]\ntype = "handbook"\nfolder = "/srv/handbook"\n'

    def make_plugin(self) -> object:
        return HandbookPlugin


class TestItIsAProvider(ProviderConformance):
    call = make_call({"model": "handbook", "messages": [{"role": "user", "content": "How do I ask for leave?"}]})

    @pytest.fixture(autouse=True)
    def folder(self, notes: Path) -> None:
        self.notes = notes

    def make_provider(self) -> Provider:
        return build(self.notes)


class TestItsStreamsAreAnswersToo(TestItIsAProvider):
    call = make_call(
        {"model": "handbook", "stream": True, "messages": [{"role": "user", "content": "leave?"}]}, stream=True
    )


def build(folder: Path, **more: object) -> Provider:
    return HandbookType().build("handbook", {"type": "handbook", "folder": str(folder), **more})


async def ask(provider: Provider, question: object, **changes: object) -> dict[str, object]:
    call = make_call({"model": "handbook", "messages": [{"role": "user", "content": question}]}, **changes)
    async with provider.open(call, make_target()) as reply:
        choice = msgspec.json.decode(await read_all(reply))["choices"][0]
        return {"text": choice["message"]["content"], "finish": choice["finish_reason"]}


async def test_a_question_is_answered_with_the_passage_word_for_word(notes: Path) -> None:
    answer = await ask(build(notes), "Do receipts need approval?")
    assert str(answer["text"]).startswith("Receipts up to 50 EUR need no approval.")
    assert str(answer["text"]).endswith("(rules.md: Expenses)")


async def test_what_the_notes_do_not_say_is_not_invented(notes: Path) -> None:
    assert (await ask(build(notes), "zzz qqq xxx"))["text"] == NOTHING_FOUND


async def test_synonyms_are_followed_to_their_end(notes: Path) -> None:
    provider = build(notes, synonyms={"Urlaub": "holiday", "holiday": "leave"}, least=0.05)
    assert "two weeks" in str((await ask(provider, "Urlaub"))["text"])


async def test_parts_of_a_message_are_read(notes: Path) -> None:
    assert "two weeks" in str((await ask(build(notes), [{"type": "text", "text": "ask for leave"}]))["text"])


async def test_the_output_limit_cuts_the_answer_short(notes: Path) -> None:
    assert await ask(build(notes), "ask for leave", output_limit=2) == {"text": "Ask your", "finish": "length"}


async def test_a_folder_that_is_gone_fails_the_call_and_costs_nothing(tmp_path: Path) -> None:
    with pytest.raises(ProviderFailed, match="cannot be read") as caught:
        await ask(build(tmp_path / "gone"), "leave")
    assert caught.value.charged == "no"


def test_a_folder_with_too_much_text_is_refused(notes: Path) -> None:
    size = sum(path.stat().st_size for path in notes.glob("*.md"))
    (notes / "long.txt").write_text("x" * (MOST_BYTES - size))
    assert read_passages(notes)
    (notes / "long.txt").write_text("x" * (MOST_BYTES - size + 1))
    with pytest.raises(OSError, match=f"{MOST_BYTES + 1} bytes"):
        read_passages(notes)


@pytest.mark.parametrize("table", [{}, {"folder": "/x", "least": 2}, {"folder": "/x", "colour": "red"}])
def test_a_wrong_table_is_named(table: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"providers\.mine"):
        HandbookType().build("mine", {"type": "handbook", **table})


def test_synonyms_in_a_circle_are_a_mistake_in_the_configuration() -> None:
    with pytest.raises(ConfigError, match=r"circle: .*a → "):
        HandbookType().build("mine", {"type": "handbook", "folder": "/x", "synonyms": {"a": "b", "b": "a"}})


def test_a_word_that_means_itself_is_a_circle_too() -> None:
    with pytest.raises(ValueError, match="circle"):
        Synonyms({"a": "A"})


def test_likeness_goes_from_nothing_to_the_same() -> None:
    assert similarity(b"leave", b"leave") == pytest.approx(1)
    assert similarity(b"ab", b"ab") == 0, "too short to compare"
    assert similarity(b"", b"leave") == 0
    assert 0 < similarity(b" ask for leave ", b" leave is asked for ") < 1
