"""What is recorded is what passed; what is replayed is what was recorded."""

from __future__ import annotations

import msgspec
import pytest
import trio

from aexl.api import Usage
from aexl.errors import Invalid, ProviderFailed
from aexl.testing.factories import make_call, make_target
from aexl.testing.provider import EVENTS, FakeReply, read_all

CALL, TARGET = make_call(), make_target()
REFUSED = ProviderFailed("refused", code="upstream_unreachable", status=502, charged="no")
RESET = ProviderFailed("reset", code="upstream_reset", status=502, charged="unknown")
STREAM = FakeReply(
    headers=(*EVENTS, (b"x-request-id", b"req_1"), (b"set-cookie", b"a=secret")),
    chunks=(b"data: {}\n\n", b"data: \xff\n\n", "data: ü\n\n".encode(), b"data: [DONE]\n\n"),
    usage=Usage(input_tokens=3, cached_input_tokens=4, output_tokens=5, tool_uses={"web_search": 1}),
    upstream_id="resp_1",
)


async def exchange(provider, call=CALL, target=TARGET):
    """Return everything an answer has, its pieces as they came."""
    pieces = []
    async with provider.open(call, target) as reply:
        while True:
            try:
                pieces.append(await reply.chunks.receive())
            except trio.EndOfChannel:
                break
    return reply.status, list(reply.headers), pieces, reply.usage, reply.upstream_id, reply.finished


async def test_a_replay_is_the_recording_piece_for_piece(deck):
    recorded = await exchange(deck.recorder(STREAM))
    status, headers, *rest = await exchange(deck.player())

    assert (status, rest) == (recorded[0], list(recorded[2:]))
    assert headers == [header for header in recorded[1] if header[0] != b"set-cookie"]


async def test_the_recorder_changes_nothing_that_passes(deck):
    status, headers, pieces, usage, upstream_id, finished = await exchange(deck.recorder(STREAM))

    assert (status, headers, pieces) == (200, list(STREAM.headers), list(STREAM.chunks))
    assert (usage, upstream_id, finished) == (STREAM.usage, "resp_1", True)


async def test_a_replay_never_opens_the_provider(deck):
    await exchange(deck.recorder(STREAM))
    player = deck.player()
    await exchange(player)

    assert not hasattr(player, "_provider")


async def test_a_cut_answer_is_recorded_with_what_had_arrived_and_breaks_off_again(deck):
    cut = FakeReply(headers=EVENTS, chunks=(b"data: 1\n\n",), cut=RESET, usage=None)
    with pytest.raises(ProviderFailed):
        await exchange(deck.recorder(cut))
    async with deck.player().open(CALL, TARGET) as reply:
        assert await reply.chunks.receive() == b"data: 1\n\n"
        with pytest.raises(ProviderFailed, match="reset") as caught:
            await reply.chunks.receive()
        assert not reply.finished

    assert (caught.value.code, caught.value.status, caught.value.charged) == ("upstream_reset", 502, "unknown")


async def test_a_failure_before_the_answer_is_recorded_and_comes_again(deck):
    with pytest.raises(ProviderFailed):
        await exchange(deck.recorder(FakeReply(refuses=REFUSED)))
    with pytest.raises(ProviderFailed, match="refused") as caught:
        await exchange(deck.player())

    assert (caught.value.code, caught.value.charged) == ("upstream_unreachable", "no")


async def test_a_missing_key_is_no_exchange_and_not_recorded(deck):
    keyless = ProviderFailed("no key", code="provider_key_missing", status=502, charged="no", lasting=True)
    with pytest.raises(ProviderFailed):
        await exchange(deck.recorder(FakeReply(refuses=keyless)))

    assert deck.folder.list().entries == []


async def test_answers_to_equal_requests_come_in_their_order_and_the_last_again(deck):
    bodies = [b"one", b"two", b"three"]
    recorder = deck.recorder(*(FakeReply(chunks=(body,)) for body in bodies))
    for _ in bodies:
        await exchange(recorder)
    player = deck.player()

    assert [b"".join((await exchange(player))[2]) for _ in range(5)] == [*bodies, b"three", b"three"]


async def test_a_repetition_beyond_the_recordings_is_a_miss_where_that_is_asked_for(deck):
    await exchange(deck.recorder())
    player = deck.player(repeat="miss")
    await exchange(player)
    with pytest.raises(ProviderFailed, match="recorded once, and that has been replayed") as caught:
        await exchange(player)

    assert caught.value.code == "cassette_miss"


async def test_the_order_survives_a_second_server_that_records(deck):
    for body in (b"one", b"two"):
        await exchange(deck.recorder(FakeReply(chunks=(body,))))
    player = deck.player()

    assert [(await exchange(player))[2] for _ in range(2)] == [[b"one"], [b"two"]]


async def test_recorded_timing_takes_as_long_as_it_took(deck, tape, autojump_clock):
    deck.put(tape(FakeReply(chunks=(b"a", b"b", b"c"))))
    seen = []
    start = trio.current_time()
    async with deck.player(timing="recorded").open(CALL, TARGET) as reply:
        seen.append(trio.current_time() - start)
        for _ in range(3):
            await reply.chunks.receive()
            seen.append(trio.current_time() - start)
        with pytest.raises(trio.EndOfChannel):
            await reply.chunks.receive()
        seen.append(trio.current_time() - start)

    assert seen == pytest.approx([0.5, 1, 2, 3, 4])


async def test_without_timing_no_time_passes(deck, tape, autojump_clock):
    deck.put(tape(FakeReply(chunks=(b"a", b"b"))))
    start = trio.current_time()
    await exchange(deck.player())

    assert trio.current_time() == start


async def test_the_moments_of_the_pieces_are_recorded(deck, autojump_clock):
    gate = trio.Event()
    recorder = deck.recorder(FakeReply(chunks=(b"a", b"b"), chunk_waits={1: gate}))

    async def open_later():
        await trio.sleep(2)
        gate.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(open_later)
        await exchange(recorder)
    [entry] = deck.folder.list().entries

    assert [piece.after for piece in deck.folder.read(entry.id).pieces] == pytest.approx([0, 2])


async def test_a_cancelled_exchange_is_not_recorded_at_all(deck):
    recorder = deck.recorder(FakeReply(chunks=(b"a", b"b"), chunk_waits={1: trio.Event()}))
    with trio.CancelScope() as scope:
        async with recorder.open(CALL, TARGET) as reply:
            await reply.chunks.receive()
            scope.cancel()
            await reply.chunks.receive()

    assert scope.cancelled_caught
    assert list(deck.folder.path.glob("*")) == []
    assert deck.counts.discarded["left"] == 1


async def test_an_exchange_that_ended_is_recorded_although_its_reader_is_cancelled_then(deck):
    with trio.CancelScope() as scope:
        async with deck.recorder().open(CALL, TARGET) as reply:
            await read_all(reply)
            scope.cancel()

    assert deck.counts.recorded == len(deck.folder.list().entries) == 1


@pytest.mark.parametrize(("room", "kept"), [(10, 1), (9, 0)])
async def test_an_answer_is_kept_up_to_the_limit_and_passes_beyond_it(deck, room, kept):
    recorder = deck.recorder(FakeReply(chunks=(b"12345", b"67890")), room=room)

    assert (await exchange(recorder))[2] == [b"12345", b"67890"]
    assert (len(deck.folder.list().entries), deck.counts.discarded["too_long"]) == (kept, 1 - kept)


async def test_a_folder_that_cannot_be_written_costs_no_answer(deck, caplog):
    deck.folder.path.parent.joinpath("tapes").write_text("a file stands where the folder would be")

    assert (await exchange(deck.recorder(FakeReply(chunks=(b"x",)))))[2] == [b"x"]
    assert deck.counts.discarded["unwritable"] == 1
    assert "was not recorded" in caplog.text


async def test_many_at_a_time_are_all_recorded_and_all_replayed(deck):
    calls = [make_call({"model": "m", "n": n % 7}, model="m") for n in range(40)]
    recorder = deck.recorder()
    async with trio.open_nursery() as nursery:
        for call in calls:
            nursery.start_soon(exchange, recorder, call)
    player = deck.player(repeat="miss")
    async with trio.open_nursery() as nursery:
        for call in calls:
            nursery.start_soon(exchange, player, call)

    assert (deck.counts.recorded, deck.counts.replayed, deck.counts.missed) == (40, 40, 0)


async def test_a_miss_names_the_nearest_recording_and_the_first_difference(deck):
    for text in ("Hello", "Good morning to you"):
        body = {"model": "test-model", "messages": [{"role": "user", "content": text}]}
        await exchange(deck.recorder(), make_call(body))
    other = make_call({"model": "test-model", "messages": [{"role": "user", "content": "Good evening"}]})
    with pytest.raises(ProviderFailed) as caught:
        await exchange(deck.player(), other)
    error = caught.value

    assert (error.code, error.status, error.charged) == ("cassette_miss", 502, "no")
    assert (b"x-should-retry", b"false") in error.headers
    assert f"no recording in {deck.folder.path} answers POST /chat/completions (model test-model)" in error.reason
    assert 'differs at body.messages[0].content: recorded "' in error.reason
    assert 'asked "Good evening"' in error.reason
    assert deck.counts.missed == 1


async def test_a_miss_in_an_empty_folder_says_so(deck):
    with pytest.raises(ProviderFailed, match="there is no recording at all"):
        await exchange(deck.player())


async def test_a_broken_recording_is_named(deck):
    await exchange(deck.recorder())
    player = deck.player()
    [path] = deck.folder.path.glob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ProviderFailed, match="is cut off") as caught:
        await exchange(player)

    assert caught.value.code == "cassette_broken"


async def test_a_recorder_that_fails_costs_no_answer(deck, monkeypatch, caplog):
    monkeypatch.setattr("aexl_cassettes.recorder.describe", lambda *_: 1 / 0)

    assert (await exchange(deck.recorder()))[0] == 200
    assert "was not recorded" in caplog.text


async def test_a_request_that_cannot_be_written_is_refused_as_a_provider_would(deck, monkeypatch):
    def unwritable(*_):
        raise Invalid("a whole number of more than 64 bits")

    monkeypatch.setattr("aexl_cassettes.player.describe", unwritable)
    with pytest.raises(ProviderFailed, match="64 bits") as caught:
        await exchange(deck.player())

    assert caught.value.code == "unsendable"


async def test_a_fallback_provider_has_recordings_of_its_own(deck):
    second = msgspec.structs.replace(TARGET, provider="second")
    with pytest.raises(ProviderFailed):
        await exchange(deck.recorder(FakeReply(refuses=REFUSED)))
    await exchange(deck.recorder(FakeReply(chunks=(b"from the second",))), target=second)
    player = deck.player()
    with pytest.raises(ProviderFailed):
        await exchange(player)

    assert (await exchange(player, target=second))[2] == [b"from the second"]


async def test_a_limit_that_a_budget_lowered_does_not_count(deck):
    lowered = msgspec.structs.replace(TARGET, output_limit=7)
    await exchange(deck.recorder())

    assert (await exchange(deck.player(), target=lowered))[0] == 200


async def test_what_was_replayed_is_marked_once(deck):
    await exchange(deck.recorder())
    player = deck.player()
    for _ in range(3):
        await exchange(player)
    [entry] = deck.folder.list().entries

    assert list(deck.folder.marks()) == [entry.id]
    assert len((deck.folder.path / ".replayed").read_text().splitlines()) == 1


async def test_a_folder_that_cannot_be_written_replays(deck, caplog):
    await exchange(deck.recorder())
    (deck.folder.path / ".replayed").mkdir()
    player = deck.player()
    for _ in range(2):
        assert (await exchange(player))[0] == 200

    assert caplog.text.count("cannot be written") == 1
