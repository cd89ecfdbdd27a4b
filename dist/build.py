"""Makes the executable (``make dist``): both shapes, their sums and their bill of materials, in ``dist/out``.

Nothing is done when nothing has changed since the last time. What is made
depends on the sources, the pinned requirements and this Python alone, not on the
folder: two builds are the same to the byte.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from freezing.binaries import glibc_floor, is_compiled
from freezing.bootloader import install_bootloader
from freezing.shapes import hold, sums, write_tar

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent
BUILD: Final = ROOT / "build" / "dist"
OUT: Final = HERE / "out"
REQUIREMENTS: Final = ROOT / "requirements" / "dist.txt"
TOOLS: Final = {"cc": "a C compiler", "objdump": "binutils", "objcopy": "binutils", "strip": "binutils"}
EPOCH: Final = "315532800"
"""The time that every file has, unless SOURCE_DATE_EPOCH says another: 1980, the first that a zip can hold."""
PIP: Final = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
KEPT: Final = ("HOME", "LANG", "PATH", "TMPDIR", "SSL_CERT_FILE", "http_proxy", "https_proxy", "no_proxy")


def inputs() -> str:
    """Return a sum over everything that the outputs depend on."""
    digest = hashlib.sha256(f"{sys.version}{_epoch()}{_tool('cc')}".encode())
    library = Path(sys.base_prefix) / "lib"
    for path in [*_sources(), *sorted(library.glob("libpython3*.so*"))]:
        digest.update(f"{path.name if path.is_relative_to(library) else path.relative_to(ROOT)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    folders = [ROOT / "aexl", *ROOT.glob("plugins/*/aexl_*"), HERE / "freezing"]
    files = [ROOT / name for name in ("pyproject.toml", "README.md", "LICENSE", "requirements/dist.txt")]
    files += [HERE / name for name in ("aexl.spec", "build.py", "early.py")]
    for folder in folders:
        files += [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    yield from sorted(files)


def _epoch() -> str:
    return os.environ.get("SOURCE_DATE_EPOCH") or EPOCH


def _tool(name: str) -> str:
    return subprocess.run([name, "--version"], check=True, capture_output=True, text=True).stdout.partition("\n")[0]


def missing_tools() -> str | None:
    """Return a sentence on what this machine lacks to make the executable, ``None`` where nothing is missing."""
    missing = sorted({package for name, package in TOOLS.items() if shutil.which(name) is None})
    if missing:
        return f"making the executable needs {' and '.join(missing)}, not found on PATH: install them and try again"
    if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        return "making the executable needs a Python that was built with --enable-shared; set PYTHON to one"
    return None


def make_environment() -> Path:
    """Make the environment that is frozen, and return its Python; one that is as wanted is kept."""
    venv = BUILD / "venv"
    python = venv / "bin" / "python"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    stamp = venv / "requirements"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(venv, ignore_errors=True)
        _run(sys.executable, "-m", "venv", str(venv))
        _run(str(python), *PIP, "--require-hashes", "--report", str(venv / "report.json"), "-r", str(REQUIREMENTS))
        stamp.write_text(wanted)
    return python


def install_wheel(python: Path) -> None:
    """Build the project's wheel, and install it into the environment in place of the last one."""
    folder = BUILD / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    _run(str(python), "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    (wheel,) = folder.glob("*.whl")
    _run(str(python), *PIP, "--no-deps", "--force-reinstall", str(wheel))
    _run(str(python), "-m", "pip", "check", "--disable-pip-version-check")


def freeze(python: Path) -> Path:
    """Run PyInstaller; return the folder with both shapes."""
    made = BUILD / "made"
    for folder in (made, BUILD / "work", BUILD / "cache"):
        shutil.rmtree(folder, ignore_errors=True)
    command = [str(python), "-m", "PyInstaller", "--clean", "--noconfirm", "--log-level", "WARN"]
    _run(*command, "--distpath", str(made), "--workpath", str(BUILD / "work"), str(HERE / "aexl.spec"), cwd=BUILD)
    return made


def write_outputs(made: Path, python: Path) -> None:
    """Put what was made into ``dist/out``, its list of sums last."""
    onedir = made / "onedir"
    (onedir / "aexl-onedir").rename(onedir / "aexl")
    staged = BUILD / "out"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    shutil.copy(made / "aexl", staged / "aexl")
    write_tar(onedir, staged / "aexl-onedir.tar.gz", name="aexl-onedir", epoch=int(_epoch()))
    arguments = [str(BUILD / "work" / "aexl" / "binaries.json"), str(BUILD / "venv" / "report.json")]
    (staged / "sbom.json").write_text(_run(str(python), "-m", "freezing.bill", *arguments, cwd=BUILD))
    names = sums(staged.iterdir())
    OUT.mkdir(exist_ok=True)
    (OUT / "SHA256SUMS").unlink(missing_ok=True)
    for path in staged.iterdir():
        path.replace(OUT / path.name)
    (OUT / "SHA256SUMS").write_text(names)


def check_neutral(made: Path, python: Path) -> None:
    """End with sentences if something that was made names this machine."""
    code = (
        "import sys; from pathlib import Path; from freezing.neutral import leaks, machine_paths; "
        "made, *folders = map(Path, sys.argv[1:]); "
        "print(*leaks(made, machine_paths(*folders)), sep='\\n')"
    )
    found = _run(str(python), "-c", code, str(made), str(ROOT), str(BUILD), cwd=BUILD).strip()
    if found:
        raise SystemExit(f"what was made names the machine it was made on:\n{found}")


def _run(*command: str, cwd: Path = ROOT) -> str:
    kept = {
        name: os.environ[name]
        for name in (*KEPT, *(key for key in os.environ if key.startswith("PIP_")))
        if name in os.environ
    }
    environment = kept | {
        "SOURCE_DATE_EPOCH": _epoch(),
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(HERE),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYINSTALLER_CONFIG_DIR": str(BUILD / "cache"),
        "AEXL_BUILD_FOLDER": str(BUILD),
        "LC_ALL": "C.UTF-8",
    }
    ran = subprocess.run(command, cwd=cwd, env=environment, check=False, capture_output=True, text=True)
    if ran.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def report() -> None:
    """Print what is there, how large it is, and the glibc it needs."""
    onedir = BUILD / "made" / "onedir"
    for path in sorted(OUT.iterdir()):
        sys.stdout.write(f"{path.stat().st_size / 1e6:8.1f} MB  {path.relative_to(ROOT)}\n")
    if onedir.exists():
        files = [path for path in onedir.rglob("*") if is_compiled(path)]
        major, minor = glibc_floor(files)
        sys.stdout.write(
            f"{sum(path.lstat().st_size for path in onedir.rglob('*')) / 1e6:8.1f} MB  the onedir, unpacked\n"
        )
        sys.stdout.write(f"needs glibc {major}.{minor} or newer ({len(files)} compiled files)\n")


def main() -> int:
    """Build unless what is there was built from the same things; with ``--can``, only say whether that is possible."""
    begun = time.monotonic()
    lacking = missing_tools()
    if lacking is not None:
        raise SystemExit(lacking)
    if sys.argv[1:] == ["--can"]:
        return 0
    stamp = BUILD / "inputs"
    wanted = inputs()
    listed = OUT / "SHA256SUMS"
    if stamp.exists() and stamp.read_text() == wanted and listed.exists() and hold(OUT, listed.read_text()):
        sys.stdout.write("dist: up to date\n")
        report()
        return 0
    BUILD.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    python = make_environment()
    install_bootloader(python, REQUIREMENTS, BUILD / "bootloader")
    install_wheel(python)
    made = freeze(python)
    check_neutral(made, python)
    write_outputs(made, python)
    stamp.write_text(wanted)
    sys.stdout.write(f"dist: made in {time.monotonic() - begun:.0f} s\n")
    report()
    return 0


if __name__ == "__main__":
    sys.exit(main())
