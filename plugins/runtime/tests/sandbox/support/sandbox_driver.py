"""Runs attempts in one mode, as one user: ``sandbox_driver.py JOBS`` writes one JSON line for each.

A program of its own, because it becomes another user, and forks: the test's process does neither.
"""

import json
import os
import pty
import select
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

NOBODY = 65534
LIMITS = {
    "memory_bytes": 256 << 20, "pids": 16, "cpu_seconds": 4.0, "wall_seconds": 10.0,
    "disk_bytes": 8 << 20, "file_bytes": 6 << 20, "open_files": 64,
}  # fmt: skip


def become_nobody() -> None:
    """Become a user without rights, who can still read this Python: it may lie in root's own folder."""
    from aexl_runtime.sandbox import kernel
    from aexl_runtime.sandbox.paths import is_public

    hidden = [path for path in dict.fromkeys((sys.base_prefix, sys.prefix)) if not is_public(path, alone=False)]
    if hidden:
        kernel.unshare("mount")
        kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
        copies = [(path, kernel.clone_tree(path)) for path in hidden]
        for top in {Path(*Path(path).parts[:2]) for path in hidden}:
            kernel.mount("none", str(top), "tmpfs", 0, "mode=755")
        for path, copy in copies:
            Path(path).mkdir(parents=True)
            kernel.place_tree(copy, path)
            os.close(copy)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # as any process that was started as this user
    os.environ["HOME"] = "/"


def demands(off):
    from aexl_runtime.sandbox.ports import Control, Demand

    return {control: Demand.OFF if control in off else Demand.PREFER for control in Control}


class Runner:
    def __init__(self, jobs, scene, probed) -> None:
        self.jobs = jobs
        self.scene = scene
        self.probed = probed
        self.number = 0

    def run(self, attempt, off):
        from sandbox_attempts import PRELUDE

        from aexl_runtime.sandbox.confining import confine
        from aexl_runtime.sandbox.ports import Folders, Policy

        policy = Policy(demands=demands(off), view=self.jobs["view"], **{**LIMITS, **attempt.limits})
        self.scene.refresh()
        source = "FACTS = " + repr(self.scene.facts) + PRELUDE + attempt.program
        warm = self.jobs["warm"]
        ending, told = os.pipe()
        os.set_inheritable(told, True)
        confinement = confine(
            policy,
            None if warm else [sys.executable, "-I", "-S", "-c", source],
            folders=Folders(readable=(str(self.scene.snapshot),)),
            env={},
            ending_fd=told,
            probed=self.probed,
        )
        self.number += 1
        output = self.scene.folder / f"out{self.number}"
        said, error = os.pipe()
        master, terminal = pty.openpty()
        with output.open("wb") as file:
            start = self._fork if warm else self._start
            wait = start(confinement, source, terminal, file.fileno(), error)
        for descriptor in (told, error, terminal):
            os.close(descriptor)
        wait()
        left = self._daemons(said)
        text = output.read_bytes()
        escaped = b"escaped" in text or text.strip() == b"0" or len(text) > LIMITS["file_bytes"] or left
        escaped = escaped or self.scene.victim_was_signalled()
        how = json.loads(os.read(ending, 9999) or b"{}")
        errors = os.read(said, 65536) if not left else b""
        for descriptor in (ending, said, master):
            os.close(descriptor)
        output.unlink()
        return {
            "attempt": attempt.name, "off": list(off), "escaped": bool(escaped), "ending": how,
            "errors": errors.decode(errors="replace")[-600:], "report": confinement.report.json(),
        }  # fmt: skip

    def _start(self, confinement, source, stdin, stdout, stderr):
        process = subprocess.Popen(
            confinement.argv, env=confinement.env, stdin=stdin, stdout=stdout, stderr=stderr,
            pass_fds=(*confinement.pass_fds, *self.scene.leaks),
        )  # fmt: skip
        return process.wait

    def _fork(self, confinement, source, stdin, stdout, stderr):
        from aexl_runtime.sandbox.entering import enter

        pid = os.fork()
        if pid == 0:
            try:
                for target, descriptor in enumerate((stdin, stdout, stderr)):
                    os.dup2(descriptor, target)
                enter(confinement.order)
                exec(compile(source, "attempt", "exec"), {"__name__": "attempt"})
            except BaseException as error:
                os.write(2, f"{type(error).__name__}: {error}".encode())
            os._exit(0)
        return lambda: os.waitpid(pid, 0)

    @staticmethod
    def _daemons(said):
        """Return whether somebody still holds standard error open when everything should have ended."""
        poll = select.poll()
        poll.register(said, select.POLLHUP)
        return not any(event & select.POLLHUP for _, event in poll.poll(150))


def main() -> None:
    jobs = json.loads(sys.argv[1])
    folder = Path(jobs["folder"])
    if jobs["user"] == "nobody" and os.geteuid() == 0:
        suid = folder / "suid"
        shutil.copy("/usr/bin/id", suid)
        os.chown(suid, 0, 0)
        suid.chmod(0o4755)
        os.chown(folder, NOBODY, NOBODY)
        become_nobody()
    os.chdir(folder)
    os.umask(0o022)
    from sandbox_attempts import ATTEMPTS
    from sandbox_scene import Scene

    from aexl_runtime.sandbox.ports import Layer
    from aexl_runtime.sandbox.trying import try_all

    found = try_all()
    scene = Scene(folder)
    by_name = {attempt.name: attempt for attempt in ATTEMPTS}
    try:
        for number, batch in enumerate(jobs["batches"]):
            missing = {Layer(name): "left out by the test" for name in batch["missing"]}
            runner = Runner(batch, scene, found._replace(problems={**found.problems, **missing}))
            for name in batch["names"]:
                runs = {"confined": (), "free": by_name[name].switched_off(jobs["user"])}
                for kind in batch["kinds"]:
                    result = runner.run(by_name[name], runs[kind])
                    print(json.dumps({"batch": number, "kind": kind, **result}), flush=True)
    finally:
        scene.close()


if __name__ == "__main__":
    main()
