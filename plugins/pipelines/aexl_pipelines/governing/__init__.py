"""Runs under the ledger's budgets: an agent for a run, a token for a step, and what they cost."""
