"""Files that look like credentials, by name and by content."""

from __future__ import annotations

import pytest

from aexl_snapshots.worktree.credentials import READ_BYTES, suspect_content, suspect_name

KEYS = [
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9u",
    "-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
    "AKIA" + "IOSFODNN7EXAMPLE",
    "sk-ant-" + "api03-" + "a1B2" * 12,
    "sk-proj-" + "a1B2" * 12,
    "sk-" + "a1B2" * 12,
    "AIza" + "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6q",
    "ghp_" + "a1B2c3" * 6,
    "github_pat_" + "a1B2c3_" * 9,
    "glpat-" + "a1B2c3d4e5f6g7h8i9j0",
    "xoxb-" + "123456789012-abcdefghijkl",
    "sk_live_" + "a1B2c3d4e5f6g7h8i9j0",
    "npm_" + "a1B2c3" * 6,
    "hf_" + "a1" * 17,
    "gsk_" + "a1B2" * 13,
    "aexl_" + "0123456789abcdef_" + "a1B2" * 8,
]


@pytest.mark.parametrize("key", KEYS)
def test_keys_of_well_known_forms_are_seen_with_their_line(key):
    reason = suspect_content(f"import os\n\nKEY = '{key}'\n".encode())
    assert reason is not None
    assert reason.startswith("line 3 looks like ")


def test_a_credential_that_was_accepted_is_not_one_again_but_another_is():
    known = f"# one\n{KEYS[6]}\n".encode()
    assert suspect_content(b"# changed\n" + known, known) is None
    assert suspect_content(known + KEYS[7].encode(), known) == "line 3 looks like a GitHub token"
    assert suspect_content(known + KEYS[6].replace("A1b2", "B1b2").encode(), known) is not None


@pytest.mark.parametrize(
    "text",
    [
        "the -----BEGIN PRIVATE KEY----- marker in prose",
        "disk-usage-of-a-very-long-name-with-many-words",
        "task-" + "a" * 20,
        "a_very_long_identifier_of_a_function_that_does_nothing",
        "AKIA is a prefix",
        "0123456789abcdef" * 4,
        "https://example.com/a/very/long/path/without/any/key/in/it",
    ],
)
def test_ordinary_text_is_not(text):
    assert suspect_content(text.encode()) is None


def test_only_the_beginning_of_a_file_is_looked_at():
    key = KEYS[2].encode()
    assert suspect_content(b" " * (READ_BYTES - len(key)) + key)
    assert suspect_content(b" " * READ_BYTES + key) is None


@pytest.mark.parametrize(
    "path", [".env", "a/.env.production", "x/server.KEY", "id_rsa", ".aws/credentials", "b/.kube/config"]
)
def test_names_of_credentials_are_seen(path):
    assert suspect_name(path)


@pytest.mark.parametrize("path", [".env.example", "keyboard.py", "id_rsa.pub", "docs/credentials.md", "config"])
def test_names_of_other_files_are_not(path):
    assert suspect_name(path) is None
