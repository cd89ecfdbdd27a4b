"""What happened in a run: records, in a file that survives whatever happens to the machine."""
