# Clears two fields with MASK, and leaves the title.
PROJECT=$(call -d '{"project": {"name": "Masks"}}' "$API" dafnck.project.v1.ProjectService/CreateProject | field id)
FIELDS='"title": "Fly", "description": "To the moon", "dueAt": "2999-01-01T00:00:00Z"'
TASK=$(call -d "{\"task\": {\"projectId\": \"$PROJECT\", $FIELDS}}" "$API" dafnck.task.v1.TaskService/CreateTask | field id)
UPDATED=$(call -d "{\"task\": {\"id\": \"$TASK\"}, \"updateMask\": $MASK}" "$API" dafnck.task.v1.TaskService/UpdateTask)
test "$(printf '%s' "$UPDATED" | field title)" = Fly
printf '%s' "$UPDATED" | python3 -c 'import json, sys
sys.exit(bool(json.load(sys.stdin).keys() & {"description", "dueAt"}))'
