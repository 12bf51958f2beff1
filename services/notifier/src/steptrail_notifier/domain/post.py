"""A letter as the message that mail servers take: headers and encodings by the standard library, HTML escaped."""

from datetime import datetime
from email.header import Header
from email.headerregistry import Address, HeaderRegistry, UniqueAddressHeader, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime, formataddr
from html import escape
from string import Template

from steptrail_common.contracts.mail import EmailSettings, sender_parts

from steptrail_notifier.domain.letter import Letter


class _Subject(UnstructuredHeader):
    """Encoded from end to end: parts of a line encoded one by one lose or gain blanks between them (Python 3.11)."""

    def fold(self, *, policy: Policy) -> str:
        return f"Subject: {_encoded(str(self), 'Subject', policy)}{policy.linesep}"


class _From(UniqueAddressHeader):
    """Its name likewise; one of ASCII is quoted by the library where it must be."""

    def fold(self, *, policy: Policy) -> str:
        (sender,) = self.addresses
        name, address = sender.display_name, sender.addr_spec
        if name.isascii():
            return f"From: {formataddr((name, address))}{policy.linesep}"
        return f"From: {_encoded(name, 'From', policy)}{policy.linesep} <{address}>{policy.linesep}"


def _encoded(text: str, name: str, policy: Policy) -> str:
    return Header(text, header_name=name, maxlinelen=76).encode(linesep=policy.linesep)


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type("subject", _Subject)  # type: ignore[arg-type] # it adds the base class
_HEADERS.map_to_type("from", _From)  # type: ignore[arg-type]
_POLICY = SMTP.clone(cte_type="7bit", header_factory=_HEADERS)
"""Any server takes it; those without 8BITMIME too."""

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>$subject</title>
<style>
:root { color-scheme: light dark; }
body { margin: 0; padding: 24px 16px; background: #f6f7f9; color: #1b2430; font: 15px/1.5 system-ui, sans-serif; }
.sheet { max-width: 600px; margin: 0 auto; padding: 20px 24px; background: #ffffff; border: 1px solid #e2e5ea;
  border-radius: 10px; overflow-wrap: anywhere; }
.state { margin: 0; font-weight: 600; } .bad { color: #c02328; } .good { color: #17724a; }
h1 { margin: 4px 0 16px; font-size: 19px; line-height: 1.35; }
th { padding: 3px 16px 3px 0; font-weight: 400; text-align: left; vertical-align: top; white-space: nowrap; }
td { padding: 3px 0; }
th, .why { color: #5a6475; }
.go { display: inline-block; margin: 16px 0 4px; padding: 9px 16px; border-radius: 8px; background: #2f5bd7;
  color: #ffffff; text-decoration: none; }
.why { margin: 14px 0 0; font-size: 13px; }
@media (prefers-color-scheme: dark) {
  body { background: #0f141b; color: #e6ebf2; }
  .sheet { background: #161d27; border-color: #2a3544; }
  .bad { color: #ff8080; } .good { color: #4cc38a; } th, .why { color: #9aa7ba; }
  .go { background: #7ea2ff; color: #0d1424; }
}
</style>
</head>
<body>
<div class="sheet">
<p class="state $look">$state</p>
<h1>$headline</h1>
<table role="presentation">$rows</table>
$button
<p class="why">$reason</p>
</div>
</body>
</html>
""")


def message_of(
    letter: Letter, email: EmailSettings, *, channel_id: str, delivery_id: str, at: datetime, public_url: str | None
) -> bytes:
    """The whole message, the same in every try but for its date. Without `public_url` it links to nothing."""
    name, address = sender_parts(email.sender)
    domain = address.rpartition("@")[2]
    link = f"{public_url}{letter.path}" if public_url and letter.path else None
    message = EmailMessage(policy=_POLICY)
    message["From"] = Address(name, addr_spec=address)
    message["To"] = [Address(addr_spec=one) for one in email.recipients]
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{delivery_id}@{domain}>"
    if letter.thread is not None:
        message["In-Reply-To"] = message["References"] = f"<{letter.thread}@{domain}>"
    message["List-Id"] = f"<{channel_id}.steptrail.{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(_text(letter, link))
    message.add_alternative(_html(letter, link), subtype="html")
    return message.as_bytes()


def _text(letter: Letter, link: str | None) -> str:
    width = max((len(label) for label, _ in letter.facts), default=0)
    lines = [
        letter.state.upper(),
        letter.headline,
        "",
        *(f"{label:<{width}}  {value}" for label, value in letter.facts),
    ]
    lines += ["", f"{letter.link}: {link}"] if link else []
    return "\n".join([*lines, "", letter.reason, ""])


def _html(letter: Letter, link: str | None) -> str:
    rows = "\n".join(f"<tr><th>{escape(label)}</th><td>{escape(value)}</td></tr>" for label, value in letter.facts)
    button = f'<a class="go" href="{escape(link)}">{escape(letter.link)}</a>' if link else ""
    return _PAGE.substitute(
        subject=escape(letter.subject),
        look="good" if letter.good else "bad",
        state=escape(letter.state.capitalize()),
        headline=escape(letter.headline),
        rows=rows,
        button=button,
        reason=escape(letter.reason),
    )
