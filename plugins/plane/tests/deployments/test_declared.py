"""What a project's files declare, held to what a runtime offers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.api import RuntimeOffer
from aexl_plane.deployments.declared import Declared, check_offer

OFFER = RuntimeOffer(
    name="science",
    python="3.12.4",
    sdk="1.4.0",
    runtime="1.4.0",
    distributions={"requests": "2.31.0", "my-lib": "1.0b2", "odd": "not a version"},
)


def problems(**files):
    """Return what stands against files, given by name without the suffix."""
    suffixes = {"aexl": "aexl.toml", "pyproject": "pyproject.toml", "requirements": "requirements.txt"}
    declared = Declared()
    for name, text in files.items():
        declared.read(suffixes[name], text)
    found = [*declared.obstacles, *check_offer(declared, OFFER)]
    return [(each.rule, each.message) for each in found]


@pytest.mark.parametrize(
    "files",
    [
        {"aexl": ""},
        {
            "aexl": '[runtime]\nsdk = ">=1,<2"\nruntime = "~=1.4"\npython = ">=3.11"\nsecrets = ["A"]\n[pipelines]\nx = 1'
        },
        {"requirements": "requests\nrequests>=2,<3\nMy_Lib==1.0b2\nmy.lib>=1.0b1\nodd==1"},
        {"requirements": "# nothing\n\n  requests>=2 # why\n--index-url https://example.org/simple\n-c other.txt\n"},
        {"requirements": "requests==2.31.0 \\\n    --hash=sha256:00 \\\r\n    --hash=sha256:11\n"},
        {"requirements": 'absent; python_version < "3.12"\nabsent; sys_platform == "win32"\nrequests[socks]'},
        {"pyproject": '[project]\nrequires-python = ">=3.12"\ndependencies = ["requests>2"]\n[tool.x]\ny = 1'},
        {"pyproject": "[build-system]\nrequires = ['absent']"},
        {"aexl": "[runtime]\naiel_compat = true", "requirements": "aiel-sdk"},
    ],
)
def test_what_is_offered_is_no_obstacle(files):
    assert problems(**files) == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"aexl": '[runtime]\nsdk = ">=2"'}, [("sdk", "aexl.toml, [runtime] sdk: sdk >=2 is needed, and runtime science has 1.4.0")]),
        ({"aexl": '[runtime]\nruntime = "<1"'}, [("runtime", "aexl.toml, [runtime] runtime: runtime <1 is needed, and runtime science has 1.4.0")]),
        ({"aexl": '[runtime]\npython = "<3.12"'}, [("python", "aexl.toml, [runtime] python: python <3.12 is needed, and runtime science has 3.12.4")]),
        ({"pyproject": '[project]\nrequires-python = ">=3.13"'}, [("python", "pyproject.toml, requires-python: python >=3.13 is needed, and runtime science has 3.12.4")]),
        ({"aexl": '[runtime]\nsdk = "new"'}, [("settings", "aexl.toml, [runtime] sdk: 'new' is no version specifier, such as '>=1,<2'")]),
        ({"aexl": "[runtime]\nsdk = 1"}, [("settings", "aexl.toml, [runtime] sdk must be a text, not 1")]),
        ({"aexl": "[runtime"}, [("settings", "aexl.toml cannot be read: Expected ']' at the end of a table declaration (at end of document)")]),
        ({"requirements": "absent>=1"}, [("requirement", "requirements.txt: absent>=1 is needed, and runtime science does not have absent")]),
        ({"requirements": "requests>=3"}, [("requirement", "requirements.txt: requests>=3 is needed, and runtime science has 2.31.0")]),
        ({"requirements": 'absent; python_version >= "3.12"'}, [("requirement", 'requirements.txt: absent; python_version >= "3.12" is needed, and runtime science does not have absent')]),
        ({"requirements": "absent @ https://example.org/absent.whl"}, [("requirement", "requirements.txt: absent @ https://example.org/absent.whl is needed, and runtime science does not have absent")]),
        ({"requirements": 'x; sys_platform ~= "linux"'}, [("requirement", "requirements.txt: 'x; sys_platform ~= \"linux\"' is no requirement")]),
        ({"requirements": "what is this"}, [("requirement", "requirements.txt: 'what is this' is no requirement")]),
        ({"requirements": "-e .\n./lib"}, [("requirement", "requirements.txt: '-e .' is not built here; name a distribution"), ("requirement", "requirements.txt: './lib' is not built here; name a distribution")]),
        ({"requirements": "aiel-sdk"}, [("requirement", "requirements.txt: aiel-sdk is needed, and runtime science does not have aiel-sdk")]),
        ({"pyproject": '[project]\ndependencies = ["absent"]'}, [("requirement", "pyproject.toml: absent is needed, and runtime science does not have absent")]),
        ({"pyproject": "[project]\ndependencies = 'x'"}, [("settings", "pyproject.toml, dependencies must be a list of texts")]),
    ],
)  # fmt: skip
def test_what_is_not_offered_is_named_with_where_it_stands(files, expected):
    assert problems(**files) == expected


def test_everything_is_named_at_once():
    found = problems(
        aexl='[runtime]\nsdk = ">=2"\npython = "<3"',
        requirements="absent\nrequests>=3\nabsent",
        pyproject='[project]\ndependencies = ["gone"]',
    )
    assert [rule for rule, _ in found] == ["sdk", "python", "requirement", "requirement", "requirement"]


def test_requirements_may_go_on_in_other_files():
    declared = Declared()
    declared.read("deep/requirements.txt", "-r more.txt\n--requirement=../base.txt\nrequests\n")
    assert declared.includes == ["deep/more.txt", "base.txt"]


@given(st.text(max_size=200))
def test_no_text_breaks_the_reading(text):
    for path in ("aexl.toml", "pyproject.toml", "requirements.txt"):
        declared = Declared()
        declared.read(path, text)
        list(check_offer(declared, OFFER))


@given(
    st.lists(
        st.sampled_from(["-r ", "-e", "--", "a", ">=1", ";", "#", "\\\n", "\n", " ", "[x]", "@", "'", "sys_platform=="])
    )
)
def test_no_lines_of_requirements_break_the_reading(pieces):
    declared = Declared()
    declared.read("requirements.txt", "".join(pieces))
    list(check_offer(declared, OFFER))
