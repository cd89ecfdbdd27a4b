"""Interpreters by name: what ``[runtimes.<name>]`` says, what they turn out to be, and what a worker needs there."""
