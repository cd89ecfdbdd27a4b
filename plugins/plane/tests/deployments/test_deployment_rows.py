"""Whatever is deployed, approved and rolled back in whatever order: one serves, and the way back ends."""

from __future__ import annotations

from contextlib import suppress

import apsw
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from aexl.errors import Conflict, NotFound
from aexl_plane.names import new_id
from aexl_plane.storage import deployments as rows
from aexl_plane.storage.rows import number
from aexl_plane.storage.schema import MIGRATIONS

USUAL = rows.Usual(("dev", "prod"), ("prod",))
PROJECT = "pr_1"

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["deploy", "canary", "rollback", "rollback to", "approve", "reject", "end canary"]),
        st.sampled_from(["dev", "prod"]),
        st.integers(0, 9),
    ),
    max_size=30,
)


def open_database():
    connection = apsw.Connection(":memory:")
    for script in MIGRATIONS:
        connection.execute(script)
    return connection


def act(connection, record, step, environment, choice):
    now = rows.find_environment(connection, PROJECT, environment, USUAL)
    made = msgspec.structs.replace(
        record, id=new_id("dp"), project=PROJECT, environment=environment, snapshot=str(choice % 3)
    )
    waiting = rows.list_waiting(connection, PROJECT, environment)
    match step:
        case "deploy" | "canary":
            if step == "canary":
                if now.deployment is None:
                    return
                made = msgspec.structs.replace(made, weight=10)
            rows.add_deployment(connection, made, waits=now.approval)
            if not now.approval:
                rows.activate(connection, now, made, None, "")
        case "approve" | "reject" if waiting:
            chosen = waiting[choice % len(waiting)]
            if step == "reject":
                rows.reject(connection, chosen, "ann", "")
            else:
                rows.activate(connection, now, chosen, "ann", "")
        case "rollback" | "rollback to" if now.deployment is not None:
            served = [
                each for each in rows.list_deployments(connection, PROJECT, environment, 100)
                if each.status in ("active", "replaced")
            ]  # fmt: skip
            current = rows.find_deployment(connection, PROJECT, now.deployment)
            earlier = rows.find_earlier(connection, current)
            assert (earlier.snapshot, earlier.runtime) != (current.snapshot, current.runtime)
            target = earlier if step == "rollback" else served[choice % len(served)]
            back = msgspec.structs.replace(made, snapshot=target.snapshot, cause="rollback", follows=target.id)
            rows.add_deployment(connection, back, waits=False)
            rows.activate(connection, now, back, None, "")
        case "end canary":
            rows.end_canary(connection, now, "ann")


def check(connection):
    for environment in rows.list_environments(connection, PROJECT, USUAL):
        listed = rows.list_deployments(connection, PROJECT, environment.name, 1000)
        serving = {environment.deployment, environment.canary} - {None}
        assert {each.id for each in listed if each.status == "active"} == serving
        if environment.canary is not None:
            assert rows.find_deployment(connection, PROJECT, environment.canary).weight < 100
        assert len([each for each in listed if each.status == "waiting"]) <= rows.WAITING


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_one_serves_whatever_is_done_in_whatever_order(waiting_record, steps):
    connection = open_database()
    for step, environment, choice in steps:
        with connection, suppress(NotFound, Conflict):
            act(connection, waiting_record, step, environment, choice)
        check(connection)
    told = number(connection, "SELECT count(*) FROM outbox WHERE kind = 'plane.deployed'", ())
    served = number(connection, "SELECT count(*) FROM deployments WHERE status IN ('active', 'replaced')", ())
    assert told == served
