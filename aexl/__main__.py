"""The program ``aexl``: answers ``--version`` before anything is imported, runs its own children, else the command line."""

import sys


def main() -> None:
    """Run the program with the arguments of this process."""
    words = sys.argv[1:]
    if words in (["--version"], ["-V"]):
        from aexl import __version__
        from aexl.core.cli.output import run_written

        run_written(lambda: sys.stdout.write(f"aexl {__version__}\n"))
        return
    if words[:1] == ["__worker__"]:
        from aexl.core.worker import run_worker

        run_worker(words[1:])
        return
    if getattr(sys, "frozen", False) and _is_of_a_pool(words):
        from multiprocessing import freeze_support

        freeze_support()  # does what the process was started for, and ends it
    from aexl.core.cli.main import run

    run()


def _is_of_a_pool(words: list[str]) -> bool:
    """Return whether ``multiprocessing``, in code that runs in this program, has started us for its own purposes."""
    return "--multiprocessing-fork" in words or any(word.startswith("from multiprocessing.") for word in words)


if __name__ == "__main__":
    main()
