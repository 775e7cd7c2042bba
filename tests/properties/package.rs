//! What the Debian package and the image are made of: each file exists, and package, unit, user and image agree on paths.
//! `scripts/package --check` installs the package and runs the image; this is what costs no build.

use super::advice::root;
use std::path::Path;
use toml::Value;

/// What scripts/package makes before cargo-deb looks for it; cargo-deb replaces `target/release`.
const MADE: &str = "target/release/package/";

fn text(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// `[package.metadata.deb]`.
fn metadata() -> Value {
    let manifest: Value = toml::from_str(&text("Cargo.toml")).expect("TOML");
    manifest["package"]["metadata"]["deb"].clone()
}

/// Source and destination of each asset.
fn assets(metadata: &Value) -> Vec<(String, String)> {
    let assets = metadata["assets"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    assets.iter().map(|asset| (text(&asset[0]), text(&asset[1]))).collect()
}

/// What is wrong with the source of an asset. `maker` is the text of the script that makes some of them.
fn fault(source: &str, maker: &str) -> Option<String> {
    let is_there = if let Some(made) = source.strip_prefix(MADE) {
        let made = made.strip_suffix("/*.1.gz").unwrap_or(made);
        maker.contains(&format!("\"$MADE/{made}\""))
    } else if source == "target/release/tailfill" {
        maker.contains("cargo build --release --locked --bin tailfill")
    } else if let Some((folder, ending)) = source.split_once("/*.") {
        files_with(&root().join(folder), ending)
    } else {
        root().join(source).is_file()
    };
    (!is_there).then(|| format!("{source} is neither in the repository nor made by scripts/package.d/deb.sh"))
}

fn files_with(folder: &Path, ending: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| entry.path().extension().is_some_and(|extension| extension == ending))
}

#[test]
fn every_file_of_the_package_exists_or_is_made() {
    let maker = text("scripts/package.d/deb.sh");
    let assets = assets(&metadata());
    let faults: Vec<_> = assets.iter().filter_map(|(source, _)| fault(source, &maker)).collect();
    assert!(!assets.is_empty() && faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_rule_finds_a_file_that_is_missing() {
    let maker = "man \"$MADE/man\"";
    assert_eq!(fault("README.md", maker), None);
    assert_eq!(fault("docs/*.md", maker), None);
    assert_eq!(fault("target/release/package/man/*.1.gz", maker), None);
    for missing in
        ["README.txt", "docs/*.rst", "no/*.md", "target/release/package/copyright", "target/release/tailfill"]
    {
        assert!(fault(missing, maker).is_some(), "{missing}");
    }
}

/// The value of a key in the unit.
fn of_unit<'u>(unit: &'u str, key: &str) -> &'u str {
    let value = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("the unit has no {key}"))
}

#[test]
fn package_and_image_have_the_paths_of_the_unit() {
    let unit = text("config/tailfill.service");
    let command = of_unit(&unit, "ExecStart");
    let [program, "-c", configuration, "run"] = command.split(' ').collect::<Vec<_>>()[..] else {
        panic!("another command: {command}");
    };
    let user = of_unit(&unit, "User");
    let state = format!("/var/lib/{}", of_unit(&unit, "StateDirectory"));
    assert_eq!(of_unit(&unit, "WorkingDirectory"), state);

    let binary = ("target/release/tailfill".to_owned(), "usr/bin/".to_owned());
    assert!(assets(&metadata()).contains(&binary));
    assert_eq!(program, "/usr/bin/tailfill");

    let users = text("config/tailfill.sysusers");
    assert!(users.contains(&format!("\nu {user} - \"tailfill\" {state} ")), "{users}");

    let folder = Path::new(configuration).parent().expect("a folder").display();
    let mode = of_unit(&unit, "StateDirectoryMode");
    let postinst = text("config/debian/postinst");
    assert!(postinst.contains(&format!("install -d -m {mode} -o {user} -g {user} {state}\n")), "{postinst}");
    assert!(postinst.contains(&format!("install -d -m 0750 -o root -g {user} {folder}\n")), "{postinst}");
    let postrm = text("config/debian/postrm");
    assert!(postrm.contains(&format!("for folder in {state} {folder}; do")), "{postrm}");

    let image = text("Containerfile");
    for line in [
        format!("COPY --from=build /src/target/release/tailfill {program}"),
        format!("VOLUME {state}"),
        format!("ENTRYPOINT [\"{program}\", \"-c\", \"{configuration}\"]"),
        "CMD [\"run\"]".to_owned(),
    ] {
        assert!(image.lines().any(|there| there == line), "the Containerfile lacks: {line}");
    }
}

#[test]
fn an_installation_starts_nothing() {
    let metadata = metadata();
    let units = &metadata["systemd-units"];
    let scripts = metadata["maintainer-scripts"].as_str().expect("a folder");
    assert_eq!((units["enable"].as_bool(), units["start"].as_bool()), (Some(false), Some(false)));
    let folder = units["unit-scripts"].as_str().expect("a folder");
    for file in ["tailfill.service", "tailfill.sysusers"] {
        assert!(root().join(folder).join(file).is_file(), "cargo-deb looks for {folder}/{file}");
    }
    for script in ["postinst", "postrm"] {
        let text = text(&format!("{scripts}/{script}"));
        assert!(text.lines().any(|line| line == "#DEBHELPER#"), "{script} has no place for the unit's part");
        assert!(!text.contains("systemctl"), "{script} starts or enables a unit");
    }
}
