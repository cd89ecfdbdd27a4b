"""Workers for the host: kept or started for one run, bounded, and ended with everything they started. Needs trio."""
