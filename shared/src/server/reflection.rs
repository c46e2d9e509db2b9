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

/// What the packages begin with that the server of the service `name` serves: its own and the common one.
pub(super) fn own_packages(name: &str) -> [String; 2] {
    [format!("dafnck.{name}."), "dafnck.common.".to_owned()]
}

/// The full names of the gRPC services of the service `name`.
pub(super) fn own_services(name: &str) -> Vec<String> {
    let packages = own_packages(name);
    let services = proto::descriptor_pool().services();
    let names = services.map(|service| service.full_name().to_owned());
    names.filter(|service| packages.iter().any(|package| service.starts_with(package))).collect()
}

pub(super) fn add_to(
    routes: Routes,
    descriptor_set: &[u8],
    own_services: &[String],
) -> anyhow::Result<Routes> {
    let v1 = builder(descriptor_set, own_services).build_v1().context("reflection v1")?;
    let v1alpha = builder(descriptor_set, own_services).build_v1alpha().context("reflection v1alpha")?;
    Ok(routes.add_service(v1).add_service(v1alpha))
}

fn builder<'a>(descriptor_set: &'a [u8], own_services: &[String]) -> Builder<'a> {
    let builder = Builder::configure()
        .register_encoded_file_descriptor_set(descriptor_set)
        // So that tools can read the details of our errors.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET);
    let names = own_services.iter().map(String::as_str).chain(INFRASTRUCTURE_SERVICES);
    names.fold(builder, Builder::with_service_name)
}
