-- Registration tokens can be revoked; lists of devices and alerts can be saved as views.

-- registration_tokens_revoked --
ALTER TABLE agent_registration_tokens ADD COLUMN revoked_at timestamptz

-- registration_tokens_by_time --
CREATE INDEX agent_registration_tokens_by_time ON agent_registration_tokens (created_at DESC, id DESC)

-- agent_saved_views --
-- A view is the query of a page. It belongs to one person: `owner_id` is an employee or a user of the platform. A shared
-- view is seen by all employees, or by all users of the business.
CREATE TABLE agent_saved_views (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    page text NOT NULL CHECK (page IN ('agents', 'alerts')),
    view_name text NOT NULL CHECK (length(view_name) BETWEEN 1 AND 100),
    query text NOT NULL CHECK (length(query) <= 2000),
    is_shared boolean NOT NULL DEFAULT false,
    business_id uuid REFERENCES businesses (id) ON DELETE CASCADE,
    owner_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
)

-- saved_views_by_owner --
CREATE UNIQUE INDEX agent_saved_views_by_owner ON agent_saved_views (owner_id, page, lower(view_name))

-- saved_views_shared --
CREATE INDEX agent_saved_views_shared ON agent_saved_views (business_id, page) WHERE is_shared
