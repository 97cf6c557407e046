"""What a mail server's complaint means for the fields of the Airflow connection, and what to change."""

from __future__ import annotations

import smtplib
import ssl

# The provider starts TLS on port 465 and STARTTLS on top of it unless a parameter forbids it.
FIELDS = (
    "in its extra, port 465 needs disable_tls: true, port 587 disable_ssl: true, a server without TLS both; "
    "see docs/alerts.md"
)
MEANINGS: tuple[tuple[type[Exception], str], ...] = (
    (smtplib.SMTPAuthenticationError, "the mail server refuses its login and password: correct them"),
    (smtplib.SMTPNotSupportedError, f"it asks for TLS that the mail server does not offer: {FIELDS}"),
    (smtplib.SMTPRecipientsRefused, "the mail server refuses the recipients: correct alerts.email"),
    (smtplib.SMTPSenderRefused, "the mail server refuses the sender: correct from_email in its extra"),
    (ssl.SSLCertVerificationError, "the mail server's certificate is not trusted: use the host name that stands in it"),
    (ssl.SSLError, f"the mail server does not speak TLS in the way it says: {FIELDS}"),
)


def meaning(error: Exception) -> str:
    """In words, with the next step."""
    said = " ".join(str(error).split())
    for kind, words in MEANINGS:
        if isinstance(error, kind):
            return f"{words} ({said})"
    if isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException):
        return f"the mail server cannot be reached: check its host and port ({said})"
    return f"{type(error).__name__}: {said}: {FIELDS}"
