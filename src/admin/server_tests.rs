use super::super::{ADDRESS_FILE, Client, ClientError, TOKEN_FILE};
use super::*;
use crate::model::{Lever, LimitKey, LimitsAsk, Mapping, Value, Work};
use crate::pipeline::jobs::levers::CanResume;
use crate::pipeline::jobs::{JobState, Touch, Touched};
use crate::status::Status;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::store::records::VerdictRecord;
use std::os::unix::fs::PermissionsExt;

struct Running {
    server: AdminServer,
    drain: CancellationToken,
    levers: Levers,
    recopies: Recopies,
    state_dir: tempfile::TempDir,
    base: String,
    http: reqwest::Client,
}

fn taken(drain: &CancellationToken, recopies: &Recopies) -> Taken {
    let (drain, recopies) = (drain.clone(), recopies.clone());
    Taken {
        drain,
        levers: Levers::default(),
        throttle: Throttle::default(),
        recopies,
        holds: Holds::default(),
        pilot: TakenPilot::default(),
    }
}

async fn start() -> Running {
    let state_dir = tempfile::tempdir().expect("a folder");
    let (drain, recopies) = (CancellationToken::new(), Recopies::taken(Arc::new(Nothing)));
    let status: StatusSource = Arc::new(|| Status { pid: 4242, ..Status::default() });
    let listen = "127.0.0.1:0".parse().expect("an address");
    let taken = taken(&drain, &recopies);
    let levers = taken.levers.clone();
    let server = AdminServer::start(listen, state_dir.path(), status, taken).await.expect("a server");
    let base = format!("http://{}", server.address());
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    Running { server, drain, levers, recopies, state_dir, base, http }
}

#[tokio::test]
async fn probes_answer_200_only_while_nothing_is_wrong() {
    let run = start().await;
    for (path, code) in [("health", 200), ("healthz", 200), ("readyz", 503)] {
        let answer = run.http.get(format!("{}/{path}", run.base)).send().await.expect(path);
        assert_eq!(answer.status().as_u16(), code, "{path}");
    }
}

#[tokio::test]
async fn the_client_finds_the_server_by_its_files_and_reads_the_status() {
    let run = start().await;
    let client = Client::open(run.state_dir.path()).expect("a client");
    assert_eq!(client.status().await.expect("a status").pid, 4242);
    let metrics = run.http.get(format!("{}/metrics", run.base)).send().await.expect("metrics");
    assert_eq!(metrics.headers()["content-type"], Format::Text.content_type());
    let open = run.http.get(format!("{}/metrics", run.base)).header("Accept", metrics::OPEN_METRICS);
    let open = open.send().await.expect("metrics");
    assert_eq!(open.headers()["content-type"], Format::OpenMetrics.content_type());
    let health = run.http.get(format!("{}/health", run.base)).send().await.expect("health");
    assert_eq!(health.status(), 200);
}

#[tokio::test]
async fn stopping_the_run_needs_the_token() {
    let run = start().await;
    let stop = || run.http.post(format!("{}/stop", run.base));
    assert_eq!(stop().send().await.expect("an answer").status(), 401);
    assert_eq!(stop().bearer_auth("0".repeat(64)).send().await.expect("an answer").status(), 401);
    assert!(!run.drain.is_cancelled());
    Client::open(run.state_dir.path()).expect("a client").stop().await.expect("a stop");
    assert!(run.drain.is_cancelled());
}

/// Keeps nothing.
pub struct Nothing;

impl Touched for Nothing {
    fn name(&self, _: &Mapping, _: &[Value], _: &[Value]) -> String {
        String::new()
    }

    fn note(&self, _: &str, _: &str, _: &[Touch]) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_recopy_needs_the_token_and_says_how_far_it_is() {
    let run = start().await;
    let lists = Some(vec![vec![Value::UInt(7), Value::Text("eu".into())]]);
    let ask = Ask { mapping: "followers".into(), lists, dry_run: true };
    let post = || run.http.post(format!("{}/recopy", run.base)).json(&ask);
    assert_eq!(post().send().await.expect("an answer").status(), 401);
    assert_eq!(post().bearer_auth("0".repeat(64)).send().await.expect("an answer").status(), 401);
    assert!(run.recopies.reports().is_empty());
    let client = Client::open(run.state_dir.path()).expect("a client");
    let job = client.recopy(&ask).await.expect("it is taken");
    let look = run.http.get(format!("{}/recopy/{job}", run.base));
    assert_eq!(look.send().await.expect("an answer").status(), 401);
    let report = client.recopy_report(job).await.expect("a report");
    assert_eq!((report.mapping.as_str(), report.state), ("followers", JobState::Queued));
    assert!(matches!(client.recopy_report(job + 1).await, Err(ClientError::Refused { .. })));
    run.recopies.close();
    assert!(matches!(client.recopy(&ask).await, Err(ClientError::Refused { .. })));
}

#[tokio::test]
async fn setting_a_lever_needs_the_token_and_a_run_that_has_begun() {
    let run = start().await;
    let ask = LeverAsk { works: vec![Work::Tail], lever: Lever::default() };
    let post = run.http.post(format!("{}/levers", run.base)).json(&ask);
    assert_eq!(post.send().await.expect("an answer").status(), 401);
    let client = Client::open(run.state_dir.path()).expect("a client");
    let refused = client.set_levers(&ask).await.expect("an answer").expect_err("it is starting");
    assert!(refused.reason.contains("starting"), "{refused:?}");
}

#[tokio::test]
async fn limits_are_shown_to_everybody_and_set_with_the_token_once_a_run_has_begun() {
    let run = start().await;
    let client = Client::open(run.state_dir.path()).expect("a client");
    let shown = client.throttle().await.expect("an answer");
    assert_eq!(shown.keys.len(), LimitKey::ALL.len());
    let set = [("backfill.workers".to_owned(), "2".to_owned())].into();
    let ask = LimitsAsk { set, by: "ann".into(), ..LimitsAsk::default() };
    let post = run.http.post(format!("{}/throttle", run.base)).json(&ask);
    assert_eq!(post.send().await.expect("an answer").status(), 401);
    let refused = client.change_limits(&ask).await.expect("an answer").expect_err("it is starting");
    assert!(refused.reason.contains("starting"), "{refused:?}");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let can_resume: CanResume = Arc::new(|| Box::pin(async { Ok(()) }));
    run.levers.open(&store, can_resume, false).await.expect("it opens");
    let shown = client.change_limits(&ask).await.expect("an answer").expect("it is taken");
    let workers = shown.keys.iter().find(|key| key.key == "backfill.workers").expect("it is shown");
    assert_eq!((workers.value.as_str(), workers.by.as_deref()), ("2", Some("ann")));
    let wrong = LimitsAsk { unset: vec!["workers".into()], ..LimitsAsk::default() };
    let refused = client.change_limits(&wrong).await.expect("an answer").expect_err("no such key");
    assert_eq!(refused.exit, 2);
    assert!(refused.reason.contains("did you mean `backfill.workers`?"), "{refused:?}");
}

#[tokio::test]
async fn verdicts_are_kept_and_shown_with_the_token_once_a_run_has_begun() {
    let run = start().await;
    let verdict = VerdictRecord { at_ms: 7, judged: true, equal: true, ..VerdictRecord::default() };
    let post = run.http.post(format!("{}/verify/history", run.base)).json(&verdict);
    assert_eq!(post.send().await.expect("an answer").status(), 401);
    let look = run.http.get(format!("{}/verify/history/0/9", run.base));
    assert_eq!(look.send().await.expect("an answer").status(), 401, "findings name keys");
    let client = Client::open(run.state_dir.path()).expect("a client");
    let refused = client.keep_verdict(&verdict).await.expect("an answer").expect_err("it is starting");
    assert!(refused.reason.contains("starting"), "{refused:?}");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let can_resume: CanResume = Arc::new(|| Box::pin(async { Ok(()) }));
    run.levers.open(&store, can_resume, false).await.expect("it opens");
    for at_ms in [7, 8] {
        let kept = client.keep_verdict(&verdict).await.expect("an answer").expect("it is taken");
        assert_eq!(kept, VerdictRecord { at_ms, ..verdict.clone() });
    }
    let newest = client.verdicts(Since { since_ms: 0, limit: 1 }).await.expect("an answer");
    assert_eq!(newest.iter().map(|verdict| verdict.at_ms).collect::<Vec<_>>(), [8]);
    let all = client.verdicts(Since { since_ms: 0, limit: usize::MAX }).await.expect("an answer");
    assert_eq!(all.len(), 2);
}

#[tokio::test]
async fn holding_lists_up_needs_the_token_and_a_run_that_tails() {
    let run = start().await;
    let ask = HoldAsk { mapping: "followers".into(), lists: vec![vec![Value::UInt(7)]] };
    for route in ["hold", "release/1"] {
        let post = run.http.post(format!("{}/{route}", run.base)).json(&ask);
        assert_eq!(post.send().await.expect("an answer").status(), 401);
    }
    let client = Client::open(run.state_dir.path()).expect("a client");
    assert!(matches!(client.hold(&ask).await, Err(ClientError::Refused { .. })));
    assert!(!client.release(1).await.expect("an answer"), "nothing is held");
}

#[tokio::test]
async fn a_request_under_a_foreign_host_name_is_refused() {
    let run = start().await;
    let request = run.http.get(format!("{}/status", run.base)).header("Host", "evil.example");
    assert_eq!(request.send().await.expect("an answer").status(), 403);
}

#[tokio::test]
async fn another_web_page_cannot_change_anything_even_with_the_token() {
    let run = start().await;
    let token = std::fs::read_to_string(run.state_dir.path().join(TOKEN_FILE)).expect("a token");
    let own = run.base.clone();
    let evil = "http://evil.example".to_owned();
    for (name, value, code) in [
        ("Origin", &evil, 403),
        ("Origin", &"null".to_owned(), 403),
        ("Origin", &"http://127.0.0.1:1".to_owned(), 403),
        ("Sec-Fetch-Site", &"cross-site".to_owned(), 403),
        ("Sec-Fetch-Site", &"same-site".to_owned(), 403),
        ("Origin", &own, 202),
        ("Sec-Fetch-Site", &"same-origin".to_owned(), 202),
    ] {
        let stop = run.http.post(format!("{}/stop", run.base)).bearer_auth(token.trim()).header(name, value);
        assert_eq!(stop.send().await.expect("an answer").status(), code, "{name}: {value}");
        assert_eq!(run.drain.is_cancelled(), code == 202, "{name}: {value}");
    }
}

#[tokio::test]
async fn every_answer_keeps_a_browser_from_running_or_loading_anything_else() {
    let run = start().await;
    for (path, kind) in [
        ("", "text/html"),
        ("page.css", "text/css"),
        ("page.js", "text/javascript"),
        ("page.svg", "image/svg"),
    ] {
        let answer = run.http.get(format!("{}/{path}", run.base)).send().await.expect("an answer");
        let header = |name| answer.headers()[name].to_str().expect("text").to_owned();
        assert_eq!(answer.status(), 200, "{path}");
        assert!(header("content-type").starts_with(kind), "{path}");
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(!answer.headers().contains_key("set-cookie"));
    }
}

#[tokio::test]
async fn whoever_listens_gets_the_status_and_new_events_until_the_server_stops() {
    let run = start().await;
    let events = run.state_dir.path().join(EVENTS_FILE);
    std::fs::write(&events, "{\"event\":\"old\"}\n").expect("it writes");
    let listen = || run.http.get(format!("{}/events", run.base)).header("Accept", "text/event-stream");
    let mut answer = listen().send().await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    while !text.contains("event: status\ndata: {\"version\"") {
        text += &String::from_utf8_lossy(&answer.chunk().await.expect("a part").expect("it goes on"));
    }
    std::fs::write(&events, "{\"event\":\"old\"}\n{\"event\":\"new\"}\n").expect("it writes");
    while !text.contains("event: event\ndata: {\"event\":\"new\"}") {
        text += &String::from_utf8_lossy(&answer.chunk().await.expect("a part").expect("it goes on"));
    }
    assert!(!text.contains("\"old\""), "{text}");
    let lines = run.http.get(format!("{}/events", run.base)).send().await.expect("an answer");
    assert_eq!(lines.headers()["content-type"], "application/x-ndjson");
    assert_eq!(lines.text().await.expect("lines").lines().count(), 2);
    let mut more = Vec::new();
    while let Ok(answer) = listen().send().await
        && answer.status() == 200
    {
        more.push(answer);
    }
    assert_eq!(more.len(), 31, "the first listens too");
    assert_eq!(listen().send().await.expect("an answer").status(), 503);
    run.server.stop().await;
    while answer.chunk().await.is_ok_and(|part| part.is_some()) {}
}

#[tokio::test]
async fn the_token_is_private_and_both_files_are_gone_at_the_end() {
    let run = start().await;
    let [address, token] = [ADDRESS_FILE, TOKEN_FILE].map(|name| run.state_dir.path().join(name));
    assert_eq!(
        std::fs::read_to_string(&address).expect("the address"),
        format!("{}\n", run.server.address())
    );
    assert_eq!(std::fs::metadata(&token).expect("the token").permissions().mode() & 0o777, 0o600);
    run.server.stop().await;
    assert!(!address.exists() && !token.exists());
    assert!(matches!(Client::open(run.state_dir.path()), Err(ClientError::NotRunning { .. })));
}

#[tokio::test]
async fn a_run_that_was_killed_leaves_files_and_counts_as_not_running() {
    let run = start().await;
    let copy = tempfile::tempdir().expect("a folder");
    for name in [ADDRESS_FILE, TOKEN_FILE] {
        std::fs::copy(run.state_dir.path().join(name), copy.path().join(name)).expect("a copy");
    }
    run.server.stop().await;
    let client = Client::open(copy.path()).expect("a client");
    assert!(matches!(client.status().await, Err(ClientError::NotRunning { .. })));
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_with_advice() {
    let run = start().await;
    let state_dir = tempfile::tempdir().expect("a folder");
    let status: StatusSource = Arc::new(Status::default);
    let taken = taken(&CancellationToken::new(), &Recopies::none());
    let second = AdminServer::start(run.server.address(), state_dir.path(), status, taken).await;
    assert!(second.expect_err("a taken port").advice().contains("admin.listen"));
}
