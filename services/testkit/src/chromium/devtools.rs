//! Chromium's DevTools protocol, over a pair of pipes: JSON messages that end with a zero byte.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// The browser reads from descriptor 3 and writes to 4.
const WITH_PIPES: &str = r#"exec "$0" "$@" --remote-debugging-pipe 3<&0 4>&1 </dev/null >/dev/null"#;
/// What a page has to complain of.
const DOMAINS: [&str; 3] = ["Page", "Runtime", "Log"];

/// A browser and the one page in it.
pub(super) struct DevTools {
    _process: Child,
    requests: ChildStdin,
    messages: BufReader<ChildStdout>,
    last_id: u64,
    /// Of the page; empty until it is attached.
    session: Option<String>,
    events: Vec<Value>,
}

impl DevTools {
    /// Starts this browser with an empty page.
    pub(super) async fn start(browser: &Command) -> Result<Self> {
        let browser = browser.as_std();
        let mut command = Command::new("sh");
        command.arg("-c").arg(WITH_PIPES).arg(browser.get_program()).args(browser.get_args());
        command.envs(browser.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut process = command.spawn().context("Chromium does not start")?;
        let requests = process.stdin.take().context("no pipe to Chromium")?;
        let messages = BufReader::new(process.stdout.take().context("no pipe from Chromium")?);
        let mut devtools =
            Self { _process: process, requests, messages, last_id: 0, session: None, events: Vec::new() };
        devtools.attach().await?;
        Ok(devtools)
    }

    async fn attach(&mut self) -> Result<()> {
        let made = self.call("Target.createTarget", json!({ "url": "about:blank" })).await?;
        let target = json!({ "targetId": made["targetId"], "flatten": true });
        let attached = self.call("Target.attachToTarget", target).await?;
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in DOMAINS {
            self.call(&format!("{domain}.enable"), json!({})).await?;
        }
        Ok(())
    }

    /// Calls a method and waits for its result.
    pub(super) async fn call(&mut self, method: &str, parameters: Value) -> Result<Value> {
        self.last_id += 1;
        let mut request = json!({ "id": self.last_id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        self.requests.write_all(format!("{request}\0").as_bytes()).await?;
        loop {
            let mut message = self.next().await?;
            if message["id"] != self.last_id {
                self.events.push(message);
            } else if message.get("error").is_some() {
                bail!("{method}: {}", message["error"]);
            } else {
                return Ok(message["result"].take());
            }
        }
    }

    async fn next(&mut self) -> Result<Value> {
        let mut message = Vec::new();
        self.messages.read_until(0, &mut message).await?;
        message.pop().context("Chromium has ended")?;
        Ok(serde_json::from_slice(&message)?)
    }

    /// The parameters of the events of this name so far, which are then forgotten.
    pub(super) fn take_events(&mut self, method: &str) -> Vec<Value> {
        let found = self.events.extract_if(.., |event| event["method"] == method);
        found.map(|mut event| event["params"].take()).collect()
    }

    /// Waits for an event of this name.
    pub(super) async fn event(&mut self, method: &str) -> Result<Value> {
        loop {
            if let Some(found) = self.take_events(method).pop() {
                return Ok(found);
            }
            let message = self.next().await?;
            self.events.push(message);
        }
    }
}
