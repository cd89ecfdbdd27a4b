"""The pipeline language: files in, a checked model out. Nothing here waits, and nothing here runs anything."""
