-- The existing platform's tables, in the smallest form this product needs. A migration runs a statement only
-- where the table is absent, and marks what it made with a comment, so that a downgrade drops nothing else.

-- businesses --
-- The MSP's customers: the tenants.
CREATE TABLE businesses (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    business_name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- service_locations --
-- The customers' sites.
CREATE TABLE service_locations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    business_id uuid NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
    location_name text NOT NULL,
    is_headquarters boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- users --
-- The customers' own staff, who see their business in the portal.
CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    business_id uuid REFERENCES businesses (id) ON DELETE CASCADE,
    email text NOT NULL UNIQUE,
    first_name text,
    last_name text,
    is_primary_contact boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- employees --
-- The MSP's staff: technicians, managers, admins.
CREATE TABLE employees (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL UNIQUE,
    first_name text,
    last_name text,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- urgency_levels --
-- How soon a ticket must be looked at.
CREATE TABLE urgency_levels (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    level_name text NOT NULL UNIQUE
);
INSERT INTO urgency_levels (level_name) VALUES ('Normal'), ('Prime'), ('Emergency');

-- priority_levels --
-- How much a ticket matters.
CREATE TABLE priority_levels (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    level_name text NOT NULL UNIQUE
);
INSERT INTO priority_levels (level_name) VALUES ('Low'), ('Medium'), ('High'), ('Critical');

-- service_request_statuses --
-- The life of a ticket; a final status means that nobody works on it any more.
CREATE TABLE service_request_statuses (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    status_name text NOT NULL UNIQUE,
    is_final_status boolean NOT NULL DEFAULT false
);
INSERT INTO service_request_statuses (status_name, is_final_status)
VALUES ('Pending', false), ('Scheduled', false), ('In Progress', false), ('Completed', true), ('Cancelled', true),
       ('On Hold', false);

-- service_requests --
-- Tickets, with the columns that the platform demands.
CREATE TABLE service_requests (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    request_number text NOT NULL UNIQUE,
    title text NOT NULL CHECK (length(title) <= 255),
    description text NOT NULL,
    client_id uuid NOT NULL REFERENCES users (id),
    created_by_user_id uuid NOT NULL REFERENCES users (id),
    business_id uuid NOT NULL REFERENCES businesses (id),
    service_location_id uuid NOT NULL REFERENCES service_locations (id),
    requested_date date NOT NULL,
    urgency_level_id uuid NOT NULL REFERENCES urgency_levels (id),
    priority_level_id uuid NOT NULL REFERENCES priority_levels (id),
    status_id uuid NOT NULL REFERENCES service_request_statuses (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
