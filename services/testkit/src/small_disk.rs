//! A disk with little room, to be filled.
//!
//! It is mounted in a mount namespace of its own, which nobody else sees and which ends with the process that holds it; that
//! ends when its standard input closes, by our wish or by our end, however we end. So nothing is ever left mounted. The way
//! to it is `/proc/<process>/root`, which is open to processes of the same user.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where it is mounted in its namespace: a folder that is there on every machine.
const PLACE: &str = "/tmp";
const BALLAST_BLOCK: usize = 4096;

/// Arguments: size in bytes, user and group, the place. Root mounts it and becomes that user.
const AS_ROOT: &str = r#"
mount -t tmpfs -o "size=$1,mode=0700,uid=$2,gid=$3" tmpfs "$4" && echo mounted &&
exec setpriv --reuid="$2" --regid="$3" --clear-groups cat
"#;
/// Everybody else is root in a namespace of users of one's own.
const AS_USER: &str = r#"mount -t tmpfs -o "size=$1,mode=0700" tmpfs "$4" && echo mounted && exec cat"#;

/// See the module's description.
pub struct SmallDisk {
    holder: Child,
    pub folder: PathBuf,
}

impl SmallDisk {
    /// Of so many bytes, for the user to whom this folder belongs.
    pub fn mount(folder: &Path, bytes: u64) -> Self {
        let owner = folder.metadata().unwrap();
        let is_root = Path::new("/proc/self").metadata().unwrap().uid() == 0;
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--propagation", "private"]);
        if !is_root {
            unshare.args(["--user", "--map-root-user"]);
        }
        let arguments = [bytes.to_string(), owner.uid().to_string(), owner.gid().to_string()];
        unshare.args(["sh", "-c", if is_root { AS_ROOT } else { AS_USER }, "sh"]).args(arguments).arg(PLACE);
        let mut holder = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut told = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut told).unwrap();
        assert_eq!(told, "mounted\n", "a disk for this test takes root, or namespaces of users");
        let folder = PathBuf::from(format!("/proc/{}/root{PLACE}", holder.id()));
        Self { holder, folder }
    }

    /// Leaves no room at all.
    pub fn fill(&self) {
        let mut file = File::create(self.ballast()).unwrap();
        loop {
            match file.write_all(&[0; BALLAST_BLOCK]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Takes away what [`Self::fill`] has put there.
    pub fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _already_dead = self.holder.kill();
        self.holder.wait().unwrap();
    }
}
