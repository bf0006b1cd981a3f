-- What an older platform has instead: other names in the look-ups, a date that is demanded, no sequences of numbers.

ALTER TABLE urgency_levels RENAME name TO level_name;
ALTER TABLE priority_levels RENAME name TO level_name;
ALTER TABLE service_request_statuses RENAME name TO status_name;
ALTER TABLE service_requests ADD requested_date date;
UPDATE service_requests SET requested_date = requested_datetime::date, request_number = replace(request_number, '-0', '-00');
ALTER TABLE service_requests ALTER requested_date SET NOT NULL, DROP requested_datetime,
    DROP requested_duration_minutes;
DROP SEQUENCE service_request_number_seq_2025;
