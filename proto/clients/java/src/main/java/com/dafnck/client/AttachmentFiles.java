package com.dafnck.client;

import com.dafnck.content.v1.Attachment;
import com.dafnck.content.v1.AttachmentServiceGrpc.AttachmentServiceBlockingV2Stub;
import com.dafnck.content.v1.ContentTarget;
import com.dafnck.content.v1.CompleteUploadRequest;
import com.dafnck.content.v1.CreateUploadRequest;
import com.dafnck.content.v1.DownloadAttachmentRequest;
import com.dafnck.content.v1.Upload;
import com.dafnck.content.v1.UploadChunksHeader;
import com.dafnck.content.v1.UploadChunksRequest;
import com.google.protobuf.ByteString;
import io.grpc.StatusException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** Uploads and downloads files. */
public final class AttachmentFiles {
  /** At most 1 MiB. */
  private static final int CHUNK_BYTES = 256 * 1024;

  private AttachmentFiles() {}

  /** Uploads a file. After an error, call it again with the same request id: it continues where the server stopped. */
  public static Attachment upload(
      AttachmentServiceBlockingV2Stub attachments, String requestId, ContentTarget target, Path path)
      throws IOException, StatusException, InterruptedException {
    var size = Files.size(path);
    // A retry returns the upload as it now is.
    var upload = attachments.createUpload(CreateUploadRequest.newBuilder()
        .setRequestId(requestId)
        .setUpload(Upload.newBuilder()
            .setTarget(target)
            .setFilename(path.getFileName().toString())
            .setSize(size))
        .build());
    if (upload.getCommittedOffset() < size) {
      try (var file = Files.newInputStream(path)) {
        file.skipNBytes(upload.getCommittedOffset());
        sendChunks(attachments, upload, file);
      }
    }
    return attachments.completeUpload(CompleteUploadRequest.newBuilder()
        .setUploadId(upload.getId())
        .setSha256(sha256(path))
        .build());
  }

  private static void sendChunks(AttachmentServiceBlockingV2Stub attachments, Upload upload, InputStream bytes)
      throws IOException, StatusException, InterruptedException {
    var call = attachments.uploadChunks();
    var header = UploadChunksHeader.newBuilder()
        .setUploadId(upload.getId())
        .setOffset(upload.getCommittedOffset());
    // `write` waits until the connection takes more, and is false once the call has ended.
    var isOpen = call.write(UploadChunksRequest.newBuilder().setHeader(header).build());
    for (byte[] chunk; isOpen && (chunk = bytes.readNBytes(CHUNK_BYTES)).length > 0; ) {
      isOpen = call.write(UploadChunksRequest.newBuilder().setChunk(ByteString.copyFrom(chunk)).build());
    }
    if (isOpen) {
      call.halfClose();
    }
    call.read();
  }

  private static String sha256(Path path) throws IOException {
    var digest = sha256();
    try (var file = new DigestInputStream(Files.newInputStream(path), digest)) {
      file.transferTo(OutputStream.nullOutputStream());
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException error) {
      throw new IllegalStateException(error);
    }
  }

  /** Downloads a file and checks its SHA-256. */
  public static Attachment download(AttachmentServiceBlockingV2Stub attachments, String attachmentId, Path path)
      throws IOException, StatusException, InterruptedException {
    var request = DownloadAttachmentRequest.newBuilder().setAttachmentId(attachmentId).build();
    var call = attachments.downloadAttachment(request);
    var attachment = call.read().getAttachment();
    var digest = sha256();
    try (var file = new DigestOutputStream(Files.newOutputStream(path), digest)) {
      while (call.hasNext()) {
        call.read().getChunk().writeTo(file);
      }
    }
    if (!attachment.getSha256().equals(HexFormat.of().formatHex(digest.digest()))) {
      throw new IOException("the bytes of attachment " + attachmentId + " are damaged");
    }
    return attachment;
  }
}
