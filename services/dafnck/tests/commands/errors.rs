//! Errors as JSON.

use serde_json::Value;
use testkit::free_port;
use uuid::Uuid;

use super::unattended;
use crate::dafnck::CommandOutput;
use crate::local_suite::Machine;

const KEYS: &str = "code exit_code hint message metadata reason resource retry_delay_seconds violations";

/// The object on the last line of standard error.
fn error(ran: &CommandOutput) -> Value {
    let value: Value = serde_json::from_str(ran.err.lines().last().unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys.join(" "), KEYS, "{ran:?}");
    assert_eq!(value["exit_code"].as_i64(), ran.code.map(i64::from), "{ran:?}");
    value
}

pub(super) async fn errors_are_objects_of_one_shape(machine: &Machine) {
    let (unknown, port) = (Uuid::now_v7().to_string(), free_port().unwrap().to_string());
    for (command, code, reason, words) in [
        (&["user", "suspend", &unknown][..], "NOT_FOUND", "RESOURCE_NOT_FOUND", ""),
        (&["user", "list", "--ports", &port], "UNAVAILABLE", "", ""),
        (&["rotate-keys", "--ports", &port], "UNAVAILABLE", "", "the rotation did not finish; "),
        (&["user", "suspend", "nobody"], "", "", "there is no user `nobody`"),
        (&["user", "delete", "gus"], "", "", "give --yes to do it"),
        (&["export", "--project", &unknown], "", "", "there is no project"),
        (&["import", "/no/such/file"], "", "", "the import did not finish; "),
        (&["health", "--ports", &port], "", "", "not all of them are ready"),
        (&["backup", "--backup-directory", "/proc/nowhere"], "", "", "/proc/nowhere"),
        (&["health", "--no-such-flag"], "", "", "unexpected argument '--no-such-flag' found"),
        (&["export", "--project", "x"], "", "", "invalid value 'x' for '--project <ID>'"),
    ] {
        let ran = unattended(machine.on("data", &[command, &["--json"]].concat())).await;
        let found = error(&ran);
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        assert_eq!((text("code").as_str(), text("reason").as_str()), (code, reason), "{command:?}: {ran:?}");
        assert!(text("message").contains(words) && !text("message").contains('\n'), "{command:?}: {ran:?}");
    }
}
