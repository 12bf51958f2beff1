"""Every error Steptrail raises on purpose.

SteptrailError
├── InvalidInput      422  the request is understood and wrong, field by field
├── NotAuthenticated  401
├── Forbidden         403
├── NotFound          404
├── Conflict          409  the state does not allow it
├── Stale             412  someone else saved first
├── TooLarge          413
├── UnsupportedMedia  415
├── PreconditionRequired 428  say which revision you changed
├── TooManyRequests   429
├── Unavailable       503  a part we need is away; repeat later
└── ConfigurationError     refuses to start, says what to do
"""

from typing import ClassVar

from steptrail_common.contracts.model import FieldError


class SteptrailError(Exception):
    """The base. `permanent` says that repeating cannot help; `status` is the HTTP status; `slug` names the problem."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    slug: ClassVar[str] = "internal"
    permanent: ClassVar[bool] = True

    def __init__(self, detail: str, *, errors: list[FieldError] | None = None, retry_after_seconds: int | None = None):
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.retry_after_seconds = retry_after_seconds


class InvalidInput(SteptrailError):
    """What was sent is wrong; `errors` says where and what to do."""

    status, title, slug = 422, "Invalid input", "invalid-input"

    @classmethod
    def field(cls, path: str, message: str) -> "InvalidInput":
        return cls(f"{path}: {message}", errors=[FieldError(path=path, message=message)])


class NotAuthenticated(SteptrailError):
    """Nobody is signed in, or the sign-in is over."""

    status, title, slug = 401, "Not signed in", "not-signed-in"


class Forbidden(SteptrailError):
    """Signed in, but the role does not allow it."""

    status, title, slug = 403, "Not allowed", "not-allowed"


class NotFound(SteptrailError):
    """No such thing, or none the caller may see."""

    status, title, slug = 404, "Not found", "not-found"


class Conflict(SteptrailError):
    """The present state does not allow it."""

    status, title, slug = 409, "Conflict", "conflict"


class Stale(SteptrailError):
    """Someone else saved first: read again, then save."""

    status, title, slug = 412, "Changed meanwhile", "stale"


class TooLarge(SteptrailError):
    """More than the limit."""

    status, title, slug = 413, "Too large", "too-large"


class UnsupportedMedia(SteptrailError):
    """A content type this route does not read."""

    status, title, slug = 415, "Unsupported content type", "unsupported-media-type"


class PreconditionRequired(SteptrailError):
    """A write that must name the state it was made from (`If-Match`)."""

    status, title, slug = 428, "Condition required", "precondition-required"


class TooManyRequests(SteptrailError):
    """Slow down; `retry_after_seconds` says for how long."""

    status, title, slug, permanent = 429, "Too many requests", "too-many-requests", False


class Unavailable(SteptrailError):
    """A part we need (database, broker, another service) is away."""

    status, title, slug, permanent = 503, "Temporarily unavailable", "unavailable", False


class ConfigurationError(SteptrailError):
    """The settings do not allow a start; the text says what to change."""

    title, slug = "Configuration", "configuration"
