"""What a worker may say of its run, from outside and without a process."""

import json

import pytest

from aexl_runtime.protocol.exchange import Exchange, Task
from aexl_runtime.protocol.requests import request_of

STAGES = {
    "started": [],
    "importing": ["importing"],
    "loaded": ["importing", "loaded"],
    "found": ["importing", "loaded", "found"],
}

BELIEVED = {
    "started": {"import", "load"},
    "importing": {"load"},
    "loaded": {"value", "not_found", "not_allowed", "user"},
    "found": {"value", "not_allowed", "user"},
}


@pytest.fixture
def at():
    """Return a function that brings an exchange to a stage."""

    def at(stage):
        request = request_of({"action": "invoke", "kind": "tool", "handler": "t"})
        exchange = Exchange(Task(request=request, root="/p", snapshot_id="s"))
        for word in STAGES[stage]:
            exchange.hear(json.dumps({"t": word, "ms": {}, "found": False, "actions": None}).encode())
        assert not exchange.done
        return exchange

    return at


def fail(exchange, sort, exception=None):
    exchange.hear(json.dumps({"t": "failed", "sort": sort, "message": "said", "exception": exception}).encode())
    return exchange.answer(None)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("sort", ["import", "load", "value", "not_found", "not_allowed", "user", "request", "timeout"])
def test_a_worker_is_believed_no_failure_that_cannot_be_at_its_stage(at, stage, sort):
    answer = fail(at(stage), sort)
    projects_own = "user" if stage in ("loaded", "found") else "load"
    assert answer.failure.sort == (sort if sort in BELIEVED[stage] else projects_own)
    assert answer.failure.message == "said"


def test_a_forged_failure_leaves_log_and_id_as_they_are(at):
    answer = fail(at("found"), "import")
    assert answer.snapshot_id == "s"
    assert [record["event"] for record in answer.logs] == [
        "runner.start", "runner.init", "runner.invoke", "runner.invoke.user_code_error",
    ]  # fmt: skip
    assert answer.failure.exception == "Failed"


@pytest.mark.parametrize("word", ["importing", "loaded", "found"])
def test_a_worker_does_not_go_back(at, word):
    exchange = at("found")
    exchange.hear(json.dumps({"t": word, "ms": {}, "found": False, "actions": None}).encode())
    assert exchange.answer(None).failure.exception == "ProtocolError"
