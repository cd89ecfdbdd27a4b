"""Show 10: new calls see a new price, running ones keep theirs, a broken file changes nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

pytestmark = pytest.mark.slow

DEAR = """
[models.mine]
provider = "openai"
provider_model = "gpt.slow"
price = {{ input = "{price}", output = "0" }}
limits = {{ context = 1000, output = 100 }}
"""


def post(program, token, model):
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"authorization": f"Bearer {token}"}
    return httpx.post(program.url + "/v1/chat/completions", json=body, headers=headers, timeout=30)


def test_a_new_price_is_for_new_calls_and_a_running_one_keeps_its_own(program):
    program.configure(DEAR.format(price=1))
    program.start()
    token = program.agent()
    program.upstream.hold.clear()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(post, program, token, "mine")
        while not program.upstream.requests:
            pass
        program.configure(DEAR.format(price=100))
        program.run("models", "reload")
        program.upstream.hold.set()
        old = running.result()
    new = post(program, token, "mine")

    assert (old.headers["x-aexl-cost-usd"], new.headers["x-aexl-cost-usd"]) == ("0.00001", "0.001")


def test_a_broken_file_leaves_the_old_configuration_and_names_the_line(program):
    program.configure(DEAR.format(price=1))
    program.start()
    token = program.agent()
    good = (program.home / "aexl.toml").read_text()
    (program.home / "aexl.toml").write_text(good + 'nonsense = "x"\n')
    line = len(good.splitlines()) + 1
    done = program.run("models", "reload", check=False)

    assert done.returncode == 3
    assert f"aexl.toml:{line}: models.mine.nonsense" in done.stderr
    assert post(program, token, "mine").status_code == 200


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("price", '{ input = "-1", output = "0" }'),
        ("price", "{ input = 1.5, output = 0 }"),
        ("price", '{ input = "nan", output = "0" }'),
        ("price", '{ input = "99999999", output = "0" }'),
        ("price", '{ input = "0.0000001", output = "0" }'),
    ],
)
def test_a_wrong_value_keeps_the_old_configuration_and_names_value_and_line(program, key, value):
    program.configure(DEAR.format(price=1))
    program.start()
    text = (program.home / "aexl.toml").read_text()
    line = 1 + next(n for n, found in enumerate(text.splitlines()) if found == "[models.mine]")
    good = text.splitlines()
    place = next(n for n in range(line, len(good)) if good[n].startswith(f"{key} ="))
    good[place] = f"{key} = {value}"
    (program.home / "aexl.toml").write_text("\n".join(good))
    done = program.run("models", "reload", check=False)

    assert done.returncode == 3, done.stderr
    assert f"aexl.toml:{place + 1}: models.mine.{key}" in done.stderr


def test_a_model_that_was_removed_is_gone_after_the_reload(program):
    program.configure(DEAR.format(price=1))
    program.start()
    token = program.agent()
    program.configure()
    program.run("models", "reload")

    assert post(program, token, "mine").status_code == 404
