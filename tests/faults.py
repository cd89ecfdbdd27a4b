"""Prints each row of the fault list with the tests that hold it (``make faults``).

``tests/faults.toml`` has the rows. A row without a test, or with one that pytest
does not find, fails. A test is named as ``path::name``; its parameters count as
cases. ``--missing`` prints only the rows that fail.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
LIST: Final = ROOT / "tests" / "faults.toml"
WIDTH: Final = 58
"""Of the column with the row's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way in which the world misbehaves."""

    id: str
    row: str
    tests: tuple[str, ...]


def read_faults(text: str) -> Sequence[Fault]:
    """Read the list.

    Raises:
        SystemExit: If an id occurs twice, or an entry has other keys than it must.
    """
    table: dict[str, Any] = tomllib.loads(text)
    faults = []
    for entry in table["fault"]:
        if set(entry) != {"id", "row", "tests"}:
            raise SystemExit(f"tests/faults.toml: an entry must have id, row and tests: {entry}")
        faults.append(Fault(id=entry["id"], row=entry["row"], tests=tuple(entry["tests"])))
    twice = [name for name, count in Counter(fault.id for fault in faults).items() if count > 1]
    if twice:
        raise SystemExit(f"tests/faults.toml: ids that occur twice: {', '.join(twice)}")
    return faults


def collect(faults: Sequence[Fault]) -> Counter[str]:
    """Return every test that pytest finds in the rows' files, without parameters, and how many cases it has."""
    files = {test.partition("::")[0] for fault in faults for test in fault.tests}
    there = sorted(file for file in files if (ROOT / file).is_file())
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *there]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = Counter(
        line.partition("[")[0] for line in ran.stdout.splitlines() if "::" in line and " " not in line.partition("[")[0]
    )
    if ran.returncode != 0:
        _, mark, errors = ran.stdout.partition(" ERRORS ")
        sys.stderr.write((mark + errors)[-4000:] + ran.stderr)
        raise SystemExit(f"pytest could not collect the tests (exit code {ran.returncode})")
    return found


def problems(fault: Fault, found: Mapping[str, int]) -> Sequence[str]:
    """Return what is wrong with a row."""
    if not fault.tests:
        return ["has no test"]
    return [f"names a test that does not exist: {test}" for test in fault.tests if test not in found]


def describe(fault: Fault, found: Mapping[str, int]) -> str:
    """Return the lines of one row: its words, how many cases hold it, and their names."""
    count = sum(found.get(test, 0) for test in fault.tests)
    first, *rest = [test.replace("::", "  ") for test in fault.tests] or ["-"]
    lines = [f"{fault.row:<{WIDTH}}  {count:>4}  {first}"]
    lines += [f"{'':<{WIDTH}}  {'':>4}  {test}" for test in rest]
    return "\n".join(lines)


def main() -> int:
    """Print the table; 1 if any row fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--missing", action="store_true", help="print only the rows that fail")
    options = parser.parse_args()
    faults = read_faults(LIST.read_text())
    found = collect(faults)
    wrong = {fault.id: problems(fault, found) for fault in faults}
    sys.stdout.write(f"{'fault':<{WIDTH}}  {'cases':>5} tests\n")
    for fault in faults:
        if wrong[fault.id] or not options.missing:
            sys.stdout.write(describe(fault, found) + "\n")
    failed = sum(map(bool, wrong.values()))
    total = sum(found.get(test, 0) for test in {test for fault in faults for test in fault.tests})
    sys.stdout.write(f"{len(faults)} rows, {total} cases, {failed} rows fail\n")
    for name, reasons in wrong.items():
        sys.stdout.writelines(f"  {name} {reason}\n" for reason in reasons)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
