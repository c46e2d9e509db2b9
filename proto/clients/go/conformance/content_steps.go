package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/dafnck/dafnckmachine/proto/clients/go/client"
	contentv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/content/v1"
	taskv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/task/v1"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
)

const (
	fileBytes    = 3_000_000
	chunkBytes   = 250_000
	pollInterval = 20 * time.Millisecond
)

// eventually asks until it is so; a step has a deadline.
func eventually(ctx context.Context, what string, is func() bool) {
	for !is() {
		select {
		case <-ctx.Done():
			panic(what)
		case <-time.After(pollInterval):
		}
	}
}

func sha256Of(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func uploadResume(ctx context.Context, s *scenario) string {
	s.file = make([]byte, fileBytes)
	must(rand.Read(s.file))
	request := &contentv1.CreateUploadRequest{
		RequestId: uuid.NewString(),
		Upload: &contentv1.Upload{
			Target:   &contentv1.ContentTarget{Target: &contentv1.ContentTarget_ProjectId{ProjectId: s.project.Id}},
			Filename: "random.bin",
			Size:     fileBytes,
			Sha256:   sha256Of(s.file),
		},
	}
	upload := must(s.user.attachments.CreateUpload(ctx, request))
	check(upload.CommittedOffset, int64(0), "the offset of a new upload")
	s.sendHalf(ctx, upload.Id)
	// The server stores what it has received when it notices that the connection is broken.
	var stored int64
	eventually(ctx, "nothing is stored of the half that was sent", func() bool {
		state := must(s.user.attachments.GetUpload(ctx, &contentv1.GetUploadRequest{UploadId: upload.Id}))
		stored = state.CommittedOffset
		return stored > 0
	})
	checkThat(stored <= fileBytes/2, "%d bytes are stored of the half that was sent", stored)
	s.attachment = must(client.Upload(ctx, s.user.attachments, request, bytes.NewReader(s.file)))
	check(s.attachment.FileSize, int64(fileBytes), "the size of the attachment")
	check(s.attachment.Sha256, request.Upload.Sha256, "the SHA-256 of the attachment")
	return fmt.Sprintf("continued after %d of %d bytes", stored, fileBytes)
}

// sendHalf sends half of the file and breaks the connection when the server has been sent it.
func (s *scenario) sendHalf(ctx context.Context, uploadID string) {
	proxy := newProxy(s.address("content"))
	connection := s.connectTo(proxy.address, s.user.session.Authorization)
	defer connection.Close()
	stream := must(contentv1.NewAttachmentServiceClient(connection).UploadChunks(ctx))
	header := &contentv1.UploadChunksRequest_Header{Header: &contentv1.UploadChunksHeader{UploadId: uploadID}}
	must(0, stream.Send(&contentv1.UploadChunksRequest{Part: header}))
	for start := 0; start < fileBytes/2; start += chunkBytes {
		chunk := &contentv1.UploadChunksRequest_Chunk{Chunk: s.file[start : start+chunkBytes]}
		must(0, stream.Send(&contentv1.UploadChunksRequest{Part: chunk}))
	}
	eventually(ctx, "the half of the file is not sent", func() bool { return proxy.sent.Load() >= fileBytes/2 })
	proxy.cut()
	refused(stream.CloseAndRecv())(codes.Unavailable, "")
}

func downloadChecksum(ctx context.Context, s *scenario) string {
	var file bytes.Buffer
	attachment := must(client.Download(ctx, s.user.attachments, s.attachment.Id, &file))
	checkThat(bytes.Equal(file.Bytes(), s.file), "the downloaded bytes are others")
	check(attachment.Sha256, sha256Of(s.file), "the SHA-256")
	request := &contentv1.DownloadAttachmentRequest{AttachmentId: attachment.Id, Offset: 1_000_001, Length: 500_000}
	stream := must(s.user.attachments.DownloadAttachment(ctx, request))
	var part []byte
	for {
		response, err := stream.Recv()
		if err == io.EOF {
			break
		}
		part = append(part, must(response, err).GetChunk()...)
	}
	checkThat(bytes.Equal(part, s.file[1_000_001:1_500_001]), "the bytes of the range are others")
	return fmt.Sprintf("SHA-256 %s…, and 500000 bytes from 1000001", attachment.Sha256[:12])
}

func comments(ctx context.Context, s *scenario) string {
	task := s.createTask(ctx, &taskv1.Task{Title: "Discuss"})
	target := &contentv1.ContentTarget{Target: &contentv1.ContentTarget_TaskId{TaskId: task.Id}}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	watch := must(s.user.comments.WatchComments(watching, &contentv1.WatchCommentsRequest{
		ProjectId: s.project.Id,
		Filter:    &contentv1.CommentEventFilter{Targets: []*contentv1.ContentTarget{target}},
	}))
	// The first response comes at once; the comments are written after it.
	check(len(must(watch.Recv()).Events), 0, "the number of events in the first response")

	write := func(comment *contentv1.Comment) *contentv1.Comment {
		request := &contentv1.CreateCommentRequest{RequestId: uuid.NewString(), Comment: comment}
		return must(s.user.comments.CreateComment(ctx, request))
	}
	asked := write(&contentv1.Comment{Target: target, Content: "Why?"})
	answer := write(&contentv1.Comment{ParentId: asked.Id, Content: fmt.Sprintf("Because, @%s.", s.user.name)})
	check(fmt.Sprint(answer.MentionedUserIds), fmt.Sprint([]string{s.user.id}), "the mentioned users")
	listed := must(s.user.comments.ListComments(ctx, &contentv1.ListCommentsRequest{Target: target})).Comments
	check(len(listed), 2, "the number of comments")
	check(listed[0].Content, asked.Content, "the first comment")
	check(listed[1].Content, answer.Content, "the second comment")
	var seen []string
	for len(seen) < 2 {
		for _, event := range must(watch.Recv()).Events {
			seen = append(seen, event.GetComment().After.Id)
		}
	}
	check(fmt.Sprint(seen), fmt.Sprint([]string{asked.Id, answer.Id}), "what the watch saw")
	return "a comment and a reply, listed and watched"
}
