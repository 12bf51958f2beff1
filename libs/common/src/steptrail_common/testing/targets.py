"""Real database servers as targets of checks: with accounts, and with TLS under a certificate of their own."""

import secrets
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import run
from typing import Any

from steptrail_common.testing.process import LocalServer, greets
from steptrail_common.testing.servers import first_number, output


def certificate(folder: Path, *names: str, days: int = 1) -> Path:
    """A self-signed certificate for these names with its key, in one PEM file; `days` below 0: it has expired."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(item) for item in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{names[0]}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def public_part(pem: Path) -> str:
    """The certificate alone, without its key."""
    text = pem.read_text()
    return text[text.index("-----BEGIN CERTIFICATE") :]


class MariadbServer(LocalServer):
    """A MariaDB with TLS for `localhost`; `root` without password is its administrator."""

    name = "MariaDB"

    def __init__(self, program: Path, installer: Path) -> None:
        super().__init__()
        self._program, self._installer = program, installer
        self.url = f"mysql://root@127.0.0.1:{self.port}/"
        self.origin = f"MariaDB {first_number(output([program, '--version']))}, own data folder"
        self.pem = certificate(self.folder, "localhost")
        temporary = self.folder / "tmp"
        temporary.mkdir()
        self._temporary = f"--tmpdir={temporary}"  # each start deletes what temporary tables lie there

    def _command(self) -> Sequence[str | Path]:
        return [
            *(self._program, "--no-defaults", f"--datadir={self.folder / 'data'}", f"--port={self.port}"),
            *("--bind-address=127.0.0.1", f"--socket={self.folder / 'socket'}", "--skip-name-resolve"),
            *(f"--ssl-cert={self.pem}", f"--ssl-key={self.pem}", f"--ssl-ca={self.pem}", "--local-infile=1"),
            "--user=root",
            *("--innodb-flush-log-at-trx-commit=0", "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M"),
            *("--skip-log-bin", "--performance-schema=0", f"--pid-file={self.folder / 'pid'}"),
            self._temporary,
        ]

    def start(self) -> None:
        if not (self.folder / "data").exists():
            done = run(
                [
                    *(str(self._installer), "--no-defaults", f"--datadir={self.folder / 'data'}", "--user=root"),
                    *("--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=8M"),
                    self._temporary,
                ],
                cwd=self.folder,
                capture_output=True,
                text=True,
                timeout=120,
            )
            if done.returncode:
                raise RuntimeError(f"mariadb-install-db failed: {done.stderr or done.stdout}")
        super().start()

    def _answers(self) -> bool:
        return mariadb_greets(self.port)


class RedisServer(LocalServer):
    """A Redis that keeps nothing on disk."""

    name = "Redis"

    def __init__(self, program: Path) -> None:
        super().__init__()
        self._program = program
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.origin = f"Redis {first_number(output([program, '--version']))}, own"

    def _command(self) -> Sequence[str | Path]:
        return [
            *(self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder),
            *("--save", "", "--appendonly", "no"),
        ]

    def _answers(self) -> bool:
        return greets(self.port, b"PING\r\n", lambda answer: answer.startswith(b"+PONG"))


class SignInMongoServer(LocalServer):
    """A MongoDB that asks for sign-in, with TLS for `localhost`; `admin` is its administrator. `identified`: over TLS
    it serves only who shows a certificate that it signed, such as its own."""

    name = "MongoDB-sign-in"

    def __init__(self, program: Path, *, identified: bool = False) -> None:
        super().__init__()
        self._program = program
        self._identified = identified
        self._password = secrets.token_hex(8)
        self.url = f"mongodb://admin:{self._password}@127.0.0.1:{self.port}/?directConnection=true"
        self.origin = f"mongod {first_number(output([program, '--version']))}, own, with accounts and TLS"
        self.pem = certificate(self.folder, "localhost")
        (self.folder / "data").mkdir()

    def _command(self) -> Sequence[str | Path]:
        return [
            *(self._program, "--dbpath", self.folder / "data", "--port", str(self.port), "--bind_ip", "127.0.0.1"),
            *("--auth", "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", "--quiet"),
            *("--tlsMode", "allowTLS", "--tlsCertificateKeyFile", self.pem),
            *(("--tlsCAFile", self.pem) if self._identified else ()),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        ]

    def _answers(self) -> bool:
        """Up, with its administrator: the first account may be made from this machine without sign-in."""
        import pymongo
        from pymongo.errors import PyMongoError

        wait: dict[str, Any] = {"serverSelectionTimeoutMS": 200, "directConnection": True}
        try:
            with pymongo.MongoClient[dict[str, Any]](self.url, **wait) as client:
                client.admin.command("connectionStatus")
                return True
        except PyMongoError:
            pass
        try:
            with pymongo.MongoClient[dict[str, Any]]("127.0.0.1", self.port, **wait) as client:
                client.admin.command("createUser", "admin", pwd=self._password, roles=["root"])
        except PyMongoError:
            pass
        return False


def mariadb_greets(port: int) -> bool:
    """The server speaks first: protocol version 10 and its own version."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5) as connection:
            connection.settimeout(2)
            return connection.recv(64)[4:5] == b"\x0a"
    except OSError:
        return False
