"""Every failure Athena reports, as one tree.

AthenaError
├── InternalError              500  a defect in Athena
├── BadRequest                 400  the request cannot be understood; names the field
│   ├── InvalidField           400
│   ├── InvalidJson            400
│   ├── BodyTooLarge           400
│   ├── HeadTooLarge           431
│   ├── UnsupportedMediaType   415
│   └── CredentialsInUrl       400
├── Unauthorized               401  the caller is unknown
│   └── BadCredentials         401
├── Forbidden                  403  the caller is known, but may not do this
├── OriginNotAllowed           403  the origin of the page may not do this
├── TooManyRequests            429  retry later
├── NotFound                   404
│   └── UnknownTransaction     404
├── MethodNotAllowed           405
├── UpgradeRequired            426  this path accepts only WebSocket
├── Conflict                   409  understood, but not allowed in the current state
│   ├── TransactionExists      409
│   ├── TransactionFinished    409
│   ├── IllegalTransition      409
│   └── StepRegression         409
├── IdempotencyKeyReused       422  the key was used for another request
├── Unavailable                503  nothing was stored; the request may be retried
│   ├── StoreUnavailable       503
│   ├── NotReady               503
│   └── ShuttingDown           503
└── CommandError                –   a command of `athena` ends with it; never an answer
    ├── NoSuchKey                –
    ├── KeyNotChanged            –
    ├── StartupError             –   Athena cannot start; the sentence says what to do
    │   ├── SQLiteTooOld         –
    │   ├── DataDirectoryInUse   –
    │   ├── DataDirectoryUnusable –
    │   ├── StoreNotDurable      –
    │   ├── StoreTooNew          –
    │   ├── AddressUnavailable   –
    │   ├── NotLoopback          –
    │   ├── NotEncrypted         –
    │   └── TlsUnusable          –
    ├── BackupUnusable           –
    └── BackupNotWritten         –

Each class has a stable `code`, an HTTP `status` and its `data`; `str(error)` is a sentence for people. `as_dict()` is
the only form in which errors are sent.
"""

from __future__ import annotations

from typing import Any, ClassVar


class AthenaError(Exception):
    """Base of all failures. Keyword arguments become `data`, and extra members of the JSON response."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500

    def __init__(self, sentence: str, **data: Any) -> None:
        super().__init__(sentence)
        self.data = data

    def as_dict(self) -> dict[str, Any]:
        """`{"statusCode": 409, "code": "…", "error": "<sentence>", …data}`."""
        return {"statusCode": self.status, "code": self.code, "error": str(self), **self.data}

    def headers(self) -> dict[str, str]:
        """The headers that its status requires (RFC 9110 sections 10.2.3, 11.6.1, 15.5.6 and 15.5.22)."""
        if self.status == 401:
            return {"www-authenticate": 'Bearer realm="athena"'}
        if self.status == 405:
            return {"allow": ", ".join(self.data["allowed"])}
        if self.status == 426:
            return {"upgrade": "websocket", "connection": "upgrade"}
        if self.status == 429:
            return {"retry-after": str(self.data["retry_after"])}
        return {"retry-after": "1"} if self.status == 503 else {}


class InternalError(AthenaError):
    """A defect in Athena. The sentence never contains details; the log does."""

    def __init__(self) -> None:
        super().__init__("Athena failed to handle this request; its log tells more")


# ---- 400 -------------------------------------------------------------------------------------------------------------
class BadRequest(AthenaError):
    """The request cannot be understood, or a value is outside its limit. `field` names the place, if known."""

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
    """The body is longer than this route accepts."""

    code = "body_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"body: expected at most {limit:,} bytes, got more", field="body", limit=limit)


class HeadTooLarge(BadRequest):
    """The request line and headers together exceed the limit."""

    code = "head_too_large"
    status = 431

    def __init__(self, limit: int) -> None:
        super().__init__(f"expected a request line and headers of at most {limit:,} bytes, got more", limit=limit)


class UnsupportedMediaType(BadRequest):
    """The body's Content-Type is not one that this route accepts."""

    code = "unsupported_media_type"
    status = 415

    def __init__(self, got: str, expected: str) -> None:
        super().__init__(f"Content-Type: expected {expected}, got {got[:100]!r}", field="Content-Type")


class CredentialsInUrl(BadRequest):
    """URLs end up in logs and histories, so a secret in one is refused, and should be replaced."""

    code = "credentials_in_url"

    def __init__(self, parameter: str) -> None:
        super().__init__(
            f"expected credentials in the Authorization header, got a secret in the address ({parameter[:40]!r}); "
            "take it for known to others now: revoke it",
            field=parameter[:40],
        )


# ---- 401, 403, 429 ---------------------------------------------------------------------------------------------------
class Unauthorized(AthenaError):
    """There are no credentials, or none that are valid. Never says which part of them was wrong."""

    code = "unauthorized"
    status = 401

    def __init__(self, sentence: str = "expected an API key, a token or a session, got none") -> None:
        super().__init__(sentence)


class BadCredentials(Unauthorized):
    """The credentials are unknown, revoked, expired, used up or malformed."""

    code = "bad_credentials"

    def __init__(self, kind: str) -> None:
        super().__init__(f"expected {kind} that is good here, got one that is not")


class Forbidden(AthenaError):
    """The caller is known, but may not do this."""

    code = "forbidden"
    status = 403

    def __init__(self, needs: str, role: str) -> None:
        super().__init__(f"expected somebody who may {needs}, got a {role}", needs=needs, role=role)


class OriginNotAllowed(AthenaError):
    """The request is from a page of another origin, or has a browser's cookie but names no origin (RFC 6454)."""

    code = "origin_not_allowed"
    status = 403

    def __init__(self, got: str) -> None:
        super().__init__(f"expected a page of Athena's own or one that is allowed (--allow-origin), got {got}")


class TooManyRequests(AthenaError):
    """A limit of requests, attempts or connections is reached. `retry_after` is in seconds."""

    code = "too_many"
    status = 429

    def __init__(self, what: str, retry_after: int) -> None:
        super().__init__(f"expected fewer {what}; come back in {retry_after} s", retry_after=retry_after)


# ---- 404, 405 --------------------------------------------------------------------------------------------------------
class NotFound(AthenaError):
    """Nothing exists at this address."""

    code = "not_found"
    status = 404


class UnknownTransaction(NotFound):
    """No transaction has this id."""

    code = "unknown_transaction"

    def __init__(self, tx_id: str) -> None:
        super().__init__(f"expected the id of a transaction, got {tx_id!r}, which is not known here", tx_id=tx_id)


class MethodNotAllowed(AthenaError):
    """The address exists, but does not accept this method."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, allowed: list[str], got: str) -> None:
        super().__init__(f"expected {' or '.join(allowed)}, got {got[:20]!r}", allowed=allowed)


class UpgradeRequired(AthenaError):
    """The address accepts only WebSocket, and the request was no handshake."""

    code = "upgrade_required"
    status = 426

    def __init__(self) -> None:
        super().__init__("expected a WebSocket handshake (RFC 6455), got a plain request")


# ---- 409 -------------------------------------------------------------------------------------------------------------
class Conflict(AthenaError):
    """The request is well formed, but the transaction's current state does not allow it. Nothing was changed."""

    status = 409


class TransactionExists(Conflict):
    """The id belongs to a transaction that was opened with different content."""

    code = "transaction_exists"

    def __init__(self, tx_id: str) -> None:
        super().__init__(
            f"expected a new tx_id or the same content as before, got {tx_id!r} with other content", tx_id=tx_id
        )


class TransactionFinished(Conflict):
    """The transaction has reached `success` or `error`; that is final."""

    code = "transaction_finished"

    def __init__(self, tx_id: str, status: str, got: str, timed_out: bool = False) -> None:
        silent = ", after more silence than its timeout_ms allows" if timed_out else ""
        super().__init__(
            f"expected no more edits, since {tx_id!r} has finished as {status}{silent}; got an edit to {got}",
            tx_id=tx_id,
            status=status,
        )


class IllegalTransition(Conflict):
    """The lifecycle has no transition from the current status to the requested one."""

    code = "illegal_transition"

    def __init__(self, tx_id: str, status: str, got: str, expected: tuple[str, ...]) -> None:
        super().__init__(
            f"expected one of {', '.join(expected)} while {tx_id!r} is {status}, got {got}", tx_id=tx_id, status=status
        )


class StepRegression(Conflict):
    """`on_step` would decrease while the transaction is pending."""

    code = "step_regression"

    def __init__(self, tx_id: str, on_step: int, got: int) -> None:
        super().__init__(
            f"expected on_step of at least {on_step} while {tx_id!r} is pending, got {got}",
            tx_id=tx_id,
            on_step=on_step,
        )


# ---- 422 -------------------------------------------------------------------------------------------------------------
class IdempotencyKeyReused(AthenaError):
    """The Idempotency-Key was used for a request with another method, path or body. Nothing was changed."""

    code = "idempotency_key_reused"
    status = 422

    def __init__(self) -> None:
        super().__init__(
            "expected the same request as before with this Idempotency-Key, got another one; take a new key for it",
            field="Idempotency-Key",
        )


# ---- 503 -------------------------------------------------------------------------------------------------------------
class Unavailable(AthenaError):
    """Athena cannot do this now. Nothing was stored; the request may be retried."""

    status = 503


class StoreUnavailable(Unavailable):
    """The store failed to commit, or cannot be read. Nothing of the commit is visible or was pushed."""

    code = "store_unavailable"

    def __init__(self, why: str) -> None:
        super().__init__(f"expected the store to do its work, got: {why}")
        self.why = why


class NotReady(Unavailable):
    """A check of /readyz has failed. `data` has the results of all checks."""

    code = "not_ready"

    def __init__(self, missing: list[str], **data: Any) -> None:
        super().__init__(f"expected a server that can take changes, got {'; '.join(missing)}", **data)


class ShuttingDown(Unavailable):
    """Athena is stopping and accepts no more changes."""

    code = "shutting_down"

    def __init__(self) -> None:
        super().__init__("expected a running server, got one that is shutting down")


# ---- commands --------------------------------------------------------------------------------------------------------
class CommandError(AthenaError):
    """A command of `athena` cannot do its work. Never an answer over HTTP."""

    code = "command_error"


class NoSuchKey(CommandError):
    """The id is not that of a valid key."""

    code = "no_such_key"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"expected the id of a key that is good (athena keys list), got {key_id!r}")


class KeyNotChanged(CommandError):
    """The file of the keys could not be written."""

    code = "key_not_changed"

    def __init__(self, state: str, why: str) -> None:
        super().__init__(f"{state}: auth.db could not be written: {why}")


# ---- start -----------------------------------------------------------------------------------------------------------
class StartupError(CommandError):
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

    def __init__(self, path: str, why: str, advice: str = "choose another with --data") -> None:
        super().__init__(f"expected a usable data directory, got {path}: {why}; {advice}")


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


class BackupUnusable(CommandError):
    """The file is not a usable copy of a history."""

    code = "backup_unusable"

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"expected a usable copy of a history at {path}, got: {why}")


class BackupNotWritten(CommandError):
    """A copy of the history cannot be written to the requested path."""

    code = "backup_not_written"

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"expected to write a new file at {path}, got: {why}")


class AddressUnavailable(StartupError):
    """The port cannot be listened on."""

    code = "address_unavailable"

    def __init__(self, host: str, port: int, why: str) -> None:
        super().__init__(
            f"expected a free address of this machine, got {host}:{port}: {why}; choose another with --port "
            "(ATHENA_PORT) or --host"
        )


class NotLoopback(StartupError):
    """Without access control, anyone who can reach the port could read and change everything."""

    code = "not_loopback"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"expected a loopback address such as 127.0.0.1 or ::1 with --auth none, got {host!r}; "
            "anyone who can reach the port could read and change everything: leave --auth out"
        )


class NotEncrypted(StartupError):
    """Keys and sessions would cross the network in the clear."""

    code = "not_encrypted"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"expected --tls-cert and --tls-key to listen on {host!r}, or keys would cross the network in the clear; "
            "or --behind-proxy with the addresses of a proxy that does TLS, or --insecure if nobody can listen in"
        )


class TlsUnusable(StartupError):
    """The certificate or its key cannot be read, or they do not match."""

    code = "tls_unusable"

    def __init__(self, why: str) -> None:
        super().__init__(f"expected a certificate (--tls-cert) and its private key (--tls-key), got: {why}")
