//! A walk over every RPC: no method is without a rule and a refusal of those it is not for.

use crate::harness::harness;
use std::fmt::Write;

use bytes::Bytes;
use expect_test::expect_file;
use prost_reflect::MethodDescriptor;
use proto::MethodRules;
use proto::common::{Audience, Permission};
use testkit::{Service, Suite, summary};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Request, Status};

const SERVICES: [(Service, &str); 4] = [
    (Service::Identity, "dafnck.identity."),
    (Service::Project, "dafnck.project."),
    (Service::Task, "dafnck.task."),
    (Service::Content, "dafnck.content."),
];

pub fn methods() -> Vec<MethodDescriptor> {
    let pool = proto::descriptor_pool();
    pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

pub fn path_of(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// Messages as bytes, for calling methods by their path alone.
#[derive(Clone, Copy, Default)]
struct RawCodec;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put(buffer, item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = bytes::Buf::remaining(buffer);
        Ok(Some(bytes::Buf::copy_to_bytes(buffer, length)))
    }
}

/// Calls a method with one message of these bytes, and takes its first answer.
pub async fn call(
    channel: Channel,
    path: &str,
    authorization: Option<String>,
    message: Bytes,
) -> Result<Option<Bytes>, Status> {
    let mut request = Request::new(tokio_stream::once(message));
    if let Some(authorization) = authorization {
        request.metadata_mut().insert("authorization", authorization.parse().unwrap());
    }
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.map_err(|e| Status::unavailable(e.to_string()))?;
    let answer = grpc.streaming(request, path.parse().unwrap(), RawCodec).await?;
    answer.into_inner().message().await
}

pub fn channel_for(suite: &Suite, path: &str) -> Channel {
    let found = SERVICES.iter().find(|(_, package)| path[1..].starts_with(package));
    // What belongs to no service is served by all.
    suite.channel(found.map_or(Service::Identity, |(service, _)| *service))
}

#[test]
fn every_method_has_a_rule() {
    let rules = MethodRules::suite();
    let mut table = String::new();
    for method in methods() {
        let path = path_of(&method);
        let rule = rules.get(&path).unwrap_or_else(|| panic!("{path} has no rule"));
        assert_ne!(rule.audience, Audience::Unspecified, "{path} is open to nobody");
        assert_eq!(
            (path.contains(".admin.") || path.contains(".backend.")),
            rule.audience == Audience::Service,
            "{path}"
        );
        let permission = match rule.permission {
            Permission::Unspecified => "-".to_owned(),
            permission => shared::access::permission_name(permission),
        };
        writeln!(table, "{path} {:?} {permission}", rule.audience).unwrap();
    }
    expect_file!["./method_rules.txt"].assert_eq(&table);
}

/// How the names of methods begin that only read.
const READING_VERBS: [&str; 11] = [
    "BatchCount",
    "BatchGet",
    "Diff",
    "Download",
    "Get",
    "List",
    "Lookup",
    "Preview",
    "Resolve",
    "Search",
    "Watch",
];

/// Methods that only read, though their names begin otherwise, and why they are called so.
const READING_BY_ANOTHER_NAME: [(&str, &str); 7] = [
    ("/dafnck.identity.v1.AuthService/WhoAmI", "what every shell calls the question"),
    ("/dafnck.project.v1.NotificationService/CountUnreadNotifications", "a number is no resource to get"),
    ("/dafnck.identity.admin.v1.UserAdminService/ExportUsers", "the counterpart of an import"),
    ("/dafnck.project.admin.v1.ProjectAdminService/ExportProjects", "the counterpart of an import"),
    ("/dafnck.task.admin.v1.TaskAdminService/ExportTasks", "the counterpart of an import"),
    ("/dafnck.content.admin.v1.ContentAdminService/ExportDocuments", "the counterpart of an import"),
    ("/dafnck.content.admin.v1.ContentAdminService/ExportFile", "the counterpart of an import"),
];

/// A method that writes, though its name begins as those of lookups: threads are resolved, whatever the tool.
const WRITING_BY_A_READING_NAME: &str = "/dafnck.content.v1.CommentService/ResolveComment";

/// The scopes of API tokens go by this mark: a read without it is closed to tokens that may only read, and a
/// write with it is open to them.
#[test]
fn methods_that_only_read_say_so_and_no_others_do() {
    let rules = MethodRules::suite();
    for method in methods() {
        let path = path_of(&method);
        let is_named_so = is_reading_by_name(method.name()) && path != WRITING_BY_A_READING_NAME;
        let expected = is_named_so || READING_BY_ANOTHER_NAME.iter().any(|(reading, _)| *reading == path);
        let marked = rules.get(&path).unwrap().is_reading;
        assert_eq!(
            marked, expected,
            "{path}: idempotency_level = NO_SIDE_EFFECTS is for methods that only read"
        );
    }
}

fn is_reading_by_name(name: &str) -> bool {
    READING_VERBS.iter().any(|verb| {
        name.strip_prefix(verb).is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_uppercase()))
    })
}

#[tokio::test]
async fn every_method_refuses_those_it_is_not_for() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let rules = MethodRules::suite();
    for method in methods() {
        let path = path_of(&method);
        let audience = rules.get(&path).unwrap().audience;
        let tried = |token: Option<String>| {
            let channel = channel_for(&suite, &path);
            let path = &path;
            let authorization = token.map(|token| format!("Bearer {token}"));
            async move {
                call(channel, path, authorization, Bytes::new()).await.err().map(|status| summary(&status))
            }
        };
        let (nobody, forged) = tokio::join!(tried(None), tried(Some(format!("dfs_{}", "A".repeat(43)))));
        let forged = forged.unwrap_or_default();
        match audience {
            Audience::Service => {
                assert_eq!(nobody.as_deref(), Some("PERMISSION_DENIED AUDIENCE_REFUSED"), "{path}");
                let user = tried(olga.session_token.clone()).await;
                assert_eq!(user.as_deref(), Some("PERMISSION_DENIED AUDIENCE_REFUSED"), "{path}");
            }
            Audience::User => {
                assert_eq!(nobody.as_deref(), Some("UNAUTHENTICATED SESSION_REQUIRED"), "{path}")
            }
            Audience::Anyone => {
                assert!(!nobody.unwrap_or_default().contains("SESSION_REQUIRED"), "{path}");
            }
            Audience::Unspecified => panic!("{path}"),
        }
        assert_eq!(forged, "UNAUTHENTICATED SESSION_INVALID", "{path}");
    }
}
