INSERT INTO identity.mail_outbox (id, kind, recipient, about, parameters, expires_at, next_attempt_at)
VALUES (gen_random_uuid(), 'verify_email', 'olga{n}@example.org', '00000000-0000-7000-8000-00000000{n}', '{"n": 1}', now() + interval '1 day', now());
