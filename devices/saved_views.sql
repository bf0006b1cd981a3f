-- Saved views of lists. Who may see one: its owner; where it is shared, every employee, or every user of the same business.

-- list_views --
-- :tenant (null: employees), :owner_id, :page.
SELECT v.id, v.view_name, v.page, v.query, v.is_shared, v.owner_id = :owner_id AS mine
FROM agent_saved_views v
WHERE v.page = :page AND v.business_id IS NOT DISTINCT FROM :tenant::uuid AND (v.owner_id = :owner_id OR v.is_shared)
ORDER BY lower(v.view_name), v.id
LIMIT 200

-- save_view --
-- A name that its owner has already gets the new query. No row when the owner has 100 views of the page. :tenant
-- (null: employees), :owner_id, :page, :name, :query, :is_shared, :now.
INSERT INTO agent_saved_views (business_id, owner_id, page, view_name, query, is_shared, created_at)
SELECT :tenant, :owner_id, :page, :name, :query, :is_shared, :now
WHERE (SELECT count(*) FROM agent_saved_views WHERE owner_id = :owner_id AND page = :page) < 100
   OR EXISTS (SELECT FROM agent_saved_views WHERE owner_id = :owner_id AND page = :page
     AND lower(view_name) = lower(:name))
ON CONFLICT (owner_id, page, lower(view_name))
DO UPDATE SET view_name = EXCLUDED.view_name, query = EXCLUDED.query, is_shared = EXCLUDED.is_shared
RETURNING id, view_name, page, query, is_shared, true AS mine

-- delete_view --
DELETE FROM agent_saved_views WHERE id = :view_id AND owner_id = :owner_id
