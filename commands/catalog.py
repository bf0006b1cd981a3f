"""The command types of the platform's agents, with their parameters for forms.

Other types can be ordered too, because an agent may implement more than this table; it answers an unknown type with
failed.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a command type."""

    name: str
    type: Literal["string", "integer", "boolean"]
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class CommandType:
    """A command type; `dangerous`: the device may be unreachable or changed for good afterwards."""

    command_type: str
    description: str
    parameters: tuple[Parameter, ...] = ()
    dangerous: bool = False


SERVICE = Parameter("service", "string", True, "name of the service, as the agent reports it")
SCRIPT = Parameter("script", "string", True, "lines for the shell of the device")
DELAY = Parameter("delay_seconds", "integer", False, "how long users are warned before")

CATALOG = (
    CommandType("collect_now", "Take a sample now and upload it."),
    CommandType("collect_inventory", "Send the list of installed software."),
    CommandType("restart_service", "Restart a service.", (SERVICE,)),
    CommandType("run_script", "Run a script as the agent's user.", (SCRIPT,), dangerous=True),
    CommandType("reboot", "Restart the device.", (DELAY,), dangerous=True),
    CommandType("shutdown", "Shut the device down.", (DELAY,), dangerous=True),
    CommandType("uninstall", "Remove the agent from the device.", dangerous=True),
)
