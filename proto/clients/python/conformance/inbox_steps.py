"""Steps about subscriptions and inboxes."""

from conformance.scenario import TIMEOUT, Scenario, check, new_id
from dafnck.content.v1 import comment_pb2, target_pb2
from dafnck.project.v1 import member_pb2, notification_pb2, project_pb2, subscription_pb2


def notifications(scenario: Scenario) -> str:
    task = scenario.create_task("Tell")
    reader = scenario.register("rita")
    role = project_pb2.PROJECT_ROLE_VIEWER
    member = member_pb2.Member(project_id=scenario.project.id, user_id=reader.id, role=role)
    request = member_pb2.AddMemberRequest(request_id=new_id(), member=member)
    scenario.user.members.AddMember(request, timeout=TIMEOUT)
    target = subscription_pb2.SubscriptionTarget(task_id=task.id)
    reader.notifications.Subscribe(subscription_pb2.SubscribeRequest(target=target), timeout=TIMEOUT)
    watch = reader.notifications.WatchInbox(notification_pb2.WatchInboxRequest(), timeout=TIMEOUT)
    # The first response comes at once; the comment is written after it.
    check(len(next(watch).notifications), 0, "the number of notifications in the first response")

    comment = comment_pb2.Comment(target=target_pb2.ContentTarget(task_id=task.id), content="Done?")
    request = comment_pb2.CreateCommentRequest(request_id=new_id(), comment=comment)
    comment = scenario.user.comments.CreateComment(request, timeout=TIMEOUT)
    arrived = []
    while not arrived:
        arrived.extend(next(watch).notifications)
    watch.cancel()
    check(arrived[0].change.resource_id, comment.id, "the resource of the notification")
    check(arrived[0].kind, notification_pb2.NOTIFICATION_KIND_COMMENT, "the kind of the notification")

    def unread() -> int:
        request = notification_pb2.CountUnreadNotificationsRequest()
        return reader.notifications.CountUnreadNotifications(request, timeout=TIMEOUT).count

    check(unread(), 1, "the number of unread notifications")
    request = notification_pb2.MarkNotificationsReadRequest(position=arrived[0].position)
    reader.notifications.MarkNotificationsRead(request, timeout=TIMEOUT)
    check(unread(), 0, "the number of unread notifications afterwards")
    return "a comment, watched, counted and marked as read"
