//! An HBase of the test's own, with a gateway in front: like that of `scripts/services`, on other ports and other data.

use super::{Own, Speaks, command};
use crate::support::lists::Form;
use crate::support::shell;
use crate::support::wait::until_so_within;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::slice;
use std::time::Duration;

/// Starting a Java server on a busy machine, and reading the logs of one that was killed.
const START_LIMIT: Duration = Duration::from_secs(150);

pub struct OwnHbase {
    server: Own,
    gateway: Own,
    shell: Vec<String>,
    starts: usize,
}

impl OwnHbase {
    /// With so many region servers, all in one process.
    pub async fn start(region_servers: usize) -> OwnHbase {
        let mut server = Own::like("hbase");
        let data = |name: &str| server.dir.path().join(name).display().to_string();
        let port = server.port.to_string();
        let changes = [
            ("hbase.rootdir", format!("file://{}", data("root"))),
            ("hbase.tmp.dir", data("tmp")),
            ("hbase.zookeeper.property.dataDir", data("zookeeper")),
            ("hbase.zookeeper.property.clientPort", port),
            ("hbase.master.port", "0".into()),
            ("hbase.regionserver.port", "0".into()),
            ("hbase.localcluster.assign.random.ports", "true".into()),
        ];
        let zookeeper = server.port;
        server.set_site(&changes);
        server.set_java_folders("-Xmx768m");
        if region_servers > 1 {
            let count = format!("--localRegionServers={region_servers}");
            let start = server.command.iter().rposition(|word| word == "start").expect("HMaster start");
            server.command.insert(start, count);
        }
        server.start();
        let gateway = Own::gateway_at(zookeeper);
        let shell = shell_like(&gateway).await;
        let mut hbase = OwnHbase { server, gateway, shell, starts: 1 };
        hbase.gateway.start();
        hbase.until_it_serves().await;
        hbase
    }

    /// `host:port` of its gateway.
    pub fn gateway(&self) -> String {
        self.gateway.address()
    }

    /// SIGKILL to the process with master, region servers and ZooKeeper. The gateway stays.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    pub async fn start_again(&mut self) {
        self.server.start();
        self.starts += 1;
        self.until_it_serves().await;
    }

    async fn until_it_serves(&self) {
        let log = self.server.log("log");
        let begun = || {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            log.matches("Master has completed initialization").count() >= self.starts
        };
        // the gateway answers before HBase does: a question that only HBase can answer
        let target = Form::tall("o").to_read(0, "nobody_has_made_this_table".into());
        let serves = async || {
            if !begun() {
                return false;
            }
            let sink = Speaks::Thrift2.connect(vec![self.gateway.address()], slice::from_ref(&target)).await;
            let Ok(sink) = sink else { return false };
            sink.describe(target.id).await.is_ok()
        };
        until_so_within(START_LIMIT, "the test's own HBase", serves).await;
    }

    /// Runs Ruby in HBase's shell, with `admin` and `locator(TABLE)` of HBase's Java client; what it printed.
    pub async fn shell(&self, ruby: &str) -> String {
        let file = self.gateway.dir.path().join("statements.rb");
        let begin = "connection = org.apache.hadoop.hbase.client.ConnectionFactory.createConnection\n\
                     admin = connection.getAdmin\n\
                     name = ->(table) { org.apache.hadoop.hbase.TableName.valueOf(table) }\n";
        std::fs::write(&file, format!("{begin}{ruby}\nexit 0\n")).expect("it can be written");
        let mut words = self.shell.clone();
        words.extend(["-n".to_owned(), file.display().to_string()]);
        let log = self.gateway.log("shell");
        let _ = std::fs::remove_file(&log);
        let mut shell = command(&words, self.gateway.dir.path(), &log);
        let ended = tokio::task::spawn_blocking(move || shell.stdin(Stdio::null()).status()).await;
        let status = ended.expect("it does not panic").expect("java can be started");
        let printed = std::fs::read_to_string(&log).unwrap_or_default();
        assert!(status.success(), "{ruby}\n{printed}");
        printed
    }

    /// Which server each region of a table is on: encoded name and server, in the order of regions.
    pub async fn places(&self, table: &str) -> Vec<(String, String)> {
        let printed = self
            .shell(&format!(
                "connection.getRegionLocator(name.('{table}')).getAllRegionLocations.each do |place|\n\
                 puts \"PLACE #{{place.getRegion.getEncodedName}} #{{place.getServerName}}\"\nend"
            ))
            .await;
        let lines = printed.lines().filter_map(|line| line.strip_prefix("PLACE "));
        let two = lines.filter_map(|line| line.split_once(' '));
        two.map(|(region, server)| (region.to_owned(), server.to_owned())).collect()
    }
}

impl Own {
    /// A gateway to the HBase whose ZooKeeper listens there; not started.
    fn gateway_at(zookeeper: u16) -> Own {
        let mut own = Own::like("thrift2");
        own.set_site(&[("hbase.zookeeper.property.clientPort", zookeeper.to_string())]);
        own.set_java_folders("-Xmx384m");
        own.set_after("-p");
        own
    }

    /// A configuration of its own: that of the server that it is like, with other values.
    fn set_site(&mut self, changes: &[(&str, String)]) {
        let place = self.class_path();
        let (site, jars) = self.command[place].split_once(':').expect("a folder, and jars");
        let folder = self.dir.path().join("site");
        copy_site(Path::new(site), &folder, changes);
        self.command[place] = format!("{}:{jars}", folder.display());
    }

    fn class_path(&self) -> usize {
        self.command.iter().position(|word| word == "-cp").expect("a class path") + 1
    }

    fn set_java_folders(&mut self, heap: &str) {
        let dir = self.dir.path().display().to_string();
        self.set("-Djava.io.tmpdir=", &dir);
        self.set("-Dtailfill.service=", "test");
        self.command.iter_mut().filter(|word| word.starts_with("-Xmx")).for_each(|word| *word = heap.into());
    }
}

fn copy_site(from: &Path, to: &Path, changes: &[(&str, String)]) {
    std::fs::create_dir_all(to).expect("the test's folder can be written");
    for file in ["hbase-site.xml", "log4j2.properties"] {
        let mut text = std::fs::read_to_string(from.join(file)).expect("scripts/services wrote it");
        if file == "hbase-site.xml" {
            text = changed(&text, changes);
        }
        std::fs::write(to.join(file), text).expect("the test's folder can be written");
    }
}

/// One property a line, as `scripts/services` writes them: a later one of the same name would not win.
fn changed(site: &str, changes: &[(&str, String)]) -> String {
    let is_changed =
        |line: &str| changes.iter().any(|(name, _)| line.contains(&format!("<name>{name}</name>")));
    let kept = site.lines().filter(|line| !is_changed(line) && *line != "</configuration>");
    let kept = kept.map(str::to_owned);
    let new = changes
        .iter()
        .map(|(name, value)| format!("  <property><name>{name}</name><value>{value}</value></property>"));
    let lines: Vec<String> = kept.chain(new).chain(["</configuration>\n".to_owned()]).collect();
    lines.join("\n")
}

/// HBase's shell for the same ZooKeeper as a gateway's: the command line of `scripts/services shell`.
async fn shell_like(gateway: &Own) -> Vec<String> {
    let place = gateway.class_path();
    let class_path = &gateway.command[place];
    let jars = PathBuf::from(class_path.split_once(':').expect("a folder, and jars").1);
    let home = jars.parent().and_then(Path::parent).expect("the folder of services").to_owned();
    if !home.join("hbase-shell").exists() {
        shell::run("exit").await; // installs it
    }
    let mut words: Vec<String> = gateway.command[..place].to_vec();
    words.push(format!("{class_path}:{}/hbase-shell/*", home.display()));
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/services.d/hbase-shell");
    let library = library.display().to_string();
    words.extend(["org.jruby.Main".into(), "-I".into(), library, "uri:classloader:/jar-bootstrap.rb".into()]);
    words
}
