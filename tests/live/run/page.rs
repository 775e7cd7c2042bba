//! The page in a real browser, over a live run: a person watches, pauses, resumes, and finds the way back of a parked target.
//! With `TAILFILL_WRITE_PAGES` set, the pictures of docs/images are taken.

use crate::support::browser::{Browser, ENTER, ESCAPE, TAB};
use crate::support::mysql::mysql_port;
use crate::support::scenario::{Scenario, both_work};
use crate::support::shape::FOLLOWS;
use std::path::{Path, PathBuf};

/// An answer of the admin server to a request without a token.
fn state_file(scenario: &Scenario, name: &str) -> String {
    let path = scenario.dir().join("state").join(name);
    std::fs::read_to_string(path).expect("a run is up").trim().to_owned()
}

/// A picture for the pages; they are written only where that is asked for.
pub async fn picture(browser: &Browser, name: &str, (width, height): (u32, u32), scheme: &str) {
    browser.look(width, height, scheme).await;
    let written = std::env::var_os("TAILFILL_WRITE_PAGES").is_some();
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images");
    let path = if written { images.join(name) } else { PathBuf::from("/dev/null") };
    browser.picture(&path).await;
    assert!(
        !written || std::fs::metadata(&path).expect("it is there").len() < 150_000,
        "{name} is too large"
    );
}

/// Nothing sticks out to the side, and axe-core finds nothing serious.
pub async fn is_well_made(browser: &Browser, width: u32, scheme: &str) {
    browser.look(width, 900, scheme).await;
    let wide = browser.script("return document.documentElement.scrollWidth").await;
    assert!(wide.as_u64() <= Some(width.into()), "{wide} px at {width}, {scheme}");
    let barriers = browser.barriers().await;
    assert!(barriers.is_empty(), "{width} {scheme}: {barriers:#?}");
}

/// Presses a button of the page by keyboard, and answers what it asks.
async fn press(browser: &Browser, button: &str, reason: &str, token: Option<&str>) {
    browser.tab_to(button).await;
    browser.press(ENTER).await;
    assert_eq!(browser.focus().await, "ask-reason", "the dialog has the focus");
    browser.press(reason).await;
    if let Some(token) = token {
        browser.tab_to("ask-by").await;
        browser.press("ann").await;
        browser.tab_to("ask-token").await;
        browser.press(token).await;
    }
    browser.tab_to("ask-go").await;
    browser.press(ENTER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_run_is_watched_paused_and_resumed_through_its_page() {
    let mut scenario = Scenario::on(mysql_port(), "page", &FOLLOWS).await.fill(200, 20_000).await;
    scenario.settings.chunk_rows = 20;
    scenario.settings.workers = 1;
    scenario.init().await;
    let application = scenario.application(2).await;
    let run = scenario.start(&["run"]);
    scenario.until_status("copy and tail to work", both_work(5)).await;
    let browser = Browser::open(&state_file(&scenario, "admin.addr")).await;
    browser.shows("● live").await;
    browser.shows("backfilling").await;
    browser.shows("local)").await;

    // a wrong token is refused, and the right one is asked for once
    press(&browser, "Pause backfill", "nightly report <02:00 to 04:00>", Some("wrong")).await;
    browser.shows("The run does not know this token").await;
    assert_eq!(browser.focus().await, "ask-token");
    browser.replace(&state_file(&scenario, "admin.token")).await;
    browser.press(ENTER).await;
    browser.shows("backfilling 3 of 5").await;
    browser.shows("Paused: the backfill, by ann since").await;
    browser.shows("nightly report <02:00 to 04:00>").await;
    let status = scenario
        .until_status("the pause", |status| status["control"]["backfill"]["wanted"] == "paused")
        .await;
    assert_eq!(status["control"]["backfill"]["by"], "ann");

    for (width, scheme) in [(360, "light"), (1_200, "light"), (1_200, "dark"), (360, "dark")] {
        is_well_made(&browser, width, scheme).await;
    }
    picture(&browser, "page-light.png", (1_100, 900), "light").await;

    press(&browser, "Pause both", "", None).await;
    browser.shows("tailing, everything paused").await;
    press(&browser, "Resume both", "done", None).await;
    browser.shows("▶ tailing\n").await;
    scenario.until_status("both to run", |status| status["control"]["tail"]["wanted"] == "running").await;

    // a limit is set, and then it is the file's again
    browser.tab_to("Set backfill.rows_per_second").await;
    browser.press(ENTER).await;
    assert_eq!(browser.focus().await, "ask-value");
    browser.replace("many").await;
    browser.press(ENTER).await;
    browser.shows("The run refuses: ").await;
    browser.tab_to("ask-value").await;
    browser.replace("7").await;
    browser.press(ENTER).await;
    browser.shows("at most 7 rows a second").await;
    browser.shows("set by ann").await;
    browser.tab_to("Unset backfill.rows_per_second").await;
    browser.press(ENTER).await;
    browser.tab_to("ask-go").await;
    browser.press(ENTER).await;
    browser.shows("as fast as it can").await;

    // a target whose table goes is parked, and the page shows its way back
    let membership = scenario.table(1);
    scenario.hbase().await.drop_table(&membership).await.expect("the table can be dropped");
    browser.shows("✕ parked").await;
    browser.shows("tailfill recopy lists --yes").await;
    is_well_made(&browser, 360, "light").await;
    picture(&browser, "page-phone.png", (360, 800), "light").await;
    picture(&browser, "page-dark.png", (1_100, 900), "dark").await;

    let base = format!("http://{}/", state_file(&scenario, "admin.addr"));
    let asked = browser.asked().await;
    assert!(asked.len() > 3 && asked.iter().all(|address| address.starts_with(&base)), "{asked:?}");
    println!("{} transactions", application.stop().await);
    run.interrupted().await;
    browser.shows("the run does not answer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_control_of_the_page_is_reached_by_keyboard_and_shows_its_focus() {
    let scenario = Scenario::on(mysql_port(), "pagekeys", &FOLLOWS).await.fill(5, 50).await;
    scenario.init().await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the tail to work", |status| status["phase"] == "tailing").await;
    let browser = Browser::open(&state_file(&scenario, "admin.addr")).await;
    let controls = browser
        .script("return [...document.querySelectorAll('a[href], main button, main input, main select')].map((on) => on.id || on.ariaLabel || on.innerText)")
        .await;
    let controls: Vec<String> = serde_json::from_value(controls).expect("texts");
    assert!(controls.len() >= 7, "{controls:?}");
    for (place, control) in controls.iter().enumerate() {
        browser.press(TAB).await;
        assert_eq!(browser.focus().await, *control, "Tab {place}");
        let outline = browser.script("return getComputedStyle(document.activeElement).outlineStyle").await;
        assert_eq!(outline, "solid", "{control} shows that it has the focus");
    }
    // a question is left with Escape, and the focus is back
    browser.load().await;
    browser.tab_to("Pause tail").await;
    browser.press(ENTER).await;
    browser.press(ESCAPE).await;
    assert_eq!(browser.focus().await, "Pause tail");
    run.interrupted().await;
}
