"""Every metric, with all values that its labels can have: nothing that a caller sends becomes a label."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

from ..domain.algorithms import ALGORITHMS
from ..domain.outbox import KINDS, OUTCOMES
from ..domain.rotation import Verdict
from ..pipeline.observed import STEPS
from .reasons import REASONS

OTHER = "other"
"""Stands for every value of a label that is not in its list."""
ENDPOINTS = (
    *("/token", "/revoke", "/introspect", "/userinfo", "/authorize", "/interaction/{interaction}"),
    *("/interaction/{interaction}/sign-in", "/interaction/{interaction}/account", "/interaction/{interaction}/consent"),
    *("/device_authorization", "/device", "/device/{interaction}", "/device/{interaction}/sign-in"),
    *("/account", "/account/sign-in", "/account/sessions", "/account/sessions/end", "/account/applications"),
    *("/account/applications/end", "/account/activity", "/account/password", "/account/profile"),
    *("/reset", "/reset/password", "/sign-up", "/sign-up/password", "/account/email", "/account/email/confirm"),
    *("/account/data/download", "/account/delete", "/account/deleted", "/logout", "/logout/confirm"),
    *("/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"),
    *("/api/login", "/api/refresh-token", "/api/logout", "/api/protected"),
    *("/health/live", "/health/ready", "/", "/static", OTHER),
)
"""Paths relative to the issuer."""
STATUSES = ("2xx", "3xx", "4xx", "5xx", "none")
"""`none`: the client closed the connection before the response began."""
EVENTS = (
    *("login", "login_failed", "account_delayed", "network_delayed", "client_authentication_failed"),
    "authorization_ended_by_limit",
    *("sign_in", "sign_in_failed", "session_ended", "form_forged", "consent_given", "consent_denied"),
    *("reset_requested", "password_reset", "sign_up_requested", "sign_up", "email_change_requested", "email_changed"),
    *("consent_withdrawn", "logout_unproven"),
    "user_password_changed",
    *("user_claims_changed", "user_data_exported", "user_deletion_requested", "user_deletion_cancelled"),
    *("device_code_issued", "user_code_wrong", "device_allowed", "device_denied"),
    *("code_issued", "code_redeemed", "code_resubmitted", "code_replayed", "code_foreign"),
    *("revoked", "access_token_denied", "refused"),
    *("refresh_token_retried", "refresh_token_retried_from_elsewhere", "refresh_token_reused"),
    *("refresh_token_foreign", "refresh_token_ahead", "refresh_token_refused", OTHER),
)
TIMED_EVERY = 16
"""The steps of one in this many attempts to handle a request are timed."""
_SHORT = (0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01)
_LONG = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Each label with all its values."""
    buckets: tuple[float, ...] = ()
    """The upper bounds of a histogram's buckets, without the last, which has none."""

    def series(self) -> list[tuple[str, ...]]:
        """Return every combination of the labels' values."""
        return list(product(*self.labels.values()))

    @property
    def exposed_name(self) -> str:
        """The name that Prometheus reads; a histogram's has `_bucket`, `_sum` and `_count` after it."""
        return f"{self.name}_total" if self.kind == "counter" else self.name

    @property
    def cells(self) -> int:
        """How many numbers one series has: a histogram's are its buckets and the sum."""
        return len(self.buckets) + 2 if self.kind == "histogram" else 1


REQUESTS = Metric(
    "authserver_http_requests",
    "counter",
    "HTTP requests, by endpoint and class of the status code. Malformed HTTP that no endpoint sees is not in it",
    {"endpoint": ENDPOINTS, "status": STATUSES},
)
REQUEST_DURATION = Metric(
    "authserver_http_request_duration_seconds",
    "histogram",
    "Time from the request's head to the end of its response",
    {"endpoint": ENDPOINTS},
    (0.000_5, 0.001, 0.002, 0.005, 0.01, *_LONG),
)
MALFORMED = Metric("authserver_malformed_requests", "counter", "Requests that no client should send")
REFUSALS = Metric(
    "authserver_refusals", "counter", "Well-formed requests that got an error, by reason", {"reason": REASONS}
)
EVENTS_LOGGED = Metric(
    "authserver_events", "counter", "Events of requests, whether or not the log's level shows them", {"event": EVENTS}
)
VERDICTS = Metric(
    "authserver_refresh_tokens",
    "counter",
    "Refresh tokens presented to get new tokens, by verdict",
    {"verdict": tuple(verdict.value for verdict in Verdict)},
)
CONFLICTS = Metric(
    "authserver_conflicts",
    "counter",
    "Attempts begun again because the loaded data was out of date or another request committed first",
)
STEP_DURATION = Metric(
    "authserver_pipeline_step_duration_seconds",
    "histogram",
    f"Time in each step, of one attempt in {TIMED_EVERY} (of all if tracing is on); `authenticate` includes the wait "
    "in the password queue",
    {"step": STEPS},
    (*_SHORT, *_LONG),
)
GROUP_SIZE = Metric(
    "authserver_commit_group_size",
    "histogram",
    "Changes that shared one transaction",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)
GROUP_DURATION = Metric(
    "authserver_commit_duration_seconds",
    "histogram",
    "Time of one transaction, from its begin until it is durable",
    buckets=(0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, *_LONG),
)
MESSAGES = Metric(
    "authserver_outbox_attempts",
    "counter",
    "Attempts to send a message from the outbox, by how they ended: one that failed is repeated, for a day",
    {"kind": KINDS, "outcome": OUTCOMES},
)
STARTS = Metric("authserver_worker_starts", "counter", "Processes that began to serve")
CPU = Metric("process_cpu_seconds", "counter", "User and system CPU time of all serving processes, in seconds")

PASSWORD_QUEUE = Metric("authserver_password_queue", "gauge", "Password checks that wait for a thread")
DATABASE_QUEUE = Metric("authserver_database_queue", "gauge", "Loads and changes that wait for the database")
MEMORY = Metric("process_resident_memory_bytes", "gauge", "Resident memory of the process, in bytes")
START_TIME = Metric("process_start_time_seconds", "gauge", "When the process began to serve, in seconds since 1970")
OPEN_FILES = Metric("process_open_fds", "gauge", "Open files and sockets of the process")
MAX_FILES = Metric("process_max_fds", "gauge", "The most files and sockets that the process may have open")

COUNTED: tuple[Metric, ...] = (
    *(REQUESTS, REQUEST_DURATION, MALFORMED, REFUSALS, EVENTS_LOGGED, VERDICTS, CONFLICTS),
    *(STEP_DURATION, GROUP_SIZE, GROUP_DURATION, MESSAGES, STARTS, CPU),
)
"""Shown as the sum over all processes, those that have ended included."""
SAMPLED: tuple[Metric, ...] = (PASSWORD_QUEUE, DATABASE_QUEUE, MEMORY, START_TIME, OPEN_FILES, MAX_FILES)
"""Shown for each process that is alive, with the label `worker`."""

BUILD = Metric("authserver_build_info", "gauge", "Always 1; the labels say what runs", {"version": (), "python": ()})
WORKERS = Metric("authserver_workers", "gauge", "Processes that are alive")
KEYS = Metric(
    "authserver_signing_keys",
    "gauge",
    "Signing keys, by algorithm and state",
    {"alg": ALGORITHMS, "state": ("pending", "active", "retired")},
)
KEY_CHANGES = Metric(
    "authserver_signing_key_next_change_timestamp_seconds",
    "gauge",
    "When the next change of this kind is due, in seconds since 1970: a pending key may be promoted by hand, or the "
    "schedule promotes it, destroys a retired key's private part, or removes the key from the key set",
    {"alg": ALGORITHMS, "change": ("promotable", "promote", "destroy", "remove")},
)
WAITING = Metric(
    "authserver_outbox_waiting",
    "gauge",
    "Messages in the outbox that wait to be sent, of all nodes; measured every 15 seconds",
    {"kind": KINDS},
)
OLDEST = Metric(
    "authserver_outbox_oldest_age_seconds", "gauge", "Age of the oldest of them; 0 if none waits", {"kind": KINDS}
)
COMPUTED: tuple[Metric, ...] = (BUILD, WORKERS, KEYS, KEY_CHANGES, WAITING, OLDEST)
"""Computed whenever they are asked for. A label without values has those of this server."""
