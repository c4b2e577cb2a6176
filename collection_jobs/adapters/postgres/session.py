"""Session: what is set in a session, or in a transaction where sessions are shared."""

from __future__ import annotations

from collections.abc import Mapping

from collection_jobs.adapters.postgres.identifiers import literal
from collection_jobs.adapters.postgres.settings import PostgresSettings

__all__ = ["SESSION", "begin", "conditional", "milliseconds", "unconditional"]

# A generic plan is made once for each connection, maybe while the tables are empty, and must be
# right when they are large: so only plans that walk an index are left to choose from. They also
# keep the order of the arrays.
_PLANNER: Mapping[str, str] = {
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    "enable_incremental_sort": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}

SESSION = "; ".join(f"SET {name} = {value}" for name, value in _PLANNER.items())
"""What makes a session plan the statements as they are meant."""

# The server gives a statement up before the client does: then it is known not to have happened.
_SERVERS_SHARE = 0.8


def milliseconds(seconds: float) -> int:
    """Return a time as PostgreSQL takes it; 0 would mean no limit."""
    return max(1, round(seconds * 1000))


def conditional(settings: PostgresSettings, pid: int) -> str:
    """Return a query of one row that sets the session, or of none if a pooler is in between.

    A pooler gives out process ids of its own making. Were it to share sessions among transactions,
    what is set here would reach the sessions of others.
    """
    values = ", ".join(
        f"set_config({literal(name)}, {literal(value)}, false)"
        for name, value in _settings(settings).items()
    )
    return f"SELECT {values} WHERE pg_backend_pid() = {pid:d}"


def unconditional(settings: PostgresSettings) -> str:
    """Commands that set the session."""
    return "; ".join(
        f"SET {name} = {literal(value)}" for name, value in _settings(settings).items()
    )


def begin(settings: PostgresSettings, mode: str = "READ COMMITTED") -> str:
    """Commands that begin a transaction, in which the same is set where the session is shared."""
    start = f"BEGIN ISOLATION LEVEL {mode}"
    if settings.statement_cache:
        return start
    local = [f"SET LOCAL {name} = {literal(value)}" for name, value in _settings(settings).items()]
    return "; ".join([start, *local])


def _settings(settings: PostgresSettings) -> dict[str, str]:
    limit = str(milliseconds(settings.command_timeout * _SERVERS_SHARE))
    return {
        **_PLANNER,
        "default_transaction_isolation": "read committed",
        "lock_timeout": str(milliseconds(settings.lock_timeout)),
        "statement_timeout": limit,
        "idle_in_transaction_session_timeout": limit,
    }
