"""One document of the parts of several plugins: names that clash, parts that cannot be had."""

from __future__ import annotations

import msgspec

from aexl.api import Mount
from aexl.api.openapi import Operation, Query, describe
from aexl.core.openapi import document, gather


class Thing(msgspec.Struct):
    """A thing."""

    name: str


class Things(msgspec.Struct):
    """Some."""

    things: list[Thing]


OtherThing = msgspec.defstruct("Thing", [("size", int)])


async def app(scope, receive, send):
    raise AssertionError("nothing is asked of it")


def operation(path, **changes):
    return Operation(
        **{
            "method": "GET", "path": path, "id": f"get{path.title().replace('/', '')}", "summary": "Get it", "tag": "t",
            "security": "agent", **changes,
        }
    )  # fmt: skip


def mount(path, *operations):
    return Mount(path=path, app=app, auth="none", describe=lambda: describe(operations))


def test_parts_are_one_document():
    parts = gather(
        [("a", mount("/a", operation("/a", gives=Things))), ("b", mount("/b", operation("/b", gives=Thing)))]
    )
    found = document("1.2", parts)

    assert (found["openapi"], found["info"]["version"]) == ("3.1.0", "1.2")
    assert list(found["paths"]) == ["/a", "/b"]
    assert set(found["components"]["schemas"]) == {"Error", "ErrorDetail", "Thing", "Things"}
    assert set(found["components"]["securitySchemes"]) == {"agent", "agentKey"}


def test_a_schema_of_another_meaning_is_named_after_its_plugin_wherever_it_is_referred_to():
    parts = gather(
        [("a", mount("/a", operation("/a", gives=Thing))), ("b", mount("/b", operation("/b", gives=OtherThing)))]
    )
    found = document("1", parts)

    answer = found["paths"]["/b"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/b_Thing"}
    assert found["components"]["schemas"]["b_Thing"]["required"] == ["size"]
    assert found["components"]["schemas"]["Thing"]["required"] == ["name"]


def test_an_operation_of_a_taken_name_is_named_after_its_plugin_and_of_a_taken_path_is_left_out(caplog):
    first, second = operation("/a", id="get"), operation("/b", id="get")
    again = operation("/a", id="other")
    found = document("1", gather([("a", mount("/a", first)), ("b", mount("/b", second, again))]))

    assert found["paths"]["/a"]["get"]["operationId"] == "get"
    assert found["paths"]["/b"]["get"]["operationId"] == "b_get"
    assert "'b' describes get /a" in caplog.text


def test_a_part_that_cannot_be_had_is_left_out_and_the_log_says_so(caplog):
    def broken():
        raise RuntimeError("no table today")

    parts = gather(
        [("a", Mount(path="/a", app=app, auth="none", describe=broken)), ("b", mount("/b", operation("/b")))]
    )
    assert [part.plugin for part in parts] == ["b"]
    assert "no table today" in caplog.text


def test_mounts_that_share_a_part_are_asked_once_and_silent_ones_not_at_all():
    asked = []

    def shared():
        asked.append(1)
        return describe([operation("/a")])

    mounts = [("a", Mount(path=path, app=app, auth="none", describe=shared)) for path in ("/a", "/a2")]
    assert len(gather([*mounts, ("b", Mount(path="/b", app=app, auth="none"))])) == len(asked) == 1


def test_an_operation_says_all_that_there_is_to_know():
    query = [
        Query("limit", {"type": "integer"}, "At most."),
        Query("Last-Event-ID", {"type": "string"}, place="header"),
    ]
    said = describe(
        [operation("/a/{name}/{rest...}", method="POST", takes=Thing, streams=True, gives=Things, status=201, query=query,
                   statuses={202: "It goes on."}, failures={409: ""}, scope="read", security=None)]
    ).paths["/a/{name}/{rest}"]["post"]  # fmt: skip

    assert [(each["name"], each["in"]) for each in said["parameters"]] == [
        ("name", "path"), ("rest", "path"), ("limit", "query"), ("Last-Event-ID", "header")
    ]  # fmt: skip
    assert said["requestBody"]["required"] is True
    assert set(said["responses"]) == {"201", "202", "400", "401", "403", "404", "405", "409", "413", "429", "503"}
    assert set(said["responses"]["201"]["content"]) == {"application/json", "text/event-stream"}
    assert said["security"] == []
    assert "scope `read`" in said["description"]


def test_a_body_without_a_needed_field_may_be_left_out():
    optional = msgspec.defstruct("Wish", [("name", str, "")])
    assert (
        describe([operation("/a", method="POST", takes=optional)]).paths["/a"]["post"]["requestBody"]["required"]
        is False
    )
