SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

DROP TRIGGER tasks_changed_words_trigger ON tasks;
DROP TRIGGER tasks_words_trigger ON tasks;
DROP FUNCTION index_task();
DROP FUNCTION asked_words(text);
DROP FUNCTION task_words(text, text, text);
DROP TABLE task_search;
