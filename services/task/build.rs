//! Rebuilds the crate when a migration changes: the compiler does not see new files of an embedded directory.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations/task");
}
