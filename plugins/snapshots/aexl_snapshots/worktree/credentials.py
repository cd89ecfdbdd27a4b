"""Files that look as if they held a credential: by their names, and by well-known forms of keys in them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

DEFAULT_RULES: Final = """\
.git/
.aexl/
__pycache__/
.env
.env.*
!.env.example
!.env.sample
!.env.template
*.pem
*.key
*.p12
*.pfx
*.jks
*.keystore
id_rsa
id_dsa
id_ecdsa
id_ed25519
.netrc
.pgpass
.pypirc
.npmrc
.htpasswd
.aws/credentials
.docker/config.json
.kube/config
.git-credentials
credentials.json
service-account*.json
*.tfstate
"""
"""What is ignored where no ignore file says otherwise; ``init`` writes it for people to see."""

READ_BYTES: Final = 256 * 1024
"""How far into a file the detector looks."""

_NAMES: Final = re.compile(
    r"\.env(?!\.(?:example|sample|template)$)(?:\..+)?|.+\.(?:pem|key|p12|pfx|jks|keystore|tfstate)"
    r"|id_(?:rsa|dsa|ecdsa|ed25519)|\.netrc|\.pgpass|\.pypirc|\.htpasswd|\.git-credentials"
    r"|credentials\.json|service-account.*\.json",
    re.IGNORECASE,
)
_PATHS: Final = re.compile(r"(?:.*/)?(?:\.aws/credentials|\.docker/config\.json|\.kube/config)")

_FORMS: Final[Sequence[tuple[str, re.Pattern[bytes]]]] = [
    (what, re.compile(form))
    for what, form in (
        ("an API key of a model provider", rb"\bsk-(?:ant-|proj-|or-)?[A-Za-z0-9_-]{32,}"),
        ("a Google API key", rb"\bAIza[0-9A-Za-z_-]{35}"),
        ("a GitHub token", rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}\b|github_pat_[A-Za-z0-9_]{50,})"),
        ("a GitLab token", rb"\bglpat-[0-9A-Za-z_-]{20,}"),
        ("a Slack token", rb"\bxox[abeprs]-[0-9A-Za-z-]{21,}"),
        ("a Stripe key", rb"\b[rs]k_live_[0-9A-Za-z]{20,}"),
        ("an npm token", rb"\bnpm_[A-Za-z0-9]{36}\b"),
        ("a Hugging Face token", rb"\bhf_[A-Za-z0-9]{34,}"),
        ("a Groq key", rb"\bgsk_[A-Za-z0-9]{40,}"),
        ("an aexl token", rb"\baexl_[0-9a-f]{16}_[0-9A-Za-z_-]{20,}"),
    )
]
"""Tokens of at least ``_SHORTEST`` letters, digits, ``_`` and ``-`` in a row."""

_SHORTEST: Final = 26
_WORD: Final = bytes(0x61 if re.fullmatch(rb"[A-Za-z0-9_-]", bytes([byte])) else 0x20 for byte in range(256))
_RUN: Final = b"a" * _SHORTEST
_PRIVATE_KEY: Final = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\s*[A-Za-z0-9+/=\\]{16}")
_AWS_KEY: Final = re.compile(rb"\bAKIA[0-9A-Z]{16}\b")


def suspect_name(path: str) -> str | None:
    """Say why a file's name looks like a credential's, if it does."""
    name = path.rpartition("/")[2]
    if _NAMES.fullmatch(name) or _PATHS.fullmatch(path):
        return "its name is one that credentials have"
    return None


def suspect_content(data: bytes, known: bytes = b"") -> str | None:
    """Say what credential seems to stand in a file, if one does; at most ``READ_BYTES`` are looked at.

    Args:
        known: What the file held before; a credential that stands in it has been accepted.
    """
    head = data[:READ_BYTES]
    for what, found in _credentials(head):
        if found[0] not in known:
            return f"line {head.count(chr(10).encode(), 0, found.start()) + 1} looks like {what}"
    return None


def _credentials(head: bytes) -> Iterator[tuple[str, re.Match[bytes]]]:
    """Yield what looks like credentials.

    Every file that is added comes through here, so what is cheap comes first: a
    token is a long run of few characters, and most files have none.
    """
    if b"PRIVATE KEY-----" in head:
        yield from (("a private key", found) for found in _PRIVATE_KEY.finditer(head))
    if b"AKIA" in head:
        yield from (("an AWS access key", found) for found in _AWS_KEY.finditer(head))
    if _RUN in head.translate(_WORD):
        for what, form in _FORMS:
            yield from ((what, found) for found in form.finditer(head))
