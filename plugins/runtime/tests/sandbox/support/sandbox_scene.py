"""The machine around a sandbox: secrets to read, files to spoil, processes to hurt, sockets to reach."""

import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from aexl_runtime.sandbox import kernel
from aexl_runtime.sandbox.syscalls import numbers

VICTIM = """
import ctypes, os, signal, sys, time
secret = ctypes.create_string_buffer(b"victim's secret")
reader, writer = os.pipe()
for _ in range(200):
    os.write(writer, b"what the victim reads")
signal.signal(signal.SIGWINCH, lambda *_: os.write(1, b"\\n"))  # print cannot be called within itself
log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
signal.signal(signal.SIGUSR1, lambda *_: os.write(log, b"signal"))
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
print(ctypes.addressof(secret), reader, flush=True)
while True:
    time.sleep(60)
"""

_IPC_CREATE = 0o1000 | 0o666


class Scene:
    """Everything that attempts are about; made by the user who confines. ``close`` takes it away again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outside = folder / "outside"
        self.snapshot = folder / "snapshot"
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        for made in (self.outside, self.snapshot):
            made.mkdir(exist_ok=True)
            made.chmod(0o777)
        self.log = folder / "signals.log"
        self.facts: dict[str, object] = {"calls": numbers(kernel.machine())}
        self._files()
        self._listen()
        self._start_victim()
        self._queues()
        os.environ.update(AEXL_CANARY="the starter's secret", LD_PRELOAD="libm.so.6")
        resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)

    def _files(self) -> None:
        secret, private = self.outside / "secret.txt", self.outside / "private.txt"
        for path, mode in ((secret, 0o644), (private, 0o600)):
            path.write_text("the file's secret")
            path.chmod(mode)
        os.mkfifo(self.outside / "pipe")
        (self.outside / "pipe").chmod(0o666)
        self._name = f"aexl-scene-{os.getpid()}"
        shared = Path("/dev/shm", self._name)
        shared.write_text("secret")
        shared.chmod(0o666)
        self.facts.update(
            secret=str(secret), private=str(private), outside=str(self.outside), snapshot=str(self.snapshot),
            pipe=str(self.outside / "pipe"), shm_name=self._name, handler=str(self.snapshot / "handler.py"),
            open=str(self.outside / "open.txt"), new=str(self.outside / "new"), suid=str(self.folder / "suid"),
            disk=self._disk(), group="/sys/fs/cgroup/pids/cgroup.procs",
        )  # fmt: skip
        leak = os.open(self.outside, os.O_RDONLY)
        leak_file = os.open(secret, os.O_RDONLY)
        self.leaks = (os.dup2(leak, 200), os.dup2(leak_file, 201))
        self.facts.update(leak=200, leak_file=201)

    @staticmethod
    def _disk() -> str:
        return next((str(path) for path in Path("/dev").iterdir() if path.is_block_device()), "/dev/none")

    def refresh(self) -> None:
        """Make the files that attempts spoil."""
        new = self.outside / "new"
        new.rmdir() if new.is_dir() and not new.is_symlink() else new.unlink(missing_ok=True)
        for stray in (self.snapshot / "new.pyc", self.snapshot / "handler.pyx"):
            stray.unlink(missing_ok=True)
        for path, mode in ((self.outside / "open.txt", 0o666), (self.snapshot / "handler.py", 0o666)):
            path.unlink(missing_ok=True)
            path.write_text("as it was")
            path.chmod(mode)
        self.victim.send_signal(signal.SIGWINCH)  # what it answers after signals that are still on their way
        assert self.victim.stdout.readline(), "the process that is attacked has ended"
        self.log.write_text("")

    def _listen(self) -> None:
        tcp = socket.create_server(("127.0.0.1", 0))
        tcp6 = socket.create_server(("::1", 0), family=socket.AF_INET6)
        udp = socket.socket(type=socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        path = str(self.outside / "run.sock")
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(path)
        Path(path).chmod(0o777)
        abstract, abstract_d = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"aexl-scene-{os.getpid()}"
        abstract.bind("\0" + name)
        abstract_d.bind("\0" + name + "d")
        for listener in (unix, abstract):
            listener.listen(64)
        for listener in (tcp, tcp6, unix, abstract):
            threading.Thread(target=_accept, args=(listener,), daemon=True).start()
        threading.Thread(target=_echo, args=(udp,), daemon=True).start()
        threading.Thread(target=_swallow, args=(abstract_d,), daemon=True).start()
        self.facts.update(
            tcp=tcp.getsockname()[1], tcp6=tcp6.getsockname()[1], udp=udp.getsockname()[1], unix=path, abstract=name
        )

    def _start_victim(self) -> None:
        self.victim = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", VICTIM, "victim", str(self.log)],
            env={"VICTIM": "secret"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.victim.stdout is not None
        address, descriptor = self.victim.stdout.readline().split()
        self.facts.update(victim=self.victim.pid, address=int(address), descriptor=int(descriptor))

    def _queues(self) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        library.shmat.restype = ctypes.c_void_p
        key = 0x61650000 + os.getpid() % 0xFFFF
        memory = library.shmget(key, 4096, _IPC_CREATE)
        ctypes.memmove(library.shmat(memory, None, 0), b"secret", 6)
        queue = library.msgget(key, _IPC_CREATE)
        semaphore = library.semget(key, 1, _IPC_CREATE)
        for _ in range(40):
            library.msgsnd(queue, b"\1\0\0\0\0\0\0\0secret", 6, 0o4000)
        named = library.mq_open(f"/{self._name}".encode(), os.O_CREAT | os.O_RDWR, 0o666, None)
        library.fchmod(named, 0o666)
        kernel.system_call("keyctl", 1, None)  # a session keyring of our own
        key_id = kernel.system_call("add_key", b"user", b"aexl", b"key's secret", 12, -3)
        self._remove_queues = lambda: (
            library.shmctl(memory, 0, None),
            library.msgctl(queue, 0, None),
            library.semctl(semaphore, 0, 0),
            library.mq_unlink(f"/{self._name}".encode()),
        )
        self.facts.update(ipc_key=key, queue=self._name, key=key_id)

    def victim_was_signalled(self) -> bool:
        return bool(self.log.read_text())

    def close(self) -> None:
        self._remove_queues()
        Path("/dev/shm", self._name).unlink(missing_ok=True)
        self.victim.send_signal(signal.SIGKILL)
        self.victim.wait()


def _accept(listener: socket.socket) -> None:
    while True:
        listener.accept()[0].close()


def _echo(udp: socket.socket) -> None:
    while True:
        data, sender = udp.recvfrom(999)
        udp.sendto(data, sender)


def _swallow(udp: socket.socket) -> None:
    while True:
        udp.recv(99)
