//! `perennial init`: a folder with everything that a gateway with identities needs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use perennial::{addresses, config::Source};
use perennial_certs::{
    Authority, Directory, KeyKind, ServerName,
    files::{Readers, create, create_folder},
};

use super::{Failure, certs::day, files::quoted, print};

/// What a device may do of which nothing else is said.
const DEFAULT_POLICY: &str = include_str!("init/default.json");

/// The beginning of the configuration; what is in braces differs from gateway to gateway.
const CONFIG: &str = include_str!("init/perennial.toml");

#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// The folder to make, or one that holds no gateway yet
    dir: PathBuf,
    /// A host name or an address that devices call the gateway by, beside the host name and the
    /// addresses that this machine has
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<ServerName>,
    /// What the keys of the authority and of the listeners are made for
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Key::Ecdsa)]
    key: Key,
}

/// What a key is made for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Key {
    /// ECDSA on P-256
    Ecdsa,
    /// RSA with 2048 bits, for old devices
    Rsa,
}

impl From<Key> for KeyKind {
    fn from(key: Key) -> Self {
        match key {
            Key::Ecdsa => Self::Ecdsa,
            Key::Rsa => Self::Rsa,
        }
    }
}

/// What is made in the folder.
const CONFIG_FILE: &str = "perennial.toml";
const ACCESS: &str = "access";
const DATA: &str = "data";

/// Makes a folder with a configuration, an authority and a first policy.
pub(super) fn init(args: &InitArgs) -> Result<(), Failure> {
    let dir = absolute(&args.dir)?;
    refuse_another(&dir)?;
    create_folder(&dir)?;
    let unfinished = dir.join(format!(".perennial-init-{:016x}", fastrand::u64(..)));
    let made = make(&unfinished, &dir, args).and_then(|until| {
        put_in_place(&unfinished, &dir)?;
        Ok(until)
    });
    // Nothing is in it that is of any use; what went wrong is what is told.
    fs::remove_dir_all(&unfinished).ok();
    print(&told(&dir, &made?))
}

/// The folder by its full name, which the configuration has in it.
fn absolute(dir: &Path) -> Result<PathBuf, Failure> {
    let dir = std::path::absolute(dir).map_err(|source| Failure::Unreadable {
        path: dir.to_owned(),
        source,
    })?;
    match dir.to_str() {
        Some(_) => Ok(dir),
        None => Err(Failure::Asked(format!(
            "the name {dir:?} is not UTF-8, which a configuration is written in"
        ))),
    }
}

fn refuse_another(dir: &Path) -> Result<(), Failure> {
    for name in [CONFIG_FILE, ACCESS, DATA] {
        let path = dir.join(name);
        if path.symlink_metadata().is_ok() {
            let problem = format!("there is {} already, and it stays as it is", path.display());
            return Err(Failure::Asked(problem));
        }
    }
    Ok(())
}

/// Makes everything in `unfinished`, for a gateway in `dir`; the listeners' certificate is valid
/// until the day that it answers.
fn make(unfinished: &Path, dir: &Path, args: &InitArgs) -> Result<String, Failure> {
    let access = Directory::new(unfinished.join(ACCESS));
    let host = addresses::host_name();
    let authority =
        Authority::create(&access, args.key.into(), &format!("Perennial CA of {host}"))?;
    let issued = authority.issue_server(&addresses::server_names(&args.names))?;
    let folders = [
        access.things(),
        access.groups(),
        access.policies(),
        access.trusted(),
        access.revocations(),
        unfinished.join(DATA),
    ];
    for folder in folders {
        create_folder(&folder)?;
    }
    let policy = access.policies().join("default.json");
    create(&policy, DEFAULT_POLICY.as_bytes(), Readers::All)?;
    let config = config(dir, &args.names);
    create(
        &unfinished.join(CONFIG_FILE),
        config.as_bytes(),
        Readers::Owner,
    )?;
    Ok(day(issued.certificate.not_after()))
}

/// The configuration that is written.
fn config(dir: &Path, names: &[ServerName]) -> String {
    let path = |name: &str| toml_text(&dir.join(name).display().to_string());
    let names: Vec<_> = names
        .iter()
        .map(|name| toml_text(&name.to_string()))
        .collect();
    let names = match names.is_empty() {
        true => "# names = [\"gateway.local\"]".to_owned(),
        false => format!("names = [{}]", names.join(", ")),
    };
    let text = CONFIG
        .replace("{data}", &path(DATA))
        .replace("{access}", &path(ACCESS))
        .replace("{names}", &names);
    format!("{text}\n{}", connectors())
}

/// The connectors and rules of the configuration that runs when none is given.
fn connectors() -> String {
    let embedded = Source::embedded();
    let after_listener = embedded.as_str().split_once("\naddress = ");
    let below = after_listener.and_then(|(_, rest)| rest.split_once("\n\n"));
    let connectors = below.map(|(_, connectors)| connectors).unwrap_or_default();
    connectors.replace("`perennial-data/", &format!("`{DATA}/"))
}

/// `text` as TOML has texts.
fn toml_text(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if character.is_control() => {
                quoted += &format!("\\u{:04x}", u32::from(character));
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// Moves what was made to where it belongs. Of two that do so at the same time one gets past the
/// first step: a folder does not replace one that is not empty.
fn put_in_place(unfinished: &Path, dir: &Path) -> Result<(), Failure> {
    let mut moved = Vec::new();
    for name in [ACCESS, CONFIG_FILE, DATA] {
        let (from, to) = (unfinished.join(name), dir.join(name));
        if let Err(source) = fs::rename(&from, &to) {
            for (from, to) in moved {
                // It goes with the rest that is unfinished.
                fs::rename(to, from).ok();
            }
            return Err(Failure::Unwritable { path: to, source });
        }
        moved.push((from, to));
    }
    Ok(())
}

fn told(dir: &Path, until: &str) -> String {
    let config = dir.join(CONFIG_FILE);
    let (shown, config) = (dir.display(), quoted(&config));
    format!(
        "Made in {shown}:
  perennial.toml           the configuration: MQTT on 8883, HTTPS on 8443
  access/ca.pem, ca.key    the authority; keep the key, and a copy of it, to yourself
  access/server.pem        what the listeners show, until {until}; renewed by itself
  access/policies/         what devices may do
  data/                    everything that the gateway writes

Next:
  perennial things add NAME --config {config}
  perennial run --config {config}
"
    )
}

#[cfg(test)]
mod tests {
    use perennial_certs::Policy;

    use super::*;

    #[test]
    fn the_configuration_that_is_written_is_right() {
        let names = ["gateway.local".parse().unwrap(), "::1".parse().unwrap()];
        let text = config(Path::new("/a \"b\"\\c"), &names);
        let config = Source::text("p.toml", text).read().unwrap();
        let dir = Path::new("/a \"b\"\\c");
        assert_eq!(config.data_dir, dir.join("data"));
        let access = config.access.unwrap();
        assert_eq!(access.directory, dir.join("access"));
        assert_eq!(access.names, names);
        assert!(config.discovery.is_some());
        let ports: Vec<_> = config
            .listeners
            .iter()
            .map(|settings| {
                (
                    settings.listener.address.to_string(),
                    settings.tls.is_some(),
                    settings.takes_anonymous(),
                )
            })
            .collect();
        assert_eq!(
            ports,
            [
                ("0.0.0.0:8883".to_owned(), true, false),
                ("0.0.0.0:8443".to_owned(), true, false)
            ]
        );
    }

    #[test]
    fn connectors_and_rules_are_those_of_the_embedded_default() {
        let text = config(Path::new("/a"), &[]);
        let config = Source::text("p.toml", text).read().unwrap();
        let embedded = perennial::config::Config::embedded();
        assert_eq!(config.rules, embedded.rules);
        let names = |config: &perennial::config::Config| -> Vec<String> {
            config
                .connectors
                .iter()
                .map(|connector| connector.name.clone())
                .collect()
        };
        assert_eq!(names(&config), names(&embedded));
    }

    #[test]
    fn the_first_policy_is_one() {
        assert!(Policy::parse("default", DEFAULT_POLICY).is_ok());
    }

    #[test]
    fn a_text_is_read_as_it_was_written() {
        for text in ["plain", "a \"b\" \\ c", "tab\tand\u{7f}", "é"] {
            let document = format!("data_dir = {}", toml_text(text));
            let config = Source::text("p.toml", document).read().unwrap();
            assert_eq!(config.data_dir, Path::new(text));
        }
    }

    #[test]
    fn what_is_in_place_is_not_touched_when_something_is_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let (unfinished, dir) = (folder.path().join("new"), folder.path().join("dir"));
        for path in [
            unfinished.join(ACCESS),
            unfinished.join(DATA),
            dir.join(DATA).join("x"),
        ] {
            fs::create_dir_all(path).unwrap();
        }
        fs::write(unfinished.join(CONFIG_FILE), "").unwrap();
        put_in_place(&unfinished, &dir).unwrap_err();
        let left: Vec<_> = dir
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, [DATA]);
    }
}
