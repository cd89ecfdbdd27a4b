"""What people see of runs: while they run, at their end, and from a journal afterwards."""
