"""A wheel is checked before anything of it is unpacked."""

from __future__ import annotations

import stat
import sys
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aexl.core.plugins import archive
from aexl.core.plugins.wheel import read_wheel
from aexl.errors import Invalid, NotFound


def add(path, name, data=b"", **changes):
    """Add a member as it is, whatever RECORD says."""
    info = zipfile.ZipInfo(name)
    for key, value in changes.items():
        setattr(info, key, value)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(info, data)
    return path


def test_a_sound_wheel_says_what_it_is(make_wheel):
    wheel = read_wheel(make_wheel(requires=["msgspec"]))

    assert (wheel.name, wheel.version, wheel.requires) == ("hello", "1.0", ("msgspec",))
    assert wheel.points == (("hello", "hello_plugin:Hello"),)
    assert wheel.files == 5


def test_the_hash_that_was_asked_for_must_be_its_own(make_wheel):
    path = make_wheel()
    digest = read_wheel(path).sha256

    assert read_wheel(path, sha256=digest.upper()).sha256 == digest
    with pytest.raises(Invalid, match=f"its SHA-256 is {digest}, not {'0' * 64}"):
        read_wheel(path, sha256="0" * 64)


def test_a_file_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        read_wheel(tmp_path / "hello-1.0-py3-none-any.whl")


@pytest.mark.parametrize("tag", ["cp27-cp27m-linux_x86_64", "cp311-cp311-win_amd64", "py2-none-any", "cp399-abi3-any"])
def test_a_wheel_for_another_python_or_platform_is_refused_by_its_name(make_wheel, tag):
    with pytest.raises(Invalid, match=f"it is for {tag}, and this is Python {sys.version_info.major}"):
        read_wheel(make_wheel(tag=tag))


def test_the_tags_inside_count_too(make_wheel):
    inside = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py2-none-any\n"
    with pytest.raises(Invalid, match="it is for py2-none-any"):
        read_wheel(make_wheel(wheel=inside))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"metadata": "Requires-Python: <3.9"}, "needs Python <3.9"),
        ({"metadata": "Requires-Python: about three"}, "cannot be read"),
        ({"requires": ["aexl<0.0.1"]}, "needs aexl <0.0.1, and this is"),
        ({"requires": ["a b c"]}, "requirement 'a b c' cannot be read"),
        ({"wheel": "Wheel-Version: 2.0\nTag: py3-none-any\n"}, "version 2.0 of the wheel format"),
        ({"wheel": "Wheel-Version: 1.0\n"}, "it is for nothing that it says"),
        ({"plugins": {"../x": "hello_plugin:Hello"}}, "'../x'"),
        ({"plugins": {"hello": "no object"}}, "is not a name and module:attribute"),
        ({"record": lambda text: text.replace("hello_plugin.py,sha256=", "hello_plugin.py,md5=")}, "no SHA-256"),
        ({"record": lambda text: "\n".join(text.splitlines()[1:])}, "'hello_plugin.py' is not in RECORD"),
        ({"record": lambda text: text + "gone.py,sha256=x,1\n"}, "names 'gone.py', which is not there"),
        ({"record": lambda text: text + text.splitlines()[0] + "\n"}, "names 'hello_plugin.py' twice"),
        ({"record": lambda text: text + "a,b\n"}, "RECORD cannot be read"),
        ({"record": lambda text: text.replace(",1", ",9")}, "is not the file that RECORD describes"),
        ({"change": {"more.py": b"x = 1"}}, "'more.py' is not in RECORD"),
        ({"change": {"other-1.0.dist-info/METADATA": b""}}, "2 metadata folders"),
    ],
)
def test_what_a_wheel_says_of_itself_must_hold(make_wheel, changes, reason):
    with pytest.raises(Invalid, match=f"hello-1.0-py3-none-any.whl is not installed: .*{reason}"):
        read_wheel(make_wheel(**changes))


def test_the_metadata_must_be_of_the_distribution_that_the_file_is_called_after(make_wheel):
    path = make_wheel("other")
    with pytest.raises(Invalid, match=r"its metadata folder is called other-1.0"):
        read_wheel(path.rename(path.with_name("hello-1.0-py3-none-any.whl")))


@pytest.mark.parametrize("name", ["hello.zip", "hello-1.0.whl", "hello-one.two.three-py3-none-any.whl", "x.whl"])
def test_a_file_that_is_not_called_like_a_wheel_is_none(make_wheel, name):
    path = make_wheel()
    with pytest.raises(Invalid, match="not the name of a wheel"):
        read_wheel(path.rename(path.with_name(name)))


def test_a_file_that_is_no_archive_is_no_wheel(tmp_path):
    path = tmp_path / "hello-1.0-py3-none-any.whl"
    path.write_bytes(b"PK nothing")
    with pytest.raises(Invalid, match="no zip archive"):
        read_wheel(path)


@pytest.mark.parametrize(
    "name",
    ["../evil.py", "/etc/evil.py", "a/../../evil.py", "a//b.py", "./a.py", "a\\..\\evil.py", "C:/evil.py", "a/\x07.py"],
)
def test_a_path_that_leaves_the_folder_is_refused(make_wheel, name):
    with pytest.raises(Invalid, match=r"does not stay within|control character"):
        read_wheel(add(make_wheel(), name))


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644, stat.S_IFCHR | 0o644, stat.S_IFDIR])
def test_a_link_or_a_special_file_is_refused(make_wheel, mode):
    with pytest.raises(Invalid, match="'link' is a link or a special file"):
        read_wheel(add(make_wheel(), "link", b"/etc/passwd", external_attr=mode << 16))


@pytest.mark.parametrize("name", ["Hello_plugin.py", "HELLO_PLUGIN.PY"])
def test_two_names_that_are_one_file_somewhere_are_refused(make_wheel, name):
    with pytest.raises(Invalid, match="have one name"):
        read_wheel(add(make_wheel(), name))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_in_the_archive_is_refused(make_wheel):
    with pytest.raises(Invalid, match="have one name"):
        read_wheel(add(make_wheel(), "hello_plugin.py", b"import os"))


def test_a_file_that_is_another_ones_folder_is_refused(make_wheel):
    with pytest.raises(Invalid, match="is a file, and the folder of"):
        read_wheel(add(make_wheel(), "hello_plugin.py/x.py"))


def test_an_encrypted_file_is_refused(make_wheel):
    path = add(make_wheel(), "secret.py", b"x")
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(Invalid, match="encrypted"):
        read_wheel(path)


def test_a_damaged_file_is_refused(make_wheel):
    path = make_wheel(files={"hello_plugin.py": b"x" * 5000})
    data = bytearray(path.read_bytes())
    data[data.index(b"hello_plugin.py") + 20] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(Invalid, match=r"hello_plugin.py"):
        read_wheel(path)


@pytest.mark.parametrize(
    ("limit", "value", "reason"),
    [
        ("MAX_FILES", 5, None),
        ("MAX_FILES", 4, "it has 5 files, and 4 is the limit"),
        ("MAX_METADATA_BYTES", 10, "and 10 is the limit"),
    ],
)
def test_the_archives_limits_hold_to_the_number(make_wheel, monkeypatch, limit, value, reason):
    monkeypatch.setattr(archive, limit, value)
    if reason is None:
        read_wheel(make_wheel())
        return
    with pytest.raises(Invalid, match=reason):
        read_wheel(make_wheel())


def test_what_it_unpacks_to_is_bounded_before_it_is_read(make_wheel, monkeypatch):
    path = make_wheel()
    with zipfile.ZipFile(path) as file:
        size = sum(member.file_size for member in file.infolist())
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", size)
    read_wheel(path)
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", size - 1)
    with pytest.raises(Invalid, match=f"unpacks to {size} bytes, and {size - 1} is the limit"):
        read_wheel(path)


def test_the_file_itself_is_bounded(make_wheel, monkeypatch):
    path = make_wheel()
    size = path.stat().st_size
    monkeypatch.setattr("aexl.core.plugins.wheel.MAX_WHEEL_BYTES", size)
    read_wheel(path)
    monkeypatch.setattr("aexl.core.plugins.wheel.MAX_WHEEL_BYTES", size - 1)
    with pytest.raises(Invalid, match=f"it has {size} bytes"):
        read_wheel(path)


@pytest.mark.parametrize(("length", "fits"), [(255, True), (256, False)])
def test_a_name_is_no_longer_than_file_systems_take(make_wheel, length, fits):
    name = "x" * length
    if fits:
        assert read_wheel(make_wheel(files={"hello_plugin.py": "", name: ""})).files == 6
        return
    with pytest.raises(Invalid, match="too long a name"):
        read_wheel(make_wheel(files={"hello_plugin.py": "", name: ""}))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_wheel_with_any_byte_changed_is_refused_or_read_and_nothing_else_happens(make_wheel, data):
    path = make_wheel()
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    try:
        wheel = read_wheel(path)
    except Invalid:
        return
    assert wheel.name == "hello"


PART = st.sampled_from(["..", ".", "", "a", "b.py", "\\", "c:", "nul\0", "\ud800", "é", "A"])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(PART, min_size=1, max_size=5).map("/".join))
def test_whatever_a_path_is_it_is_refused_or_stays_within_the_folder(make_wheel, tmp_path, name):
    info = zipfile.ZipInfo("x")
    info.filename = name
    problem = archive._wrong_member(info)
    if problem is None:
        assert (tmp_path / name).resolve().is_relative_to(tmp_path.resolve())
        assert name == str((tmp_path / name).relative_to(tmp_path)) + ("/" if name.endswith("/") else "")
