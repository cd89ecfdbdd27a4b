"""Pipelines: declared chains of steps around agents."""
