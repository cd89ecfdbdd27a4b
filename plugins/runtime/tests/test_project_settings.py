"""``[runtime]`` of a project's own ``aexl.toml``: what is wrong there is said."""

import pytest

from aexl_runtime.folders import SETTINGS, read_settings
from aexl_runtime.protocol.failures import Failed
from aexl_runtime.settings import RuntimeConfig


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[runtime]\naiel_compat = "true"', "aexl.toml [runtime] aiel_compat must be true or false, not 'true'"),
        ('[runtime]\nsecrets = "MYSEC"', "aexl.toml [runtime] secrets must be a list of texts, not 'MYSEC'"),
        ("[runtime]\nsecrets = [1]", "aexl.toml [runtime] secrets must be a list of texts, not [1]"),
        ("[runtime]\npython = 3.11", "aexl.toml [runtime] python must be a text, not 3.11"),
        ("[runtime]\naeil_compat = true", "aexl.toml [runtime] has no key 'aeil_compat', only aiel_compat, secrets,"),
        ("runtime = 5", "aexl.toml [runtime] must be a table, not 5"),
        ("[runtime", "aexl.toml cannot be read: "),
    ],
)
def test_settings_that_are_none_are_an_error_that_names_the_key(tmp_path, text, problem):
    (tmp_path / "aexl.toml").write_text(text)
    with pytest.raises(Failed) as caught:
        read_settings(str(tmp_path))
    assert str(caught.value).startswith(problem)
    assert (caught.value.failure.sort, caught.value.failure.exception) == ("load", "ConfigError")


def test_settings_are_read_as_they_are(tmp_path):
    assert read_settings(str(tmp_path)) == {}
    (tmp_path / "aexl.toml").write_text('[runtime]\naiel_compat = true\nsecrets = ["A"]\n[pipelines]\nx = 1\n')
    assert read_settings(str(tmp_path)) == {"aiel_compat": True, "secrets": ["A"]}


def test_the_keys_are_those_of_the_configuration():
    kinds = {"bool": bool, "tuple[str, ...]": list, "str": str}
    assert {name: kinds[RuntimeConfig.__annotations__[name]] for name in RuntimeConfig.__struct_fields__} == SETTINGS
