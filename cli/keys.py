"""`rts-agents keys`: the signing keys of tokens."""

from typing import Annotated

import typer
from rich.table import Table

from auth.keys import RINGS, KeyFile, Ring
from cli.fitting import print_table
from core.settings import get_settings

app = typer.Typer(
    help="Signing keys of agents' and the platform's tokens (RTS_KEYS_FILE).\n\nExample: rts-agents keys create",
    no_args_is_help=True,
)
RingName = Annotated[str, typer.Option("--ring", help="agent or platform")]


@app.command()
def create() -> None:
    """Create the key file, mode 600, unless it exists.

    Example: rts-agents keys create
    """
    path = get_settings().keys_file
    KeyFile(path).create()
    typer.echo(f"{path} holds the signing keys: keep it secret, and back it up.")


@app.command("list")
def list_keys() -> None:
    """Show the ids of all keys, never the keys.

    Example: rts-agents keys list
    """
    file = KeyFile(get_settings().keys_file)
    table = Table("ring", "key id", "use")
    for name in RINGS:
        ring = file.ring(name)
        for key_id in ring.keys:
            table.add_row(name, key_id, "signs and verifies" if key_id == ring.current else "verifies")
    print_table(table)


@app.command()
def rotate(ring: RingName = "agent") -> None:
    """Create a new key and sign with it from now on; tokens of older keys stay valid until those are retired.

    Example: rts-agents keys rotate --ring agent
    """
    file = KeyFile(get_settings().keys_file)
    rings = {name: file.ring(name) for name in RINGS}
    typer.echo(f"New {ring} key: {rings[ring_named(ring)].rotate()}")
    file.save(rings)


@app.command()
def retire(key_id: str, ring: RingName = "agent") -> None:
    """Delete a key: every token that it signed is refused from now on.

    Example: rts-agents keys retire 1f3a9c02 --ring agent
    """
    file = KeyFile(get_settings().keys_file)
    rings = {name: file.ring(name) for name in RINGS}
    rings[ring_named(ring)].retire(key_id)
    file.save(rings)
    typer.echo(f"{key_id} is retired.")


def ring_named(name: str) -> Ring:
    """Return the ring of this name; exits with a message for another."""
    for ring in RINGS:
        if ring == name:
            return ring
    raise typer.BadParameter(f"there is no key ring {name!r}: it is agent or platform", param_hint="--ring")
