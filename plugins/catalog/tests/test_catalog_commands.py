"""``aexl models``, without a server."""

from __future__ import annotations

import json
import sys
import tomllib
import types
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from aexl.api import Control, Models
from aexl.errors import AexlError, ConfigError, Conflict, Invalid, NotFound, Problem, Unavailable
from aexl.testing.control import FakeControl
from aexl.testing.host import FakeConfig, FakeHost
from aexl.testing.provider import FakeProvider
from aexl.testing.session import FakeSession
from aexl_catalog.catalog import Catalog
from aexl_catalog.commands import app
from aexl_catalog.settings import ModelTable

TOML = """\
# The way out.
[providers.groq]
type = "openai"
api_key_env = "TEST_GROQ_KEY"  # from the environment

[models.first]
provider = "groq"   # fast
price = { input = "1", output = "2" }
limits = { context = 1000 }
"""


def read(text: str) -> FakeConfig:
    return FakeConfig(mappings={ModelTable: tomllib.loads(text).get("models", {})})


@pytest.fixture
def control() -> FakeControl:
    return FakeControl()


@pytest.fixture
def session(tmp_path: Path, control: FakeControl, monkeypatch: pytest.MonkeyPatch) -> FakeSession:
    """A session of a home in which no server runs, until it has a status."""
    monkeypatch.delenv("TEST_GROQ_KEY", raising=False)
    path = tmp_path / "aexl.toml"
    path.write_text(TOML)
    path.chmod(0o640)
    host = FakeHost(tmp_path)
    catalog = Catalog()
    catalog.meet({"groq": FakeProvider(name="groq")})
    host.services = {Models: catalog, Control: control}
    return FakeSession(host, read=read)


def run(session: FakeSession, *arguments: str, fails: type[AexlError] | None = None) -> Any:
    result = CliRunner().invoke(app, list(arguments), obj=session)
    if fails is not None:
        assert isinstance(result.exception, fails), result.output
    elif result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def text(session: FakeSession) -> str:
    return (session.home / "aexl.toml").read_text()


def test_list_has_a_line_for_each_model(session: FakeSession) -> None:
    assert "first  groq  1.00  2.00  1000  -  config:" in run(session, "list").output


def test_list_json_has_decimal_strings(session: FakeSession) -> None:
    models = {model["name"]: model for model in json.loads(run(session, "list", "--json").output)}
    assert models["first"]["price"]["output"] == "2.00"
    assert models["first"]["context"] == 1000


def test_show_says_where_a_price_comes_from(session: FakeSession) -> None:
    output = run(session, "show", "llama-3.1-8b-instant").output
    assert "price from  genai-prices " in output
    assert "USD per million tokens" in output
    assert json.loads(run(session, "show", "first", "--json").output)["provider"] == "groq"


def test_show_suggests_a_name(session: FakeSession) -> None:
    assert "'first'" in str(run(session, "show", "frist", fails=NotFound).exception)


def test_check_finds_a_missing_key_and_ends_with_1(session: FakeSession) -> None:
    result = run(session, "check")
    assert result.exit_code == 1
    assert "TEST_GROQ_KEY" in result.output


@pytest.mark.parametrize("where", ["environment", "file"])
def test_check_is_content_where_the_key_is_set(
    session: FakeSession, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if where == "environment":
        monkeypatch.setenv("TEST_GROQ_KEY", "k")
    else:
        (session.home / ".env").write_text("OTHER=1\nexport TEST_GROQ_KEY = 'k'\n")
    result = run(session, "check", "first")
    assert result.exit_code == 0
    assert "nothing is wrong" in result.output


def test_check_names_every_problem(session: FakeSession) -> None:
    with (session.home / "aexl.toml").open("a") as file:
        file.write('[models.lost]\nprovider = "nowhere"\n')
    found = {entry["problem"] for entry in json.loads(run(session, "check", "lost", "--json").output)}
    assert len(found) == 3


def test_add_keeps_comments_order_and_mode(session: FakeSession) -> None:
    run(
        session, "add", "llama/3.1", "--provider", "groq", "--provider-model", "llama-3.1-8b-instant",
        "--input", "0.05", "--output", "0.08", "--cached-input", "0.025", "--context", "131072", "--output-limit", "8192", "--enforce",
    )  # fmt: skip
    assert text(session).startswith(TOML.rstrip("\n"))
    assert (session.home / "aexl.toml").stat().st_mode & 0o777 == 0o640
    added = session.config.mapping(ModelTable)["llama/3.1"]
    assert added.price is not None
    assert (added.price.cached_input, added.limits.output, added.limits.enforce) == ("0.025", 8192, True)
    assert "llama/3.1  groq  0.05" in run(session, "list").output


def test_add_makes_the_file_and_only_its_owner_may_read_it(session: FakeSession) -> None:
    (session.home / "aexl.toml").unlink()
    result = run(session, "add", "m", "--provider", "groq", "--free")
    assert (session.home / "aexl.toml").stat().st_mode & 0o777 == 0o600
    assert session.config.mapping(ModelTable)["m"].free
    assert "[providers.groq]" in result.output


def test_add_writes_through_a_link(session: FakeSession, tmp_path: Path) -> None:
    real = tmp_path / "elsewhere.toml"
    (session.home / "aexl.toml").rename(real)
    (session.home / "aexl.toml").symlink_to(real)
    run(session, "add", "m", "--provider", "groq", "--free")
    assert (session.home / "aexl.toml").is_symlink()
    assert "[models.m]" in real.read_text()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["first", "--provider", "groq"], Conflict),
        (["m", "--provider", "groq", "--input", "1"], Invalid),
        (["m", "--provider", "groq", "--input", "1", "--output", "-1"], Invalid),
        (["m", "--provider", "groq", "--input", "1", "--output", "nan"], Invalid),
        (["m", "--provider", "groq", "--input", "1", "--output", "99999999"], Invalid),
        (["m", "--provider", "groq", "--input", "1", "--output", "1", "--free"], Invalid),
        (["m", "--provider", "groq", "--output-limit", "-5"], Invalid),
        (["m", "--provider", "groq", "--output-limit", "0"], Invalid),
        (["m", "--provider", "groq", "--free", "--enforce"], Invalid),
    ],
)
def test_add_refuses_and_changes_nothing(session: FakeSession, arguments: list[str], error: type[AexlError]) -> None:
    run(session, "add", *arguments, fails=error)
    assert text(session) == TOML


def test_add_replaces_when_told_to(session: FakeSession) -> None:
    run(session, "add", "first", "--provider", "groq", "--free", "--replace")
    assert session.config.mapping(ModelTable)["first"].free


def test_add_reloads_a_running_server_and_says_so(session: FakeSession, control: FakeControl) -> None:
    session.ensure_server()
    assert "The running server has it." in run(session, "add", "m", "--provider", "groq", "--free").output
    assert control.reloads == 1


def test_what_the_server_refuses_is_taken_back(session: FakeSession, control: FakeControl) -> None:
    session.ensure_server()
    control.refuses = ConfigError([Problem(key="models.m", message="no")])
    run(session, "add", "m", "--provider", "groq", "--free", fails=ConfigError)
    assert text(session) == TOML


def test_a_file_that_is_no_toml_is_not_touched(session: FakeSession) -> None:
    (session.home / "aexl.toml").write_text("[models\n")
    run(session, "add", "m", "--provider", "groq", "--free", fails=ConfigError)
    assert text(session) == "[models\n"


def test_reload_says_the_digest(session: FakeSession) -> None:
    session.ensure_server()
    assert "abababababab" in run(session, "reload").output


def test_reload_without_a_server_says_so(session: FakeSession) -> None:
    run(session, "reload", fails=Unavailable)


DOCUMENT = {
    "version": 1,
    "providers": {"groq": {"type": "openai_compatible", "base_url": "https://api.groq.com/openai/v1"}},
    "models": {
        "gpt-oss-20b": {"provider": "groq", "provider_model": "x", "pricing": {"input_micro": 50, "output_micro": 100}}
    },
}


def give_yaml(monkeypatch: pytest.MonkeyPatch, document: object) -> None:
    """Put a reader in place of ruamel.yaml, where that is not installed."""
    module = types.ModuleType("ruamel.yaml")
    reader = types.SimpleNamespace(load=lambda data: document)
    module.YAML = lambda **options: reader  # type: ignore[attr-defined]
    module.error = types.SimpleNamespace(YAMLError=ValueError)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ruamel", types.ModuleType("ruamel"))
    monkeypatch.setitem(sys.modules, "ruamel.yaml", module)


def test_import_adds_models_and_keeps_what_is_there(
    session: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_yaml(monkeypatch, DOCUMENT)
    path = tmp_path / "models.yaml"
    path.write_text("-")
    result = run(session, "import", str(path))
    assert "[providers.groq] was there already" in result.output
    assert "Added 1 table" in result.output
    table = session.config.mapping(ModelTable)["gpt-oss-20b"]
    assert table.price is not None
    assert (table.price.input, table.price.output) == ("50", "100")
    assert text(session).startswith(TOML.rstrip("\n"))


def test_import_without_a_yaml_reader_says_what_is_missing(
    session: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ruamel.yaml", None)
    path = tmp_path / "models.yaml"
    path.write_text("version: 1\n")
    run(session, "import", str(path), fails=Unavailable)


@pytest.mark.parametrize("command", ["list", "show", "check", "reload", "add", "import"])
def test_every_command_has_help_with_an_example(session: FakeSession, command: str) -> None:
    assert f"Example: aexl models {command}" in " ".join(run(session, command, "--help").output.split())
