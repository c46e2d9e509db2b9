SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = project;
DROP TABLE invitations, mail_outbox;
DROP FUNCTION let_invited_in(), queue_invitation_mail(), forget_invitation_mail();
