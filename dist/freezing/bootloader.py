"""The small C program that starts the frozen one, compiled from PyInstaller's sources with two additions.

PyInstaller's own build of it unpacks into a folder that is mounted noexec and
then dies there; ``noexec.c`` has it look first. Its zlib is linked into it, for
the same reason: it would be loaded from that folder. And it leaves packed what
most commands do not need.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Final

ADDITION: Final = Path(__file__).with_name("noexec.c")

_CHANGES: Final = (
    ("pyi_utils_posix.c", "static int\n_pyi_format_and_create_tmpdir(char *tmpdir_path)\n{", "{addition}\n{place}"),
    (
        "pyi_utils_posix.c",
        "    if (mkdtemp(tmpdir_path) == NULL) {\n        return -1;\n    }\n\n    return 0;\n",
        "    if (mkdtemp(tmpdir_path) == NULL) {\n        return -1;\n    }\n\n    return aexl_may_execute(tmpdir_path);\n",
    ),
    ("pyi_utils_posix.c", "return -1; /* No suitable location found */", "return aexl_no_folder();"),
    # What aexl unpacks itself, when it is imported: see later.py.
    (
        "pyi_launch.c",
        "            case ARCHIVE_ITEM_SYMLINK: {\n",
        '            case ARCHIVE_ITEM_SYMLINK: {\n                if (strncmp(toc_entry->name, "later/", 6) == 0) continue;\n',
    ),
)


def install_bootloader(python: Path, requirements: Path, folder: Path) -> None:
    """Compile the bootloader, and put it in the place of the one in ``python``'s PyInstaller.

    Args:
        requirements: Names PyInstaller's version and the hashes of its files.
        folder: Where to work; what was compiled there from the same things before is used again.

    Raises:
        SystemExit: If PyInstaller's sources are not as expected.
    """
    block = re.search(r"^pyinstaller==(?:.*\\\n)*.*", requirements.read_text(), re.MULTILINE)
    assert block is not None
    compiler = subprocess.run(["cc", "--version"], check=True, capture_output=True, text=True).stdout
    made_from = (block[0], compiler, ADDITION.read_text(), Path(__file__).read_text())
    key = hashlib.sha256("\0".join(made_from).encode()).hexdigest()
    kept = folder / key / "run"
    if not kept.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copyfile(_compile(_sources(python, block[0], folder)), folder / "run")
        kept.parent.mkdir()
        (folder / "run").rename(kept)
    place = subprocess.run(
        [str(python), "-c", "import PyInstaller.compat as c, PyInstaller as p; print(p.PLATFORM, p.HOMEPATH)"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    name, _, home = place.partition(" ")
    target = Path(home) / "PyInstaller" / "bootloader" / name / "run"
    target.unlink()  # the file may be shared with other environments by a link
    shutil.copyfile(kept, target)
    target.chmod(0o755)


def _sources(python: Path, block: str, folder: Path) -> Path:
    """Get PyInstaller's sources, and add what is ours."""
    wanted = folder / "pyinstaller.txt"
    wanted.write_text(block + "\n")
    command = [str(python), "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += [
        "--no-binary",
        ":all:",
        "--no-build-isolation",
        "--require-hashes",
        "-r",
        str(wanted),
        "-d",
        str(folder),
    ]
    subprocess.run(command, check=True)
    (package,) = folder.glob("pyinstaller-*.tar.gz")
    with tarfile.open(package) as archive:
        archive.extractall(folder, filter="data")
    root = folder / package.name.removesuffix(".tar.gz")
    for name, place, new in _CHANGES:
        source = root / "bootloader" / "src" / name
        text = source.read_text()
        if text.count(place) != 1:
            raise SystemExit(f"this version of PyInstaller has another bootloader than expected: {place!r} in {name}")
        source.write_text(
            text.replace(place, new.replace("{place}", place).replace("{addition}", ADDITION.read_text()))
        )
    return root


def _compile(root: Path) -> Path:
    environment = {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C",
        "PYI_STATIC_ZLIB": "1",
        "CFLAGS": f"-ffile-prefix-map={root}=.",
    }
    command = [shutil.which("python3") or "python3", "./waf", "configure", "build_release"]
    subprocess.run(command, cwd=root / "bootloader", env=environment, check=True, stdout=subprocess.DEVNULL)
    return root / "bootloader" / "build" / "release" / "run"
