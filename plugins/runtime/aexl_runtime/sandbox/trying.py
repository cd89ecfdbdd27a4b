"""Trying each layer, in a child that ends with it. A program of its own: ``probing`` starts it, and reads what it prints."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from shutil import which
from typing import Final, NoReturn

from aexl.errors import AexlError
from aexl_runtime.sandbox import bubblewrap, kernel, landlock, places, settling, view
from aexl_runtime.sandbox.filters import compile_filter
from aexl_runtime.sandbox.paths import system_paths
from aexl_runtime.sandbox.ports import Layer, Order, Probed
from aexl_runtime.sandbox.probing import to_json

_ACCOUNTS: Final = ((0x60000000, 0x60FFFFFF), (61184, 65519))
"""Users that no list of users has: far above all of them, or where systemd takes its passing ones from."""


def try_all() -> Probed:
    """Try each layer in a child of this process, which must have one thread."""
    root = os.geteuid() == 0
    program = which("bwrap", path="/usr/local/bin:/usr/bin:/bin") or ""
    own = () if root else ("user",)
    trials: dict[Layer, Callable[[], object]] = {
        Layer.USER_NAMESPACE: lambda: settling.leave_namespaces(Order(namespaces=("user",))),
        Layer.MOUNT_NAMESPACE: lambda: _try_view(own),
        Layer.PID_NAMESPACE: lambda: settling.leave_namespaces(Order(namespaces=(*own, "pid"))),
        Layer.NET_NAMESPACE: lambda: settling.leave_namespaces(Order(namespaces=(*own, "net"))),
        Layer.IPC_NAMESPACE: lambda: settling.leave_namespaces(Order(namespaces=(*own, "ipc"))),
        Layer.NO_NEW_PRIVILEGES: lambda: kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1),
        Layer.CAPABILITIES: _try_capabilities,
        Layer.LANDLOCK: _try_landlock,
        Layer.SECCOMP: _try_seccomp,
        Layer.RLIMITS: lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
        Layer.CGROUPS: places.find_places,
        Layer.BUBBLEWRAP: lambda: _try_bubblewrap(program),
        Layer.ACCOUNT: _find_accounts,
    }
    problems: dict[Layer, str] = {}
    answers: dict[Layer, object] = {}
    for layer, trial in trials.items():
        answer, problem = _in_child(trial)
        answers[layer] = answer
        if problem is not None:
            problems[layer] = problem
    counted, _ = _in_child(_try_count) if not root else (False, None)
    accounts = answers[Layer.ACCOUNT]
    groups = answers[Layer.CGROUPS]
    version = answers[Layer.LANDLOCK]
    return Probed(
        problems=problems,
        uid=os.geteuid(),
        landlock=version if isinstance(version, int) else 0,
        pids_by_user=counted is True,
        groups=groups if isinstance(groups, dict) else {},
        bubblewrap="" if Layer.BUBBLEWRAP in problems else program,
        accounts=(accounts[0], accounts[1]) if isinstance(accounts, list) else (0, 0),
    )


def _try_view(own: tuple[str, ...]) -> None:
    settling.leave_namespaces(Order(namespaces=own))
    kernel.unshare("mount")
    view.build(system_paths(), work=None, scratch_bytes=1 << 20, owner=None, processes=False)


def _try_capabilities() -> None:
    kernel.limit_capabilities()
    kernel.drop_capabilities()


def _try_landlock() -> int:
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    version = landlock.version()
    everything = ("files", "tcp", "signals", "abstract")
    landlock.restrict(everything, version, readable=("/usr",))
    return version


def _try_seccomp() -> None:
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.install_filter(compile_filter(("ordinary",), kernel.machine()))


def _try_bubblewrap(program: str) -> None:
    if not program:
        raise FileNotFoundError("there is no program 'bwrap'")
    order = Order(view="bubblewrap", bubblewrap=program, readable=system_paths(), scratch_bytes=1 << 20)
    done = subprocess.run(
        bubblewrap.command(order, ["true"]), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise PermissionError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "bwrap failed")


def _find_accounts() -> list[int]:
    if os.geteuid() != 0:
        raise PermissionError("only root can become another user")
    failure: OSError | None = None
    for first, last in _ACCOUNTS:
        for account in (last, first):
            _, problem = _in_child(partial(_become, account))
            if problem is not None:
                failure = PermissionError(problem)
                break
        else:
            return [first, last]
    raise failure or PermissionError("no other user can be taken")


def _become(account: int) -> None:
    os.setgroups([])
    os.setresgid(account, account, account)
    os.setresuid(account, account, account)


def _try_count() -> bool:
    """Return whether a limit of two processes in a new user namespace counts its own ones only, and holds."""
    settling.leave_namespaces(Order(namespaces=("user", "pid")))
    kernel.drop_capabilities()
    resource.setrlimit(resource.RLIMIT_NPROC, (3, 3))
    started: list[int] = []
    for _ in range(4):
        try:
            pid = os.fork()
        except BlockingIOError:
            break
        if pid == 0:
            signal.pause()
        started.append(pid)
    if started:
        os.kill(started[0], signal.SIGKILL)  # the namespace's first process: the others end with it
    return len(started) == 2


def _in_child(trial: Callable[[], object]) -> tuple[object, str | None]:
    """Return what ``trial`` answers in a child, or why it failed there."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _answer_and_exit(trial, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as answers:
        text = answers.readline()
    os.waitpid(child, 0)
    if not text:
        return None, "the process that tried it was ended"
    answer = json.loads(text)
    return answer["answer"], answer["problem"]


def _answer_and_exit(trial: Callable[[], object], writer: int) -> NoReturn:
    problem = None
    answer: object = None
    try:
        answer = trial()
    except (OSError, AexlError, ValueError) as error:
        problem = str(error)
    finally:
        os.write(writer, json.dumps({"answer": answer, "problem": problem}).encode() + b"\n")
        os._exit(0)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(to_json(try_all())) + "\n")
