"""The commands' way to a server: credentials, what they act on, requests."""
