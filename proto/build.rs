//! Compiles the protos of the suite without an installed `protoc`, and keeps one descriptor set per
//! service, so that reflection shows what a server serves, with comments and custom options.

use std::error::Error;
use std::path::{Path, PathBuf};

const PROTO_ROOT: &str = ".";
/// The protos of others, which ours import.
const THIRD_PARTY_ROOT: &str = "third_party";
const SERVICES: [&str; 4] = ["identity", "project", "task", "content"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO_ROOT}/dafnck");
    println!("cargo:rerun-if-changed={THIRD_PARTY_ROOT}");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let common = files_of("dafnck/common/v1")?;
    let mut all = common.clone();
    for service in SERVICES {
        let files =
            ["v1", "admin/v1", "backend/v1"].map(|package| files_of(&format!("dafnck/{service}/{package}")));
        let files = files.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
        compile(&[&files[..], &common[..]].concat(), &out.join(format!("{service}.binpb")))?;
        all.extend(files);
    }
    compile(&all, &out.join("dafnck.binpb"))?;
    generate(&out.join("dafnck.binpb"))
}

/// The protos in a directory, by name, as they import each other; none if there is no such directory.
fn files_of(folder: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let mut files = Vec::new();
    let path = Path::new(PROTO_ROOT).join(folder);
    if !path.is_dir() {
        return Ok(files);
    }
    for entry in path.read_dir()? {
        let name = entry?.file_name().into_string().map_err(|name| format!("{name:?} is not UTF-8"))?;
        if name.ends_with(".proto") {
            files.push(format!("{folder}/{name}"));
        }
    }
    files.sort();
    Ok(files)
}

/// Writes the encoded descriptor set of `files` and all that they import.
fn compile(files: &[String], target: &Path) -> Result<(), Box<dyn Error>> {
    let mut compiler = protox::Compiler::new([PROTO_ROOT, THIRD_PARTY_ROOT])?;
    compiler.include_imports(true).include_source_info(true).open_files(files)?;
    Ok(std::fs::write(target, compiler.encode_file_descriptor_set())?)
}

fn generate(descriptor_set: &Path) -> Result<(), Box<dyn Error>> {
    let set = prost::Message::decode(std::fs::read(descriptor_set)?.as_slice())?;
    tonic_prost_build::configure()
        .build_transport(true)
        .emit_rerun_if_changed(false)
        .bytes(".dafnck.content")
        .compile_fds(set)?;
    Ok(())
}
