-- read_webhooks --
-- The webhooks of the run by their address: how many were due, how many were sent, and how long those took (seconds,
-- median and longest). `overdue`: not sent within :bound. :addresses.
SELECT n.recipient, count(*) AS due, count(n.sent_at) AS sent,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY EXTRACT(epoch FROM n.sent_at - n.created_at)) AS median_seconds,
       max(EXTRACT(epoch FROM n.sent_at - n.created_at)) AS longest_seconds,
       count(*) FILTER (WHERE n.sent_at IS NULL AND n.created_at < now() - :bound::interval) AS overdue,
       max(n.last_error) AS last_error
FROM agent_alert_notifications n
WHERE n.channel = 'webhook' AND n.recipient = ANY (:addresses::text[])
GROUP BY n.recipient
