INSERT INTO identity.api_tokens (id, user_id, name, token_hash, scopes, created_at, expires_at)
VALUES (gen_random_uuid(), '00000000-0000-7000-8000-00000000{n}', 'robot', 'api {n}', '{task:read}', now(), now() + interval '90 days');
