package client

import (
	"context"
	"time"

	taskv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/task/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const maxWatchDelay = 30 * time.Second

// WatchTasks calls apply for each response until ctx ends, across broken connections, restarts and expiries: no event is
// lost or doubled. Keep the resume token of the last response together with what you made of its events, to continue
// after a restart of your own.
func WatchTasks(
	ctx context.Context,
	tasks taskv1.TaskServiceClient,
	request *taskv1.WatchTasksRequest,
	apply func(*taskv1.WatchTasksResponse) error,
) error {
	request = proto.CloneOf(request)
	delay := time.Second
	for {
		received := false
		stream, err := tasks.WatchTasks(ctx, request)
		for err == nil {
			var response *taskv1.WatchTasksResponse
			if response, err = stream.Recv(); err == nil {
				if failure := apply(response); failure != nil {
					return failure
				}
				request.ResumeToken = response.ResumeToken
				received, delay = true, time.Second
			}
		}
		switch status.Code(err) {
		case codes.NotFound, codes.PermissionDenied, codes.InvalidArgument, codes.OutOfRange:
			return err // OutOfRange: the token is too old, read everything again.
		case codes.Unauthenticated:
			// The token that opened the stream was exchanged or has expired, unless it never worked.
			if !received {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(delay):
			delay = min(2*delay, maxWatchDelay)
		}
	}
}
