//! Values that are words: extractors, offset resets, codecs, how metadata is recovered.

use super::{ConfigError, DAY_MS};
use crate::types::AutoOffsetReset;
use crate::wire::Compression;

/// What a client does when none of the brokers that it knows can be used (KIP-899; key:
/// `metadata.recovery.strategy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetadataRecoveryStrategy {
    /// It begins with `bootstrap.servers` again.
    #[default]
    Rebootstrap,
    /// It goes on trying those it knows.
    None,
}

impl MetadataRecoveryStrategy {
    pub(super) fn parse(key: &str, value: &str) -> Result<Self, ConfigError> {
        if value.eq_ignore_ascii_case("rebootstrap") {
            Ok(Self::Rebootstrap)
        } else if value.eq_ignore_ascii_case("none") {
            Ok(Self::None)
        } else {
            Err(ConfigError::invalid(key, value, "rebootstrap or none"))
        }
    }
}

/// `true` or `false` in any case, as Java's.
pub(super) fn parse_bool(key: &str, value: &str) -> Result<bool, ConfigError> {
    if value.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if value.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err(ConfigError::invalid(key, value, "true or false"))
    }
}

/// Which time a record has by what stands around its key and value (`default.timestamp.extractor`,
/// under the names of Java's classes). Sources may have extractors of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DefaultTimestampExtractor {
    /// The record's own timestamp; a negative one stops the thread.
    #[default]
    FailOnInvalidTimestamp,
    /// The record's own timestamp; a record with a negative one is dropped.
    LogAndSkipOnInvalidTimestamp,
    /// The record's own timestamp, or the partition time where that is negative.
    UsePartitionTimeOnInvalidTimestamp,
    /// The wall clock.
    WallclockTimestampExtractor,
}

impl DefaultTimestampExtractor {
    /// By the name of Java's class, with or without its package.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let name = text.strip_prefix("org.apache.kafka.streams.processor.");
        Some(match name.unwrap_or(text) {
            "FailOnInvalidTimestamp" => Self::FailOnInvalidTimestamp,
            "LogAndSkipOnInvalidTimestamp" => Self::LogAndSkipOnInvalidTimestamp,
            "UsePartitionTimeOnInvalidTimestamp" => Self::UsePartitionTimeOnInvalidTimestamp,
            "WallclockTimestampExtractor" => Self::WallclockTimestampExtractor,
            _ => return None,
        })
    }
}

impl AutoOffsetReset {
    /// As the values of `auto.offset.reset`: `by_duration:` has an ISO 8601 duration behind it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "earliest" => Self::Earliest,
            "latest" => Self::Latest,
            "none" => Self::None,
            _ => Self::ByDuration {
                duration_ms: parse_duration_ms(text.strip_prefix("by_duration:")?)?,
            },
        })
    }
}

pub(super) fn parse_compression(key: &str, value: &str) -> Result<Compression, ConfigError> {
    let available = || {
        let all = Compression::ALL.into_iter();
        all.filter(|codec| codec.is_available())
    };
    let found = available().find(|codec| codec.name() == value);
    found.ok_or_else(|| {
        let names: Vec<&str> = available().map(Compression::name).collect();
        ConfigError::invalid(key, value, format!("one of {}", names.join(", ")))
    })
}

/// An ISO 8601 duration as Java's `Duration.parse` reads it, in whole milliseconds.
fn parse_duration_ms(text: &str) -> Option<u64> {
    let (days, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (text.strip_prefix('P')?, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let mut total_ms = 0_u64;
    let mut add = |rest: &str, units: &[(char, u64)]| -> Option<()> {
        let (mut rest, mut units) = (rest, units.iter());
        while !rest.is_empty() {
            let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
            let unit = rest[end..].chars().next()?;
            // Units come from the largest down.
            let (_, unit_ms) = units.by_ref().find(|(letter, _)| *letter == unit)?;
            let (whole, fraction) = match rest[..end].split_once('.') {
                Some((whole, fraction)) if unit == 'S' => (whole, fraction),
                Some(_) => return None,
                None => (&rest[..end], "000"),
            };
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
                return None;
            }
            let mut millis: String = fraction.chars().take(3).collect();
            while millis.len() < 3 {
                millis.push('0');
            }
            let whole_ms = whole.parse::<u64>().ok()?.checked_mul(*unit_ms)?;
            total_ms = total_ms
                .checked_add(whole_ms)?
                .checked_add(millis.parse().ok()?)?;
            rest = &rest[end + 1..];
        }
        Some(())
    };
    add(days, &[('D', DAY_MS)])?;
    add(time, &[('H', 3_600_000), ('M', 60_000), ('S', 1000)])?;
    Some(total_ms)
}
