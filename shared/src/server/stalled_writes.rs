//! A connection that fails when the other end takes no bytes for too long.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Fails to write when a write waits too long.
pub(super) struct StalledWrites<Io> {
    inner: Io,
    timeout: Duration,
    /// Rings when the write that waits has waited for too long.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<Io> StalledWrites<Io> {
    pub(super) fn new(inner: Io, timeout: Duration) -> Self {
        Self { inner, timeout, alarm: None }
    }

    fn limit<T>(&mut self, task: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.alarm = None;
            return outcome;
        }
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.timeout)));
        alarm.as_mut().poll(task).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for StalledWrites<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(task, buffer)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for StalledWrites<Io> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(task, bytes);
        self.limit(task, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_flush(task);
        self.limit(task, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_shutdown(task);
        self.limit(task, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(task, bytes);
        self.limit(task, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_write_fails_when_nothing_is_taken_in_time() {
        let (ours, mut theirs) = tokio::io::duplex(8);
        let mut ours = StalledWrites::new(ours, Duration::from_millis(200));
        for _ in 0..3 {
            ours.write_all(&[0; 8]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            theirs.read_exact(&mut [0; 8]).await.unwrap();
        }
        ours.write_all(&[0; 8]).await.unwrap();
        assert_eq!(ours.write_all(&[0]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
