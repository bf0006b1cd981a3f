"""Tables of access rules, each in one line: rights of roles, rules of command types, required claims of tokens.

A table is `name=value,value; name=value`. `*` as a right is every right.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Right = Literal[
    "alerts", "approve", "audit", "dba", "decommission", "manage", "order", "outputs", "register", "revoke", "rules"
]
RIGHTS: frozenset[Right] = frozenset(get_args(Right))
OTHER, NO_ROLE = "other", "none"  # a role that the table does not name; a token that names no role
TECHNICIAN = "alerts,approve,audit,decommission,manage,order,outputs,register,revoke,rules"
DEFAULT_ROLES = f"admin=*; executive=*; manager=*; technician={TECHNICIAN}; {NO_ROLE}={TECHNICIAN}; {OTHER}="

CommandNeed = Literal["free", "approval", "refused"]
ANY = "*"
DEFAULT_COMMANDS = (
    "collect_now=free; collect_inventory=free; list_services=free; start_service=free; stop_service=free; "
    "restart_service=free; "
    "run_script=approval; reboot=approval; shutdown=approval; uninstall=approval; *=approval"
)


def parse_table(text: str) -> dict[str, list[str]]:
    """Return name → values of `name=value,value; name=`, all in lower case. Raises ValueError."""
    table = {}
    for line in filter(None, (part.strip() for part in text.split(";"))):
        name, equals, values = line.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"write name=value,value; name=value: {line!r} does not fit")
        table[name.strip().lower()] = [value.strip().lower() for value in values.split(",") if value.strip()]
    return table


@dataclass(frozen=True, slots=True)
class RoleTable:
    """The rights of each role of the MSP's employees."""

    rights: Mapping[str, frozenset[str]]

    @classmethod
    def parse(cls, text: str) -> "RoleTable":
        """Read `manager=*; technician=order,outputs`; raises ValueError for a right that does not exist."""
        rights = {}
        for role, names in parse_table(text).items():
            unknown = set(names) - RIGHTS - {"*"}
            if unknown:
                raise ValueError(f"there is no right {', '.join(sorted(unknown))}; rights: {', '.join(sorted(RIGHTS))}")
            rights[role] = frozenset(RIGHTS) if "*" in names else frozenset(names)
        return cls(rights)

    def of(self, role: str | None) -> frozenset[str]:
        """Return the rights of a role as a token names it; a role that the table does not have is `other`.

        So is one that is called `none`: only a token that names no role has the rights of `none`.
        """
        name = NO_ROLE if role is None else role.strip().lower()
        named = role is not None and name == NO_ROLE
        return self.rights.get(OTHER if named else name, self.rights.get(OTHER, frozenset()))


@dataclass(frozen=True, slots=True)
class CommandTable:
    """The rule of each type of command: free, approval by a second employee, or refused."""

    needs: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> "CommandTable":
        """Read `collect_now=free; *=approval`; raises ValueError."""
        needs = {}
        for name, values in parse_table(text).items():
            if len(values) != 1 or values[0] not in get_args(CommandNeed):
                raise ValueError(f"{name}: one of {', '.join(get_args(CommandNeed))}")
            needs[name] = values[0]
        return cls(needs)

    def need_of(self, command_type: str) -> str:
        """Return the rule of a type; for a type that the table does not name the value of `*`, or approval."""
        return self.needs.get(command_type, self.needs.get(ANY, "approval"))


def parse_claims(text: str) -> dict[str, list[str]]:
    """Read `aud=rts,portal; type=access`: a token must have each claim with one of its values. Raises ValueError."""
    claims = {}
    for line in filter(None, (part.strip() for part in text.split(";"))):
        name, equals, values = line.partition("=")
        if not equals or not name.strip() or not values.strip():
            raise ValueError(f"write claim=value; claim=value: {line!r} does not fit")
        claims[name.strip()] = [value.strip() for value in values.split(",") if value.strip()]
    return claims
