-- Whether people still have access by the platform's tables. These differ between installations: a missing column
-- counts as its default.

-- check_employee --
-- No row: not in the table. True: active.
SELECT COALESCE((to_jsonb(e) ->> 'is_active')::boolean, true)
       AND NOT COALESCE((to_jsonb(e) ->> 'soft_delete')::boolean, false) AS is_active
FROM employees e
WHERE e.id = :employee_id

-- check_user --
-- :business_id, :user_id (null: the token names none, and only the business must be there). No row or false: no
-- access.
SELECT NOT COALESCE((to_jsonb(b) ->> 'soft_delete')::boolean, false)
       AND (:user_id::uuid IS NULL OR EXISTS (
           SELECT FROM users u
           WHERE u.id = :user_id AND u.business_id = b.id
             AND COALESCE((to_jsonb(u) ->> 'is_active')::boolean, true)
             AND NOT COALESCE((to_jsonb(u) ->> 'soft_delete')::boolean, false))) AS is_active
FROM businesses b
WHERE b.id = :business_id
