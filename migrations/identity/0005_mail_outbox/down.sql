SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;
DROP TABLE mail_outbox;
