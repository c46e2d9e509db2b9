//! Options of the object store and limits of files.

use std::path::PathBuf;

use chrono::TimeDelta;
use clap::Args;

use shared::config::Secret;

/// Upper bound of `--max-attachment-bytes`: 10 GiB.
pub const LARGEST_ATTACHMENT_BYTES: u64 = 10 * 1024 * 1024 * 1024;
/// 250 MiB.
pub const DEFAULT_MAX_ATTACHMENT_BYTES: u64 = 250 * 1024 * 1024;
pub const DEFAULT_UPLOAD_LIFETIME_HOURS: u32 = 24;
/// At least one hour, because a download may take that long.
pub const DEFAULT_DELETED_FILE_HOURS: u32 = 24;

/// The object store.
#[derive(Args, Clone, Debug)]
pub struct StorageOptions {
    /// Directory in which the content service stores files; created if missing. Not used with --storage-url
    #[arg(long, env = "DAFNCK_STORAGE_DIRECTORY", default_value = ".local/files")]
    pub storage_directory: PathBuf,
    #[command(flatten)]
    pub bucket: BucketOptions,
    #[command(flatten)]
    pub limits: FileLimits,
}

/// S3 or a compatible store instead of a directory.
#[derive(Args, Clone, Debug, Default)]
pub struct BucketOptions {
    /// Bucket and prefix of all objects, as `s3://bucket/prefix`. Default: not set, files are stored in
    /// --storage-directory
    #[arg(long, env = "DAFNCK_STORAGE_URL")]
    pub storage_url: Option<String>,
    /// URL of a store compatible with S3, as `https://minio.example.org:9000`. Default: that of AWS
    #[arg(long, env = "DAFNCK_STORAGE_ENDPOINT", requires = "storage_url")]
    pub storage_endpoint: Option<String>,
    /// Region of the bucket. Default: AWS_REGION, else us-east-1
    #[arg(long, env = "DAFNCK_STORAGE_REGION", requires = "storage_url")]
    pub storage_region: Option<String>,
    /// Key id of the account. Default: as AWS tools find it (AWS_ACCESS_KEY_ID, a web identity, the machine's role)
    #[arg(long, env = "DAFNCK_STORAGE_ACCESS_KEY_ID")]
    pub storage_access_key_id: Option<String>,
    /// Secret key of the account
    #[arg(long, env = "DAFNCK_STORAGE_SECRET_ACCESS_KEY", hide_env_values = true)]
    pub storage_secret_access_key: Option<Secret>,
}

/// Limits of the size and age of files.
#[derive(Args, Clone, Debug)]
pub struct FileLimits {
    /// Largest attachment in bytes, at most 10 GiB
    #[arg(long, env = "DAFNCK_MAX_ATTACHMENT_BYTES", default_value_t = DEFAULT_MAX_ATTACHMENT_BYTES,
          value_parser = clap::value_parser!(u64).range(1..=LARGEST_ATTACHMENT_BYTES))]
    pub max_attachment_bytes: u64,
    /// Hours after which an upload that receives no bytes expires
    #[arg(long, env = "DAFNCK_UPLOAD_LIFETIME_HOURS", default_value_t = DEFAULT_UPLOAD_LIFETIME_HOURS,
          value_parser = clap::value_parser!(u32).range(1..=8_760))]
    pub upload_lifetime_hours: u32,
    /// Hours for which the bytes of a deleted attachment are kept, so that downloads end and a database that is
    /// restored from a backup finds them
    #[arg(long, env = "DAFNCK_DELETED_FILE_HOURS", default_value_t = DEFAULT_DELETED_FILE_HOURS,
          value_parser = clap::value_parser!(u32).range(1..=8_760))]
    pub deleted_file_hours: u32,
}

impl Default for FileLimits {
    fn default() -> Self {
        Self {
            max_attachment_bytes: DEFAULT_MAX_ATTACHMENT_BYTES,
            upload_lifetime_hours: DEFAULT_UPLOAD_LIFETIME_HOURS,
            deleted_file_hours: DEFAULT_DELETED_FILE_HOURS,
        }
    }
}

impl FileLimits {
    pub fn upload_lifetime(&self) -> TimeDelta {
        TimeDelta::hours(self.upload_lifetime_hours.into())
    }

    pub fn deleted_file_grace(&self) -> TimeDelta {
        TimeDelta::hours(self.deleted_file_hours.into())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: StorageOptions,
    }

    #[test]
    fn defaults_in_code_equal_those_of_the_command_line() {
        let options = Command::try_parse_from(["content"]).unwrap().options;
        assert_eq!(format!("{:?}", options.limits), format!("{:?}", FileLimits::default()));
        assert_eq!(format!("{:?}", options.bucket), format!("{:?}", BucketOptions::default()));
    }

    #[test]
    fn max_attachment_bytes_is_at_most_ten_gibibytes() {
        let with =
            |bytes: u64| Command::try_parse_from(["content", "--max-attachment-bytes", &bytes.to_string()]);
        assert!(with(LARGEST_ATTACHMENT_BYTES).is_ok());
        assert!(with(LARGEST_ATTACHMENT_BYTES + 1).is_err() && with(0).is_err());
    }
}
