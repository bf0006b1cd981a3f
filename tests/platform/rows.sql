-- The look-ups, a customer with people, sites and two tickets, and what else stands in the platform's database.

INSERT INTO urgency_levels (name, minimum_lead_time_hours, display_order)
    VALUES ('Normal', 24, 1), ('Prime', 4, 2), ('Emergency', 1, 3);
INSERT INTO priority_levels (name, color_code, display_order)
    VALUES ('Low', '#00ff00', 1), ('Medium', '#ffff00', 2), ('High', '#ff8000', 3), ('Critical', '#ff0000', 4);
INSERT INTO service_request_statuses (name, is_final_status, requires_technician, display_order)
    VALUES ('Pending', false, false, 1), ('Scheduled', false, true, 2), ('In Progress', false, true, 3),
           ('Completed', true, false, 4), ('Cancelled', true, false, 5), ('On Hold', false, false, 6);
INSERT INTO roles (name, display_name) VALUES ('technician', 'Technician'), ('executive', 'Executive');
INSERT INTO service_types (name, category) VALUES ('Repair', 'onsite');
INSERT INTO businesses (id, business_name, is_active)
    VALUES ('00000000-0000-4000-8000-000000000001', 'Früh & Söhne', true);
INSERT INTO service_locations (id, business_id, address_label, location_name, street, is_headquarters)
    VALUES ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001', 'Headquarters', 'HQ',
            'Domstr. 1', true);
INSERT INTO users (id, business_id, email, first_name, last_name, is_primary_contact, password_hash)
    VALUES ('00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-000000000001', 'a@example.com', 'Anna',
            'Früh', true, 'x');
INSERT INTO employees (id, email, first_name, last_name, employee_number)
    VALUES ('00000000-0000-4000-8000-000000000004', 't@msp.example', 'Tom', 'Tech', 'E-1');

CREATE SEQUENCE service_request_number_seq_2025;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;
CREATE TRIGGER touch BEFORE UPDATE ON service_requests FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER touch BEFORE UPDATE ON businesses FOR EACH ROW EXECUTE FUNCTION touch();
CREATE VIEW open_requests AS
    SELECT r.request_number, r.title, b.business_name, s.name AS status
    FROM service_requests r JOIN businesses b ON b.id = r.business_id JOIN service_request_statuses s ON s.id = r.status_id
    WHERE NOT s.is_final_status AND NOT r.soft_delete;

INSERT INTO service_requests (request_number, title, description, client_id, created_by_user_id, business_id,
        service_location_id, urgency_level_id, priority_level_id, status_id, requested_datetime)
    SELECT 'SR-2025-' || lpad(nextval('service_request_number_seq_2025')::text, 5, '0'), title, 'on fire', u.id, u.id,
           u.business_id, l.id, g.id, p.id, s.id, '2025-11-01 08:00+00'
    FROM (VALUES ('Printer'), ('Scanner')) AS t (title), users u, service_locations l, urgency_levels g,
         priority_levels p, service_request_statuses s
    WHERE g.name = 'Normal' AND p.name = 'Low' AND s.name = 'Pending';
