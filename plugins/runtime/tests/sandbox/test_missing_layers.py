"""Each layer missing, alone and together: what is still claimed still holds, and what is not is said."""

import pytest
from sandbox_attempts import ATTEMPTS
from sandbox_modes import Batch, Mode

from aexl_runtime.sandbox.ports import Layer

NAMES = [
    "connect to a port", "connect to an abstract socket", "read a file of the machine", "write the snapshot",
    "make the snapshot writable", "signal another process", "read another's environment", "change another's limits",
    "leave a daemon behind", "run on", "a fork bomb", "memory in one process", "one file that fills the disk",
    "become root of a user namespace", "read a key of the session", "attach to shared memory",
]  # fmt: skip
NAMESPACES = (
    Layer.USER_NAMESPACE,
    Layer.MOUNT_NAMESPACE,
    Layer.PID_NAMESPACE,
    Layer.NET_NAMESPACE,
    Layer.IPC_NAMESPACE,
)
ALONE = [(layer,) for layer in Layer if layer not in (Layer.ENVIRONMENT, Layer.SUPERVISION)]
TOGETHER = [
    (Layer.BUBBLEWRAP, *NAMESPACES),
    (Layer.LANDLOCK, Layer.SECCOMP),
    (Layer.BUBBLEWRAP, *NAMESPACES, Layer.LANDLOCK),
    (Layer.BUBBLEWRAP, *NAMESPACES, Layer.SECCOMP),
    (Layer.CGROUPS, Layer.RLIMITS),
    (Layer.CGROUPS, Layer.ACCOUNT),
    (Layer.BUBBLEWRAP, *NAMESPACES, Layer.LANDLOCK, Layer.SECCOMP, Layer.CGROUPS),
    tuple(layer for layer in Layer if layer not in (Layer.ENVIRONMENT, Layer.SUPERVISION)),
]
MODES = [
    Mode(user, "auto", warm=False, missing=tuple(layer.value for layer in layers))
    for user in ("root", "nobody")
    for layers in (*ALONE, *TOGETHER)
]
SAMPLE = [
    Mode("root", "auto", False, ("landlock", "seccomp")),
    Mode("nobody", "auto", True, ("user namespace", "seccomp")),
]


def judge(mode, names, results):
    for attempt in ATTEMPTS:
        if attempt.name not in names:
            continue
        result = results[attempt.name, "confined"]
        assert result["ending"].get("cause") not in ("refused", None), result
        assert not result["escaped"] or attempt.off[0] in result["report"]["not_enforced"], result
        layers = {layer for held in result["report"]["enforced"].values() for layer in held}
        assert not layers & set(mode.missing)


@pytest.mark.slow
@pytest.mark.parametrize("mode", SAMPLE, ids=str)
def test_what_is_claimed_without_two_layers_holds(drivers, mode):
    few = tuple(NAMES[SAMPLE.index(mode) :: 4])
    judge(mode, few, drivers.results(mode, (Batch(mode, few, ("confined",)),)))


@pytest.mark.long
@pytest.mark.parametrize("mode", MODES, ids=str)
def test_what_is_claimed_without_these_layers_holds(drivers, mode):
    judge(mode, NAMES, drivers.results(mode, (Batch(mode, tuple(NAMES), ("confined",)),)))
