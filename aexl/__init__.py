"""The AI Execution Layer: what AI agents spend, change and run, under governance."""

__version__ = "0.1.0"
