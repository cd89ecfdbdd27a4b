"""How every CLI is started: environment, input, files, and how it is ended."""

from __future__ import annotations

import signal
import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aexl.api.governed import common_variables
from aexl.api.runners import Ability, RunnerSession, Sampling, ToolPolicy
from aexl.errors import Invalid

CLIS = ["claude", "codex", "gemini", "opencode", "aider", "llm"]


@pytest.mark.parametrize("cli", CLIS)
def test_the_environment_has_what_is_needed_and_no_key_of_the_machine(cli, table, make_request, access, machine):
    spec = table[cli].launch(make_request(environ=machine, access=access, model="m", env={"STEP": "1"}))

    assert "sk-machine" not in spec.env.values()
    assert (spec.env["PATH"], spec.env["LC_ALL"], spec.env["STEP"]) == (machine["PATH"], machine["LC_ALL"], "1")
    assert "EDITOR" not in spec.env
    assert common_variables(access).items() <= {**spec.env, **common_variables(access)}.items()
    assert spec.env["AEXL_TOKEN"] == access.token


@pytest.mark.parametrize("cli", CLIS)
def test_everything_a_cli_keeps_is_below_the_runs_home(cli, table, make_request, access, machine):
    request = make_request(environ=machine, access=access, model="m", schema={"type": "object"})
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
def test_without_a_server_the_persons_own_login_counts_where_that_is_said(cli, table, make_request, machine):
    spec = table[cli].launch(make_request(environ=machine, login=True))

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
