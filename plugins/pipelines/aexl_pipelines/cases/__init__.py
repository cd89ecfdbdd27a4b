"""Cases: pipelines tried on prompts, with answers that are known, and held to what is expected."""
