"""Where commands keep tokens: ``$AEXL_HOME/credentials.json``, mode 0600, and the system's keyring where there is one.

The file says which server each profile is for, and what its commands act on. A token
stands in it only where no keyring keeps it: one counts as kept when it can be read back.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, Protocol, TypeVar, cast

import msgspec

from aexl.errors import Invalid, NotFound, Unavailable

T = TypeVar("T")

FILE_NAME: Final = "credentials.json"
DEFAULT: Final = "default"
SERVICE: Final = "aexl"
"""What the keyring knows us as."""


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace or project that commands act on."""

    id: str
    slug: str


class Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One login. ``token`` is ``None`` where the keyring has it."""

    url: str
    user: str
    tenant: str
    token: str | None = None
    workspace: Chosen | None = None
    project: Chosen | None = None


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds."""

    version: Literal[1] = 1
    current: str = DEFAULT
    profiles: dict[str, Profile] = {}


class Keyring(Protocol):
    """The part of the library ``keyring`` that is used."""

    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...

    def delete_password(self, service: str, username: str) -> None: ...


def system_keyring() -> Keyring | None:
    """Return the system's keyring; ``None`` where the extra is not installed."""
    try:
        import keyring
    except ImportError:
        return None
    return cast("Keyring", keyring)


class Credentials:
    """All logins of one home.

    Args:
        keyring: Returns the keyring, when it is needed.
    """

    def __init__(self, home: Path, keyring: Callable[[], Keyring | None] = system_keyring) -> None:
        self._path = home / FILE_NAME
        self._keyring = keyring

    def read(self) -> Kept:
        """Return what is kept; nothing, where nobody has logged in.

        Raises:
            Invalid: If the file is damaged, or open to others.
            Unavailable: If it cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                data = file.read()
        except FileNotFoundError:
            return Kept()
        except OSError as error:
            raise Unavailable(f"{self._path}: {error.strerror or error}") from error
        if mode & 0o077:
            raise Invalid(f"others may read {self._path}, which has tokens in it; 'chmod 600 {self._path}'")
        try:
            return msgspec.json.decode(data, type=Kept)
        except msgspec.DecodeError as error:
            raise Invalid(f"{self._path} is damaged: {error}; move it away and log in again") from error

    def profile(self, name: str) -> Profile:
        """Return a profile.

        Raises:
            NotFound: If nobody has logged in under that name.
        """
        found = self.read().profiles.get(name)
        if found is None:
            raise NotFound(f"there is no profile {name!r}; 'aexl auth login' makes one, 'aexl auth list' shows them")
        return found

    def token(self, name: str, profile: Profile) -> tuple[str, Literal["file", "keyring"]]:
        """Return a profile's token, and where it was.

        Raises:
            NotFound: If the keyring has it no longer.
        """
        if profile.token is not None:
            return profile.token, "file"
        keyring = self._keyring()
        found = _ask(lambda: keyring.get_password(SERVICE, name)) if keyring else None
        if found is None:
            raise NotFound(f"the keyring has no token for the profile {name!r} any more; 'aexl auth login' again")
        return found, "keyring"

    def save(self, name: str, profile: Profile, token: str, *, keyring: bool = True) -> Literal["file", "keyring"]:
        """Keep a login and make it the current one; return where the token is.

        Args:
            keyring: Try the keyring first.
        """
        place: Literal["file", "keyring"] = "keyring" if keyring and self._lock_away(name, token) else "file"
        kept = msgspec.structs.replace(profile, token=token if place == "file" else None)
        self._change(lambda now: Kept(current=name, profiles={**now.profiles, name: kept}))
        return place

    def _lock_away(self, name: str, token: str) -> bool:
        keyring = self._keyring()
        if keyring is None:
            return False
        _ask(lambda: keyring.set_password(SERVICE, name, token))
        return _ask(lambda: keyring.get_password(SERVICE, name)) == token

    def choose(self, name: str, workspace: Chosen | None, project: Chosen | None) -> None:
        """Remember what a profile's commands act on."""
        chosen = msgspec.structs.replace(self.profile(name), workspace=workspace, project=project)
        self._change(lambda now: msgspec.structs.replace(now, profiles={**now.profiles, name: chosen}))

    def switch(self, name: str) -> None:
        """Make a profile the current one.

        Raises:
            NotFound: If there is none of the name.
        """
        self.profile(name)
        self._change(lambda now: msgspec.structs.replace(now, current=name))

    def remove(self, name: str) -> None:
        """Forget a login.

        Raises:
            NotFound: If there is none of the name.
        """
        if self.profile(name).token is None and (keyring := self._keyring()) is not None:
            _ask(lambda: keyring.delete_password(SERVICE, name))

        def without(now: Kept) -> Kept:
            left = {each: profile for each, profile in now.profiles.items() if each != name}
            current = now.current if now.current in left else next(iter(left), DEFAULT)
            return Kept(current=current, profiles=left)

        self._change(without)

    def _change(self, change: Callable[[Kept], Kept]) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._locked():
                data = msgspec.json.format(msgspec.json.encode(change(self.read())), indent=2) + b"\n"
                _replace(self._path, data)
        except UnicodeEncodeError as error:
            raise Invalid("a profile's name must be UTF-8") from error
        except OSError as error:
            raise Unavailable(f"{self._path}: {error.strerror or error}") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _replace(path: Path, data: bytes) -> None:
    """Write a file that was never readable by others, whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _ask(work: Callable[[], T]) -> T | None:
    """Ask the keyring; one that fails, in whichever of its backends' own ways, is as good as none."""
    try:
        return work()
    except Exception:  # backends raise what they like, and the file is the way out
        return None
