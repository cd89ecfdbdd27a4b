"""Reading the configuration."""

from __future__ import annotations

import msgspec
import pytest

from aexl.api import ConfigSection
from aexl.core.config.loading import load_config
from aexl.errors import ConfigError, Problem


class Inner(msgspec.Struct, frozen=True, kw_only=True):
    size: int = 1
    label: str = ""


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    port: int = 9000
    name: str = "shop"
    rate: float = 1.0
    inner: Inner = Inner()

    def __post_init__(self):
        if self.port > 65535:
            raise ValueError(f"port must be at most 65535, not {self.port}")
        if not self.name:
            raise ConfigError([Problem(key="shop.name", message="must not be empty")])


class Item(msgspec.Struct, frozen=True, kw_only=True):
    price: str
    options: dict[str, object] = {}


SECTIONS = [
    ConfigSection(table="shop", model=Shop),
    ConfigSection(table="local", model=Inner, project=True),
    ConfigSection(table="items", model=Item, keyed=True, open=True, variable="key_env"),
]


def load(home, text="", *, project=None, environ=None, flags=None, complete=True):
    (home / "aexl.toml").write_text(text)
    return load_config(SECTIONS, home=home, project=project, environ=environ or {}, flags=flags, complete=complete)


def problems(home, text, **options):
    with pytest.raises(ConfigError) as caught:
        load(home, text, **options)
    return [str(problem).replace(str(home), "HOME") for problem in caught.value.problems]


def test_without_any_file_everything_has_its_default(home):
    config = load_config(SECTIONS, home=home, project=None, environ={})

    assert config.section(Shop) == Shop()
    assert config.mapping(Item) == {}


def test_the_strongest_source_wins_value_by_value(home, tmp_path):
    config = load(
        home,
        "[shop]\nport = 1\nname = 'file'\nrate = 2\n[shop.inner]\nsize = 3\n",
        environ={"AEXL_SHOP_PORT": "2", "AEXL_SHOP_NAME": "variable"},
        flags={"shop": {"port": 4}},
    )

    assert config.section(Shop) == Shop(port=4, name="variable", rate=2.0, inner=Inner(size=3))


def test_variables_that_hold_secrets_are_those_that_a_section_says(home):
    config = load(home, "[items.a]\nprice = '1'\nkey_env = 'A_KEY'\n[items.b]\nprice = '2'\n[shop]\nname = 'key_env'\n")

    assert config.secrets == {"A_KEY"}


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("[shop]\nrate = {}\n", 2, "shop.rate"),
        ("[shop.inner]\nlabel = 'x'\nsize = {}\n", 3, "shop.inner.size"),
        ("[items.a]\nprice = '1'\ncolour = [{{ red = {} }}]\n", 3, "items.a.colour.0.red"),
    ],
)
def test_no_number_may_be_endless(home, text, line, key, number):
    assert problems(home, text.format(number)) == [
        f"HOME/aexl.toml:{line}: {key}: must be a finite number, not {number}"
    ]


def test_unknown_keys_have_a_line_and_a_suggestion(home):
    assert problems(home, "# comment\n[shop]\nport = 1\nnmae = 'x'\n") == [
        "HOME/aexl.toml:4: shop.nmae: is not known; did you mean 'name'?"
    ]


def test_an_unknown_table_has_a_line_and_a_suggestion(home):
    assert problems(home, "\n[shpo]\nport = 1\n") == [
        "HOME/aexl.toml:2: shpo: is not a known table; did you mean 'shop'?"
    ]


def test_a_table_of_a_plugin_that_is_off_is_no_error(home):
    assert load(home, "[policy]\nx = 1\n", complete=False).section(Shop) == Shop()


def test_every_problem_is_reported_at_once_with_its_line(home):
    text = "[shop]\nport = 'x'\nrate = true\ninner = { size = 'big', colour = 1 }\n[items.a]\n[items.b]\nprice = 1\n"
    found = problems(home, text)

    assert found == [
        "HOME/aexl.toml:2: shop.port: expected int, not 'x'",
        "HOME/aexl.toml:3: shop.rate: expected float, not True",
        "HOME/aexl.toml:4: shop.inner.size: expected int, not 'big'",
        "HOME/aexl.toml:4: shop.inner.colour: is not known; known are label, size",
        "HOME/aexl.toml:5: items.a: Missing required argument 'price'",
        "HOME/aexl.toml:7: items.b.price: expected str, not 1",
    ]


def test_a_value_that_its_model_refuses_is_named_with_the_section(home):
    assert problems(home, "[shop]\nport = 70000\n") == ["HOME/aexl.toml:1: shop: port must be at most 65535, not 70000"]


def test_what_a_model_names_itself_has_its_line_and_hides_nothing_else(home):
    assert problems(home, "[shop]\nport = 1\nname = ''\n[local]\nsize = 'x'\n") == [
        "HOME/aexl.toml:3: shop.name: must not be empty",
        "HOME/aexl.toml:5: local.size: expected int, not 'x'",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[shop]\nport = \n", 2),
        ("a = 1\na = 2\n", 2),
        ("[shop\n", 1),
        ("[shop]\nname = 'x'\nport = [", 3),
        ("[shop]\nport = [\n\n", 2),
        ('[shop]\nname = """a\nb\n', 3),
        ("port", 1),
    ],
)
def test_a_syntax_error_has_its_line(home, text, line):
    [found] = problems(home, text)

    assert found.startswith(f"HOME/aexl.toml:{line}: syntax: ")


def test_a_project_may_set_only_what_cannot_move_money(home, tmp_path):
    (tmp_path / "aexl.toml").write_text("[local]\nsize = 5\n[shop]\nname = 'mine'\n[items.a]\nprice = '0'\n")
    with pytest.raises(ConfigError) as caught:
        load(home, project=tmp_path)

    assert [problem.key for problem in caught.value.problems] == ["shop", "items"]
    assert "may not be set by a project's own file" in caught.value.problems[0].message


def test_a_project_sets_what_is_its_own(home, tmp_path):
    (tmp_path / "aexl.toml").write_text("[local]\nsize = 5\n")

    assert load(home, "[local]\nlabel = 'h'\n", project=tmp_path).section(Inner) == Inner(size=5, label="h")


def test_open_sections_keep_keys_of_others(home):
    config = load(home, "[items.a]\nprice = '1'\ncolour = 'red'\n")

    assert config.mapping(Item) == {"a": Item(price="1", options={"colour": "red"})}


def test_a_problem_that_a_plugin_found_later_gets_its_line(home):
    config = load(home, "[items.plain]\nprice = '1'\n[items.\"with.dots\"]\nprice = '2'\n")
    found = config.locate(ConfigError([Problem(key="items.with.dots.price", message="is too low")]))

    assert str(found) == f"{home}/aexl.toml:4: items.with.dots.price: is too low"


def test_a_wrong_variable_names_the_environment(home):
    assert problems(home, "", environ={"AEXL_SHOP_PORT": "many"}) == [
        "environment: shop.port: expected int, not 'many'"
    ]


def test_the_digest_follows_the_values_and_not_the_comments(home):
    one = load(home, "[shop]\nport = 1\n").digest
    assert load(home, "# hello\n[shop]\nport = 1 # one\n").digest == one
    assert load(home, "[shop]\nport = 2\n").digest != one


def test_an_unreadable_file_is_named(home):
    (home / "aexl.toml").mkdir()
    with pytest.raises(ConfigError, match=r"cannot be read"):
        load_config(SECTIONS, home=home, project=None, environ={})
