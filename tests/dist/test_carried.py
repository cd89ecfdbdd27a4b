"""What is frozen as source, for Pythons that are not in the executable, is what the runtime looks for."""

from freezing import contents, later

from aexl_runtime.runtimes import carried


def test_the_build_and_the_runtime_name_the_same_packages_folder_and_module():
    assert contents.CARRIED == carried.PACKAGES
    assert contents.CARRIED_FOLDER == carried.FROZEN
    assert carried.__name__ == later.CARRIED
    assert later.split([("carried/aexl/sdk/types.py", "x", "DATA")], [])[0][0].startswith(f"later/{carried.__name__}/")
