-- What a process writes that knows the column of the step add_effort.
UPDATE task.tasks SET effort = 5 WHERE id = '00000000-0000-7000-8002-00000000{n}';
