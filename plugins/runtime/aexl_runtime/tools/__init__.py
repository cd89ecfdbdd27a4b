"""``/v1/tools/execute``: tools that agents call for money, confined, and in the ledger like any call."""
