"""The schema of the platform's part of a database, as text to compare: by pg_dump where it fits, and by the catalog."""

import re
import shutil
import subprocess
from pathlib import Path

import psycopg

CATALOG = """
SELECT 'relation', c.relname, c.relkind::text, pg_get_userbyid(c.relowner), c.relacl::text, c.reloptions::text,
       obj_description(c.oid, 'pg_class')
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'S', 'm', 'i')
UNION ALL
SELECT 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text,
       pg_get_expr(d.adbin, d.adrelid), a.attnum::text
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (c.oid, a.attnum)
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'constraint', c.conrelid::regclass::text, c.conname, pg_get_constraintdef(c.oid), c.convalidated::text, '', ''
FROM pg_constraint c WHERE c.connamespace = 'public'::regnamespace AND c.conrelid <> 0
UNION ALL
SELECT 'index', tablename, indexname, indexdef, '', '', '' FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT 'trigger', t.tgrelid::regclass::text, t.tgname, pg_get_triggerdef(t.oid), t.tgenabled::text, '', ''
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal
UNION ALL
SELECT 'view', viewname, definition, viewowner, '', '', '' FROM pg_views WHERE schemaname = 'public'
UNION ALL
SELECT 'function', p.oid::regprocedure::text,
       CASE WHEN p.prokind = 'f' THEN md5(pg_get_functiondef(p.oid)) END, '', '', '', ''
FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
"""


def catalog(url: str) -> set[tuple[str | None, ...]]:
    """Return everything of the schema public, a row for each thing; runs everywhere."""
    with psycopg.connect(url, autocommit=True) as connection:
        return set(connection.execute(CATALOG.encode()).fetchall())


def relations(url: str) -> list[str]:
    """Return the names of all tables, views and sequences in public."""
    query = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'S')"
    with psycopg.connect(url, autocommit=True) as connection:
        return sorted(name for (name,) in connection.execute(query))


def pg_dump(url: str, tables: list[str]) -> str | None:
    """Return `pg_dump -s` of these relations; None where there is no pg_dump of the server's version or newer."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT current_setting('server_version_num')::int / 10000").fetchone()
    assert row is not None
    program = dump_program(int(row[0]))
    if program is None:
        return None
    options = [part for table in tables for part in ("--table", f"public.{table}")]
    done = subprocess.run([program, "-s", *options, url], capture_output=True, text=True, check=True, timeout=120)
    # Newer versions write a random key around the dump.
    return re.sub(r"(?m)^\\(un)?restrict .*$", "", done.stdout)


def dump_program(major: int) -> str | None:
    """Return a pg_dump that can read a server of this major version."""
    programs = [
        f"/opt/pg{major}/bin/pg_dump",
        f"/usr/lib/postgresql/{major}/bin/pg_dump",
        shutil.which("pg_dump") or "",
    ]
    for program in programs:
        if program and Path(program).exists():
            version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
            if int(re.findall(r"\d+", version)[0]) >= major:
                return program
    return None
