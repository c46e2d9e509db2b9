-- Identity as it was first released. The first generation has a name that begins as sealed ones do, by chance.
INSERT INTO identity.users (id, email, username, password_hash, first_name, last_name, email_verified, status, last_login_at, metadata)
VALUES ('00000000-0000-7000-8000-00000000{n}', 'olga{n}@example.org', 'olga{n}', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA',
    CASE '{n}' WHEN '0003' THEN 'sealed:by hand' ELSE 'Olga' END, 'Öztürk', TRUE, 'active', now(), '{"team": "apollo"}');
INSERT INTO identity.user_profiles (user_id, bio, location, social_links, preferences)
VALUES ('00000000-0000-7000-8000-00000000{n}', 'Flies.', 'İzmir', '{"web": "https://example.org"}', '{"theme": "dark"}');
INSERT INTO identity.user_sessions (id, user_id, session_token, refresh_token, expires_at, ip_address, user_agent, refresh_expires_at)
VALUES ('00000000-0000-7000-9000-00000000{n}', '00000000-0000-7000-8000-00000000{n}', 'session {n}', 'refresh {n}',
    now() + interval '1 hour', '192.0.2.7', 'a browser', now() + interval '30 days');
INSERT INTO identity.user_session_rotations (refresh_token, session_id)
VALUES ('former {n}', '00000000-0000-7000-9000-00000000{n}');
