"""The table of escape attempts: small programs that try what a control forbids.

Each one says ``escaped()`` if it succeeded. ``off`` are the controls that stop it, all of them: with these
switched off and everything else on it must succeed, else it would prove nothing. The first of them is the one
that claims it. ``root_off`` are switched off as well where root is confined, who becomes another user.

Programs see ``FACTS`` about the scene (see ``sandbox_scene``), and the functions of ``PRELUDE``.
"""

from dataclasses import dataclass, field

NET, FILES, PROCS, PIDS, MEM, CPU, WALL, DISK, CALLS, PRIV, ENV, IPC = (
    *("network", "filesystem", "processes", "pids", "memory", "cpu", "wall", "disk"),
    *("syscalls", "privileges", "environment", "ipc"),
)

SEPARATE = (NET, FILES, PROCS, PIDS, IPC)
"""What namespaces and Landlock are used for: tracing is stopped by any of them."""

MIB = 1024 * 1024

PRELUDE = r"""
import ctypes, fcntl, json, mmap, os, resource, signal, socket, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(name, *words):
    answer = libc.syscall(ctypes.c_long(FACTS["calls"][name]),
                          *[ctypes.c_long(w) if isinstance(w, int) else w for w in words])
    if answer < 0:
        raise OSError(ctypes.get_errno(), name + ": " + os.strerror(ctypes.get_errno()))
    return answer
def escaped(text=""):
    os.write(1, b"escaped " + str(text).encode())
def inside(path):
    return os.path.join(os.environ["AEXL_WORK"], path)
"""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    name: str
    off: tuple[str, ...]
    program: str
    root_off: tuple[str, ...] = ()
    users: tuple[str, ...] = ("root", "nobody")
    limits: dict[str, float] = field(default_factory=dict)

    def switched_off(self, user: str) -> tuple[str, ...]:
        return self.off + (self.root_off if user == "root" else ())


def _files(name: str, program: str, **more) -> Attempt:
    return Attempt(name=name, off=(FILES,), program=program, **more)


NETWORK = [
    Attempt(
        name="connect to a port",
        off=(NET,),
        program='socket.create_connection(("127.0.0.1", FACTS["tcp"]), 2); escaped()',
    ),
    Attempt(
        name="listen on a port",
        off=(NET,),
        program='s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); escaped(s.getsockname())',
    ),
    Attempt(
        name="send a datagram",
        off=(NET,),
        program='s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(2); s.sendto(b"hello", ("127.0.0.1", FACTS["udp"])); escaped(s.recv(9))',
    ),
    Attempt(
        name="ask for a name",
        off=(NET,),
        program=r"""
question = struct.pack("!6H", 7, 256, 1, 0, 0, 0) + b"\x06secret\x07example\x00" + struct.pack("!2H", 1, 1)
s = socket.socket(type=socket.SOCK_DGRAM)
s.settimeout(2)
s.connect(("127.0.0.1", FACTS["udp"]))
s.send(question)
escaped(len(s.recv(512)))
""",
    ),
    Attempt(
        name="connect over IPv6",
        off=(NET,),
        program='socket.create_connection(("::1", FACTS["tcp6"]), 2); escaped()',
    ),
    Attempt(
        name="connect to a Unix socket of the machine",
        off=(NET, FILES),
        program="s = socket.socket(socket.AF_UNIX); s.connect(FACTS['unix']); escaped()",
    ),
    Attempt(
        name="connect to an abstract socket",
        off=(NET, IPC),
        program="s = socket.socket(socket.AF_UNIX); s.connect('\\0' + FACTS['abstract']); escaped()",
    ),
    Attempt(
        name="send to an abstract datagram socket",
        off=(NET, IPC),
        program="s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.sendto(b'x', '\\0' + FACTS['abstract'] + 'd'); escaped()",
    ),
    Attempt(
        name="ask for the machine's addresses (netlink)",
        off=(NET,),
        program=r"""
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
s.settimeout(2)
s.send(struct.pack("=IHHII", 20, 22, 0x301, 1, 0) + b"\0\0\0\0")
answer = s.recv(65536)
if b"\x7f\x00\x00\x01" in answer:
    escaped(len(answer))
""",
    ),
    Attempt(name="open a socket to other virtual machines", off=(NET,), program="socket.socket(40, 1); escaped()"),
    Attempt(
        name="make a socket by io_uring",
        off=(CALLS, NET),
        program='escaped(call("io_uring_setup", 4, ctypes.create_string_buffer(120)))',
    ),
    Attempt(
        name="open a raw socket",
        off=(NET, PRIV),
        users=("root",),
        program="socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); escaped()",
    ),
    Attempt(
        name="capture packets",
        off=(NET, PRIV),
        users=("root",),
        program="socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 768); escaped()",
    ),
]

FILESYSTEM = [
    _files("read a file of the machine", "escaped(open(FACTS['secret']).read())"),
    _files("read it through /proc/self/root", "escaped(open('/proc/self/root' + FACTS['secret']).read())"),
    _files("read it through ..", "escaped(open(os.path.join(os.getcwd(), *['..'] * 20) + FACTS['secret']).read())"),
    _files("read it by a link", "os.symlink(FACTS['secret'], inside('link')); escaped(open(inside('link')).read())"),
    _files("read it by a second name", "os.link(FACTS['open'], inside('name')); escaped(open(inside('name')).read())"),
    _files("list a folder of the machine", "escaped(os.listdir(FACTS['outside']))"),
    _files("read who uses the machine", "assert 'root' in open('/etc/passwd').read(); escaped()"),
    _files("write a file of the machine", "open(FACTS['open'], 'a').write('x'); escaped()"),
    _files("empty a file of the machine", "os.truncate(FACTS['open'], 0); escaped()"),
    _files("make a file outside", "open(FACTS['new'], 'w').write('x'); escaped()"),
    _files("make a folder outside", "os.mkdir(FACTS['new']); escaped()"),
    _files("make a link outside", "os.symlink('/etc', FACTS['new']); escaped()"),
    _files("rename a file outside", "os.rename(FACTS['open'], FACTS['new']); escaped()"),
    _files("remove a file outside", "os.unlink(FACTS['open']); escaped()"),
    _files("change the mode of a file outside", "os.chmod(FACTS['open'], 0o600); escaped()", root_off=(PRIV,)),
    _files("change the times of a file outside", "os.utime(FACTS['open']); escaped()"),
    _files("set an attribute of a file outside", "os.setxattr(FACTS['open'], 'user.aexl', b'x'); escaped()"),
    _files("write the snapshot", "open(FACTS['handler'], 'a').write('x'); escaped()"),
    _files("make a file in the snapshot", "open(FACTS['snapshot'] + '/new.pyc', 'w').write('x'); escaped()"),
    _files("rename in the snapshot", "os.rename(FACTS['handler'], FACTS['handler'] + 'x'); escaped()"),
    _files("remove from the snapshot", "os.unlink(FACTS['handler']); escaped()"),
    _files("make the snapshot writable", "os.chmod(FACTS['handler'], 0o777); escaped()", root_off=(PRIV,)),
    _files(
        "make the snapshot writable by a descriptor",
        "f = os.open(FACTS['handler'], os.O_RDONLY); os.fchmod(f, 0o777); escaped()",
        root_off=(PRIV,),
    ),
    _files("open a terminal of the machine", "escaped(os.open('/dev/ptmx', os.O_RDWR | os.O_NOCTTY))"),
    _files("write a pipe of the machine", "os.write(os.open(FACTS['pipe'], os.O_RDWR), b'x'); escaped()"),
    _files("read shared memory by its name", "escaped(open('/dev/shm/' + FACTS['shm_name']).read())"),
    _files("write a core pattern", "os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY); escaped()",
           root_off=(PRIV, PROCS), users=("root",)),
    _files("read the disk itself", "escaped(len(os.read(os.open(FACTS['disk'], os.O_RDONLY), 512)))",
           root_off=(PRIV,), users=("root",)),
    _files("read a file of root", "escaped(open(FACTS['private']).read())", root_off=(PRIV,), users=("root",)),
    _files("read through another's root", "escaped(open(f\"/proc/{FACTS['victim']}/root\" + FACTS['secret']).read())",
           root_off=(PRIV, *SEPARATE), users=("root",)),
    _files("make a device", "os.mknod(inside('null'), 0o020666, os.makedev(1, 3)); os.open(inside('null'), os.O_RDWR); escaped()",
           root_off=(PRIV,), users=("root",)),
    _files("leave the control group", "open(FACTS['group'], 'w').write('0'); escaped()", root_off=(PRIV,), users=("root",)),
]  # fmt: skip

_MEMORY_OF_OTHERS = r"""
local = ctypes.create_string_buffer(16)
here = struct.pack("PN", ctypes.addressof(local), 16)
there = struct.pack("PN", FACTS["address"], 16)
call("process_vm_readv", FACTS["victim"], here, 1, there, 1, 0)
assert local.raw.startswith(b"victim's secret")
escaped()
"""

_TRACE = r"""
call("ptrace", 0x4206, FACTS["victim"], 0, 0)  # PTRACE_SEIZE
call("ptrace", 0x4207, FACTS["victim"], 0, 0)  # PTRACE_INTERRUPT
os.waitpid(FACTS["victim"], 0x40000000)
call("ptrace", 17, FACTS["victim"], 0, 0)
escaped()
"""

_STEAL = r"""
victim = os.pidfd_open(FACTS["victim"])
escaped(os.read(call("pidfd_getfd", victim, FACTS["descriptor"], 0), 99))
"""

_DAEMON = r"""
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (1, 2, 15):
            signal.signal(number, signal.SIG_IGN)
        time.sleep(4)  # it holds standard error open, by which it is seen
    os._exit(0)
os.wait()
"""

_SIGIO = r"""
reader, writer = os.pipe()
fcntl.fcntl(reader, fcntl.F_SETOWN, FACTS["victim"])
fcntl.fcntl(reader, 10, signal.SIGUSR1)  # F_SETSIG
fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
os.write(writer, b"x")
time.sleep(0.2)  # what is looked at is the victim's own account of it
"""

PROCESSES = [
    Attempt(
        name="signal another process",
        off=(PROCS,),
        root_off=(PRIV,),
        program="os.kill(FACTS['victim'], signal.SIGUSR2); escaped()",
    ),
    Attempt(
        name="signal it by a descriptor",
        off=(PROCS,),
        root_off=(PRIV,),
        program="signal.pidfd_send_signal(os.pidfd_open(FACTS['victim']), signal.SIGUSR2); escaped()",
    ),
    Attempt(name="signal it by owning a pipe", off=(PROCS,), root_off=(PRIV,), program=_SIGIO),
    Attempt(
        name="read another's environment",
        off=(PROCS, *SEPARATE),
        root_off=(PRIV,),
        program="assert b'VICTIM=' in open(f\"/proc/{FACTS['victim']}/environ\", 'rb').read(); escaped()",
    ),
    Attempt(
        name="read another's command line",
        off=(PROCS, FILES),
        program="assert b'victim' in open(f\"/proc/{FACTS['victim']}/cmdline\", 'rb').read(); escaped()",
    ),
    Attempt(
        name="read another's memory by its file",
        off=(PROCS, *SEPARATE),
        root_off=(PRIV,),
        program="m = open(f\"/proc/{FACTS['victim']}/mem\", 'rb', 0); m.seek(FACTS['address']); assert m.read(6) == b'victim'; escaped()",
    ),
    Attempt(
        name="read the supervisor's memory",
        off=(PROCS, *SEPARATE),
        root_off=(PRIV,),
        users=("root",),
        program="escaped(os.open(f'/proc/{os.getppid()}/mem', os.O_RDWR))",
    ),
    Attempt(
        name="read another's memory by a call",
        off=(PROCS, CALLS, *SEPARATE),
        root_off=(PRIV,),
        program=_MEMORY_OF_OTHERS,
    ),
    Attempt(name="trace another", off=(PROCS, CALLS, *SEPARATE), root_off=(PRIV,), program=_TRACE),
    Attempt(name="steal another's descriptor", off=(PROCS, CALLS, *SEPARATE), root_off=(PRIV,), program=_STEAL),
    Attempt(
        name="change another's limits",
        off=(PROCS,),
        root_off=(PRIV,),
        program="resource.prlimit(FACTS['victim'], resource.RLIMIT_NOFILE, (512, 512)); escaped()",
    ),
    Attempt(
        name="move another to one processor",
        off=(PROCS,),
        root_off=(PRIV,),
        program="os.sched_setaffinity(FACTS['victim'], {0}); escaped()",
    ),
    Attempt(
        name="slow another down",
        off=(PROCS,),
        root_off=(PRIV,),
        program="os.setpriority(os.PRIO_PROCESS, FACTS['victim'], 10); escaped()",
    ),
    Attempt(
        name="take another's turn at the disk",
        off=(PROCS,),
        root_off=(PRIV,),
        program="call('ioprio_set', 1, FACTS['victim'], (3 << 13)); escaped()",
    ),
    Attempt(name="leave a daemon behind", off=(PROCS,), program=_DAEMON),
    Attempt(
        name="enter another's namespaces",
        off=(PROCS, CALLS, *SEPARATE),
        root_off=(PRIV,),
        users=("root",),
        program="call('setns', os.open(f\"/proc/{FACTS['victim']}/ns/uts\", os.O_RDONLY), 0); escaped()",
    ),
    Attempt(name="run on", off=(WALL,), limits={"wall_seconds": 0.6}, program="time.sleep(1.2); escaped()"),
    Attempt(
        name="burn the processor in two children",
        off=(CPU,),
        limits={"cpu_seconds": 0.5},
        program=r"""
for _ in range(2):
    if os.fork() == 0:
        while time.process_time() < 0.7:
            pass
        os._exit(0)
for _ in range(2):
    os.wait()
escaped()
""",
    ),
]

AMOUNTS = [
    Attempt(
        name="a fork bomb",
        off=(PIDS, MEM),  # where no control group counts memory, so many processes may look as if they used too much
        program=r"""
for count in range(40):
    if os.fork() == 0:
        signal.pause()
escaped()
os.killpg(0, signal.SIGKILL)
""",
    ),
    Attempt(
        name="a bomb of threads",
        off=(PIDS,),
        program=r"""
done = threading.Event()
threading.stack_size(65536)
for count in range(40):
    threading.Thread(target=done.wait, daemon=True).start()
escaped()
os._exit(0)
""",
    ),
    Attempt(
        name="10 GB at once",
        off=(MEM,),
        program="mmap.mmap(-1, 10 * 2**30, flags=mmap.MAP_PRIVATE | 0x4000); escaped()",
    ),
    Attempt(
        name="memory in one process",
        off=(MEM,),
        limits={"memory_bytes": 96 * MIB},
        program="b'x' * (210 * 2**20); escaped()",
    ),
    Attempt(
        name="memory in many processes",
        off=(MEM,),
        limits={"memory_bytes": 96 * MIB},
        program=r"""
readers = []
for _ in range(4):
    reader, writer = os.pipe()
    if os.fork() == 0:
        held = b"x" * (50 * 2**20)
        os.write(writer, b"!")
        signal.pause()
    os.close(writer)
    readers.append(reader)
if all(os.read(reader, 1) for reader in readers):
    time.sleep(0.3)
    if os.waitpid(-1, os.WNOHANG) == (0, 0):  # all of them are still there, with all that they have
        escaped()
""",
    ),
    Attempt(
        name="files that fill the disk",
        off=(DISK,),
        program=r"""
for number in range(3):
    with open(inside(str(number)), "wb") as file:
        file.write(bytes(4 * 2**20))
escaped()
""",
    ),
    Attempt(
        name="one file that fills the disk",
        off=(DISK,),
        program="open(inside('big'), 'wb').write(bytes(10 * 2**20)); escaped()",
    ),
    Attempt(
        name="a file that is all hole",
        off=(DISK,),
        program="f = open(inside('big'), 'wb'); os.posix_fallocate(f.fileno(), 0, 16 * 2**20); escaped()",
    ),
    Attempt(
        name="more files than there is room for",
        off=(DISK,),
        program=r"""
for number in range(2600):
    os.close(os.open(inside(str(number)), os.O_CREAT | os.O_WRONLY))
escaped()
""",
    ),
    Attempt(name="fill standard output", off=(DISK,), program="for _ in range(10): os.write(1, bytes(2**20))"),
    Attempt(
        name="leave a core dump",
        off=(DISK,),
        program=r"""
if os.fork() == 0:
    libc.prctl(4, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
    os.chdir(inside("."))
    signal.signal(signal.SIGABRT, signal.SIG_DFL)
    os.abort()
_, status = os.wait()
if os.WCOREDUMP(status):
    escaped()
""",
    ),
]

_MEMFD = r"""
file = call("memfd_create", b"program", 0)
os.write(file, open("/usr/bin/echo", "rb").read())
os.set_inheritable(file, True)
os.execve(f"/proc/self/fd/{file}" if os.path.exists("/proc/self/fd") else file, ["echo", "escaped"], {})
"""

_STUFF_TERMINAL = r"""
if os.fork() == 0:
    os.setsid()
    terminal = int(0)
    fcntl.ioctl(terminal, 0x540E, 0)  # TIOCSCTTY
    fcntl.ioctl(terminal, 0x5412, b"x")  # TIOCSTI
    escaped()
    os._exit(0)
os.wait()
"""

_NEW_USER = 0x10000000

SYSCALLS = [
    Attempt(name="become root of a user namespace", off=(CALLS,), program=f"call('unshare', {_NEW_USER}); escaped()"),
    Attempt(
        name="become root of one by clone",
        off=(CALLS,),
        program=f"""
pid = call("clone", {_NEW_USER} | signal.SIGCHLD, 0, 0, 0, 0)
if pid == 0:
    call("exit_group", 0)
escaped()
""",
    ),
    Attempt(
        name="become root of one by clone3",
        off=(CALLS,),
        program=f"""
pid = call("clone3", struct.pack("8Q", {_NEW_USER}, 0, 0, 0, signal.SIGCHLD, 0, 0, 0), 64)
if pid == 0:
    call("exit_group", 0)
escaped()
""",
    ),
    Attempt(
        name="mount in a user namespace",
        off=(CALLS, FILES),
        program=f"""
call("unshare", {_NEW_USER} | 0x20000)
call("mount", b"none", b"/", None, 0x44000, None)
call("mount", b"none", os.environ["AEXL_WORK"].encode(), b"tmpfs", 0, None)
escaped()
""",
    ),
    Attempt(
        name="read a key of the session",
        off=(IPC, CALLS),
        program=r"""
buffer = ctypes.create_string_buffer(99)
call("keyctl", 11, FACTS["key"], buffer, 99, 0)
assert buffer.value == b"key's secret"
escaped()
""",
    ),
    Attempt(
        name="set up an io_uring",
        off=(CALLS, NET),
        program='escaped(call("io_uring_setup", 8, ctypes.create_string_buffer(120)))',
    ),
    Attempt(
        name="watch the processor",
        off=(CALLS,),
        program=r"""
record = bytearray(112)
struct.pack_into("=IIQ", record, 0, 1, 112, 1)  # a software event: the task's clock
struct.pack_into("=Q", record, 40, 1 << 5)  # not in the kernel
escaped(call("perf_event_open", bytes(record), 0, -1, -1, 0))
""",
    ),
    Attempt(name="handle page faults", off=(CALLS,), program="escaped(call('userfaultfd', 1))"),
    Attempt(name="run a program made in memory", off=(CALLS,), program=_MEMFD),
    Attempt(
        name="switch off address randomisation",
        off=(CALLS,),
        program="libc.personality(0x40000) >= 0 or 1 / 0; escaped()",
    ),
    Attempt(
        name="make a segment descriptor",
        off=(CALLS,),
        program="call('modify_ldt', 1, struct.pack('4I', 0, 0, 0xfffff, 0x51), 16); escaped()",
    ),
    Attempt(name="type into the terminal", off=(CALLS,), program=_STUFF_TERMINAL),
    Attempt(
        name="load a kernel program",
        off=(CALLS, PRIV),
        users=("root",),
        program=r"""
code = struct.pack("=BBhi", 0xB7, 0, 0, 0) + struct.pack("=BBhi", 0x95, 0, 0, 0)
code, licence = ctypes.create_string_buffer(code, 16), ctypes.create_string_buffer(b"GPL")
record = struct.pack("=IIQQ", 1, 2, ctypes.addressof(code), ctypes.addressof(licence)) + bytes(96)
escaped(call("bpf", 5, record, len(record)))
""",
    ),
    Attempt(
        name="read the kernel's log",
        off=(CALLS, PRIV),
        users=("root",),
        program="escaped(call('syslog', 3, ctypes.create_string_buffer(4096), 4096))",
    ),
]

PRIVILEGES = [
    Attempt(
        name="start a program that is root's",
        off=(PRIV, *SEPARATE),
        users=("nobody",),
        program=r"""
if os.fork() == 0:
    os.execv(FACTS["suid"], [FACTS["suid"], "-u"])
os.wait()
""",
    ),
    Attempt(
        name="push ahead of others",
        off=(PRIV,),
        users=("root",),
        program="os.setpriority(os.PRIO_PROCESS, 0, -5); escaped()",
    ),
    Attempt(name="become another user", off=(PRIV,), users=("root",), program="os.setuid(12345); escaped()"),
    Attempt(
        name="change the root folder",
        off=(PRIV, CALLS, FILES),
        users=("root",),
        program="os.chroot(inside('.')); escaped()",
    ),
    Attempt(
        name="mount a file system",
        off=(PRIV, CALLS, FILES),
        users=("root",),
        program=r"""
call("unshare", 0x20000)  # so that nothing is left of it
call("mount", b"none", b"/", None, 0x44000, None)
call("mount", b"none", os.environ["AEXL_WORK"].encode(), b"tmpfs", 0, None)
escaped()
""",
    ),
    Attempt(
        name="name the machine",
        off=(PRIV, CALLS),
        users=("root",),
        program="name = os.uname().nodename.encode(); call('sethostname', name, len(name)); escaped()",
    ),
    Attempt(
        name="change what ctrl-alt-del does",
        off=(PRIV, CALLS, PROCS),
        users=("root",),
        program="call('reboot', 0xfee1dead, 672274793, 0, 0); escaped()",
    ),
    Attempt(
        name="find a file by its number",
        off=(PRIV, CALLS, FILES),
        users=("root",),
        program=r"""
handle, mount = ctypes.create_string_buffer(136), ctypes.create_string_buffer(4)
struct.pack_into("I", handle, 0, 128)
call("name_to_handle_at", -100, FACTS["secret"].encode(), handle, mount, 0)
escaped(os.read(call("open_by_handle_at", os.open("/", os.O_RDONLY), handle, 0), 99))
""",
    ),
]

ENVIRONMENT = [
    Attempt(name="read the starter's environment", off=(ENV,), program="escaped(os.environ['AEXL_CANARY'])"),
    Attempt(name="be given a library to load", off=(ENV,), program="escaped(os.environ['LD_PRELOAD'])"),
    Attempt(
        name="use a folder that was left open",
        off=(ENV, FILES),
        program="escaped(os.read(os.open('secret.txt', os.O_RDONLY, dir_fd=FACTS['leak']), 99))",
    ),
    Attempt(
        name="use a file that was left open", off=(ENV,), program="escaped(os.pread(FACTS['leak_file'], 99, 0) and 1)"
    ),
]

MESSAGES = [
    Attempt(
        name="attach to shared memory",
        off=(IPC,),
        program=r"""
libc.shmat.restype = ctypes.c_void_p
where = libc.shmat(libc.shmget(FACTS["ipc_key"], 0, 0), None, 0o10000)
assert where and ctypes.string_at(where, 6) == b"secret"
escaped()
""",
    ),
    Attempt(
        name="read a message queue",
        off=(IPC,),
        program=r"""
buffer = ctypes.create_string_buffer(64)
if libc.msgrcv(libc.msgget(FACTS["ipc_key"], 0), buffer, 56, 0, 0o4000) > 0:
    escaped()
""",
    ),
    Attempt(name="find a semaphore", off=(IPC,), program="libc.semget(FACTS['ipc_key'], 1, 0) >= 0 and escaped()"),
    Attempt(
        name="open a POSIX queue",
        off=(IPC, FILES),
        program="escaped(call('mq_open', FACTS['queue'].encode(), os.O_RDONLY, 0, None))",
    ),
]

ATTEMPTS = [*NETWORK, *FILESYSTEM, *PROCESSES, *AMOUNTS, *SYSCALLS, *PRIVILEGES, *ENVIRONMENT, *MESSAGES]

FORBIDDEN = {
    "load a kernel module": "this kernel has no modules",
    "start another kernel (kexec)": "this kernel is built without it",
    "press a magic key (sysrq)": "this kernel is built without it, and a test must not press one",
    "load a kernel program, as a user": "kernel.unprivileged_bpf_disabled is 2",
    "use the machine's ports (ioperm, iopl)": "this kernel is built without them",
    "raw sockets, chroot, mounts, devices, names, as a user": "only root may",
}
"""What the kernel here allows nobody, or not to this user: these are not counted."""
