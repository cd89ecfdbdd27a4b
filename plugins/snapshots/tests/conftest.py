"""Places to keep snapshots in tests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import os
import re
import subprocess
import urllib.request
import warnings
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aexl.testing.blobs import FakeStore
from aexl_snapshots.repository import Repository

AZURITE = (
    Path(__file__).resolve().parents[3] / "build" / "agents" / "azurite" / "node_modules" / ".bin" / "azurite-blob"
)
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The emulator's own, written down in its manual."""

_buckets = itertools.count()


@pytest.fixture
def here(tmp_path):
    return Repository.init(tmp_path / "here")


@pytest.fixture
def there(tmp_path):
    return Repository.init(tmp_path / "there")


@pytest.fixture
def store():
    return FakeStore()


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
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    bucket = f"bucket-{next(_buckets)}"
    urllib.request.urlopen(urllib.request.Request(f"{_moto}/{bucket}", method="PUT")).close()
    return f"s3://{bucket}/some/prefix?endpoint={_moto}&region=us-east-1"


@pytest.fixture(scope="session")
def _azurite():
    if not os.access(AZURITE, os.X_OK):
        pytest.skip("azurite is not in build/agents: run tests/agents/install")
    options = ["--blobPort", "0", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    with subprocess.Popen([AZURITE, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield next(
                found[1]
                for line in process.stdout
                if (found := re.search(r"listens on (http://127\.0\.0\.1:\d+)", line))
            )
        finally:
            process.terminate()


@pytest.fixture
def azure_url(_azurite, monkeypatch):
    """A new container of Microsoft's emulator."""
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", AZURE_ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", AZURE_KEY)
    container = f"container-{next(_buckets)}"
    headers = {"x-ms-date": datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"), "x-ms-version": "2021-08-06"}
    lines = ["PUT", *[""] * 11, *(f"{name}:{value}" for name, value in headers.items())]
    signed = "\n".join([*lines, f"/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}/{container}", "restype:container"])
    digest = hmac.digest(base64.b64decode(AZURE_KEY), signed.encode(), hashlib.sha256)
    headers["authorization"] = f"SharedKey {AZURE_ACCOUNT}:{base64.b64encode(digest).decode()}"
    url = f"{_azurite}/{AZURE_ACCOUNT}"
    request = urllib.request.Request(f"{url}/{container}?restype=container", method="PUT", headers=headers)
    urllib.request.urlopen(request).close()
    return f"az://{container}/some/prefix?endpoint={url}"
