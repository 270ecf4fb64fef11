"""What can be allowed, and to whom: the whole of it in one table."""

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
"""From the least to the most: each role may do what the one before it may."""

ORIGINAL_NAMES: dict[Action, str] = {"view": "blockchain.optools.view", "manage": "blockchain.notifications.manage"}
"""What these actions were called in the API that v1 and v2 come from, for those who move their policies."""


def covers(role: Role, other: Role) -> bool:
    """Whether `role` may do all that `other` may."""
    return set(ROLES[other]) <= set(ROLES[role])
