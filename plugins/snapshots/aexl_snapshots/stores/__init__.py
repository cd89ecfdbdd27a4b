"""Places to keep snapshots, each behind ``aexl.api.BlobStore``: folders, object stores, another aexl."""
