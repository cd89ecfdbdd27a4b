"""How the executable is made, one subject per module; ``dist/build.py`` puts them together."""
