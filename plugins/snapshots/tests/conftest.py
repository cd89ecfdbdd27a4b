"""Places to keep snapshots in tests."""

from __future__ import annotations

import itertools
import warnings

import pytest

_buckets = itertools.count()


@pytest.fixture(scope="session")
def _moto():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer(port=0, verbose=False)
        server.start()
        yield f"http://127.0.0.1:{server.get_host_and_port()[1]}"
        server.stop()


@pytest.fixture
def moto_url(_moto, monkeypatch):
    """A new bucket of moto's S3."""
    import urllib.request

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    bucket = f"bucket-{next(_buckets)}"
    urllib.request.urlopen(urllib.request.Request(f"{_moto}/{bucket}", method="PUT")).close()
    return f"s3://{bucket}/some/prefix?endpoint={_moto}&region=us-east-1"
