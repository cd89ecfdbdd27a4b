"""Runs of projects' handlers: recorded before they begin, answered, replayed."""
