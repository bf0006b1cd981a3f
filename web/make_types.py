"""Write the API's types for the pages: `web/src/api/schema.ts` from the server's own OpenAPI document.

Run it after a change of the API: `.venv/bin/python web/make_types.py`; `--check` only compares (a test does).
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from api.app import Application
from core.settings import Settings

TARGET = Path(__file__).parent / "src" / "api" / "schema.ts"
HEAD = "// Written by web/make_types.py from the server's OpenAPI document: don't edit it by hand.\n"
SIMPLE = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def main() -> int:
    """Write the file, or say whether it is as it should be."""
    text = HEAD + "\n".join(types_of(document())) + "\n"
    if "--check" in sys.argv:
        return int(TARGET.read_text() != text)
    TARGET.write_text(text)
    return 0


def document() -> dict[str, Any]:
    """Return the OpenAPI document of the application."""
    openapi: dict[str, Any] = Application(Settings(database_url="postgresql://nowhere/none")).web.openapi()
    return openapi


def types_of(openapi: dict[str, Any]) -> list[str]:
    """Return one exported type for each schema of the document."""
    schemas = openapi["components"]["schemas"]
    return [f"\nexport type {name_of(name)} = {type_of(schema, '')};" for name, schema in sorted(schemas.items())]


def type_of(schema: dict[str, Any] | bool, indent: str) -> str:
    """Return a schema as a TypeScript type; true and false say nothing of a value."""
    if isinstance(schema, bool):
        return "unknown"
    if "$ref" in schema:
        return name_of(schema["$ref"].rsplit("/", 1)[1])
    if "const" in schema or "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    for key, sign in (("anyOf", " | "), ("oneOf", " | "), ("allOf", " & ")):
        if key in schema:
            return sign.join(dict.fromkeys(type_of(part, indent) for part in schema[key]))
    return by_type(schema, indent)


def by_type(schema: dict[str, Any], indent: str) -> str:
    """Return a schema without alternatives as a TypeScript type."""
    kind = schema.get("type")
    if kind == "array":
        return f"Array<{type_of(schema.get('items', {}), indent)}>"
    if kind == "object" or "properties" in schema:
        return object_of(schema, indent)
    return SIMPLE.get(str(kind), "unknown")


def object_of(schema: dict[str, Any], indent: str) -> str:
    """Return an object's schema: its fields, or a record of its other values."""
    fields = schema.get("properties")
    if not fields:
        more = schema.get("additionalProperties")
        return f"Record<string, {type_of(more, indent) if isinstance(more, dict) else 'unknown'}>"
    required, inner = set(schema.get("required", ())), indent + "  "
    lines = [
        f"{inner}{key_of(name)}{'' if name in required else '?'}: {type_of(field, inner)};"
        for name, field in fields.items()
    ]
    return "\n".join(["{", *lines, f"{indent}}}"])


def key_of(name: str) -> str:
    """Return a field's name as TypeScript takes it."""
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else json.dumps(name)


def name_of(name: str) -> str:
    """Return a schema's name as TypeScript takes it."""
    return re.sub(r"\W+", "_", name)


if __name__ == "__main__":
    sys.exit(main())
