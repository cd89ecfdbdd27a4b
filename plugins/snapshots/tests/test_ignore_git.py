"""The ignore matcher against git itself, on random trees and rules."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from aexl_snapshots.worktree.ignore import Rules

NAMES = [
    "a", "b", "c", "ab", "abc", "a.b", "a.c", "x.a", "b.", ".a", "A", "a b", "a ", "#a", "!a", "é", "a\\", "[a]", "a*", "-", "]",
    "aab", "a-b", "ba", "1",
]  # fmt: skip
PIECES = [
    "a", "b", "c", "a", "b", "c", "ab", "*", "*", "*", "**", "**", "***", "?", "/", "/", "/", "/**/", "**/", "/**", "**\\/",
    "[ab]", "[!a]", "[^b]", "[a-c]", "[]a]", "[a", "[[:alpha:]]", "[[:digit:]x]", "[[:nope:]]", "[![:upper:]]", "[a\\]]", "[\\a-c]",
    "[a-]", "[/a]", "[--0]", "[[:]a]", "[[:alpha", "\\*", "\\a", "\\\\", "\\#", "\\!", "\\ ", "\\", ".", " ", "  ", "é", "!", "#", "-", "]", "{a,b}", "A",
]  # fmt: skip


def rule(rng: random.Random) -> str:
    text = "".join(rng.choices(PIECES, k=rng.choice([1, 1, 2, 2, 3, 3, 4, 5, 7])))
    if rng.random() < 0.25:
        text = rng.choice(["!", "/", "!/", "#", "\\!", "\\#"]) + text
    if rng.random() < 0.25:
        text += rng.choice(["/", " ", "  ", "\\ ", "\t", "\r", "//", "\\"])
    return text


def rules(rng: random.Random) -> bytes:
    lines = [rule(rng) if rng.random() < 0.8 else name(rng) for _ in range(rng.choice([1, 1, 2, 3, 5, 8]))]
    start = rng.choice(["", "", "", "\ufeff", "\n"])
    return (start + "\n".join(lines) + rng.choice(["", "\n"])).encode()


def name(rng: random.Random) -> str:
    return rng.choice(NAMES)


def grow(rng: random.Random, folder: Path, depth: int = 0) -> None:
    """Make a random tree with ignore files in some of its folders."""
    if depth == 0 or rng.random() < 0.3:
        (folder / ".gitignore").write_bytes(rules(rng))
    for each in {name(rng) for _ in range(rng.randint(1, 5))}:
        if depth < 3 and rng.random() < 0.5:
            (folder / each).mkdir()
            grow(rng, folder / each, depth + 1)
        else:
            (folder / each).touch()


def walk(folder: bytes, prefix: bytes, ours: Rules, inside: bool, seen: dict[bytes, bool]) -> None:
    """Judge everything in a folder; ``inside`` means below one that is ignored."""
    mine = folder + b"/.gitignore"
    if not inside and (path := Path(os.fsdecode(mine))).exists():
        ours = ours.below(prefix, path.read_bytes())
    with os.scandir(folder) as entries:
        for entry in entries:
            ignored = inside or ours.ignore(entry.name, prefix + entry.name, entry.is_dir())
            seen[prefix + entry.name] = ignored
            if entry.is_dir():
                walk(entry.path, prefix + entry.name + b"/", ours, ignored, seen)


def compare(root: Path, seeds: range) -> int:
    """Compare the verdicts on one tree for each seed; return how many paths there were."""
    subprocess.run(["git", "init", "-q", root], check=True)
    expected: dict[bytes, bool] = {}
    for seed in seeds:
        tree = root / str(seed)
        tree.mkdir()
        grow(random.Random(seed), tree)
        seen: dict[bytes, bool] = {}
        walk(os.fsencode(tree), b"", Rules(), False, seen)
        expected |= {f"{seed}/".encode() + path: ignored for path, ignored in seen.items()}
    environ = {"PATH": os.environ["PATH"], "HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1"}
    answer = subprocess.run(
        ["git", "-C", root, "check-ignore", "--no-index", "-z", "--stdin"],
        input=b"\0".join(expected) + b"\0",
        check=False,
        capture_output=True,
        env=environ,
    )
    assert answer.returncode in (0, 1), answer.stderr
    ignored = set(answer.stdout.split(b"\0")) - {b""}
    wrong = [(path.decode(), "ours" if mine else "git") for path, mine in expected.items() if mine != (path in ignored)]
    assert not wrong, f"ignored by one only: {wrong[:10]}"
    return len(expected)


@pytest.mark.slow
def test_2000_random_trees_are_judged_as_git_does(tmp_path):
    assert compare(tmp_path, range(2000)) > 10_000


@pytest.mark.long
@pytest.mark.parametrize("part", range(20))
def test_100000_random_trees_are_judged_as_git_does(tmp_path, part):
    for batch in range(5):
        first = 10_000 + part * 5000 + batch * 1000
        folder = tmp_path / str(batch)
        compare(folder, range(first, first + 1000))
        subprocess.run(["rm", "-rf", folder], check=True)
