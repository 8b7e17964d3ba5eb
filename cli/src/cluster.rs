//! Which cluster a command talks to, and how.

use std::path::PathBuf;

use eddyline::StreamsConfig;
use eddyline::config::parse_properties;

use crate::Failure;

#[derive(clap::Args)]
pub(crate) struct Cluster {
    /// The cluster as HOST:PORT [default: bootstrap.servers of the configuration]
    #[arg(long)]
    bootstrap: Option<String>,
    /// A file of Java properties: security.protocol, sasl.*, ssl.* and others
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Cluster {
    /// The configuration of an application there; `None` where nothing says where the cluster is.
    /// Keys that mean nothing here are warned about, as by Java's clients.
    pub(crate) fn config(&self, application_id: &str) -> Result<Option<StreamsConfig>, Failure> {
        let pairs = self.properties()?;
        let last = |wanted| pairs.iter().rev().find(|(key, _)| key == wanted);
        let given = last("bootstrap.servers").map(|(_, servers)| servers);
        let Some(bootstrap) = self.bootstrap.as_ref().or(given) else {
            return Ok(None);
        };
        let named = [
            ("application.id", application_id),
            ("bootstrap.servers", bootstrap),
        ];
        let is_named = |wanted: &str| named.iter().any(|(key, _)| *key == wanted);
        let others = pairs.iter().filter(|(key, _)| !is_named(key));
        let others = others.map(|(key, value)| (key.as_str(), value.as_str()));
        let config = StreamsConfig::from_map(named.into_iter().chain(others))?;
        for warning in config.warnings() {
            eprintln!("eddyline: {warning}");
        }
        Ok(Some(config))
    }

    fn properties(&self) -> Result<Vec<(String, String)>, Failure> {
        let Some(path) = &self.config else {
            return Ok(Vec::new());
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure(format!("cannot read {}: {error}", path.display())))?;
        Ok(parse_properties(&text)?)
    }
}
