SELECT format('task.tasks %s: effort %s is more than 100', id, effort) FROM task.tasks WHERE effort > 100
