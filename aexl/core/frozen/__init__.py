"""What only the frozen program needs; ``docs/explanation/the-executable.md`` has the whole picture."""
