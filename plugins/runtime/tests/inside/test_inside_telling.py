"""Where an error happened: in the project, or nowhere that its author would look."""

import pytest

from aexl_runtime.inside.telling import told_failure
from aexl_runtime.protocol.plain import plain


@pytest.fixture
def location(tmp_path):
    def find(source, work):
        path = tmp_path / "entry_point.py"
        path.write_text(source)
        names = {"plain": plain}
        try:
            exec(compile(source, str(path), "exec"), names)
            work(names)
        except Exception as error:
            return told_failure(error, root=str(tmp_path), debug=False)["location"]
        pytest.fail("nothing was raised")

    return find


def test_an_error_of_ours_that_no_line_of_the_project_made_has_no_place(location):
    assert location("", lambda names: plain(object())) is None


def test_the_place_is_the_innermost_line_of_the_project(location):
    found = location("def t():\n    return plain(object())\n", lambda names: names["t"]())
    assert found == {
        "file": "entry_point.py", "line": 2, "function": "t", "code": "return plain(object())",
        "relpath": "entry_point.py",
    }  # fmt: skip


def test_a_file_that_cannot_be_parsed_is_the_place(location):
    assert location("x = (\n", None)["function"] == "<module>"


def test_code_that_came_as_a_text_is_at_the_line_that_ran_it(location):
    found = location("def t():\n    exec('x = (')\n", lambda names: names["t"]())
    assert (found["line"], found["function"]) == (2, "t")
