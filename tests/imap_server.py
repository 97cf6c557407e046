"""A real IMAP server (Debian's dovecot) of a test's own, on loopback, with one mailbox."""

from __future__ import annotations

import getpass
import imaplib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator

DOVECOT = shutil.which("dovecot") or next((path for path in ["/usr/sbin/dovecot"] if Path(path).exists()), None)
LOGIN, PASSWORD = "reports", "a-password-of-this-test"
SENDER = "no-reply@hector.example"
NOBODY = 65534
FIRST_ANSWER = 20.0  # seconds

CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
{ssl}
disable_plaintext_auth = no
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login_user}
first_valid_uid = 0
first_valid_gid = 0
mail_location = maildir:{folder}/mail
passdb {{
  driver = static
  args = user={login} password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home
}}
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


@dataclass
class ImapServer:
    """Where it is, and what a test puts into its mailbox."""

    port: int
    tls_port: int = 0
    authority: Path | None = None

    @property
    def tls_address(self) -> str:
        """Where it takes TLS; ``authority`` has the certificate to trust."""
        return f"imaps://localhost:{self.tls_port}"

    @property
    def address(self) -> str:
        return f"imap://127.0.0.1:{self.port}"

    @contextmanager
    def client(self, folder: str = "INBOX") -> Iterator[imaplib.IMAP4]:
        with imaplib.IMAP4("127.0.0.1", self.port, timeout=10) as client:
            client.login(LOGIN, PASSWORD)
            client.select(folder)
            yield client

    def deliver(self, files: dict[str, bytes], *, sender: str = SENDER, at: datetime | None = None, **headers: str):
        """One mail with these attachments, received at that time."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, "reports@campus.example", "Your report"
        for name, value in headers.items():
            message[name.replace("_", "-")] = value
        message.set_content("Find your report attached.")
        for name, content in files.items():
            message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
        with self.client() as client:
            stamp = imaplib.Time2Internaldate(at or datetime.now(UTC))
            client.append("INBOX", "", stamp, message.as_bytes())

    def empty(self) -> None:
        with self.client() as client:
            for number in client.search(None, "ALL")[1][0].split():
                client.store(number.decode(), "+FLAGS", "\\Deleted")
            client.expunge()

    def flags(self) -> list[bytes]:
        """The flags of every mail, by its number."""
        with self.client() as client:
            return client.fetch("1:*", "(FLAGS)")[1]


@contextmanager
def imap_server() -> Iterator[ImapServer]:
    if DOVECOT is None:
        assert os.environ.get("CI") != "true", "dovecot is missing: apt-get install dovecot-imapd"
        pytest.skip("dovecot is not installed")
    folder = Path(tempfile.mkdtemp(prefix="hector-salto-imap-"))
    folder.chmod(0o755)
    for name in ("mail", "home"):
        (folder / name).mkdir()
        os.chown(folder / name, *owner())
    with socket.create_server(("127.0.0.1", 0)) as free, socket.create_server(("127.0.0.1", 0)) as other:
        port, tls_port = free.getsockname()[1], other.getsockname()[1]
    make_certificate(folder)
    (folder / "dovecot.conf").write_text(config(folder, port, tls_port), encoding="utf-8")
    running = subprocess.Popen([DOVECOT, "-F", "-c", str(folder / "dovecot.conf")])
    try:
        server = ImapServer(port, tls_port, folder / "cert.pem")
        wait_for(server, running, folder)
        yield server
    finally:
        running.terminate()
        running.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def make_certificate(folder: Path) -> None:
    """Write a key and a certificate of localhost that it has signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain_key = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(plain_key)
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def config(folder: Path, port: int, tls_port: int) -> str:
    """As root with Debian's users of dovecot, else with the test's own."""
    is_root = os.getuid() == 0
    own = getpass.getuser()
    return CONFIG.format(
        folder=folder,
        port=port,
        tls_port=tls_port,
        ssl=f"ssl = yes\nssl_cert = <{folder}/cert.pem\nssl_key = <{folder}/key.pem",
        internal="dovecot" if is_root else own,
        internal_group="dovecot" if is_root else own,
        login_user="dovenull" if is_root else own,
        login=LOGIN,
        password=PASSWORD,
        uid=owner()[0],
        gid=owner()[1],
    )


def owner() -> tuple[int, int]:
    """User and group of the mails; dovecot gives root none."""
    return (NOBODY, NOBODY) if os.getuid() == 0 else (os.getuid(), os.getgid())


def wait_for(server: ImapServer, running: subprocess.Popen, folder: Path) -> None:
    ends = time.monotonic() + FIRST_ANSWER
    while True:
        try:
            with server.client():
                return
        except (OSError, imaplib.IMAP4.error):
            log = (folder / "log").read_text() if (folder / "log").exists() else ""
            assert running.poll() is None, log
            assert time.monotonic() < ends, log
            time.sleep(0.1)
