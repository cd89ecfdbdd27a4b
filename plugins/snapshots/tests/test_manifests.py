"""Manifests: one tree, one encoding, and nothing else is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.errors import Invalid
from aexl_snapshots.objects import manifest as manifests
from aexl_snapshots.objects.ids import EMPTY, is_id, object_id, parse_id
from aexl_snapshots.objects.manifest import HEADER, Entry, Manifest, cut_manifest
from aexl_snapshots.objects.names import MAX_DEPTH, MAX_NAME, explain_name, explain_path, fold_name

ID = object_id(b"x")


def entry(path, mode="file", size=1, id=ID):
    return Entry(path, mode, size, id)


def test_a_manifest_reads_as_text():
    made = Manifest([entry("b", "exec"), entry("a/ü.txt")])

    assert made.encode().decode() == f"aexl-manifest 1\nfile {ID} 1 a/ü.txt\nexec {ID} 1 b\n"
    assert made.id == object_id(made.encode())
    assert Manifest.decode(made.encode()) == made


def test_the_order_of_files_does_not_matter():
    assert Manifest([entry("b"), entry("a")]).id == Manifest([entry("a"), entry("b")]).id


def test_paths_are_sorted_by_their_bytes():
    assert [each.path for each in Manifest([entry("a/b"), entry("a-b"), entry("é"), entry("z")])] == [
        "a-b",
        "a/b",
        "z",
        "é",
    ]


def test_an_empty_tree_is_a_tree():
    assert Manifest.decode(Manifest([]).encode()) == Manifest([])


paths = st.lists(st.text("abcéß日 .-", min_size=1, max_size=6), min_size=1, max_size=4).map("/".join)


@given(st.lists(st.tuples(paths, st.sampled_from(["file", "exec"]), st.integers(1, 2**38)), max_size=12))
def test_every_manifest_that_can_be_made_comes_back(files):
    try:
        made = Manifest([Entry(path, mode, size, ID) for path, mode, size in files])
    except Invalid:
        return
    assert Manifest.decode(made.encode()) == made


@given(st.binary(max_size=200))
def test_other_bytes_are_refused_or_canonical(data):
    try:
        made = Manifest.decode(HEADER + data)
    except Invalid:
        return
    assert made.encode() == HEADER + data


@pytest.mark.parametrize(
    "bad",
    [
        "../up", "a/../b", "a//b", "/abs", "./a", "a/.", "", "C:/x", "a:b", "a\\b", "a\x00b", "a\nb", "a\x7f", "a\x85b",
        "a\u2028b", ".git/config", ".GIT/x", "a/.Git", ".git./x", ".git /x", "git~1/x", "GIT~2", ".g\u200cit/x", ".aexl/x",
        "sub/.AEXL", "aexl~1", "\u212bngstrom", "e\u0301", "\uff0egit/x", "a\ud800b",
    ],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_is_refused_and_named(bad):
    with pytest.raises(Invalid):
        Manifest([entry(bad)])
    encoded = HEADER + f"file {ID} 1 {bad}\n".encode("utf-8", "surrogatepass")
    with pytest.raises(Invalid):
        Manifest.decode(encoded)


@pytest.mark.parametrize(
    "good", [".gitignore", ".github/x", "agit~1", "a b", "ü", "日本", "👩‍💻.txt", "a..b", "...", "git~x", "CON"]
)
def test_a_path_that_only_looks_odd_is_kept(good):
    assert Manifest.decode(Manifest([entry(good)]).encode()).entries[0].path == good


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a", "A"),
        ("ß", "SS"),
        ("a/x", "A/y"),
        ("straße", "STRASSE"),
        ("a", "a/b"),
        ("a", "A/b"),
        ("x", "x"),
        ("σ", "ς"),
    ],
)
def test_paths_that_are_one_to_some_file_system_are_refused_with_both_names(one, other):
    with pytest.raises(Invalid) as caught:
        Manifest([entry(one), entry(other)])
    assert one.split("/")[0] in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        f"link {ID} 1 a", f"file {ID[:-1]} 1 a", f"file {ID.upper()} 1 a", f"file {ID} 01 a", f"file {ID} -1 a",
        f"file {ID} 1 ", f"file  {ID} 1 a", f"file {ID} 1", f"file {ID} {2**38 + 1} a", f"file {EMPTY} 1 a", f"file {ID} 0 a",
        f"file {ID} 1 b\nfile {ID} 1 a", f"file {ID} 1 a\nfile {ID} 1 a", f"file {ID} 1 a\r", "",
    ],
)  # fmt: skip
def test_a_line_that_breaks_a_rule_is_refused(line):
    with pytest.raises(Invalid):
        Manifest.decode(HEADER + line.encode() + b"\n")


@pytest.mark.parametrize("data", [b"", b"aexl-manifest 2\n", HEADER[:-1], HEADER + b"file", b"{}"])
def test_what_is_no_manifest_is_refused(data):
    with pytest.raises(Invalid):
        Manifest.decode(data)


def test_the_limits_hold_at_their_edges(monkeypatch):
    assert explain_name("a" * MAX_NAME) is None
    assert "255 bytes" in explain_name("a" * (MAX_NAME + 1))
    assert "255 bytes" in explain_name("é" * 128)
    assert explain_path("/".join("a" * MAX_DEPTH)) is None
    assert "deep" in explain_path("/".join("a" * (MAX_DEPTH + 1)))
    assert explain_path("/".join(["a" * 255] * 16)) is None
    assert "4096" in explain_path("/".join(["a" * 255] * 16) + "/b")
    monkeypatch.setattr(manifests, "MAX_ENTRIES", 2)
    Manifest([entry("a"), entry("b")])
    with pytest.raises(Invalid, match="2 files, not 3"):
        Manifest([entry("a"), entry("b"), entry("c")])
    monkeypatch.setattr(manifests, "MAX_BYTES", len(Manifest([entry("a")]).encode()))
    with pytest.raises(Invalid, match="bytes"):
        Manifest([entry("ab")]).encode()


@given(st.text(max_size=12))
def test_names_that_fold_alike_fold_to_the_same(name):
    assert fold_name(name.upper().lower()) == fold_name(fold_name(name.upper().lower()))


def test_cutting_loses_nothing_and_keeps_parts_small():
    data = Manifest([entry(f"folder/{number:05}") for number in range(3000)]).encode()
    cuts = list(cut_manifest(data, lambda path: len(path) * 0 + int.from_bytes(path[-3:-1], "big")))

    assert b"".join(data[a:b] for a, b in cuts) == data
    assert max(b - a for a, b in cuts) < 32768 + 200
    assert list(cut_manifest(b"", hash)) == []


@pytest.mark.parametrize("text", ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 40, "a" * 64 + "\n"])
def test_what_is_no_id_is_refused(text):
    assert not is_id(text)
    with pytest.raises(Invalid):
        parse_id(text)
