package com.dafnck.conformance;

import com.dafnck.client.Authorization;
import com.dafnck.content.v1.Comment;
import com.dafnck.content.v1.ContentTarget;
import com.dafnck.content.v1.CreateCommentRequest;
import com.dafnck.project.v1.AddMemberRequest;
import com.dafnck.project.v1.CountUnreadNotificationsRequest;
import com.dafnck.project.v1.MarkNotificationsReadRequest;
import com.dafnck.project.v1.Member;
import com.dafnck.project.v1.Notification;
import com.dafnck.project.v1.NotificationKind;
import com.dafnck.project.v1.NotificationServiceGrpc;
import com.dafnck.project.v1.ProjectRole;
import com.dafnck.project.v1.SubscribeRequest;
import com.dafnck.project.v1.SubscriptionTarget;
import com.dafnck.project.v1.WatchInboxRequest;
import java.util.ArrayList;

/** Steps about subscriptions and inboxes. */
final class InboxSteps {
  private InboxSteps() {}

  static String notifications(Suite suite) throws Exception {
    var task = suite.createTask("Tell").getId();
    var reader = suite.register("rita");
    suite.members.addMember(AddMemberRequest.newBuilder()
        .setRequestId(Suite.newId())
        .setMember(Member.newBuilder()
            .setProjectId(suite.projectId())
            .setUserId(reader.getUser().getId())
            .setRole(ProjectRole.PROJECT_ROLE_VIEWER))
        .build());
    var inbox = NotificationServiceGrpc.newBlockingV2Stub(suite.project).withCallCredentials(
        Authorization.bearer(reader.getTokens().getSessionToken()).credentials());
    inbox.subscribe(SubscribeRequest.newBuilder()
        .setTarget(SubscriptionTarget.newBuilder().setTaskId(task))
        .build());
    var watch = inbox.watchInbox(WatchInboxRequest.getDefaultInstance());
    // The first response comes at once; the comment is written after it.
    Check.equal(watch.read().getNotificationsCount(), 0, "the notifications of the first response");

    var comment = suite.comments.createComment(CreateCommentRequest.newBuilder()
        .setRequestId(Suite.newId())
        .setComment(Comment.newBuilder()
            .setTarget(ContentTarget.newBuilder().setTaskId(task))
            .setContent("Done?"))
        .build());
    var arrived = new ArrayList<Notification>();
    while (arrived.isEmpty()) {
      arrived.addAll(watch.read().getNotificationsList());
    }
    watch.cancel("enough", null);
    var first = arrived.get(0);
    Check.equal(first.getChange().getResourceId(), comment.getId(), "the resource of the notification");
    Check.equal(first.getKind(), NotificationKind.NOTIFICATION_KIND_COMMENT, "the kind of the notification");

    var count = CountUnreadNotificationsRequest.getDefaultInstance();
    Check.equal(inbox.countUnreadNotifications(count).getCount(), 1, "the number of unread notifications");
    inbox.markNotificationsRead(
        MarkNotificationsReadRequest.newBuilder().setPosition(first.getPosition()).build());
    Check.equal(inbox.countUnreadNotifications(count).getCount(), 0, "the number afterwards");
    return "a comment, watched, counted and marked as read";
  }
}
