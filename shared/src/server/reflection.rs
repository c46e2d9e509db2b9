//! Which services a server shows through reflection, in both versions of the protocol.

use anyhow::Context as _;
use tonic::service::Routes;
use tonic_reflection::server::Builder;

/// What every server serves beside its own services, without authentication.
pub const INFRASTRUCTURE_SERVICES: [&str; 3] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// What the packages begin with that all servers serve.
pub(super) const COMMON_PACKAGES: &str = "dafnck.common.";

/// What the packages of the service `name` begin with.
pub(super) fn packages_of(name: &str) -> String {
    format!("dafnck.{name}.")
}

/// The full names of the gRPC services in packages that begin so.
pub(super) fn services_in(packages: &str) -> Vec<String> {
    let services = proto::descriptor_pool().services();
    let names = services.map(|service| service.full_name().to_owned());
    names.filter(|service| service.starts_with(packages)).collect()
}

pub(super) fn add_to(
    routes: Routes,
    descriptor_sets: &[&[u8]],
    own_services: &[String],
) -> anyhow::Result<Routes> {
    let v1 = builder(descriptor_sets, own_services).build_v1().context("reflection v1")?;
    let v1alpha = builder(descriptor_sets, own_services).build_v1alpha().context("reflection v1alpha")?;
    Ok(routes.add_service(v1).add_service(v1alpha))
}

/// A file that several sets have is shown once.
fn builder<'a>(descriptor_sets: &[&'a [u8]], own_services: &[String]) -> Builder<'a> {
    let builder = descriptor_sets
        .iter()
        .fold(Builder::configure(), |builder, set| builder.register_encoded_file_descriptor_set(set));
    let builder = builder
        // So that tools can read the details of our errors.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET);
    let names = own_services.iter().map(String::as_str).chain(INFRASTRUCTURE_SERVICES);
    names.fold(builder, Builder::with_service_name)
}
