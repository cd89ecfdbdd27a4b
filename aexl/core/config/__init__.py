"""The configuration: where its values come from, and what they must look like."""
