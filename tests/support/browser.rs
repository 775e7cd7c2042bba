//! Chromium through its driver, as a person at the page has it: with a keyboard, a width, light or dark, and nothing beyond
//! this machine. Seven commands of WebDriver are needed, each a request with JSON; the clients on crates.io bring 11 to 30
//! packages, and an `Add` for `String` that makes `text + &more` ambiguous in every other test.

use super::wait::{until, until_so};
use base64::Engine as _;
use serde_json::{Value as Json, json};
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Keys, as WebDriver writes them.
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
pub const ESCAPE: &str = "\u{e00c}";

/// What `scripts/onlookers` prints.
pub fn onlooker(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: export what `scripts/onlookers` prints"))
}

/// A browser of one test; ended when dropped.
pub struct Browser {
    http: reqwest::Client,
    /// The address of the driver's session.
    session: String,
    /// The URL of its page.
    base: String,
    chromedriver: Child,
    _dir: tempfile::TempDir,
}

impl Browser {
    /// Opens the page of the server at this address.
    pub async fn open(address: &str) -> Browser {
        Browser::at(format!("http://{address}")).await
    }

    /// Opens a page by its URL.
    pub async fn at(base: String) -> Browser {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let log = dir.path().join("log");
        let file = File::create(&log).expect("the test's folder can be written");
        let chromedriver = Command::new(onlooker("TAILFILL_CHROMEDRIVER"))
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::from(file))
            .stderr(Stdio::null())
            // Chromium's processes are in it too
            .process_group(0)
            .spawn()
            .expect("chromedriver can be started");
        let port = until("chromedriver to listen", async || {
            let text = std::fs::read_to_string(&log).ok()?;
            let rest = text.split("started successfully on port ").nth(1)?;
            rest.split('.').next()?.parse::<u16>().ok()
        })
        .await;
        let profile = format!("--user-data-dir={}", dir.path().join("profile").display());
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--window-size=1200,900",
            // what it asks for elsewhere fails, and is seen
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
            profile.as_str(),
        ];
        let options = json!({ "binary": onlooker("TAILFILL_CHROMIUM"), "args": arguments });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let session = format!("http://127.0.0.1:{port}/session");
        let begun = command(&http, &session, wanted).await;
        let session = format!("{session}/{}", begun["sessionId"].as_str().expect("a session"));
        let browser = Browser { http, session, base, chromedriver, _dir: dir };
        browser.raw("Emulation.setTimezoneOverride", json!({ "timezoneId": "Europe/Berlin" })).await;
        browser.load().await;
        browser
    }

    /// A command of the session.
    async fn command(&self, name: &str, parameters: Json) -> Json {
        command(&self.http, &format!("{}/{name}", self.session), parameters).await
    }

    /// Loads the page anew.
    pub async fn load(&self) {
        self.command("url", json!({ "url": self.base })).await;
    }

    /// A command of Chromium's own protocol.
    pub async fn raw(&self, method: &str, parameters: Json) -> Json {
        self.command("goog/cdp/execute", json!({ "cmd": method, "params": parameters })).await
    }

    /// As wide as this, in CSS pixels, in light or in dark.
    pub async fn look(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.raw("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.raw("Emulation.setEmulatedMedia", scheme).await;
    }

    /// What a script returns.
    pub async fn script(&self, script: &str) -> Json {
        self.command("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// All that a person sees.
    pub async fn text(&self) -> String {
        self.script("return document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page shows this.
    pub async fn shows(&self, words: &str) {
        until_so(&format!("the page to show {words:?}"), async || self.text().await.contains(words)).await;
    }

    /// Presses keys, wherever the focus is.
    pub async fn press(&self, keys: &str) {
        let press =
            |key: char| ["keyDown", "keyUp"].map(|what| json!({ "type": what, "value": key.to_string() }));
        let presses: Vec<Json> = keys.chars().flat_map(press).collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": presses });
        self.command("actions", json!({ "actions": [keyboard] })).await;
    }

    /// Puts this in the place of what the field with the focus has.
    pub async fn replace(&self, text: &str) {
        self.script("document.activeElement.select()").await;
        self.press(text).await;
    }

    /// Presses Tab until the focus is on what has this text or id; what was passed.
    pub async fn tab_to(&self, name: &str) -> Vec<String> {
        let mut passed = Vec::new();
        for _ in 0..60 {
            self.press(TAB).await;
            let now = self.focus().await;
            if now == name {
                return passed;
            }
            passed.push(now);
        }
        panic!("Tab does not reach {name}, but {passed:?}");
    }

    /// The text or id of what has the focus.
    pub async fn focus(&self) -> String {
        let script = "const on = document.activeElement; return on === document.body ? '' : on.id || on.ariaLabel || on.innerText";
        self.script(script).await.as_str().unwrap_or_default().to_owned()
    }

    /// The addresses that the page has asked for.
    pub async fn asked(&self) -> Vec<String> {
        let script =
            "return [location.href, ...performance.getEntriesByType('resource').map((entry) => entry.name)]";
        let asked = self.script(script).await;
        serde_json::from_value(asked).expect("a list of addresses")
    }

    /// What axe-core finds serious or critical, as it says it.
    pub async fn barriers(&self) -> Vec<String> {
        let axe = std::fs::read_to_string(onlooker("TAILFILL_AXE")).expect("axe-core is there");
        self.script(&axe).await;
        let script = "const done = arguments[arguments.length - 1];
            axe.run().then((found) => done(found.violations), (error) => done([{ impact: 'critical', id: String(error), nodes: [] }]))";
        let found = self.command("execute/async", json!({ "script": script, "args": [] })).await;
        let found = found.as_array().cloned().unwrap_or_default();
        let weighs = |found: &&Json| matches!(found["impact"].as_str(), Some("serious" | "critical"));
        found.iter().filter(weighs).map(|found| format!("{}: {}", found["id"], found["nodes"])).collect()
    }

    /// A picture of the top of the page.
    pub async fn picture(&self, path: &Path) {
        self.script(
            "scrollTo(0, 0); document.activeElement.blur(); document.getElementById('done')?.replaceChildren()",
        )
        .await;
        let picture = self.raw("Page.captureScreenshot", json!({ "format": "png" })).await;
        let png =
            base64::engine::general_purpose::STANDARD.decode(picture["data"].as_str().expect("a picture"));
        std::fs::write(path, png.expect("base64")).expect("it can be written");
    }
}

/// Sends a command, which has to succeed.
async fn command(http: &reqwest::Client, address: &str, parameters: Json) -> Json {
    let answer = http.post(address).json(&parameters).send().await.expect("chromedriver answers");
    let mut answer: Json = answer.json().await.expect("JSON");
    assert!(answer["value"]["error"].is_null(), "{address} {parameters}: {answer}");
    answer["value"].take()
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = format!("-{}", self.chromedriver.id());
        _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        _ = self.chromedriver.wait();
    }
}
