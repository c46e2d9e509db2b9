//! Migrations, read from the repository's directories because the harness knows no service.

use local_servers::suite::NAMES;
use shared::migrate::Set;

use super::workspace::workspace;

/// The migrations of the four services.
pub fn service_sets() -> [Set; 4] {
    NAMES.map(|name| Set::from_directory(name, false, &workspace().join("migrations").join(name)))
}

/// Foreign keys between the schemas of services that share a database.
pub fn reference_set() -> Set {
    Set::from_directory("references", true, &workspace().join("migrations/references"))
}
