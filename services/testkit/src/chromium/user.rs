//! What a user does with a page: keys, the pointer, and looking.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Chromium;

const TIMEOUT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
const SHIFT: u32 = 8;
/// Tab stops of a page.
const MAX_TAB_STOPS: usize = 200;
/// How a screen reader names what has the focus.
const FOCUSED_NAME: &str = "(element => element.labels?.[0]?.firstElementChild.textContent \
    ?? element.getAttribute('aria-label') ?? element.textContent.trim().replace(/\\s+/g, ' '))(document.activeElement)";

/// A key that is no character.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    Tab,
    Enter,
    Escape,
    ArrowLeft,
    ArrowUp,
    ArrowRight,
    ArrowDown,
}

impl Key {
    /// Its virtual key code on Windows, by which browsers know it.
    const fn code(self) -> u32 {
        match self {
            Self::Tab => 9,
            Self::Enter => 13,
            Self::Escape => 27,
            Self::ArrowLeft => 37,
            Self::ArrowUp => 38,
            Self::ArrowRight => 39,
            Self::ArrowDown => 40,
        }
    }
}

impl Chromium {
    /// The value of an expression of JavaScript, or of its promise.
    ///
    /// # Errors
    /// When it throws.
    pub async fn evaluate(&mut self, expression: &str) -> Result<Value> {
        let parameters = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut evaluated = self.devtools.call("Runtime.evaluate", parameters).await?;
        ensure!(evaluated.get("exceptionDetails").is_none(), "{expression}: {evaluated}");
        Ok(evaluated["result"]["value"].take())
    }

    /// Waits until an expression is true.
    ///
    /// # Errors
    /// When it does not become true in time; with what the page shows.
    pub async fn wait_until(&mut self, expression: &str) -> Result<()> {
        let start = Instant::now();
        // It fails while the page is being loaded.
        while !self.evaluate(expression).await.is_ok_and(|value| value == true) {
            if start.elapsed() > TIMEOUT {
                let shown = self.evaluate("document.body.innerText").await?;
                ensure!(false, "not within {TIMEOUT:?}: {expression}\n{shown}");
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Waits until the page shows a text.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn wait_for(&mut self, text: &str) -> Result<()> {
        self.wait_until(&format!("document.body.innerText.includes({})", json!(text))).await
    }

    /// Presses a key.
    ///
    /// # Errors
    /// When the browser has ended.
    pub async fn press(&mut self, key: Key) -> Result<()> {
        self.press_with(key, 0).await
    }

    /// Presses a key together with Shift.
    ///
    /// # Errors
    /// When the browser has ended.
    pub async fn press_with_shift(&mut self, key: Key) -> Result<()> {
        self.press_with(key, SHIFT).await
    }

    async fn press_with(&mut self, key: Key, modifiers: u32) -> Result<()> {
        for kind in ["keyDown", "keyUp"] {
            let name = format!("{key:?}");
            let mut event = json!({
                "type": kind, "key": name, "code": name, "windowsVirtualKeyCode": key.code(), "modifiers": modifiers,
            });
            if matches!((key, kind), (Key::Enter, "keyDown")) {
                event["text"] = json!("\r");
            }
            self.devtools.call("Input.dispatchKeyEvent", event).await?;
        }
        Ok(())
    }

    /// Types into what has the focus, in place of what is there.
    ///
    /// # Errors
    /// When the browser has ended.
    pub async fn type_text(&mut self, text: &str) -> Result<()> {
        self.evaluate("document.activeElement.select?.()").await?;
        self.devtools.call("Input.insertText", json!({ "text": text })).await.map(drop)
    }

    /// Presses Tab until something with this name, or whose name begins with it, has the focus.
    ///
    /// # Errors
    /// When nothing has.
    pub async fn tab_to(&mut self, name: &str) -> Result<()> {
        let mut passed = Vec::new();
        for _ in 0..MAX_TAB_STOPS {
            let focused = self.evaluate(FOCUSED_NAME).await?.as_str().unwrap_or_default().to_owned();
            if focused.starts_with(name) {
                return Ok(());
            }
            passed.push(focused);
            self.press(Key::Tab).await?;
        }
        anyhow::bail!("Tab does not reach {name}: {passed:?}")
    }

    /// Drags one element, found by its selector, onto another.
    ///
    /// # Errors
    /// When one is not there, or the first cannot be dragged.
    pub async fn drag(&mut self, from: &str, to: &str) -> Result<()> {
        self.devtools.call("Input.setInterceptDrags", json!({ "enabled": true })).await?;
        let ([x, y], target) = (self.center(from).await?, self.center(to).await?);
        let mouse = |kind, x, y| json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
        for event in [mouse("mousePressed", x, y), mouse("mouseMoved", x + 10.0, y + 10.0)] {
            self.devtools.call("Input.dispatchMouseEvent", event).await?;
        }
        let data = self.devtools.event("Input.dragIntercepted").await?["data"].take();
        let [x, y] = target;
        for kind in ["dragEnter", "dragOver", "drop"] {
            let event = json!({ "type": kind, "x": x, "y": y, "data": data });
            self.devtools.call("Input.dispatchDragEvent", event).await?;
        }
        self.devtools.call("Input.dispatchMouseEvent", mouse("mouseReleased", x, y)).await.map(drop)
    }

    async fn center(&mut self, selector: &str) -> Result<[f64; 2]> {
        let selector = json!(selector);
        let center = format!(
            "(() => {{ const element = document.querySelector({selector}); element.scrollIntoView({{ block: 'center' }});
             const {{ x, y, width, height }} = element.getBoundingClientRect(); return [x + width / 2, y + height / 2] }})()"
        );
        serde_json::from_value(self.evaluate(&center).await?).with_context(|| selector.to_string())
    }

    /// Lets the page believe that the user prefers `light` or `dark`.
    ///
    /// # Errors
    /// When the browser has ended.
    pub async fn prefer_colors(&mut self, scheme: &str) -> Result<()> {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools.call("Emulation.setEmulatedMedia", features).await.map(drop)
    }

    /// Gives the page a size in pixels.
    ///
    /// # Errors
    /// When the browser has ended.
    pub async fn resize(&mut self, width: u32, height: u32) -> Result<()> {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools.call("Emulation.setDeviceMetricsOverride", size).await.map(drop)
    }

    /// Writes what the page looks like as PNG.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn screenshot(&mut self, path: &Path) -> Result<()> {
        let shot = self.devtools.call("Page.captureScreenshot", json!({})).await?;
        std::fs::write(path, STANDARD.decode(shot["data"].as_str().context("no picture")?)?)?;
        Ok(())
    }

    /// What the browser has complained of since the last time: exceptions, and errors of loading and of policies.
    pub fn complaints(&mut self) -> Vec<String> {
        let mut complaints = self.devtools.take_events("Runtime.exceptionThrown");
        let logged = self.devtools.take_events("Log.entryAdded");
        complaints.extend(logged.into_iter().filter(|logged| logged["entry"]["level"] == "error"));
        complaints.iter().map(Value::to_string).collect()
    }
}
