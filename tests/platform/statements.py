"""What the platform's application does to its own tables: the statements, and what they answer."""

from typing import Any

import psycopg

BUSINESS = "00000000-0000-4000-8000-000000000001"
LOCATION = "00000000-0000-4000-8000-000000000002"
USER = "00000000-0000-4000-8000-000000000003"
EMPLOYEE = "00000000-0000-4000-8000-000000000004"

# Counted before a client may open another request: five at most.
OPEN_REQUESTS = """
SELECT count(*) FROM service_requests r JOIN service_request_statuses s ON s.id = r.status_id
WHERE r.client_id = %(user)s AND NOT r.soft_delete AND NOT s.is_final_status
"""
STATEMENTS = (
    "INSERT INTO businesses (id, business_name) VALUES ('00000000-0000-4000-8000-0000000000b2', 'New') "
    "RETURNING business_name, is_active, soft_delete",
    "INSERT INTO users (email, business_id) VALUES ('new@example.com', '00000000-0000-4000-8000-0000000000b2') "
    "RETURNING email, role",
    "INSERT INTO employees (email, first_name) VALUES ('second@msp.example', 'Eva') RETURNING email, is_active",
    "INSERT INTO service_locations (business_id, location_name) VALUES (%(business)s, 'Depot') RETURNING country",
    "UPDATE businesses SET business_name = 'Früh AG' WHERE id = %(business)s RETURNING business_name",
    "UPDATE businesses SET soft_delete = true WHERE id = %(business)s RETURNING soft_delete, business_name",
    "UPDATE businesses SET soft_delete = false WHERE id = %(business)s RETURNING soft_delete",
    "UPDATE users SET is_active = false WHERE id = %(user)s RETURNING email",
    "UPDATE employees SET soft_delete = true, last_name = 'Left' WHERE id = %(employee)s RETURNING email",
    "UPDATE service_locations SET location_name = 'Head office', is_active = false WHERE id = %(location)s "
    "RETURNING location_name",
    OPEN_REQUESTS,
    "UPDATE service_requests SET title = 'Printer again', assigned_technician_id = NULL WHERE title = 'Printer' "
    "RETURNING title",
    "INSERT INTO service_request_history (service_request_id, action_type, new_value, changed_by_user_id) "
    "SELECT id, 'status_change', 'Scheduled', client_id FROM service_requests RETURNING action_type",
    "INSERT INTO service_request_comments (service_request_id, comment_text, author_user_id) "
    "SELECT id, 'on my way', client_id FROM service_requests RETURNING comment_type",
    "SELECT request_number, title, business_name, status FROM open_requests ORDER BY 1",
    "DELETE FROM employees WHERE id = %(employee)s RETURNING email",
    "DELETE FROM users WHERE id = %(user)s",  # refused by the platform's own key: it has requests
    "DELETE FROM service_requests WHERE title LIKE 'Printer%%' RETURNING title",
    "DELETE FROM service_requests RETURNING title",
    "DELETE FROM users WHERE id = %(user)s RETURNING email",
    "DELETE FROM service_locations WHERE id = %(location)s RETURNING location_name",
    "DELETE FROM businesses WHERE id = %(business)s RETURNING business_name",
)


def run_statements(url: str) -> list[Any]:
    """Run all in one transaction, each in a savepoint, and roll back; return the answers, or what refused."""
    values = {"business": BUSINESS, "location": LOCATION, "user": USER, "employee": EMPLOYEE}
    answers: list[Any] = []
    with psycopg.connect(url) as connection, connection.transaction(force_rollback=True):
        for statement in STATEMENTS:
            try:
                with connection.transaction():
                    cursor = connection.execute(statement.encode(), values)
                    answers.append((cursor.statusmessage, cursor.fetchall() if cursor.description else []))
            except psycopg.Error as fault:
                answers.append((type(fault).__name__, fault.diag.constraint_name))
    return answers
