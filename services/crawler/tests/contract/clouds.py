"""Servers that speak the languages of Google's and Microsoft's object stores, started for the tests."""

import fcntl
import hashlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient
from steptrail_common.testing.process import free_port

ROOT = Path(__file__).parents[4]
AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's account and key are the same everywhere: https://github.com/Azure/Azurite#default-storage-account"""
Server = tuple[int, "subprocess.Popen[bytes]"]


def gcs_server(names: Mapping[str, str]) -> Server:
    """gcp-storage-emulator with the bucket `bank`. It takes any token."""
    port = free_port()
    arguments = ["start", "--host", "127.0.0.1", "--port", str(port), "--in-memory", "--default-bucket", "bank"]
    process = _started([sys.executable, "-m", "gcp_storage_emulator", *arguments], port)
    for name, text in names.items():
        url = f"http://127.0.0.1:{port}/upload/storage/v1/b/bank/o?uploadType=multipart"
        about = json.dumps({"name": name})
        parts = [
            f"--=\r\nContent-Type: {kind}\r\n\r\n{part}\r\n"
            for kind, part in (("application/json", about), ("text/plain", text))
        ]
        body = "".join([*parts, "--=--"])
        headers = {"Content-Type": 'multipart/related; boundary="="', "Content-Length": str(len(body))}
        request = urllib.request.Request(url, body.encode(), headers, method="POST")
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
    return port, process


def azure_server(names: Mapping[str, str], folder: Path) -> Server:
    """Azurite with the container `bank`; it checks keys and signatures."""
    port = free_port()
    main = _azurite() / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    arguments = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder), "--silent"]
    arguments += ["--skipApiVersionCheck", "--disableTelemetry"]
    process = _started([str(ROOT / "scripts" / "node.sh"), "node", str(main), *arguments], port)
    address = f"http://127.0.0.1:{port}/{AZURITE_ACCOUNT}"
    with BlobServiceClient(address, credential={"account_name": AZURITE_ACCOUNT, "account_key": AZURITE_KEY}) as client:
        container = client.create_container("bank")
        for name, text in names.items():
            container.upload_blob(name, text.encode())
    return port, process


def _started(command: list[str], port: int) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            assert process.poll() is None, f"{command[:3]} ended"
            time.sleep(0.05)
        else:
            return process
    raise AssertionError(f"{command[:3]} did not start")


def _azurite(seconds: float = 100) -> Path:
    """The folder of its packages, brought by npm the first time, within so long."""
    listed = Path(__file__).parent / "azurite"
    digest = hashlib.sha256((listed / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = ROOT / ".tools" / f"azurite-{digest}"
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / "azurite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want it at once
        if not (folder / "complete").exists():
            _bring(listed, folder, seconds)
    return folder


def _bring(listed: Path, folder: Path, seconds: float) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(listed, folder)
    words = "npm ci --silent --no-progress --ignore-scripts --no-audit --no-fund"
    command = [str(ROOT / "scripts" / "node.sh"), *words.split()]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        pytest.skip(f"no Azurite: npm did not bring it within {seconds:.0f} s")
    if done.returncode:
        pytest.skip(f"no Azurite: npm could not bring it: {done.stderr.decode()[-200:]}")
    (folder / "complete").touch()


if __name__ == "__main__":  # beside other work, before a test waits for it
    _azurite(seconds=600)
