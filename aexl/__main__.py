"""The program ``aexl``: answers ``--version`` before anything is imported, else runs the command line."""

import sys


def main() -> None:
    """Run the program with the arguments of this process."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from aexl import __version__

        sys.stdout.write(f"aexl {__version__}\n")
        return
    from aexl.core.cli.main import run

    run()


if __name__ == "__main__":
    main()
