//! What is made of files, and made anew when they change.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How old what was made of the files may be before they are looked at again.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

type Make<T> = dyn Fn() -> anyhow::Result<T> + Send + Sync;

/// Something made of files.
pub(super) struct Reloaded<T> {
    files: Vec<PathBuf>,
    make: Box<Make<T>>,
    state: Mutex<State<T>>,
}

struct State<T> {
    made: Arc<T>,
    of: Vec<Option<SystemTime>>,
    looked_at: Instant,
}

impl<T> Reloaded<T> {
    /// Makes it for the first time.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn new(
        files: Vec<PathBuf>,
        make: impl Fn() -> anyhow::Result<T> + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let of = changed_at(&files);
        let made = Arc::new(make()?);
        let state = Mutex::new(State { made, of, looked_at: Instant::now() });
        Ok(Self { files, make: Box::new(make), state })
    }

    /// As the files are now, or were a second ago. While they make no sense, as when they are being replaced, what
    /// was made before stays.
    pub(super) fn get(&self) -> Arc<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked_at.elapsed() >= LOOK_INTERVAL {
            state.looked_at = Instant::now();
            let of = changed_at(&self.files);
            if of != state.of {
                match (self.make)() {
                    Ok(made) => {
                        tracing::info!(files = ?self.files, "read certificates anew");
                        (state.made, state.of) = (Arc::new(made), of);
                    }
                    Err(error) => {
                        tracing::error!(files = ?self.files, error = format!("{error:#}"),
                            "the new certificates cannot be used; the former ones stay");
                    }
                }
            }
        }
        state.made.clone()
    }
}

fn changed_at(files: &[PathBuf]) -> Vec<Option<SystemTime>> {
    files.iter().map(|file| file.metadata().and_then(|found| found.modified()).ok()).collect()
}
