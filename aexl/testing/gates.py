"""The role ``Gates`` in memory, and the promises that everyone who plays it keeps."""

from __future__ import annotations

import msgspec
import pytest
import trio
import trio.testing

from aexl.api import Answered, Gates, Question
from aexl.errors import Conflict


class FakeGates:
    """A queue of questions without people; a test answers with ``answer``.

    Attributes:
        asked: Every question that is up, by its id.
        answers: What was answered, by the question's id.
    """

    def __init__(self) -> None:
        self.asked: dict[str, Question] = {}
        self.answers: dict[str, Answered] = {}
        self._changed = trio.Event()

    async def ask(self, question: Question) -> None:
        await trio.lowlevel.checkpoint()
        if self.asked.get(question.id) != question:
            self.answers.pop(question.id, None)
        self._set(question)

    async def hear(self, question: Question) -> Answered:
        while True:
            if self.asked.get(question.id) == question and question.id in self.answers:
                await trio.lowlevel.checkpoint()
                return self.answers[question.id]
            await self._changed.wait()

    async def answer(self, question: Question, answered: Answered) -> None:
        await trio.lowlevel.checkpoint()
        if question.id in self.answers:
            raise Conflict(f"it was decided by {self.answers[question.id].by} already")
        self.answers[question.id] = answered
        self._wake()

    async def withdraw(self, question: Question) -> None:
        await trio.lowlevel.checkpoint()
        if question.id not in self.answers:
            self.asked.pop(question.id, None)

    def _set(self, question: Question) -> None:
        self.asked[question.id] = question
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


QUESTION = Question(id="q-1", subject="prod", text="Shall it be?", detail={"snapshot": "abc"}, asked=1000.0)
"""What the suite asks."""

YES = Answered(choice="approve", by="anna", reason="looked at it")
NO = Answered(choice="reject", by="bert", reason="not on a Friday")


class GatesConformance:
    """Derive a class named ``Test…`` and give it a fixture ``gates`` that returns who plays the role."""

    async def test_who_asks_hears_the_answer(self, gates: Gates) -> None:
        heard: list[Answered] = []

        async def hear() -> None:
            heard.append(await gates.hear(QUESTION))

        await gates.ask(QUESTION)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hear)
            await gates.answer(QUESTION, NO)
        assert heard == [NO]
        assert await gates.hear(QUESTION) == NO

    async def test_of_many_answers_at_once_one_counts(self, gates: Gates) -> None:
        outcomes: list[Answered | None] = []

        async def answer(answered: Answered) -> None:
            try:
                await gates.answer(QUESTION, answered)
            except Conflict:
                outcomes.append(None)
            else:
                outcomes.append(answered)

        await gates.ask(QUESTION)
        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(answer, (YES, NO)[number % 2])
        [counts] = [each for each in outcomes if each is not None]
        assert await gates.hear(QUESTION) == counts

    async def test_who_is_too_late_is_told_who_was_quicker(self, gates: Gates) -> None:
        await gates.ask(QUESTION)
        await gates.answer(QUESTION, YES)
        with pytest.raises(Conflict, match="anna"):
            await gates.answer(QUESTION, NO)

    async def test_the_same_question_again_keeps_its_answer(self, gates: Gates) -> None:
        await gates.ask(QUESTION)
        await gates.answer(QUESTION, YES)
        await gates.ask(QUESTION)
        assert await gates.hear(QUESTION) == YES

    async def test_another_question_of_the_same_id_has_no_answer_yet(self, gates: Gates) -> None:
        await gates.ask(QUESTION)
        await gates.answer(QUESTION, YES)
        other = msgspec.structs.replace(QUESTION, text="Shall it be now?")
        await gates.ask(other)
        await gates.answer(other, NO)
        assert await gates.hear(other) == NO

    async def test_a_cancelled_listener_leaves_the_question_up(self, gates: Gates) -> None:
        await gates.ask(QUESTION)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gates.hear, QUESTION)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        await gates.answer(QUESTION, YES)
        assert await gates.hear(QUESTION) == YES

    async def test_an_answer_that_was_given_is_not_withdrawn(self, gates: Gates) -> None:
        await gates.ask(QUESTION)
        await gates.answer(QUESTION, YES)
        await gates.withdraw(QUESTION)
        assert await gates.hear(QUESTION) == YES

    async def test_what_was_withdrawn_can_be_asked_again(self, gates: Gates) -> None:
        await gates.ask(QUESTION)
        await gates.withdraw(QUESTION)
        await gates.ask(QUESTION)
        await gates.answer(QUESTION, YES)
        assert await gates.hear(QUESTION) == YES
