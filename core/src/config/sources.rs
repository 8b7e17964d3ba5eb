//! Configurations from maps and from Java's properties files.

use std::fmt;

use super::{ConfigError, ConfigWarning, StreamsConfig, parse_properties};

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { key } => write!(f, "configuration key {key:?} is not known"),
            Self::Ignored { key, reason } => {
                write!(f, "configuration key {key:?} has no effect: {reason}")
            }
        }
    }
}

impl StreamsConfig {
    /// The configuration that a map has under Java's keys; `application.id` and `bootstrap.servers`
    /// must be there. The order does not matter. Keys that are not known are
    /// [warned about](Self::warnings), as they may be for something else.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] without one of the two keys, [`ConfigError::Invalid`] for a value that
    /// is not allowed.
    pub fn from_map<K: AsRef<str>, V: AsRef<str>>(
        map: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        let entries: Vec<(K, V)> = map.into_iter().collect();
        let required = |wanted: &'static str| {
            let mut entries = entries.iter().rev();
            let found = entries.find(|(key, _)| key.as_ref() == wanted);
            found
                .map(|(_, value)| value.as_ref().trim())
                .ok_or(ConfigError::Missing { key: wanted })
        };
        let mut config = Self::new(required("application.id")?, required("bootstrap.servers")?)?;
        for (key, value) in &entries {
            let (key, value) = (key.as_ref(), value.as_ref().trim());
            match config.apply(key, value) {
                _ if key == "application.id" => {}
                Err(ConfigError::Unknown { key }) => config.warn(ConfigWarning::Unknown { key }),
                result => result?,
            }
        }
        Ok(config)
    }

    /// The configuration that the text of a Java properties file has (`java.util.Properties`): as
    /// [`from_map`](Self::from_map).
    ///
    /// ```
    /// use eddyline_core::config::StreamsConfig;
    ///
    /// let text = "application.id = word-count\nbootstrap.servers: localhost:9092\n# none of ours\nmy.key=1\n";
    /// let config = StreamsConfig::from_properties(text)?;
    /// assert_eq!(config.application_id(), "word-count");
    /// assert_eq!(config.warnings()[0].to_string(), "configuration key \"my.key\" is not known");
    /// # Ok::<(), eddyline_core::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// As `from_map` and [`parse_properties`].
    pub fn from_properties(text: &str) -> Result<Self, ConfigError> {
        Self::from_map(parse_properties(text)?)
    }

    /// What was given and has no effect: a driver shows it; `KafkaStreams` logs it when it starts.
    pub fn warnings(&self) -> &[ConfigWarning] {
        &self.warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIRED: [(&str, &str); 2] = [("application.id", "app"), ("bootstrap.servers", "a:1")];

    fn with(entries: &[(&str, &str)]) -> Result<StreamsConfig, ConfigError> {
        StreamsConfig::from_map(REQUIRED.iter().chain(entries).copied())
    }

    #[test]
    fn required_keys_are_missed_and_wrong_values_refused_with_their_whole_key() {
        let missing = StreamsConfig::from_map([("application.id", "app")]);
        let key = "bootstrap.servers";
        assert_eq!(missing, Err(ConfigError::Missing { key }));
        let refused = with(&[("consumer.max.poll.records", "0")]).expect_err("refused");
        let message = refused.to_string();
        let expected = "configuration consumer.max.poll.records = \"0\" is not valid: give a whole \
                        number from 1 to 2147483647";
        assert_eq!(message, expected);
        let classic = with(&[("group.protocol", "classic")]).expect_err("refused");
        assert!(classic.to_string().contains("KIP-1071"), "{classic}");
        assert!(with(&[("group.protocol", "STREAMS")]).is_ok());
        assert!(with(&[("consumer.group.instance.id", "a")]).is_err());
    }

    #[test]
    fn the_order_of_a_map_does_not_matter() {
        let entries = [
            ("max.poll.records", "1"),
            ("main.consumer.max.poll.records", "3"),
            ("consumer.max.poll.records", "2"),
            ("statestore.cache.max.bytes", "10"),
            ("cache.max.bytes.buffering", "20"),
        ];
        for turn in 0..entries.len() {
            let mut turned = entries;
            turned.rotate_left(turn);
            let config = with(&turned).expect("valid");
            assert_eq!(config.max_poll_records(), 3);
            assert_eq!(config.statestore_cache_max_bytes(), 10);
            assert!(config.warnings().is_empty());
        }
        let old = with(&[("cache.max.bytes.buffering", "20")]).expect("valid");
        assert_eq!(old.statestore_cache_max_bytes(), 20);
        let shadowed = [
            ("main.consumer.fetch.max.bytes", "1"),
            ("fetch.max.bytes", "x"),
        ];
        assert!(
            with(&shadowed).is_err(),
            "invalid although it is overridden"
        );
    }

    /// Those of `StreamsConfig`, `ConsumerConfig` and `ProducerConfig` of Kafka 4.3.1.
    #[test]
    fn every_key_of_java_is_known() {
        let keys = include_str!("keys_of_java.txt").lines();
        let unknown: Vec<&str> = keys
            .filter(|key| {
                let config = StreamsConfig::new("app", "a:1").expect("valid");
                let set = config.set(key, "1");
                matches!(set, Err(ConfigError::Unknown { .. }))
            })
            .collect();
        assert_eq!(
            unknown,
            ["application.id"],
            "which is given when it is made"
        );
    }

    #[test]
    fn keys_without_effect_are_warned_about() {
        let config = with(&[
            ("no.such", "1"),
            ("num.standby.replicas", "1"),
            ("restore.consumer.fetch.max.bytes", "1"),
            ("producer.acks", "all"),
            ("default.key.serde", "x"),
        ]);
        let config = config.expect("valid");
        let warned: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
        assert_eq!(warned.len(), 5, "{warned:?}");
        assert!(warned[1].contains("streams.num.standby.replicas"));
        let set = config.clone().set("no.such", 1);
        assert!(
            matches!(set, Err(ConfigError::Unknown { .. })),
            "a slip in a program"
        );
        let none = with(&[("num.standby.replicas", "0")]).expect("valid");
        assert!(none.warnings().is_empty());
    }

    #[test]
    fn clients_have_tags_and_a_rack() {
        let config = with(&[("client.tag.zone", "eu"), ("consumer.client.rack", "r1")]);
        let config = config.expect("valid");
        assert_eq!(
            config.client_tags().get("zone").map(String::as_str),
            Some("eu")
        );
        assert_eq!(config.client_rack(), Some("r1"));
        let long = format!("client.tag.{}", "k".repeat(21));
        for wrong in [("client.tag.", "x"), ("client.tag.a", " "), (&long, "x")] {
            assert!(with(&[wrong]).is_err(), "{wrong:?}");
        }
    }
}
