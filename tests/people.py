"""The people of the tests: three tenants, Alice, Bob and Charlie (who must see nothing of theirs), and an employee."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg

from auth.tokens import Tokens
from core.clock import utc_now

LIFETIME = timedelta(hours=1)


@dataclass(frozen=True)
class Tenant:
    """A business with one site and one user."""

    name: str
    business_id: UUID
    location_id: UUID
    user_token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.user_token}"}


@dataclass(frozen=True)
class Employee:
    employee_id: UUID
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


async def make_tenant(pool: asyncpg.Pool, tokens: Tokens, name: str) -> Tenant:
    business_id, location_id = uuid4(), uuid4()
    await pool.execute("INSERT INTO businesses (id, business_name) VALUES ($1, $2)", business_id, name)
    await pool.execute(
        "INSERT INTO service_locations (id, business_id, location_name) VALUES ($1, $2, $3)",
        location_id, business_id, f"{name}'s site",
    )  # fmt: skip
    user_id = await make_user(pool, business_id)
    claims = {"sub": str(user_id), "user_id": str(user_id), "business_id": str(business_id), "role": "user"}
    return Tenant(name, business_id, location_id, tokens.issue_person(claims, utc_now(), LIFETIME))


async def make_user(pool: asyncpg.Pool, business_id: UUID) -> UUID:
    user_id = uuid4()
    await pool.execute(
        "INSERT INTO users (id, business_id, email) VALUES ($1, $2, $3)",
        user_id, business_id, f"{user_id}@example.com",
    )  # fmt: skip
    return user_id


async def make_employee(pool: asyncpg.Pool, tokens: Tokens) -> Employee:
    employee_id = uuid4()
    await pool.execute("INSERT INTO employees (id, email) VALUES ($1, $2)", employee_id, f"{employee_id}@msp.example")
    claims = {"sub": str(employee_id), "employee_id": str(employee_id), "role": "technician"}
    return Employee(employee_id, tokens.issue_person(claims, utc_now(), LIFETIME))
