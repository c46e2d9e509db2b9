//! Compiles the protos of the suite without an installed `protoc`, and keeps one descriptor set per
//! service, so that reflection shows what a server serves, with comments and custom options.

use std::error::Error;
use std::path::{Path, PathBuf};

use prost::Message;
use protox::prost_reflect::{DynamicMessage, Value};

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
    let descriptor = compiler
        .descriptor_pool()
        .get_message_by_name("google.protobuf.FileDescriptorSet")
        .ok_or("no proto imports google/protobuf/descriptor.proto")?;
    // Decoded without a generated type, which would lose the custom options.
    let mut set = DynamicMessage::decode(descriptor, compiler.encode_file_descriptor_set().as_slice())?;
    for file in list_mut(&mut set, "file") {
        keep_own_comments(file);
    }
    Ok(std::fs::write(target, set.encode_to_vec())?)
}

/// Drops the source locations that have no comment, and all of the protos of others: more than half of the bytes that
/// each server keeps in memory and sends to whoever asks with reflection.
fn keep_own_comments(file: &mut DynamicMessage) {
    let is_own = file.get_field_by_name("name").is_some_and(|name| name.as_str().is_some_and(is_own_file));
    if !is_own {
        file.clear_field_by_name("source_code_info");
        return;
    }
    if let Some(Value::Message(info)) = file.get_field_by_name_mut("source_code_info")
        && let Some(Value::List(locations)) = info.get_field_by_name_mut("location")
    {
        locations.retain(|location| {
            location.as_message().is_some_and(|location| {
                ["leading_comments", "trailing_comments"]
                    .iter()
                    .any(|field| location.has_field_by_name(field))
            })
        });
    }
}

fn is_own_file(name: &str) -> bool {
    name.starts_with("dafnck/")
}

fn list_mut<'a>(
    message: &'a mut DynamicMessage,
    field: &str,
) -> impl Iterator<Item = &'a mut DynamicMessage> {
    let list = message.get_field_by_name_mut(field).and_then(Value::as_list_mut);
    list.into_iter().flatten().filter_map(Value::as_message_mut)
}

fn generate(descriptor_set: &Path) -> Result<(), Box<dyn Error>> {
    let set = Message::decode(std::fs::read(descriptor_set)?.as_slice())?;
    tonic_prost_build::configure()
        .build_transport(true)
        .emit_rerun_if_changed(false)
        .bytes(".dafnck.content")
        .compile_fds(set)?;
    Ok(())
}
