"""What the documentation says is what the code does."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import msgspec
import pytest
import typer

from aexl.core.cli.commands import OWN_COMMANDS
from aexl.core.config.loading import load_config
from aexl.core.config.own import ProviderSection
from aexl.core.config.sections import field_types
from aexl.core.host import LocalHost
from aexl.core.plugins import installed_sources
from aexl.core.routes import metrics_text
from aexl.core.surroundings import Surroundings

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("plugins/*/README.md"))]
SOURCES = [
    path for folder in ("aexl", "plugins") for path in (ROOT / folder).rglob("*.py") if "tests" not in path.parts
]


@pytest.fixture
def surroundings(home):
    sources = [source for source in installed_sources() if source.origin == "aexl"]
    return Surroundings(home, environ={}, sources=sources)


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def tables(section, prefix):
    """Yield the header of every table of a section, nested ones too, with the keys below it."""
    keys = {name: kind for name, kind in field_types(section).items() if name != "options"}
    yield prefix, set(keys)
    for name, kind in keys.items():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from tables(kind, f"{prefix}.{name}")


def test_every_key_of_the_configuration_is_on_its_page(surroundings):
    page = (REFERENCE / "configuration.md").read_text()
    for section in surroundings.sections:
        name = f"{section.table}.<name>" if section.keyed else section.table
        for header, keys in tables(section.model, name):
            part = page.split(f"## [{header}]\n")[1].split("\n## ")[0]
            listed = set(re.findall(r"^\| `(\w+)`", part.split("\n### ")[0], re.MULTILINE))
            assert listed == keys, header


def configurations():
    for page in PAGES:
        for number, text in enumerate(blocks(page, "toml")):
            if "entry-points" not in text and "[project]" not in text:
                yield pytest.param(text, id=f"{page.relative_to(ROOT)}-{number}")


@pytest.mark.parametrize("text", list(configurations()))
def test_every_configuration_in_the_docs_loads(surroundings, text):
    assert tomllib.loads(text)
    load_config(surroundings.sections, home=surroundings.home, home_text=text, project=None, environ={})


def leaves(command, path):
    """Yield every command that does something, with its words."""
    below = getattr(command, "commands", None)
    if not below:
        yield path, command
    for name in sorted(below or ()):
        yield from leaves(below[name], f"{path} {name}")


def rows_of(text):
    return "\n".join(line for line in text.splitlines() if line.startswith("|"))


def test_the_command_line_page_has_every_command_and_option_and_no_other(surroundings):
    page = (REFERENCE / "command-line.md").read_text()
    known = {**{command.name: command for command in surroundings.commands}, **OWN_COMMANDS}
    expected = {}
    for name, command in known.items():
        for path, leaf in leaves(typer.main.get_command(command.load()), f"aexl {name}"):
            options = (
                option for p in leaf.params if p.param_type_name == "option" for option in (*p.opts, *p.secondary_opts)
            )
            expected[path] = set(options) - {"--help"}
    parts = dict(part.split("\n", 1) for part in page.split("\n## ")[1:])
    found = {path: set(re.findall(r"`(--?[a-z][a-z0-9-]*)`", rows_of(text))) for path, text in parts.items()}

    for path, options in expected.items():
        assert options <= found[path], path
        assert found[path] <= options, path
    assert set(expected) <= set(parts)


def codes_in_the_source():
    """Return what stands for ``code`` where a call is refused or has failed."""
    found = set()
    for path in SOURCES:
        if "testing" in path.parts:
            continue
        text = path.read_text()
        found |= set(re.findall(r'\bcode="([a-z_]+)"', text))
        found |= set(re.findall(r'(?:Refusal|_error)\(\s*\d{3},\s*"([a-z_]+)"', text))
        found |= set(re.findall(r'_refuse\(send, \d{3},\s*"([a-z_]+)"', text))
        found |= set(re.findall(r'"code": "([a-z_]+)"', text))
        found |= set(re.findall(r'\bcode = "([a-z_]+)" if', text)) | set(re.findall(r'else "([a-z]+_[a-z_]+)"$', text))
        found |= {code for pair in re.findall(r'code="([a-z_]+)" if .* else "([a-z_]+)"', text) for code in pair}
        if path.name == "failures.py":
            found |= set(re.findall(r'return "(upstream_[a-z]+)"', text))
    return found


def test_every_code_that_a_refusal_can_have_is_on_the_errors_page():
    page = (REFERENCE / "errors.md").read_text()
    listed = {
        code
        for line in page.splitlines()
        if line.startswith("| `")
        for code in re.findall(r"`([a-z_]+)`", line.split("|")[1])
    }

    assert codes_in_the_source() - listed == set()
    everything = "".join(path.read_text() for path in SOURCES)
    assert [code for code in listed if f'"{code}"' not in everything] == []


async def test_the_metrics_page_has_every_number_and_no_other(surroundings):
    page = (REFERENCE / "metrics.md").read_text()
    listed = set(re.findall(r"`(aexl_[a-z_]+)", page))
    host = LocalHost(surroundings)
    async with host.running():
        shown = set(re.findall(r"^# TYPE (\S+)", metrics_text(host, 0), re.MULTILINE))
    everything = "".join(path.read_text() for path in SOURCES)

    assert shown <= listed
    assert [
        name for name in listed if f'"{name}"' not in everything and f'"{name.removesuffix("_usd")}' not in everything
    ] == []


def test_every_link_between_pages_leads_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_every_provider_key_is_on_the_configuration_page(surroundings):
    from aexl_providers.table import ProviderTable

    page = (REFERENCE / "configuration.md").read_text().split("### Keys of the types")[1].split("\n## ")[0]

    assert set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) == set(field_types(ProviderTable))
    assert "type" in field_types(ProviderSection)


@pytest.mark.slow
def test_the_verifier_of_the_docs_holds_a_real_export_and_finds_a_planted_change(program):
    names: dict[str, object] = {}
    [source] = blocks(REFERENCE / "ledger-events.md", "python")
    exec(compile(source, "ledger-events.md", "exec"), names)
    verify = names["verify"]
    for name in ("alice", "bob", "carol"):
        program.run("agent", "create", name, "5")
    lines = program.run("ledger", "export").stdout.splitlines()

    assert verify(lines) == len(lines) >= 6
    changed = [line.replace('"subject":"bob"', '"subject":"bub"') for line in lines]
    first = next(n for n, line in enumerate(lines, 1) if '"subject":"bob"' in line)
    with pytest.raises(ValueError, match=rf"event {first} "):
        verify(changed)
    assert json.loads(lines[0])["event"]["seq"] == 1


@pytest.fixture
def program(home):
    from model_server import ModelServer
    from program import Program

    with ModelServer() as upstream:
        made = Program(home, upstream)
        made.configure()
        yield made
