"""Pipelines over HTTP, and over a program's standard streams."""
