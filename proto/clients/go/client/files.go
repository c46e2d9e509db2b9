package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	contentv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/content/v1"
)

const chunkBytes = 256 * 1024

// ErrChecksum says that the bytes that arrived are not those that were uploaded.
var ErrChecksum = errors.New("the checksum differs")

// Upload sends a file. After an error, call it again with the same request: it continues with what the server lacks.
func Upload(
	ctx context.Context,
	attachments contentv1.AttachmentServiceClient,
	request *contentv1.CreateUploadRequest,
	file io.ReadSeeker,
) (*contentv1.Attachment, error) {
	upload, err := attachments.CreateUpload(ctx, request)
	if err != nil {
		return nil, err
	}
	if upload.State == contentv1.UploadState_UPLOAD_STATE_OPEN && upload.CommittedOffset < upload.Size {
		if _, err := file.Seek(upload.CommittedOffset, io.SeekStart); err != nil {
			return nil, err
		}
		if err := sendChunks(ctx, attachments, upload, file); err != nil {
			return nil, err
		}
	}
	return attachments.CompleteUpload(ctx, &contentv1.CompleteUploadRequest{UploadId: upload.Id})
}

func sendChunks(
	ctx context.Context,
	attachments contentv1.AttachmentServiceClient,
	upload *contentv1.Upload,
	file io.Reader,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := attachments.UploadChunks(ctx)
	if err != nil {
		return err
	}
	header := &contentv1.UploadChunksHeader{UploadId: upload.Id, Offset: upload.CommittedOffset}
	message := &contentv1.UploadChunksRequest{Part: &contentv1.UploadChunksRequest_Header{Header: header}}
	chunk := make([]byte, chunkBytes)
	// Send fails with io.EOF when the server has ended the stream: CloseAndRecv has its error.
	for err = stream.Send(message); err == nil; err = stream.Send(message) {
		count, failure := io.ReadFull(file, chunk)
		if count == 0 && failure == io.EOF {
			break
		}
		if failure != nil && failure != io.ErrUnexpectedEOF {
			return failure
		}
		message = &contentv1.UploadChunksRequest{Part: &contentv1.UploadChunksRequest_Chunk{Chunk: chunk[:count]}}
	}
	_, err = stream.CloseAndRecv()
	return err
}

// Download writes the whole file, and fails with ErrChecksum if it is not what was uploaded.
func Download(
	ctx context.Context,
	attachments contentv1.AttachmentServiceClient,
	attachmentID string,
	file io.Writer,
) (*contentv1.Attachment, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := attachments.DownloadAttachment(ctx, &contentv1.DownloadAttachmentRequest{AttachmentId: attachmentID})
	if err != nil {
		return nil, err
	}
	var attachment *contentv1.Attachment
	digest := sha256.New()
	for {
		response, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if part := response.GetAttachment(); part != nil {
			attachment = part
		}
		if _, err := io.MultiWriter(digest, file).Write(response.GetChunk()); err != nil {
			return nil, err
		}
	}
	if actual := hex.EncodeToString(digest.Sum(nil)); actual != attachment.GetSha256() {
		return nil, fmt.Errorf("%w: SHA-256 %s, not %s", ErrChecksum, actual, attachment.GetSha256())
	}
	return attachment, nil
}
