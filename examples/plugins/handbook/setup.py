"""The C extension; everything else stands in ``pyproject.toml``."""

from setuptools import Extension, setup

# The limited API makes one wheel serve every CPython from 3.11 on, the one inside aexl's executable too.
setup(
    ext_modules=[
        Extension(
            "aexl_handbook._trigrams",
            ["aexl_handbook/_trigrams.c"],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
