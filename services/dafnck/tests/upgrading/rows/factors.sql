INSERT INTO identity.user_second_factors (user_id, totp_secret, begun_at, confirmed_at, last_used_step)
VALUES ('00000000-0000-7000-8000-00000000{n}', 'sealed:test.c2VjcmV0', now(), now(), 7);
INSERT INTO identity.user_recovery_codes (user_id, code_hash) VALUES ('00000000-0000-7000-8000-00000000{n}', '\x00');
INSERT INTO identity.second_factor_challenges (token_hash, user_id, expires_at)
VALUES ('challenge {n}', '00000000-0000-7000-8000-00000000{n}', now() + interval '5 minutes');
