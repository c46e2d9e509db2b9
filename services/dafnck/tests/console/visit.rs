//! Somebody who visits the console, with the keyboard unless a test says otherwise.

use std::path::{Path, PathBuf};

use proto::project::v1::{ListProjectsRequest, Project};
use serde_json::Value;
use testkit::{Actor, Chromium, Key};

use super::libraries;
use crate::local_suite::Machine;

/// A directory, if pictures of all views are wanted.
const PICTURES: &str = "DAFNCK_TEST_PICTURES";
const WIDTHS: [u32; 2] = [1280, 400];
const HEIGHT: u32 = 900;
/// Findings of axe-core that keep somebody from using the page, with the elements. Colours alone depend on the scheme.
const VIOLATIONS: &str = "axe.run(SCOPE).then(({ violations }) => violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => id + ': ' + nodes.map(({ html, failureSummary }) => html + ' ' + failureSummary).join('; ')))";
const SCHEMES: [(&str, &str); 2] =
    [("dark", "{ runOnly: ['color-contrast'] }"), ("light", "{ resultTypes: ['violations'] }")];

pub struct Visit {
    browser: Chromium,
    /// The script of axe-core.
    axe: Option<String>,
    pictures: Option<PathBuf>,
    /// Somebody whose session becomes that of who is signed in.
    caller: Actor,
}

impl Visit {
    /// `None` where there is no browser.
    pub async fn begin(machine: &Machine) -> Option<Self> {
        let mut browser = match Chromium::open(&machine.console_url()).await {
            Ok(browser) => browser,
            Err(error) => {
                eprintln!("WARNING: no Chromium could be had, the console was NOT tested: {error:#}");
                return None;
            }
        };
        browser.resize(WIDTHS[0], HEIGHT).await.unwrap();
        let axe = libraries::packages().await.map(|packages| packages.join("axe-core/axe.min.js"));
        if axe.is_none() {
            eprintln!("WARNING: without axe-core, the accessibility of the console was NOT tested");
        }
        let axe = axe.map(|path| std::fs::read_to_string(path).unwrap());
        let pictures = std::env::var_os(PICTURES).map(PathBuf::from);
        Some(Self { browser, axe, pictures, caller: machine.register("data", "ida").await })
    }

    /// Nothing was refused by a policy, and no script has failed.
    pub async fn end(mut self) {
        assert_eq!(self.browser.complaints(), [""; 0]);
    }

    pub async fn evaluate(&mut self, expression: &str) -> Value {
        self.browser.evaluate(expression).await.unwrap()
    }

    pub async fn wait_until(&mut self, expression: &str) {
        self.browser.wait_until(expression).await.unwrap();
    }

    pub async fn wait_for(&mut self, text: &str) {
        self.browser.wait_for(text).await.unwrap();
    }

    pub async fn press(&mut self, key: Key) {
        self.browser.press(key).await.unwrap();
    }

    pub async fn press_with_shift(&mut self, key: Key) {
        self.browser.press_with_shift(key).await.unwrap();
    }

    pub async fn tab_to(&mut self, name: &str) {
        self.browser.tab_to(name).await.unwrap();
    }

    /// Goes to a link or button and presses it.
    pub async fn follow(&mut self, name: &str) {
        self.tab_to(name).await;
        self.press(Key::Enter).await;
    }

    /// Goes to a field and types.
    pub async fn fill(&mut self, name: &str, text: &str) {
        self.tab_to(name).await;
        self.browser.type_text(text).await.unwrap();
    }

    pub async fn drag(&mut self, from: &str, to: &str) {
        self.browser.drag(from, to).await.unwrap();
    }

    pub async fn prefer_colors(&mut self, scheme: &str) {
        self.browser.prefer_colors(scheme).await.unwrap();
    }

    /// The suite ends and starts again; the page notices the one and not yet the other.
    pub async fn restart(&mut self, machine: &mut Machine) {
        machine.stop().await;
        self.wait_until("document.querySelector('.connection').textContent === 'reconnecting'").await;
        machine.start_again("data").await;
    }

    /// The stream goes on. Until then the browser could only complain that nobody answers.
    pub async fn wait_for_reconnection(&mut self) {
        self.wait_until("document.querySelector('.connection').textContent === 'live'").await;
        let complaints = self.browser.complaints();
        assert!(complaints.iter().all(|complaint| complaint.contains("net::ERR_")), "{complaints:?}");
    }

    /// Who is signed in, calling from elsewhere, with the project.
    pub async fn signed_in(&mut self) -> (Actor, Project) {
        let token = self.evaluate("JSON.parse(sessionStorage.getItem('dafnck-session')).sessionToken").await;
        let mut caller = self.caller.clone();
        caller.session_token = token.as_str().map(str::to_owned);
        let listed =
            caller.projects().list_projects(ListProjectsRequest::default()).await.unwrap().into_inner();
        (caller, listed.projects.into_iter().next().unwrap())
    }

    /// Everybody can use what is shown, in light and in dark; and its picture, if pictures are wanted.
    pub async fn inspect(&mut self, view: &str) {
        for (scheme, scope) in SCHEMES {
            self.prefer_colors(scheme).await;
            self.inspect_accessibility(&format!("{view}, {scheme}"), scope).await;
            if let Some(directory) = self.pictures.clone() {
                self.take_pictures(&directory, &format!("{view}-{scheme}")).await;
            }
        }
    }

    async fn inspect_accessibility(&mut self, view: &str, scope: &str) {
        let Some(axe) = self.axe.clone() else { return };
        if self.evaluate("typeof axe === 'undefined'").await == true {
            self.evaluate(&axe).await;
        }
        let violations = self.evaluate(&VIOLATIONS.replace("SCOPE", scope)).await;
        assert_eq!(violations, Value::Array(Vec::new()), "{view}");
    }

    async fn take_pictures(&mut self, directory: &Path, name: &str) {
        for width in WIDTHS {
            self.browser.resize(width, HEIGHT).await.unwrap();
            self.browser.screenshot(&directory.join(format!("{name}-{width}.png"))).await.unwrap();
        }
        self.browser.resize(WIDTHS[0], HEIGHT).await.unwrap();
    }
}
