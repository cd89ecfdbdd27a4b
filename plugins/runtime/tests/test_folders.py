"""What a folder is called: by its content, and by nothing else."""

import pytest

from aexl_runtime.folders import folder_id


@pytest.fixture
def named(tmp_path):
    """Return a function that names a folder of these files."""
    made = []

    def named(files):
        root = tmp_path / str(len(made))
        made.append(root)
        root.mkdir()
        for name, data in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return folder_id(str(root))

    return named


ALIKE = [
    {"a": b"q\0b\0y"},
    {"a": b"q", "b": b"y"},
    {"a": b"qb", "y": b""},
    {"aq": b"", "b": b"y"},
    {"a": b"q", "by": b""},
    {"a/b": b"y"},
    {},
]


def test_folders_of_other_files_have_other_names(named):
    assert len({named(files) for files in ALIKE}) == len(ALIKE)


def test_folders_of_the_same_files_have_the_same_name(named):
    assert named({"a": b"x", "b/c": b""}) == named({"b/c": b"", "a": b"x", "__pycache__/a.pyc": b"1", ".git/x": b"1"})
