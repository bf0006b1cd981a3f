-- Saved views of lists. Who may see one: its owner; where it is shared, every employee, or every user of the same business.

-- list_views --
-- $1 tenant (null: employees), $2 owner, $3 page.
SELECT v.id, v.view_name, v.page, v.query, v.is_shared, v.owner_id = $2 AS mine
FROM agent_saved_views v
WHERE v.page = $3 AND v.business_id IS NOT DISTINCT FROM $1::uuid AND (v.owner_id = $2 OR v.is_shared)
ORDER BY lower(v.view_name), v.id
LIMIT 200

-- save_view --
-- A name that its owner has already gets the new query. No row when the owner has 100 views of the page.
-- $1 tenant (null: employees), $2 owner, $3 page, $4 name, $5 query, $6 shared, $7 now.
INSERT INTO agent_saved_views (business_id, owner_id, page, view_name, query, is_shared, created_at)
SELECT $1, $2, $3, $4, $5, $6, $7
WHERE (SELECT count(*) FROM agent_saved_views WHERE owner_id = $2 AND page = $3) < 100
   OR EXISTS (SELECT FROM agent_saved_views WHERE owner_id = $2 AND page = $3 AND lower(view_name) = lower($4))
ON CONFLICT (owner_id, page, lower(view_name))
DO UPDATE SET view_name = EXCLUDED.view_name, query = EXCLUDED.query, is_shared = EXCLUDED.is_shared
RETURNING id, view_name, page, query, is_shared, true AS mine

-- delete_view --
-- $1 id, $2 owner.
DELETE FROM agent_saved_views WHERE id = $1 AND owner_id = $2
