"""The bill of materials: a CycloneDX document of what is in the executable.

Run by the build environment's Python, which has what is frozen installed::

    python -m freezing.bill BINARIES.json REPORT.json VERSION
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import Distribution, version
from pathlib import Path, PurePath
from typing import Any, Final

from freezing.contents import distributions

Component = dict[str, Any]


def make_bill(binaries: Sequence[Mapping[str, str]], hashes: Mapping[str, str]) -> dict[str, Any]:
    """Return the document; it says nothing of when and where it was made.

    Args:
        binaries: ``name`` in the executable, ``file`` as it is there, ``source`` it was taken from.
        hashes: The SHA-256 of the archive that each distribution was installed from, by name in lower case.
    """
    packages = {one.name.lower(): _package(one, hashes) for one in distributions()}
    main = packages.pop("aexl")
    interpreter = _interpreter(binaries)
    libraries = [*_system_libraries(binaries), *_carried_libraries(binaries), *_linked_libraries()]
    components = [*packages.values(), interpreter, _bootloader(), *libraries]
    components.sort(key=lambda component: component["bom-ref"])
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**main, "type": "application"}},
        "components": components,
        "dependencies": [{"ref": main["bom-ref"], "dependsOn": [component["bom-ref"] for component in components]}],
    }


def _package(one: Distribution, hashes: Mapping[str, str]) -> Component:
    name = re.sub(r"[-_.]+", "-", one.name).lower()
    component: Component = {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}@{one.version}",
        "name": one.name,
        "version": one.version,
        "purl": f"pkg:pypi/{name}@{one.version}",
    }
    licence = one.metadata.get("License-Expression")
    if licence:
        component["licenses"] = [{"expression": licence}]
    if name in hashes:
        component["hashes"] = [{"alg": "SHA-256", "content": hashes[name]}]
    return component


def _interpreter(binaries: Sequence[Mapping[str, str]]) -> Component:
    running = platform.python_version()
    component = _library("cpython", running, f"pkg:generic/cpython@{running}")
    for entry in binaries:
        if PurePath(entry["name"]).name.startswith("libpython"):
            component |= _hashes(entry["file"])
    return component


def _bootloader() -> Component:
    running = version("pyinstaller")
    return {
        **_library("pyinstaller-bootloader", running, f"pkg:pypi/pyinstaller@{running}"),
        "description": "The program that unpacks and starts the frozen one, with aexl's addition.",
    }


def _system_libraries(binaries: Sequence[Mapping[str, str]]) -> Iterator[Component]:
    """Yield the shared libraries that were taken from this system, each with the package that it belongs to."""
    for entry in binaries:
        name = entry["name"]
        if "/" in name or name.startswith("libpython") or not re.search(r"\.so(\.|$)", name):
            continue
        package = _owner(entry["source"])
        purl = package and f"pkg:{package[0]}/{package[1]}@{package[2]}"
        component = _library(name, package[2] if package else "", purl) | _hashes(entry["file"])
        if package:
            component["properties"] = [{"name": "aexl:package", "value": package[1]}]
        yield component


def _carried_libraries(binaries: Sequence[Mapping[str, str]]) -> Iterator[Component]:
    """Yield the shared libraries that wheels bring; their versions are known to who built the wheel only."""
    for entry in binaries:
        folder = PurePath(entry["name"]).parts[0]
        if folder.endswith(".libs"):
            yield {
                **_library(PurePath(entry["name"]).name, "", None),
                **_hashes(entry["file"]),
                "description": f"Carried by the wheel of {folder.removesuffix('.libs')}.",
            }


def _linked_libraries() -> Iterator[Component]:
    """Yield what is compiled into extension modules, as far as they tell."""
    for name, ask in _LINKED.items():
        found = ask()
        yield {**_library(name, found, f"pkg:generic/{name.partition(' ')[0]}@{found}"), "bom-ref": f"linked:{name}"}


def _sqlite() -> str:
    import apsw

    return str(apsw.sqlite_lib_version())


def _cryptography_openssl() -> str:
    from cryptography.hazmat.backends.openssl import backend

    return str(backend.openssl_version_text()).split()[1]


def _libpq() -> str:
    from psycopg import pq

    number = pq.version()
    return f"{number // 10000}.{number % 10000}"


def _expat() -> str:
    import pyexpat

    return pyexpat.EXPAT_VERSION.removeprefix("expat_")


_LINKED: Final[Mapping[str, Callable[[], str]]] = {
    "sqlite (in apsw)": _sqlite,
    "openssl (in cryptography)": _cryptography_openssl,
    "libpq (in psycopg-binary)": _libpq,
    "expat (in cpython)": _expat,
}


def _library(name: str, found: str, purl: str | None) -> Component:
    component: Component = {"type": "library", "bom-ref": purl or f"file:{name}", "name": name}
    if found:
        component["version"] = found
    if purl:
        component["purl"] = purl
        component["bom-ref"] = f"{purl}#{name}"
    return component


def _hashes(file: str) -> Component:
    return {"hashes": [{"alg": "SHA-256", "content": hashlib.sha256(Path(file).read_bytes()).hexdigest()}]}


def _owner(file: str) -> tuple[str, str, str] | None:
    """Return the kind, the name and the version of the system's package that a file belongs to, if that is known."""
    real = str(Path(file).resolve())
    for path in dict.fromkeys((real, real.removeprefix("/usr"), file)):
        found = _run("dpkg-query", "-S", path)
        if found:
            package = found.partition(":")[0]
            return "deb/debian", package, _run("dpkg-query", "-W", "-f=${Version}", package)
    found = _run("rpm", "-qf", "--qf", "%{NAME} %{VERSION}-%{RELEASE}", real)
    if found:
        package, _, running = found.partition(" ")
        return "rpm/redhat", package, running
    return None


def _run(*command: str) -> str:
    try:
        ran = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""


def main() -> None:
    """Print the document."""
    binaries, report = (json.loads(Path(argument).read_text()) for argument in sys.argv[1:3])
    hashes = {
        re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower(): item["download_info"]["archive_info"]["hashes"][
            "sha256"
        ]
        for item in report["install"]
    }
    json.dump(make_bill(binaries, hashes), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
