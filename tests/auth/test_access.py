"""Tables of access: which rights a token's role has."""

import pytest

from core.access import DEFAULT_ROLES, RIGHTS, RoleTable


@pytest.mark.parametrize(
    ("role", "may_approve"),
    [
        ("manager", True), (" Manager ", True), (None, True),  # a token without a role
        ("none", False), ("None", False), ("other", False), ("*", False), ("", False), ("manager\0", False),
    ],
)  # fmt: skip
def test_a_role_has_rights_only_by_its_name(role: str | None, may_approve: bool) -> None:
    rights = RoleTable.parse(DEFAULT_ROLES).of(role)
    assert ("approve" in rights) is may_approve
    assert rights <= RIGHTS
