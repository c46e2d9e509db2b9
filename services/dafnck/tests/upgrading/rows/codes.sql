INSERT INTO identity.account_codes (id, user_id, purpose, code_hash, email, created_at, expires_at)
VALUES (gen_random_uuid(), '00000000-0000-7000-8000-00000000{n}', 'verify_email', 'hash {n}', 'olga{n}@example.org', now(), now() + interval '1 day');
