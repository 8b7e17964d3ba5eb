//! What the stores of the DSL are made of where an operator does not say.

use super::ConfigError;

/// Where the rows of a store lie (Java: `BuiltInDslStoreSuppliers`; keys: `dsl.store.suppliers.class`,
/// `default.dsl.store`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreType {
    /// In the order of Java's RocksDB stores, on disk where there is storage for it.
    #[default]
    Persistent,
    /// In memory.
    InMemory,
}

impl StoreType {
    pub(super) fn parse(key: &str, value: &str) -> Result<Self, ConfigError> {
        let name = value.rsplit(['.', '$']).next().unwrap_or(value);
        match name {
            "RocksDBDslStoreSuppliers" | "rocksDB" => Ok(Self::Persistent),
            "InMemoryDslStoreSuppliers" | "in_memory" => Ok(Self::InMemory),
            _ => Err(ConfigError::invalid(
                key,
                value,
                "RocksDBDslStoreSuppliers or InMemoryDslStoreSuppliers (rocksDB or in_memory for \
                 default.dsl.store)",
            )),
        }
    }
}

/// What stands beside a value in the rows of a table (KIP-1285; key: `dsl.store.format`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DslStoreFormat {
    /// Its timestamp; nothing in session stores.
    #[default]
    Default,
    /// Headers too.
    Headers,
}

impl DslStoreFormat {
    pub(super) fn parse(key: &str, value: &str) -> Result<Self, ConfigError> {
        if value.eq_ignore_ascii_case("default") {
            Ok(Self::Default)
        } else if value.eq_ignore_ascii_case("headers") {
            Ok(Self::Headers)
        } else {
            Err(ConfigError::invalid(key, value, "DEFAULT or HEADERS"))
        }
    }
}
