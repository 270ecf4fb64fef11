"""Every failure Athena reports, as one tree.

AthenaError
├── BadRequest                 400  what was sent cannot be understood; names the field
│   ├── BodyTooLarge           400
│   ├── HeadTooLarge           431
│   └── UnsupportedMediaType   415
├── NotFound                   404
│   └── MethodNotAllowed       405
├── Conflict                   409  understood, but not allowed in the present state
│   ├── TransactionExists      409
│   ├── TransactionFinished    409
│   ├── IllegalTransition      409
│   └── StepRegression         409
├── Unavailable                503  nothing was stored; the same request may be sent again
│   ├── StoreUnavailable       503
│   └── ShuttingDown           503
└── StartupError                –   Athena cannot start; the sentence says what to do
    └── (see its subclasses)

Each class has a stable `code`, an HTTP `status`, and holds its data; `str(error)` is the sentence people read.
`as_dict()` is the one shape in which errors leave Athena.
"""

from __future__ import annotations

from typing import Any, ClassVar


class AthenaError(Exception):
    """Base of all failures. Keyword arguments become attributes and extra members of the JSON answer."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500

    def __init__(self, sentence: str, **data: Any) -> None:
        super().__init__(sentence)
        self.data = data

    def as_dict(self) -> dict[str, Any]:
        """`{"statusCode": 409, "code": "…", "error": "<sentence>", …data}`."""
        return {"statusCode": self.status, "code": self.code, "error": str(self), **self.data}


class InternalError(AthenaError):
    """A defect of Athena's own. The sentence never holds details; the log does."""

    def __init__(self) -> None:
        super().__init__("Athena failed to handle this request; its log tells more")


# ---- 400 -------------------------------------------------------------------------------------------------------------
class BadRequest(AthenaError):
    """The request cannot be understood, or a value is outside its limit. `field` names the place, if there is one."""

    code = "bad_request"
    status = 400


class InvalidField(BadRequest):
    """A named field or parameter is missing, unknown, of the wrong type or outside its limit."""

    code = "invalid_field"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}", field=field)


class InvalidJson(BadRequest):
    """The body is not JSON (RFC 8259)."""

    code = "invalid_json"


class BodyTooLarge(BadRequest):
    """The body is longer than this route takes."""

    code = "body_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"body: expected at most {limit:,} bytes, got more", field="body", limit=limit)


class HeadTooLarge(BadRequest):
    """The request line and headers together are longer than Athena reads."""

    code = "head_too_large"
    status = 431

    def __init__(self, limit: int) -> None:
        super().__init__(f"expected a request line and headers of at most {limit:,} bytes, got more", limit=limit)


class UnsupportedMediaType(BadRequest):
    """The body's Content-Type is not one this route reads."""

    code = "unsupported_media_type"
    status = 415

    def __init__(self, got: str, expected: str) -> None:
        super().__init__(f"Content-Type: expected {expected}, got {got[:100]!r}", field="Content-Type")


# ---- 404, 405 --------------------------------------------------------------------------------------------------------
class NotFound(AthenaError):
    """There is nothing at this address."""

    code = "not_found"
    status = 404


class UnknownTransaction(NotFound):
    """No transaction has this id."""

    code = "unknown_transaction"

    def __init__(self, tx_id: str) -> None:
        super().__init__(f"expected the id of a transaction, got {tx_id!r}, which is not known here", tx_id=tx_id)


class MethodNotAllowed(AthenaError):
    """The address exists, but does not take this method."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, allowed: list[str], got: str) -> None:
        super().__init__(f"expected {' or '.join(allowed)}, got {got[:20]!r}", allowed=allowed)


# ---- 409 -------------------------------------------------------------------------------------------------------------
class Conflict(AthenaError):
    """The request is well formed, but the transaction's present state does not allow it. Nothing was changed."""

    code = "conflict"
    status = 409


class TransactionExists(Conflict):
    """The id is taken by a transaction that was opened with other content."""

    code = "transaction_exists"

    def __init__(self, tx_id: str) -> None:
        super().__init__(
            f"expected a new tx_id or the same content as before, got {tx_id!r} with other content", tx_id=tx_id
        )


class TransactionFinished(Conflict):
    """The transaction has reached `success` or `error`; that is final."""

    code = "transaction_finished"

    def __init__(self, tx_id: str, status: str, got: str) -> None:
        super().__init__(
            f"expected no more edits, since {tx_id!r} has finished as {status}; got an edit to {got}",
            tx_id=tx_id,
            status=status,
        )


class IllegalTransition(Conflict):
    """The lifecycle has no step from the present status to the requested one."""

    code = "illegal_transition"

    def __init__(self, tx_id: str, status: str, got: str, expected: tuple[str, ...]) -> None:
        super().__init__(
            f"expected one of {', '.join(expected)} while {tx_id!r} is {status}, got {got}", tx_id=tx_id, status=status
        )


class StepRegression(Conflict):
    """`on_step` would fall while the transaction is pending."""

    code = "step_regression"

    def __init__(self, tx_id: str, on_step: int, got: int) -> None:
        super().__init__(
            f"expected on_step of at least {on_step} while {tx_id!r} is pending, got {got}",
            tx_id=tx_id,
            on_step=on_step,
        )


# ---- 503 -------------------------------------------------------------------------------------------------------------
class Unavailable(AthenaError):
    """Athena cannot do this now. Nothing was stored; the same request may be sent again."""

    code = "unavailable"
    status = 503


class StoreUnavailable(Unavailable):
    """The store refused or failed a commit. Nothing of the commit is visible, and nothing was pushed."""

    code = "store_unavailable"

    def __init__(self, why: str) -> None:
        super().__init__(f"expected the change to reach the disk, got: {why}")


class ShuttingDown(Unavailable):
    """Athena is stopping and takes no more changes."""

    code = "shutting_down"

    def __init__(self) -> None:
        super().__init__("expected a running server, got one that is shutting down")


# ---- start -----------------------------------------------------------------------------------------------------------
class StartupError(AthenaError):
    """Athena cannot start. The sentence says why, and what to do."""

    code = "startup_error"


class SQLiteTooOld(StartupError):
    """The SQLite library has the WAL-reset defect (https://sqlite.org/wal.html#walresetbug), fixed in 3.51.3."""

    code = "sqlite_too_old"

    def __init__(self, got: str, expected: str) -> None:
        super().__init__(
            f"expected SQLite {expected} or newer, got {got}, which can corrupt databases in WAL mode; "
            "install a current apsw, which carries its own SQLite"
        )


class DataDirectoryInUse(StartupError):
    """Another Athena has this data directory open."""

    code = "data_directory_in_use"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"expected a data directory of its own, got {path}, which another Athena is using; "
            "stop that one or choose another with --data"
        )


class DataDirectoryUnusable(StartupError):
    """The data directory cannot be created, read or written."""

    code = "data_directory_unusable"

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"expected a writable data directory, got {path}: {why}; choose another with --data")


class StoreNotDurable(StartupError):
    """The database cannot be opened in the mode that makes a commit durable."""

    code = "store_not_durable"

    def __init__(self, setting: str, expected: str, got: str) -> None:
        super().__init__(f"expected {setting} = {expected}, got {got}: commits would not survive a power cut")


class StoreTooNew(StartupError):
    """The database was written by a newer Athena."""

    code = "store_too_new"

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(
            f"expected a database of schema version {expected} or older, got {got}; "
            "install the newer Athena that wrote it"
        )


class AddressUnavailable(StartupError):
    """The port cannot be listened on."""

    code = "address_unavailable"

    def __init__(self, host: str, port: int, why: str) -> None:
        super().__init__(f"expected a free address, got {host}:{port}: {why}; choose another with --port")


class NotLoopback(StartupError):
    """Athena has no access control yet, so it listens on loopback addresses only."""

    code = "not_loopback"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"expected a loopback address such as 127.0.0.1 or ::1, got {host!r}; "
            "without access control, anyone who can reach the port could read and change everything"
        )
