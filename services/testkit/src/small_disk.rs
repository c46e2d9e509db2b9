//! A small file system that a test can fill.
//!
//! It is a tmpfs in a mount namespace of its own. The namespace ends with the process that holds it, and that process ends
//! when its standard input is closed, at the latest when the test's process ends. So nothing stays mounted. Processes of
//! the same user reach the file system through `/proc/<process>/root`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Mount point in the namespace: a directory that every machine has.
const MOUNT_POINT: &str = "/tmp";
const FILLER_BLOCK_BYTES: usize = 4096;

/// Arguments: size in bytes, user, group, mount point. Root mounts the file system and then becomes that user.
const AS_ROOT: &str = r#"
mount -t tmpfs -o "size=$1,mode=0700,uid=$2,gid=$3" tmpfs "$4" && echo mounted &&
exec setpriv --reuid="$2" --regid="$3" --clear-groups cat
"#;
/// Another user is root in a user namespace of its own.
const AS_USER: &str = r#"mount -t tmpfs -o "size=$1,mode=0700" tmpfs "$4" && echo mounted && exec cat"#;

pub struct SmallDisk {
    holder: Child,
    pub folder: PathBuf,
}

impl SmallDisk {
    /// Mounts a file system of this size for the user who owns this directory.
    pub fn mount(owned_directory: &Path, bytes: u64) -> Self {
        let owner = owned_directory.metadata().unwrap();
        let is_root = Path::new("/proc/self").metadata().unwrap().uid() == 0;
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--propagation", "private"]);
        if !is_root {
            unshare.args(["--user", "--map-root-user"]);
        }
        let arguments = [bytes.to_string(), owner.uid().to_string(), owner.gid().to_string()];
        unshare
            .args(["sh", "-c", if is_root { AS_ROOT } else { AS_USER }, "sh"])
            .args(arguments)
            .arg(MOUNT_POINT);
        let mut holder = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "mounted\n", "mounting needs root or user namespaces");
        let folder = PathBuf::from(format!("/proc/{}/root{MOUNT_POINT}", holder.id()));
        Self { holder, folder }
    }

    /// Writes until no space is left.
    pub fn fill(&self) {
        let mut file = File::create(self.filler()).unwrap();
        loop {
            match file.write_all(&[0; FILLER_BLOCK_BYTES]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Deletes what [`Self::fill`] has written.
    pub fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _already_dead = self.holder.kill();
        self.holder.wait().unwrap();
    }
}
