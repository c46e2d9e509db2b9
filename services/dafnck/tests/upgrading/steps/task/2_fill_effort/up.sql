-- Changes values that are there.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;
SET LOCAL app.keep_dates = 'on';
UPDATE tasks SET effort = estimated_hours WHERE estimated_hours IS NOT NULL;
