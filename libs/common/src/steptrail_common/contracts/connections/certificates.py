"""Certificates in the forms of connections: public ones only, their keys are secrets."""

MAX_CERTIFICATE_CHARACTERS = 65_536
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def certificate_pem(value: str | None) -> str | None:
    """One or more certificates in PEM form, or None for nothing. Raises ValueError for anything else."""
    if value is None or not value.strip():
        return None
    if "PRIVATE KEY" in value:
        raise ValueError("holds a private key: paste the certificate only")
    if _BEGIN not in value or _END not in value:
        raise ValueError(f"must be a certificate in PEM form, from {_BEGIN} to {_END}")
    return value.strip() + "\n"
