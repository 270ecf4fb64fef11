from itertools import pairwise

from athena.auth.roles import ROLES, covers


def test_each_role_may_what_the_one_before_it_may_and_more() -> None:
    for less, more in pairwise(ROLES):
        assert set(ROLES[less]) < set(ROLES[more])
        assert covers(more, less)
        assert not covers(less, more)


def test_a_role_covers_itself() -> None:
    assert all(covers(role, role) for role in ROLES)
