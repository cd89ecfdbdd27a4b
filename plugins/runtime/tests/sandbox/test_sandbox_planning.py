"""What is claimed, for every machine that could be: pure, no kernel asked."""

import itertools

import pytest

from aexl.errors import Unavailable
from aexl_runtime.sandbox import means, planning
from aexl_runtime.sandbox.claims import check, standings
from aexl_runtime.sandbox.confining import confine
from aexl_runtime.sandbox.ports import Control, Demand, Folders, Layer, Policy, Probed, Report

ALL = Probed(
    uid=0, landlock=7, groups={"version": "2", "memory": "/g", "pids": "/g"}, bubblewrap="/bwrap", accounts=(5, 9)
)
USER = ALL._replace(uid=1000, pids_by_user=True, groups={}, accounts=(0, 0), problems={
    Layer.CGROUPS: "not ours", Layer.ACCOUNT: "not root",
})  # fmt: skip
PROBED = {"root": ALL, "user": USER}
TRIED = [layer for layer in Layer if layer not in (Layer.ENVIRONMENT, Layer.SUPERVISION)]


def without(probed, *layers):
    return probed._replace(problems={**probed.problems, **dict.fromkeys(layers, "missing")})


def plan(probed, *, off=(), folders=None, warm=False, public=True, **limits):
    policy = Policy(demands={c: Demand.OFF if c in off else Demand.PREFER for c in Control}, **limits)
    return means.choose(policy, folders or Folders(), probed, warm=warm, public=public)


def claims(probed, **more):
    return {c for c, s in standings(plan(probed, **more)).items() if s.state == "enforced"}


@pytest.mark.parametrize("warm", [False, True])
def test_a_machine_that_has_everything_holds_everything(warm):
    assert claims(ALL, warm=warm) == set(Control)


def test_a_user_of_it_holds_everything_but_memory():
    assert set(Control) - claims(USER) == {Control.MEMORY}


@pytest.mark.parametrize("who", PROBED)
def test_a_machine_that_has_nothing_claims_the_environment_only(who):
    assert claims(without(PROBED[who], *TRIED)) == {Control.ENVIRONMENT}


@pytest.mark.parametrize("who", PROBED)
@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("view", ["namespaces", "bubblewrap", "none"])
def test_a_layer_that_is_missing_never_adds_a_claim(who, warm, view):
    for count in range(3):
        for layers in itertools.combinations(TRIED, count):
            here = claims(without(PROBED[who], *layers), warm=warm, view=view)
            for layer in set(TRIED) - set(layers):
                assert claims(without(PROBED[who], *layers, layer), warm=warm, view=view) <= here, (layers, layer)


@pytest.mark.parametrize("who", PROBED)
def test_a_view_that_is_chosen_claims_no_less_than_one_that_is_asked_for(who):
    for count in range(4):
        for layers in itertools.combinations(TRIED, count):
            probed = without(PROBED[who], *layers)
            chosen = {"own": "namespaces"}.get(plan(probed).view, plan(probed).view)
            assert claims(probed) >= claims(probed, view=chosen)


@pytest.mark.parametrize("who", PROBED)
def test_a_claim_names_only_layers_that_the_machine_has(who):
    for count in range(4):
        for layers in itertools.combinations(TRIED, count):
            for control, standing in standings(plan(without(PROBED[who], *layers))).items():
                assert not set(standing.layers) & set(layers), (control, layers)
                assert bool(standing.layers) or standing.state != "enforced"
                assert bool(standing.reason) == (standing.state != "enforced")


NEEDED = {
    Control.NETWORK: (Layer.SECCOMP,),
    Control.SYSCALLS: (Layer.SECCOMP,),
    Control.IPC: (Layer.SECCOMP,),
    Control.PRIVILEGES: (Layer.NO_NEW_PRIVILEGES,),
    Control.FILESYSTEM: (Layer.MOUNT_NAMESPACE, Layer.BUBBLEWRAP, Layer.LANDLOCK),
    Control.PROCESSES: (Layer.PID_NAMESPACE, Layer.BUBBLEWRAP, Layer.LANDLOCK),
    Control.DISK: (Layer.MOUNT_NAMESPACE,),
    Control.MEMORY: (Layer.CGROUPS,),
    Control.PIDS: (Layer.CGROUPS, Layer.RLIMITS),
}


@pytest.mark.parametrize("control", NEEDED)
def test_a_control_is_lost_with_the_last_layer_that_holds_it(control):
    assert control not in claims(without(ALL, *NEEDED[control]))


@pytest.mark.parametrize("control", sorted(set(Control) - {Control.ENVIRONMENT, Control.PRIVILEGES}))
def test_root_that_keeps_its_powers_is_not_claimed_to_be_held(control):
    assert control not in claims(ALL, off=(Control.PRIVILEGES,))


@pytest.mark.parametrize("who", PROBED)
@pytest.mark.parametrize("off", Control)
def test_a_control_that_is_off_is_said_to_be_off(who, off):
    found = standings(plan(PROBED[who], off=(off,)))
    assert found[off].state == "off"
    assert off.value in Report(standings=found).json()["off"]


@pytest.mark.parametrize(
    ("version", "held"),
    [(7, True), (6, True), (5, False), (3, False)],
)
def test_an_older_landlock_alone_does_not_hold_signals(version, held):
    bare = without(USER._replace(landlock=version), Layer.USER_NAMESPACE, Layer.BUBBLEWRAP)
    assert (Control.PROCESSES in claims(bare)) is held
    assert (Control.WALL in claims(bare)) is held  # it could end who watches it
    assert Control.FILESYSTEM in claims(bare)


def test_the_oldest_landlock_alone_does_not_hold_files():
    bare = without(USER._replace(landlock=2), Layer.USER_NAMESPACE, Layer.BUBBLEWRAP)
    assert Control.FILESYSTEM not in claims(bare)


def test_root_without_control_groups_counts_processes_as_another_user():
    bare = without(ALL, Layer.CGROUPS)
    assert Control.PIDS in claims(bare)
    assert Control.PIDS not in claims(bare, public=False)


def test_a_folder_that_only_root_can_read_keeps_it_root():
    order = planning.order(plan(ALL, public=False), program=b"", env={}, readable=(), account=5, keep_fds=())
    assert order.account is None
    assert planning.order(plan(ALL), program=b"", env={}, readable=(), account=5, keep_fds=()).account == 5


def test_a_work_folder_of_the_machine_is_not_claimed_to_be_limited():
    assert Control.DISK not in claims(ALL, folders=Folders(work="/somewhere"))


def test_a_forked_worker_is_never_put_into_bubblewrap():
    assert plan(without(ALL, Layer.MOUNT_NAMESPACE), warm=True).view == "none"
    assert plan(without(ALL, Layer.MOUNT_NAMESPACE)).view == "bubblewrap"


def test_without_what_is_required_nothing_is_planned_and_the_control_is_named():
    policy = Policy()
    chosen = means.choose(policy, Folders(), without(ALL, Layer.SECCOMP), warm=False, public=True)
    report = Report(standings=standings(chosen))
    with pytest.raises(Unavailable, match=r"network \(without seccomp.*AF_VSOCK"):
        check(policy, report)


def test_what_is_preferred_may_be_missing_and_is_reported():
    policy = Policy()
    chosen = means.choose(policy, Folders(), without(ALL, Layer.CGROUPS), warm=False, public=True)
    report = Report(standings=standings(chosen))
    check(policy, report)
    assert report.json()["not_enforced"] == {
        "memory": "only in part: without control groups, each process is limited, and their sum is only looked at ten "
        "times a second"
    }


def test_the_defaults_are_those_of_the_documentation():
    policy = Policy()
    assert (policy.memory_bytes, policy.pids, policy.wall_seconds) == (512 << 20, 64, 30.0)
    required = {control for control in Control if policy.demand(control) is Demand.REQUIRE}
    assert required == {Control.NETWORK, Control.FILESYSTEM, Control.PRIVILEGES, Control.ENVIRONMENT}


@pytest.mark.parametrize("version", ["1", "2"])
def test_the_groups_of_either_version_get_their_files(version):
    probed = ALL._replace(groups={"version": version, "memory": "/m", "pids": "/p"})
    order = planning.order(
        plan(probed, memory_bytes=7, pids=3), program=b"", env={}, readable=(), account=5, keep_fds=()
    )
    memory = {"memory.max": "7", "memory.swap.max": "0"} if version == "2" else {"memory.limit_in_bytes": "7"}
    assert order.groups == {"/m": memory, "/p": {"pids.max": "4"}}  # the first process of the namespace is ours


def test_runs_are_kept_apart_only_where_none_can_change_what_the_next_is_forked_from():
    policy = Policy(demands=dict.fromkeys(Control, Demand.PREFER))
    assert confine(policy, probed=USER).separates
    assert not confine(policy, probed=without(USER, Layer.SECCOMP)).separates
    assert not confine(policy, probed=without(USER, Layer.PID_NAMESPACE, Layer.LANDLOCK)).separates
