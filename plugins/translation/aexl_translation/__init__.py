"""Any client can use any model: calls are translated between the dialects of the APIs."""
