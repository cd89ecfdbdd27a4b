"""Programs that aexl runs, and the certain end of everything they start."""

from aexl.core.processes.environment import clean_environment
from aexl.core.processes.running import spawn
from aexl.core.processes.signals import run_in_terminal
from aexl.core.processes.table import is_alive

__all__ = ["clean_environment", "is_alive", "run_in_terminal", "spawn"]
