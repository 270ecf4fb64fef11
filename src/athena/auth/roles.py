"""The roles and what each may do, in one table."""

from __future__ import annotations

from typing import Literal

Action = Literal["view", "report", "manage"]
"""What a route needs. `view` reads, `report` opens and edits transactions, `manage` is everything else."""

Role = Literal["viewer", "reporter", "manager"]

ROLES: dict[Role, tuple[Action, ...]] = {
    "viewer": ("view",),
    "reporter": ("view", "report"),
    "manager": ("view", "report", "manage"),
}
"""From the least to the most privileged: each role may do everything that the one before it may."""


def covers(role: Role, other: Role) -> bool:
    """Whether `role` may do all that `other` may."""
    return set(ROLES[other]) <= set(ROLES[role])
