-- What a process writes of an account. {n} is the number of the generation.
INSERT INTO identity.users (id, email, username, password_hash, first_name, last_name, email_verified, status, last_login_at, metadata)
VALUES ('00000000-0000-7000-8000-00000000{n}', 'olga{n}@example.org', 'olga{n}', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA',
    'encrypted:test.T2xnYQ', 'Öztürk', TRUE, 'active', now(), '{"team": "apollo"}');
INSERT INTO identity.user_profiles (user_id, bio, location, social_links, preferences)
VALUES ('00000000-0000-7000-8000-00000000{n}', 'Flies.', 'İzmir', '{"web": "https://example.org"}', '{"theme": "dark"}');
INSERT INTO identity.user_sessions (id, user_id, session_token, refresh_token, expires_at, ip_address, user_agent, refresh_expires_at)
VALUES ('00000000-0000-7000-9000-00000000{n}', '00000000-0000-7000-8000-00000000{n}', 'session {n}', 'refresh {n}',
    now() + interval '1 hour', '192.0.2.7', 'a browser', now() + interval '30 days');
INSERT INTO identity.user_session_rotations (refresh_token, session_id)
VALUES ('former {n}', '00000000-0000-7000-9000-00000000{n}');
INSERT INTO identity.mail_outbox (id, kind, recipient, entity_id, parameters, expires_at, next_attempt_at)
VALUES (gen_random_uuid(), 'verify_email', 'olga{n}@example.org', '00000000-0000-7000-8000-00000000{n}', '{"n": 1}', now() + interval '1 day', now());
INSERT INTO identity.account_codes (id, user_id, purpose, code_hash, email, created_at, expires_at)
VALUES (gen_random_uuid(), '00000000-0000-7000-8000-00000000{n}', 'verify_email', 'hash {n}', 'olga{n}@example.org', now(), now() + interval '1 day');
INSERT INTO identity.user_second_factors (user_id, totp_secret, created_at, confirmed_at, last_used_step)
VALUES ('00000000-0000-7000-8000-00000000{n}', 'encrypted:test.c2VjcmV0', now(), now(), 7);
INSERT INTO identity.user_recovery_codes (user_id, code_hash) VALUES ('00000000-0000-7000-8000-00000000{n}', '\x00');
INSERT INTO identity.second_factor_challenges (token_hash, user_id, expires_at)
VALUES ('challenge {n}', '00000000-0000-7000-8000-00000000{n}', now() + interval '5 minutes');
INSERT INTO identity.api_tokens (id, user_id, name, token_hash, scopes, created_at, expires_at)
VALUES (gen_random_uuid(), '00000000-0000-7000-8000-00000000{n}', 'robot', 'api {n}', '{task:read}', now(), now() + interval '90 days');
