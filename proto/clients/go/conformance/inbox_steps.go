package main

import (
	"context"

	contentv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/content/v1"
	projectv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/project/v1"
	taskv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/task/v1"
	"github.com/google/uuid"
)

func notifications(ctx context.Context, s *scenario) string {
	task := s.createTask(ctx, &taskv1.Task{Title: "Tell"})
	reader := s.register(ctx, "rita")
	must(s.user.members.AddMember(ctx, &projectv1.AddMemberRequest{
		RequestId: uuid.NewString(),
		Member: &projectv1.Member{
			ProjectId: s.project.Id,
			UserId:    reader.id,
			Role:      projectv1.ProjectRole_PROJECT_ROLE_VIEWER,
		},
	}))
	must(reader.notifications.Subscribe(ctx, &projectv1.SubscribeRequest{
		Target: &projectv1.SubscriptionTarget{Target: &projectv1.SubscriptionTarget_TaskId{TaskId: task.Id}},
	}))
	watching, stop := context.WithCancel(ctx)
	defer stop()
	watch := must(reader.notifications.WatchInbox(watching, &projectv1.WatchInboxRequest{}))
	// The first response comes at once; the comment is written after it.
	check(len(must(watch.Recv()).Notifications), 0, "the number of notifications in the first response")

	comment := must(s.user.comments.CreateComment(ctx, &contentv1.CreateCommentRequest{
		RequestId: uuid.NewString(),
		Comment: &contentv1.Comment{
			Target:  &contentv1.ContentTarget{Target: &contentv1.ContentTarget_TaskId{TaskId: task.Id}},
			Content: "Done?",
		},
	}))
	var arrived []*projectv1.Notification
	for len(arrived) == 0 {
		arrived = append(arrived, must(watch.Recv()).Notifications...)
	}
	check(arrived[0].Change.ResourceId, comment.Id, "the resource of the notification")
	check(arrived[0].Kind, projectv1.NotificationKind_NOTIFICATION_KIND_COMMENT, "the kind of the notification")

	unread := func() int32 {
		return must(reader.notifications.CountUnreadNotifications(ctx, &projectv1.CountUnreadNotificationsRequest{})).Count
	}
	check(unread(), int32(1), "the number of unread notifications")
	must(reader.notifications.MarkNotificationsRead(ctx, &projectv1.MarkNotificationsReadRequest{
		Position: arrived[0].Position,
	}))
	check(unread(), int32(0), "the number of unread notifications afterwards")
	return "a comment, watched, counted and marked as read"
}
