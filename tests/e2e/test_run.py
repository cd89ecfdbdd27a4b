"""Show 7: an unmodified script under `aexl run --budget`."""

from __future__ import annotations

import sys

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import os, openai
assert not [name for name in os.environ if name == "UPSTREAM_KEY" or name.startswith("GROQ")], "keys leaked"
client, answered = openai.OpenAI(), 0
try:
    while True:
        reply = client.chat.completions.create(model="big", messages=[{"role": "user", "content": "Hello"}])
        answered += 1
        print("answered", reply.choices[0].message.content)
except openai.APIStatusError as error:
    print("stopped after", answered, "with", error.status_code)
"""

BIG = """
[models.big]
provider = "openai"
provider_model = "gpt.in-100.out-2000"
price = { input = "1", output = "10" }
limits = { context = 400000, output = 128000 }
"""


def test_a_script_whose_model_could_cost_more_than_its_budget_is_clamped_answered_and_stopped(program, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    program.configure(BIG)
    program.environ |= {"OPENAI_API_KEY": "sk-machine", "GROQ_API_KEY": "gsk-machine"}
    program.start()
    program.agent("a", "5")
    done = program.run("run", "--agent", "a", "--budget", "0.05", "--", sys.executable, str(script))

    lines = done.stdout.splitlines()
    assert lines[0].startswith("answered The quick")
    assert lines[-1] == "stopped after 2 with 402"
    limits = [body.get("max_completion_tokens") for body in program.upstream.bodies()]
    assert all(limit is not None and 1024 <= limit < 128000 for limit in limits)
    spent = program.inspect("a")["spent"]
    assert spent == "0.0402"
    program.run("ledger", "verify")


def test_it_starts_a_server_where_none_runs_and_passes_the_exit_code(program):
    try:
        program.agent("a", "5")
        done = program.run("run", "--agent", "a", "--", "sh", "-c", "echo $OPENAI_BASE_URL; exit 7", check=False)
        assert done.returncode == 7
        assert done.stdout.startswith("http://127.0.0.1:")
        assert program.run("daemon", "status").returncode == 0
    finally:
        program.run("daemon", "stop")
    assert program.run("daemon", "status", check=False).returncode == 3
