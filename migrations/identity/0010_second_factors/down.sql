SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

DROP TRIGGER users_challenges_trigger ON users;
DROP FUNCTION take_challenge_attempt(text, timestamptz, integer), forget_challenges();
DROP TABLE second_factor_challenges, user_recovery_codes, user_second_factors;
