"""The plugin as a distribution of its own, as a stranger would copy it."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1]


@pytest.mark.slow
def test_it_builds_alone_into_a_wheel_with_its_entry_point(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=FOLDER, check=True,
        capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (points,) = [archive.read(name).decode() for name in names if name.endswith("entry_points.txt")]
    assert "aexl_echo/plugin.py" in names
    assert not [name for name in names if "tests" in name]
    assert points.split() == ["[aexl.plugins]", "echo", "=", "aexl_echo.plugin:EchoPlugin"]


def test_its_entry_point_is_the_built_in_one() -> None:
    own = tomllib.loads((FOLDER / "pyproject.toml").read_text())
    root = FOLDER.parents[1] / "pyproject.toml"
    if not root.exists():
        pytest.skip("this plugin stands alone")
    built_in = tomllib.loads(root.read_text())["project"]["entry-points"]["aexl.plugins"]
    assert own["project"]["entry-points"]["aexl.plugins"]["echo"] == built_in["echo"]


def test_the_plugin_offers_the_type() -> None:
    from aexl_echo.plugin import EchoPlugin

    (kind,) = EchoPlugin().aexl_provider_types(host=None)
    assert kind.name == "echo"
