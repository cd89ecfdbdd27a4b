"""What runs in the worker, beside the project's own code: nothing here is trusted by what is outside."""
