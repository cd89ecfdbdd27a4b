"""What each CLI is given for what is asked of it: its own flags, settings and files."""

from __future__ import annotations

import json
import tomllib

import pytest

from aexl.api.runners import RunnerLimits, RunnerSession, Sampling, ToolPolicy
from aexl.errors import Invalid


def pairs(argv):
    """Return the words behind each flag, up to the next flag."""
    found = {}
    flag = None
    for word in argv[1:]:
        if word.startswith("-") and word != "-":
            flag = word
            found.setdefault(flag, [])
        elif flag is not None:
            found[flag].append(word)
    return found


def settings_of(argv):
    """Return what ``-c`` sets, read as codex reads it."""
    words = [argv[place + 1] for place, word in enumerate(argv) if word == "-c"]
    return {key: tomllib.loads(f"x = {value}")["x"] for key, _, value in (word.partition("=") for word in words)}


def test_claude_gets_what_is_asked_for(table, make_request, access):
    request = make_request(
        access=access,
        model="claude-opus-4-8",
        session=RunnerSession(id="11111111-2222-4333-8444-555555555555"),
        system="Be a poet.",
        append_system=("One.", "Two."),
        tools=ToolPolicy(allow=("Bash(git *)", "Read"), deny=("WebFetch",), mode="edit"),
        schema={"type": "object"},
        sampling=Sampling(thinking=0.5),
        limits=RunnerLimits(turns=7, usd=1_500_000_000),
        options={"mcp": {"own": {"command": "x"}}, "setting_sources": ["user"]},
    )
    spec = table["claude"].launch(request)
    given = pairs(spec.argv)

    assert given["--model"] == ["claude-opus-4-8"]
    assert given["--session-id"] == ["11111111-2222-4333-8444-555555555555"]
    assert given["--system-prompt"] == ["Be a poet."]
    assert given["--append-system-prompt"] == ["One.\n\nTwo."]
    assert given["--allowedTools"] == ["Bash(git *)", "Read"]
    assert given["--disallowedTools"] == ["WebFetch"]
    assert given["--permission-mode"] == ["acceptEdits"]
    assert given["--max-turns"] == ["7"]
    assert given["--max-budget-usd"] == ["1.50"]
    assert given["--effort"] == ["medium"]
    assert json.loads(given["--json-schema"][0]) == {"type": "object"}
    assert json.loads(given["--mcp-config"][0]) == {"mcpServers": {"own": {"command": "x"}}}
    assert given["--setting-sources"] == ["user"]
    assert spec.env["CLAUDE_CODE_MAX_RETRIES"] == "2"
    assert spec.env["ANTHROPIC_BASE_URL"] == access.url
    assert (spec.stdin, spec.converse) == (b"Do it.", False)


def test_claude_resumes_and_forks(table, make_request):
    resumed = table["claude"].launch(make_request(session=RunnerSession(kind="resume", id="a")))
    forked = table["claude"].launch(make_request(session=RunnerSession(kind="fork", id="a")))

    assert pairs(resumed.argv)["--resume"] == pairs(forked.argv)["--resume"] == ["a"]
    assert "--fork-session" not in resumed.argv
    assert "--fork-session" in forked.argv


def test_claude_asks_over_its_input(table, make_request):
    spec = table["claude"].launch(make_request(tools=ToolPolicy(mode="ask")))
    given = pairs(spec.argv)

    assert (given["--input-format"], given["--permission-prompt-tool"]) == (["stream-json"], ["stdio"])
    assert spec.converse
    assert json.loads(spec.stdin) == {"type": "user", "message": {"role": "user", "content": "Do it."}}


def test_claude_without_tools_and_with_all(table, make_request):
    none = table["claude"].launch(make_request(tools=ToolPolicy(disabled=True, mode="all")))
    everything = table["claude"].launch(make_request(tools=ToolPolicy(mode="all")))

    assert none.argv[none.argv.index("--tools") + 1] == ""
    assert "--permission-mode" not in none.argv
    assert pairs(everything.argv)["--permission-mode"] == ["bypassPermissions"]
    assert everything.env["IS_SANDBOX"] == "1"


def test_codex_gets_what_is_asked_for(table, make_request, access):
    request = make_request(
        access=access,
        model="gpt-5.5",
        append_system=('Say "so"\nand ä\x7f.',),
        tools=ToolPolicy(mode="edit"),
        schema={"type": "object"},
        sampling=Sampling(thinking=1),
        options={"network": True, "config": {"tool_output_token_limit": 5}},
    )
    spec = table["codex"].launch(request)
    given = settings_of(spec.argv)

    assert given["model_provider"] == "aexl"
    assert given["model_providers.aexl.base_url"] == access.v1
    assert (given["model_providers.aexl.request_max_retries"], given["model_providers.aexl.stream_max_retries"]) == (
        1,
        1,
    )
    assert given["developer_instructions"] == 'Say "so"\nand ä\x7f.'
    assert given["sandbox_mode"] == "workspace-write"
    assert given["sandbox_workspace_write.network_access"] is True
    assert given["model_reasoning_effort"] == "high"
    assert given["tool_output_token_limit"] == 5
    assert "*TOKEN*" in given["shell_environment_policy.exclude"]
    assert spec.argv[-1] == "-"
    assert spec.files == {request.home / "schema.json": '{"type":"object"}'}
    assert spec.argv[spec.argv.index("--output-schema") + 1] == str(request.home / "schema.json")


def test_codex_goes_on_with_the_model_that_is_named(table, make_request):
    session = RunnerSession(kind="resume", id="thread")
    spec = table["codex"].launch(make_request(session=session, model="gpt-5.5", tools=ToolPolicy(mode="read")))

    place = spec.argv.index("exec")
    assert spec.argv[place : place + 2] == ["exec", "resume"]
    assert spec.argv[-2:] == ["thread", "-"]
    assert settings_of(spec.argv)["sandbox_mode"] == "read-only"
    with pytest.raises(Invalid, match="name the model"):
        table["codex"].launch(make_request(session=session))


def test_gemini_gets_what_is_asked_for(table, make_request, access):
    request = make_request(
        access=access,
        model="gemini-2.5-pro",
        session=RunnerSession(id="11111111-2222-4333-8444-555555555555"),
        system="Be a poet.",
        tools=ToolPolicy(allow=("run_shell_command(git status)",), deny=("web_fetch",), mode="edit"),
        limits=RunnerLimits(turns=3),
    )
    spec = table["gemini"].launch(request)
    given = pairs(spec.argv)
    written = json.loads(spec.files[request.home / ".gemini" / "settings.json"])
    rules = tomllib.loads(spec.files[request.home / "gemini" / "policy.toml"])["rule"]

    assert given["-o"] == ["stream-json"]
    assert given["--approval-mode"] == ["auto_edit"]
    assert given["--session-id"] == [request.session.id]
    assert given["--policy"] == [str(request.home / "gemini" / "policy.toml")]
    assert written["security"]["auth"]["selectedType"] == "gemini-api-key"
    assert (written["model"]["maxSessionTurns"], written["general"]["maxAttempts"]) == (3, 2)
    assert [(rule["toolName"], rule.get("commandPrefix"), rule["decision"]) for rule in rules] == [
        ("run_shell_command", "git status", "allow"),
        ("web_fetch", None, "deny"),
    ]
    assert rules[1]["priority"] > rules[0]["priority"]
    assert spec.files[request.home / "gemini" / "system.md"] == "Be a poet."
    assert spec.env["GEMINI_SYSTEM_MD"] == str(request.home / "gemini" / "system.md")
    assert (spec.env["GOOGLE_GEMINI_BASE_URL"], spec.env["GEMINI_API_KEY"]) == (access.url, access.token)
    assert spec.env["GEMINI_CLI_NO_RELAUNCH"] == spec.env["GEMINI_CLI_TRUST_WORKSPACE"] == "true"


def test_gemini_in_the_persons_own_home_changes_no_setting_there(table, make_request, machine):
    request = make_request(environ=machine, login=True)
    spec = table["gemini"].launch(request)

    assert list(spec.files) == [request.home / "gemini" / "settings.json"]
    assert spec.env["GEMINI_CLI_SYSTEM_SETTINGS_PATH"] == str(request.home / "gemini" / "settings.json")
    assert "security" not in json.loads(spec.files[request.home / "gemini" / "settings.json"])


@pytest.mark.parametrize(("model", "named"), [("m-1", "aexl/m-1"), ("anthropic/claude-x", "anthropic/claude-x")])
def test_opencode_finds_any_model_behind_the_server(table, make_request, access, model, named):
    spec = table["opencode"].launch(make_request(access=access, model=model))
    config = json.loads(spec.env["OPENCODE_CONFIG_CONTENT"])
    provider, _, name = named.partition("/")

    assert pairs(spec.argv)["-m"] == [named]
    assert name in config["provider"][provider]["models"]
    assert config["provider"][provider]["options"]["baseURL"] == access.v1
    assert config["provider"][provider]["options"]["apiKey"] == "{env:AEXL_TOKEN}"


def test_opencode_gets_what_is_asked_for(table, make_request):
    request = make_request(
        session=RunnerSession(kind="fork", id="ses_1"),
        system="Be a poet.",
        tools=ToolPolicy(allow=("bash(git *)",), deny=("bash(git push*)", "webfetch"), mode="edit"),
        sampling=Sampling(temperature=0.5, top_p=0.9),
    )
    spec = table["opencode"].launch(request)
    config = json.loads(spec.env["OPENCODE_CONFIG_CONTENT"])

    assert (pairs(spec.argv)["--session"], pairs(spec.argv)["--agent"]) == (["ses_1"], ["aexl"])
    assert "--fork" in spec.argv
    agent = config["agent"]["aexl"]
    assert (agent["prompt"], agent["temperature"], agent["top_p"]) == ("Be a poet.", 0.5, 0.9)
    assert config["permission"] == {
        "edit": "allow",
        "bash": {"*": "deny", "git *": "allow", "git push*": "deny"},
        "webfetch": "deny",
    }


def test_opencode_without_tools_has_none(table, make_request):
    spec = table["opencode"].launch(make_request(tools=ToolPolicy(disabled=True)))

    assert json.loads(spec.env["OPENCODE_CONFIG_CONTENT"])["permission"] == {"*": "deny"}


def test_aider_makes_no_repository_where_there_is_none(table, make_request, access):
    options = {"map_tokens": 1000, "files": ["a.py"], "read": ["b.md"]}
    outside = table["aider"].launch(make_request(access=access, model="gpt-4o", options=options))
    inside = table["aider"].launch(make_request(access=access, model="anthropic/x", repository=True, options=options))

    assert "--no-git" in outside.argv
    assert "--no-git" not in inside.argv
    assert (pairs(outside.argv)["--map-tokens"], pairs(inside.argv)["--map-tokens"]) == (["0"], ["1000"])
    assert (pairs(outside.argv)["--model"], pairs(inside.argv)["--model"]) == (["openai/gpt-4o"], ["anthropic/x"])
    assert (pairs(outside.argv)["--file"], pairs(outside.argv)["--read"]) == (["a.py"], ["b.md"])
    assert inside.env["ANTHROPIC_API_KEY"] == access.token


def test_aider_keeps_its_conversation_by_the_sessions_id(table, make_request):
    request = make_request(session=RunnerSession(kind="resume", id="talk-1"), tools=ToolPolicy(mode="read"))
    spec = table["aider"].launch(request)

    assert pairs(spec.argv)["--chat-history-file"] == [str(request.home / "aider" / "talk-1.md")]
    assert {"--restore-chat-history", "--dry-run"} <= set(spec.argv)
    with pytest.raises(Invalid, match="a session id of letters"):
        table["aider"].launch(make_request(session=RunnerSession(id="../../etc/passwd")))


def test_llm_finds_the_model_behind_the_server_by_a_name_of_ours(table, make_request, access):
    request = make_request(
        access=access,
        model="gpt-4o-mini",
        session=RunnerSession(kind="resume", id="c1"),
        system="Be a poet.",
        append_system=("Rhyme.",),
        tools=ToolPolicy(allow=("llm_time",)),
        sampling=Sampling(temperature=0.2, top_p=0.5, max_tokens=9),
    )
    spec = table["llm"].launch(request)
    [model] = json.loads(spec.files[request.home / "llm" / "extra-openai-models.yaml"])

    assert (model["model_id"], model["model_name"], model["api_base"]) == ("aexl", "gpt-4o-mini", access.v1)
    given = pairs(spec.argv)
    assert (given["-m"], given["-s"], given["--cid"]) == (["aexl"], ["Be a poet.\n\nRhyme."], ["c1"])
    assert given["-o"] == ["temperature", "0.2", "top_p", "0.5", "max_tokens", "9"]
    assert given["-T"] == ["llm_time"]
    with pytest.raises(Invalid, match="name the model"):
        table["llm"].launch(make_request(access=access))


def test_exec_hands_over_the_model_and_the_session(table, make_request, access):
    request = make_request(
        access=access,
        model="m",
        session=RunnerSession(kind="resume", id="s1"),
        options={"command": ["./agent", "--x"], "output": "events"},
    )
    spec = table["exec"].launch(request)

    assert (list(spec.argv), spec.stdin) == (["./agent", "--x"], b"Do it.")
    assert (spec.env["AEXL_MODEL"], spec.env["AEXL_SESSION"]) == ("m", "s1")
    with pytest.raises(Invalid, match="missing required field `command`"):
        table["exec"].launch(make_request())
    with pytest.raises(Invalid, match="needs a command"):
        table["exec"].launch(make_request(options={"command": []}))
