"""The assembler against a processor of our own, and at its edges."""

import pytest
from bpf_machine import judge

from aexl.errors import Invalid
from aexl_runtime.sandbox.assembler import (
    ALLOW,
    KILL,
    Branch,
    Jump,
    Label,
    Load,
    Mask,
    Return,
    Unless,
    assemble,
    fail_with,
    low_half,
)


def run(parts, number=0, *arguments):
    return judge(assemble(parts), number, *arguments, arch=0)


@pytest.mark.parametrize(
    ("test", "value", "number", "held"),
    [
        ("equal", 7, 7, True),
        ("equal", 7, 8, False),
        ("above", 7, 7, False),
        ("above", 7, 8, True),
        ("at_least", 7, 6, False),
        ("at_least", 7, 7, True),
        ("any_bit", 6, 4, True),
        ("any_bit", 6, 9, False),
    ],
)
def test_a_branch_is_taken_when_its_comparison_holds_and_unless_when_it_does_not(test, value, number, held):
    ends = [Return(KILL), Label("there"), Return(ALLOW)]
    assert run([Load(0), Branch(test, value, "there"), *ends], number) == (ALLOW if held else KILL)
    assert run([Load(0), Unless(test, value, "there"), *ends], number) == (KILL if held else ALLOW)


def test_a_mask_keeps_only_its_bits():
    program = [
        Load(low_half(1)),
        Mask(0xF0),
        Branch("equal", 0x30, "there"),
        Return(KILL),
        Label("there"),
        Return(ALLOW),
    ]
    assert run(program, 0, 0, 0x3F) == ALLOW
    assert run(program, 0, 0, 0x5F) == KILL


def test_an_error_verdict_carries_its_number():
    assert run([Return(fail_with(13))]) == 0x0005000D


def test_a_jump_reaches_what_a_branch_cannot():
    far = [Label("far"), Return(ALLOW)]
    gap = [Load(0)] * 255
    assert run([Jump("far"), *gap, Load(0), *far]) == ALLOW
    assert run([Load(0), Branch("equal", 0, "far"), *gap, *far]) == ALLOW
    with pytest.raises(Invalid, match="256 instructions away"):
        assemble([Load(0), Branch("equal", 0, "far"), *gap, Load(0), *far])


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ([Jump("nowhere"), Return(ALLOW)], "missing"),
        ([Label("twice"), Label("twice"), Return(ALLOW)], "twice"),
        ([Label("back"), Load(0), Jump("back"), Return(ALLOW)], "out of reach"),
        ([Load(0)], "must end with a verdict"),
        ([], "must end with a verdict"),
    ],
)
def test_a_program_that_the_kernel_would_not_take_is_refused(parts, problem):
    with pytest.raises(Invalid, match=problem):
        assemble(parts)


def test_a_program_may_have_4096_instructions_and_no_more():
    assert len(assemble([*[Load(0)] * 4095, Return(ALLOW)])) == 4096 * 8
    with pytest.raises(Invalid, match="4097"):
        assemble([*[Load(0)] * 4096, Return(ALLOW)])
