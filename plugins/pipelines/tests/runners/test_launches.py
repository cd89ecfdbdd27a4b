"""How each CLI is started: arguments, environment, input, files, and how it is ended."""

from __future__ import annotations

import json
import signal
import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aexl.api.governed import common_variables
from aexl.api.runners import Ability, RunnerLimits, RunnerSession, Sampling, ToolPolicy
from aexl.errors import Invalid

CLIS = ["claude", "codex", "gemini", "opencode", "aider", "llm"]

MACHINE = {
    "PATH": "/opt/bin:/usr/bin",
    "LC_ALL": "de_DE.UTF-8",
    "HOME": "/home/ann",
    "XDG_CONFIG_HOME": "/home/ann/.config",
    "EDITOR": "vi",
    "OPENAI_API_KEY": "sk-machine",
    "ANTHROPIC_API_KEY": "sk-machine",
    "GEMINI_API_KEY": "sk-machine",
    "GROQ_API_KEY": "sk-machine",
    "AWS_SECRET_ACCESS_KEY": "sk-machine",
    "MY_COMPANYS_TOKEN": "sk-machine",
}


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


@pytest.mark.parametrize("cli", CLIS)
def test_the_environment_has_what_is_needed_and_no_key_of_the_machine(cli, table, make_request, access):
    spec = table[cli].launch(make_request(environ=MACHINE, access=access, model="m", env={"STEP": "1"}))

    assert "sk-machine" not in spec.env.values()
    assert (spec.env["PATH"], spec.env["LC_ALL"], spec.env["STEP"]) == (MACHINE["PATH"], MACHINE["LC_ALL"], "1")
    assert "EDITOR" not in spec.env
    assert common_variables(access).items() <= {**spec.env, **common_variables(access)}.items()
    assert spec.env["AEXL_TOKEN"] == access.token


@pytest.mark.parametrize("cli", CLIS)
def test_everything_a_cli_keeps_is_below_the_runs_home(cli, table, make_request, access):
    request = make_request(environ=MACHINE, access=access, model="m", schema={"type": "object"})
    spec = table[cli].launch(request)
    homes = ("HOME", "XDG_", "TMPDIR", "CLAUDE_CONFIG_DIR", "CODEX_HOME", "LLM_USER_PATH", "GEMINI_SYSTEM_MD")
    places = [value for name, value in spec.env.items() if name.startswith(homes)]

    assert len(places) >= 6
    assert all(value.startswith(str(request.home)) for value in places)
    assert all(path.is_relative_to(request.home) for path in [*spec.files, *spec.folders])
    assert not str(request.home / "codex").startswith(spec.env["TMPDIR"])


@pytest.mark.parametrize("cli", CLIS)
def test_the_token_is_in_no_argument(cli, table, make_request, access):
    spec = table[cli].launch(make_request(access=access, model="m"))

    assert all(access.token not in word for word in spec.argv)


@pytest.mark.parametrize("cli", CLIS)
def test_without_a_server_the_persons_own_login_counts_where_that_is_said(cli, table, make_request):
    spec = table[cli].launch(make_request(environ=MACHINE, login=True))

    assert (spec.env["HOME"], spec.env["XDG_CONFIG_HOME"]) == ("/home/ann", "/home/ann/.config")
    assert "CLAUDE_CONFIG_DIR" not in spec.env
    assert "CODEX_HOME" not in spec.env
    assert "sk-machine" not in spec.env.values()


@pytest.mark.parametrize("cli", CLIS)
def test_a_providers_variable_in_the_step_is_refused_where_calls_are_governed(cli, table, make_request, access):
    request = make_request(access=access, model="m", env={"ANTHROPIC_BASE_URL": "http://elsewhere"})

    with pytest.raises(Invalid, match=rf"runner {cli} cannot take ANTHROPIC_BASE_URL"):
        table[cli].launch(request)


@pytest.mark.parametrize("cli", CLIS)
def test_the_prompt_is_no_argument(cli, table, make_request):
    spec = table[cli].launch(make_request("--help; a prompt that looks like a flag"))
    given = (spec.stdin or b"").decode() + "".join(spec.files.values())

    assert "a prompt that looks like a flag" in given
    assert all("looks like a flag" not in word for word in spec.argv)


@pytest.mark.parametrize("cli", [*CLIS, "exec"])
def test_an_empty_prompt_is_refused(cli, table, make_request):
    options = {"command": ["cat"]} if cli == "exec" else {}
    with pytest.raises(Invalid, match="the prompt is empty"):
        table[cli].launch(make_request(" \n", options=options))


@pytest.mark.parametrize("cli", CLIS)
def test_an_option_that_only_another_runner_knows_is_refused(cli, table, make_request):
    with pytest.raises(Invalid, match=rf"runner {cli} cannot use its options: .*unknown field `colour`"):
        table[cli].launch(make_request(options={"colour": "red"}))


@pytest.mark.parametrize("cli", CLIS)
def test_its_program_can_be_another_one(cli, table, make_request):
    spec = table[cli].launch(make_request(options={"program": "/opt/own", "arguments": ["--more"]}))

    assert spec.argv[0] == "/opt/own"
    assert "--more" in spec.argv


@pytest.mark.parametrize("cli", ["claude", "codex", "llm"])
def test_an_argument_longer_than_the_system_passes_on_is_refused(cli, table, make_request):
    fits, too_long = "x" * (100 * 1024), "x" * (128 * 1024)
    table[cli].launch(make_request(append_system=(fits,)))
    with pytest.raises(Invalid, match="cannot pass on an argument of"):
        table[cli].launch(make_request(append_system=(too_long,)))


LADDERS = {
    "claude": [(signal.SIGINT, 5.0), (signal.SIGTERM, 5.0)],
    "codex": [(signal.SIGINT, 3.0)],
    "gemini": [(signal.SIGTERM, 3.0)],
    "opencode": [(signal.SIGTERM, 3.0)],
    "aider": [(signal.SIGTERM, 3.0)],
    "llm": [(signal.SIGTERM, 3.0)],
}


@pytest.mark.parametrize("cli", CLIS)
def test_it_is_ended_as_it_ends_cleanly(cli, table, make_request):
    assert list(table[cli].launch(make_request()).cancel) == LADDERS[cli]


@pytest.mark.parametrize("cli", CLIS)
def test_a_schema_is_asked_for_by_its_own_means_or_in_the_prompt(cli, table, make_request):
    spec = table[cli].launch(make_request(schema={"type": "object", "title": "Report"}))
    given = (spec.stdin or b"").decode() + spec.files.get(make_request().home / "message.txt", "")

    assert ("JSON Schema" in given) == (Ability.SCHEMA not in table[cli].capabilities)
    assert "Report" in " ".join([*spec.argv, *spec.files.values(), given])


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


def test_gemini_in_the_persons_own_home_changes_no_setting_there(table, make_request):
    request = make_request(environ=MACHINE, login=True)
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


WORDS = st.text(max_size=30).filter(lambda word: "\0" not in word)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_whatever_is_asked_for_is_honoured_or_refused_by_name(table, make_request, access, data):
    cli = data.draw(st.sampled_from(CLIS))
    request = make_request(
        data.draw(WORDS.filter(str.strip)),
        model=data.draw(st.none() | WORDS.filter(bool)),
        access=data.draw(st.sampled_from([None, access])),
        system=data.draw(st.none() | WORDS),
        append_system=tuple(data.draw(st.lists(WORDS, max_size=2))),
        tools=ToolPolicy(
            allow=tuple(data.draw(st.lists(WORDS, max_size=2))),
            deny=tuple(data.draw(st.lists(WORDS, max_size=2))),
            disabled=data.draw(st.booleans()),
            mode=data.draw(st.sampled_from(["default", "read", "edit", "all", "ask"])),
        ),
        session=RunnerSession(
            kind=data.draw(st.sampled_from(["new", "resume", "fork"])), id=data.draw(st.none() | WORDS)
        ),
        sampling=Sampling(thinking=data.draw(st.none() | st.floats(0, 1))),
    )
    spec, said = None, ""
    try:
        spec = table[cli].launch(request)
    except Invalid as error:
        said = str(error)
    if spec is None:
        assert cli in said
        return
    assert all(isinstance(word, str) and "\0" not in word for word in spec.argv)
    assert all(isinstance(value, str) for value in spec.env.values())
    for path, text in spec.files.items():
        if path.suffix == ".toml":
            tomllib.loads(text)
