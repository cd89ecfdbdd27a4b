"""Signed URLs: what they are good for, and until when."""

from __future__ import annotations

import hashlib
import time
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec


def code(answer):
    return answer["error"]["code"]


async def test_a_url_to_send_with_is_none_to_fetch_with_nor_for_anything_else(client):
    await client.put("a", b"secret")
    signed = await client.sign("b", b"1")
    fetch = await client.plane.json("POST", f"{client.base}/downloads:sign?path=a", client.token)
    for method, url in (("GET", signed["signed_url"]), ("PUT", fetch["signed_url"])):
        answered = await client.plane.ask(method, url, body=b"1")
        assert (answered.status, code(msgspec.json.decode(answered.body))) == (403, "signature_invalid")


async def test_every_part_of_a_signed_url_is_signed(client):
    await client.put("a", b"secret")
    await client.put("b", b"other")
    other = hashlib.sha256(b"other").hexdigest()
    signed = await client.plane.json("POST", f"{client.base}/downloads:sign?path=a", client.token)
    parts = urlsplit(signed["signed_url"])
    query = dict(parse_qsl(parts.query))
    changed = [
        {**query, "expires": str(int(query["expires"]) + 1)},
        {**query, "size": "7"},
        {**query, "type": "text/html"},
        {**query, "signature": query["signature"][:-1] + ("A" if query["signature"][-1] != "A" else "B")},
        {**query, "signature": ""},
        {**query, "signature": "é"},
        {**query, "expires": "9" * 40},
        {**query, "expires": "-1"},
        {**query, "more": "1"},
        {name: value for name, value in query.items() if name != "expires"},
        {},
    ]
    urls = [f"{parts.path}?{urlencode(each)}" for each in changed]
    prefix, _, sha256 = parts.path.rpartition("/")
    urls += [f"{prefix}/{other}?{parts.query}", f"{prefix}x/{sha256}?{parts.query}", f"{prefix}/{sha256}"]
    for url in urls:
        answered = await client.plane.ask("GET", url)
        assert (answered.status, b"secret" in answered.body) == (403, False), url
    assert (await client.plane.ask("GET", signed["signed_url"])).body == b"secret"


async def test_a_signed_url_ends_when_it_says(client, monkeypatch):
    await client.put("a", b"1")
    fetch = await client.plane.json(
        "POST", f"{client.base}/downloads:sign?path=a", client.token, json={"expires_seconds": 5}
    )
    send = await client.sign("b", b"1")
    now = time.time()

    def at(seconds):
        monkeypatch.setattr(time, "time", lambda: now + seconds)

    at(4)
    assert (await client.plane.ask("GET", fetch["signed_url"])).status == 200
    at(6)
    answered = await client.plane.ask("GET", fetch["signed_url"])
    assert (answered.status, code(msgspec.json.decode(answered.body))) == (403, "signature_expired")
    at(901)
    answered = await client.send(send["signed_url"], b"1")
    assert (answered.status, code(msgspec.json.decode(answered.body))) == (403, "signature_expired")
    assert code(await client.commit(send["upload_id"], status=404)) == "not_found"


async def test_a_url_to_fetch_with_is_good_for_a_second_to_a_day(client):
    await client.put("a", b"1")
    url = f"{client.base}/downloads:sign?path=a"
    for seconds in (0, -1, 86_401, "600", None):
        wanted = {"expires_seconds": seconds}
        assert code(await client.plane.json("POST", url, client.token, json=wanted, status=400)) == "invalid_value"
    for seconds in (1, 86_400):
        await client.plane.json("POST", url, client.token, json={"expires_seconds": seconds})


async def test_signed_urls_outlive_the_server(home, run_plane, make_client):
    async with run_plane(home) as plane:
        made = await plane.tenant()
        signed = await make_client(plane, made).sign("a", b"1")
    async with run_plane(home) as plane:
        client = make_client(plane, made)
        assert (await client.send(signed["signed_url"], b"1")).status == 200
        assert (await client.commit(signed["upload_id"]))["version"] == 1


async def test_what_was_sent_and_never_committed_is_removed(home, client, monkeypatch):
    signed = await client.sign("a", b"1")
    await client.send(signed["signed_url"], b"1")
    assert len(list((home / "uploads").iterdir())) == 1
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 900 + 3601)
    await client.plane.assembly._files.drop_stale()
    assert list((home / "uploads").iterdir()) == []


async def test_signed_urls_begin_with_what_the_client_called_or_with_the_public_url(home, run_plane, make_client):
    async with run_plane(home) as plane:
        made = await plane.tenant()
        signed = await make_client(plane, made).sign("a", b"1")
        assert signed["signed_url"].startswith("http://127.0.0.1/v1/blobs/")
    async with run_plane(home, "[plane]\npublic_url = 'https://aexl.example/x/'\n") as plane:
        signed = await make_client(plane, made).sign("a", b"1")
        assert signed["signed_url"].startswith("https://aexl.example/x/v1/blobs/")
