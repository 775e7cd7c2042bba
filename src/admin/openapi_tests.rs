//! docs/openapi.json is held to the server: each route of the sources is in it, and each answer that it lists is given so by a
//! real server.

use super::server::{AdminServer, Nothing, Taken, TakenPilot};
use super::{EVENTS_FILE, TOKEN_FILE};
use crate::model::{Control, Lever, LimitsAsk, Pilot, Position, Reached, Tick, Value, Work};
use crate::pipeline::jobs::Ask;
use crate::pipeline::jobs::holds::{Held, HoldAsk};
use crate::pipeline::jobs::levers::LeverAsk;
use crate::pipeline::jobs::moves::{Course, Destination, MoveAsk, Moved};
use crate::pipeline::{Holds, Levers, Recopies, Throttle};
use crate::status::{Answers, Awaited, Concern, Gap, Kind, Phase, Status, StatusSource, Wait, Warning, Who};
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::store::records::{
    Cause, PassageRecord, VerdictFinding, VerdictMapping, VerdictQuery, VerdictRecord, VerdictTarget,
};
use boon::{Compiler, Schemas};
use reqwest::{Method, Response};
use serde::Serialize;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

const FILE: &str = include_str!("../../docs/openapi.json");
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// Answers that need a run: a value of their type stands for each.
const NOT_HERE: [(&str, &str, &str); 2] = [("post", "/hold", "200"), ("post", "/position", "200")];

const HISTORY: &str = "/position/history/{since_ms}/{limit}";
const VERDICTS: &str = "/verify/history/{since_ms}/{limit}";

/// A method, a path and a status.
type Answer = (String, String, String);

fn file() -> Json {
    serde_json::from_str(FILE).expect("docs/openapi.json is JSON")
}

/// All that the file lists.
fn listed() -> BTreeSet<Answer> {
    let file = file();
    let paths = file["paths"].as_object().expect("it has paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        item.as_object().expect("an item").iter().map(move |(method, operation)| (method, path, operation))
    });
    let answers = operations.flat_map(|(method, path, operation)| {
        let responses = operation["responses"].as_object().expect("it has responses");
        responses.keys().map(move |status| (method.clone(), path.clone(), status.clone()))
    });
    answers.collect()
}

/// The methods and paths that the sources of this room give to the router.
fn routed() -> BTreeSet<(String, String)> {
    let mut files = vec![];
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("src is readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let mut routes = BTreeSet::new();
    for file in files {
        let name = file.to_string_lossy();
        if !name.ends_with(".rs") || name.ends_with("_tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("readable");
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for route in code.split(".route(").skip(1) {
            let path = route.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            let path =
                path.unwrap_or_else(|| panic!("{name}: a route's path stands as text: .route({route}"));
            // up to the next call in the chain of the router
            let handlers = route.split("\n        .").next().unwrap_or_default();
            for method in METHODS {
                let called = [format!(" {method}("), format!(".{method}("), format!("\n{method}(")];
                if called.iter().any(|call| handlers.contains(call)) {
                    routes.insert((method.to_owned(), path.to_owned()));
                }
            }
        }
    }
    assert!(routes.len() > 10, "{routes:?}");
    routes
}

#[test]
fn each_route_of_the_server_is_in_the_file_and_no_other() {
    let listed: BTreeSet<(String, String)> =
        listed().into_iter().map(|(method, path, _)| (method, path)).collect();
    let routed = routed();
    let missing: Vec<_> = routed.difference(&listed).collect();
    assert!(
        missing.is_empty(),
        "docs/openapi.json lacks {missing:?}: add each with its answers, and provoke these in \
         `the_server_answers_as_the_file_says` (src/admin/openapi_tests.rs)"
    );
    let stale: Vec<_> = listed.difference(&routed).collect();
    assert!(stale.is_empty(), "docs/openapi.json has {stale:?}, which the server does not: remove them");
}

/// Fails unless a value is what a schema of the file says.
fn fits(pointer: &str, value: &Json) {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("http://file/openapi.json", file()).expect("the file is a resource");
    let compiled = compiler.compile(&format!("http://file/openapi.json#{pointer}"), &mut schemas);
    let schema = compiled.unwrap_or_else(|error| panic!("{pointer}: {error:#}"));
    if let Err(wrong) = schemas.validate(value, schema) {
        panic!("docs/openapi.json, {pointer}: {wrong:#}\n{value}");
    }
}

/// The same for an answer as JSON.
fn fits_answer(method: &str, path: &str, status: &str, answer: &(impl Serialize + ?Sized)) {
    let json = serde_json::to_value(answer).expect("json");
    fits(&pointer(method, path, &["responses", status, "content", "application/json", "schema"]), &json);
}

/// A position.
fn place() -> Position {
    let (server_uuid, file) = ("3e11fa47".to_owned(), "binlog.000042".to_owned());
    Position { server_uuid, reached: Reached::default(), file, offset: 7 }
}

/// A verdict that has something of everything.
fn verdict() -> VerdictRecord {
    let queries = vec![VerdictQuery::default()];
    let lists = [("random".to_owned(), 7)].into();
    VerdictRecord {
        at_ms: 7,
        lists: Some("followers: 1 list".into()),
        cannot_judge: Some("the tail has ended".into()),
        targets: vec![VerdictTarget::default()],
        mappings: vec![VerdictMapping { queries, lists, ..VerdictMapping::default() }],
        findings: vec![VerdictFinding::default()],
        position: Some(place()),
        ..VerdictRecord::default()
    }
}

/// A JSON pointer below the operation of a path.
fn pointer(method: &str, path: &str, rest: &[&str]) -> String {
    let escaped =
        |part: &str| part.replace('~', "~0").replace('/', "~1").replace('{', "%7B").replace('}', "%7D");
    ["paths", path, method].iter().chain(rest).map(|part| format!("/{}", escaped(part))).collect()
}

/// A path with the number 1 in the place of each parameter.
fn asked(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// A server, and what was seen of it.
struct World {
    base: String,
    token: String,
    http: reqwest::Client,
    seen: BTreeSet<Answer>,
    _server: AdminServer,
    _dir: tempfile::TempDir,
}

impl World {
    async fn start(status: StatusSource, taken: Taken) -> World {
        let dir = tempfile::tempdir().expect("a folder");
        let line =
            "{\"at\":\"2026-11-29T03:12:45.123Z\",\"event\":\"paused\",\"words\":\"w\",\"by\":\"ann\"}\n";
        std::fs::write(dir.path().join(EVENTS_FILE), line.repeat(2)).expect("it can be written");
        let listen = "127.0.0.1:0".parse().expect("an address");
        let server = AdminServer::start(listen, dir.path(), status, taken).await.expect("a server");
        let token = std::fs::read_to_string(dir.path().join(TOKEN_FILE)).expect("a token").trim().to_owned();
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let base = format!("http://{}", server.address());
        World { base, token, http, seen: BTreeSet::new(), _server: server, _dir: dir }
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// Asks with the token, and holds the answer to the file.
    async fn ask(&mut self, method: &str, path: &str, status: u16) -> Vec<Json> {
        let answer = self.request(method, &asked(path)).bearer_auth(&self.token);
        self.hold(method, path, status, answer.send().await.expect("an answer")).await
    }

    /// The same with a body, which has to be as the file says too.
    async fn post(&mut self, path: &str, body: &impl Serialize, status: u16) -> Vec<Json> {
        let json = serde_json::to_value(body).expect("json");
        fits(&pointer("post", path, &["requestBody", "content", "application/json", "schema"]), &json);
        let answer = self.request("post", path).bearer_auth(&self.token).json(body).send().await;
        self.hold("post", path, status, answer.expect("an answer")).await
    }

    /// Asks without the token.
    async fn refused(&mut self, method: &str, path: &str) {
        let answer = self.request(method, &asked(path)).send().await.expect("an answer");
        self.hold(method, path, 401, answer).await;
    }

    async fn hold(&mut self, method: &str, path: &str, status: u16, answer: Response) -> Vec<Json> {
        let (code, place) = (status.to_string(), format!("{method} {path}"));
        assert_eq!(answer.status().as_u16(), status, "{place}");
        let kind = answer.headers()["content-type"].to_str().expect("text").to_owned();
        let body = answer.text().await.expect("a body");
        let content = &file()["paths"][path][method]["responses"][&code]["content"];
        assert!(
            content.get(&kind).is_some(),
            "docs/openapi.json: {place} answers {code} with {kind}, not {content}"
        );
        let values: Vec<Json> = match kind.as_str() {
            "application/json" => vec![serde_json::from_str(&body).expect("JSON")],
            "application/x-ndjson" => {
                body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
            }
            _ => vec![Json::String(body)],
        };
        let schema = pointer(method, path, &["responses", &code, "content", &kind, "schema"]);
        values.iter().for_each(|value| fits(&schema, value));
        self.seen.insert((method.to_owned(), path.to_owned(), code));
        values
    }
}

/// A status that has something of everything.
fn busy() -> Status {
    let mut status = super::metrics::full_status();
    status.phase = Phase::Tailing;
    status.show_waits(vec![Wait::new(Who::Tail, Awaited::many(Kind::ListsElsewhere, 2), 1)]);
    status.warnings = vec![Warning::new(Concern::PurgeAhead, "soon".into(), 0)];
    status.gaps = vec![Gap::default()];
    status
}

#[tokio::test]
async fn the_server_answers_as_the_file_says() {
    let status = Arc::new(Mutex::new(busy()));
    let set = |changed: Status| *status.lock().expect("no panic") = changed;
    let shown = status.clone();
    let source: StatusSource = Arc::new(move || shown.lock().expect("no panic").clone());
    let (levers, recopies) = (Levers::default(), Recopies::taken(Arc::new(Nothing)));
    let drain = CancellationToken::new();
    let pilot = TakenPilot::default();
    let taken = Taken {
        drain,
        levers: levers.clone(),
        throttle: Throttle::default(),
        recopies: recopies.clone(),
        holds: Holds::default(),
        pilot: pilot.clone(),
    };
    let mut world = World::start(source, taken).await;

    for path in [
        "/",
        "/page.css",
        "/page.js",
        "/page.svg",
        "/status",
        "/metrics",
        "/events",
        "/health",
        "/healthz",
        "/readyz",
        "/throttle",
    ] {
        world.ask("get", path, 200).await;
    }
    let away = Some(Answers { answers: false, since_ms: 0 });
    set(Status { source: away, at_ms: 100_000, phase: Phase::Ended, ..busy() });
    for path in ["/health", "/healthz", "/readyz"] {
        world.ask("get", path, 503).await;
    }
    set(Status::default());
    world.ask("get", "/status", 200).await;
    let listen = || world.request("get", "/events").header("Accept", "text/event-stream");
    let mut listening = Vec::new();
    let last = loop {
        let answer = listen().send().await.expect("an answer");
        if answer.status() != 200 {
            break answer;
        }
        listening.push(answer);
    };
    world.hold("get", "/events", 503, last).await;
    drop(listening);

    for (method, path) in [
        ("post", "/stop"),
        ("post", "/levers"),
        ("post", "/throttle"),
        ("post", "/position"),
        ("post", "/recopy"),
        ("get", "/recopy/{job}"),
        ("get", "/pilot"),
        ("post", "/hold"),
        ("post", "/release/{hold}"),
        ("post", "/verify/history"),
        ("get", VERDICTS),
    ] {
        world.refused(method, path).await;
    }
    world.ask("get", "/pilot", 503).await;
    let mut lists = Pilot::default();
    lists.add("followers", vec![Value::UInt(7)]);
    lists.sample("replies", 100);
    fits_answer("get", "/pilot", "200", &None::<Pilot>);
    pilot.set(Some(lists));
    world.ask("get", "/pilot", 200).await;
    let ask = LeverAsk { works: Work::ALL.to_vec(), lever: Lever::default() };
    world.post("/levers", &ask, 409).await;
    let set = |value: &str| LimitsAsk {
        set: [("backfill.workers".to_owned(), value.to_owned())].into(),
        ..LimitsAsk::default()
    };
    world.post("/throttle", &set("2"), 409).await;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    world.ask("get", HISTORY, 503).await;
    world.ask("get", VERDICTS, 503).await;
    world.post("/verify/history", &verdict(), 409).await;
    levers.open(&store, Arc::new(|| Box::pin(async { Ok(()) })), false).await.expect("it opens");
    world.post("/levers", &ask, 200).await;
    world.post("/throttle", &set("2"), 200).await;
    world.post("/throttle", &set("none"), 400).await;
    world.ask("get", HISTORY, 200).await;
    world.post("/verify/history", &verdict(), 200).await;
    let kept = world.ask("get", VERDICTS, 200).await;
    assert_eq!(kept[0].as_array().map(Vec::len), Some(1), "{kept:?}");
    fits_answer("get", VERDICTS, "200", &[verdict()]);
    let destination = Destination::To(place());
    let move_ask =
        MoveAsk { destination, accept_gap: false, lever: Lever::default(), resumes: vec![Work::Tail] };
    world.post("/position", &move_ask, 409).await;
    for course in [
        Course::Stays,
        Course::Back { again: 7 },
        Course::Over { missed: 7, mappings: vec!["followers".into()] },
    ] {
        let (from, to, control) = (place(), place(), Control::default());
        fits_answer(
            "post",
            "/position",
            "200",
            &Moved { from, to, course, changed: vec![Work::Tail], control },
        );
    }
    let (cause, position) = (Cause::Set, place());
    let (by, reason) = ("ann".to_owned(), String::new());
    let passage = PassageRecord { at_ms: 7, cause, by, reason, position, tick_high: Tick(7) };
    fits_answer("get", HISTORY, "200", &[passage]);
    world.ask("get", "/recopy/{job}", 404).await;
    let lists = Some(vec![vec![Value::UInt(7), Value::Null]]);
    let recopy = Ask { mapping: "followers".into(), lists, dry_run: true };
    world.post("/recopy", &recopy, 202).await;
    world.ask("get", "/recopy/{job}", 200).await;
    recopies.close();
    world.post("/recopy", &Ask { lists: None, ..recopy }, 409).await;
    world
        .post("/hold", &HoldAsk { mapping: "followers".into(), lists: vec![vec![Value::UInt(7)]] }, 409)
        .await;
    let held =
        serde_json::to_value(Held { hold: 1, sealed: crate::model::Reached::default() }).expect("json");
    fits(&pointer("post", "/hold", &["responses", "200", "content", "application/json", "schema"]), &held);
    world.ask("post", "/release/{hold}", 200).await;
    world.ask("post", "/stop", 202).await;

    let not_here = NOT_HERE.map(|(method, path, status)| (method.into(), path.into(), status.into()));
    world.seen.extend(not_here);
    let untried: Vec<_> = listed().difference(&world.seen).cloned().collect();
    assert!(
        untried.is_empty(),
        "docs/openapi.json lists {untried:?}: provoke them in this test, or remove them"
    );
}

#[test]
fn a_schema_of_the_file_refuses_what_it_must() {
    let wrong = std::panic::catch_unwind(|| {
        let answer =
            pointer("get", "/status", &["responses", "200", "content", "application/json", "schema"]);
        fits(&answer, &serde_json::json!({ "version": 7 }));
    });
    assert!(wrong.is_err());
}
