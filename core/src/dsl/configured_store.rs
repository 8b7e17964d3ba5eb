//! Stores of which the configuration says what they are made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{DslStoreFormat, StoreType, StreamsConfig};
use crate::state::{CacheBudget, StateStore, StoreBuilder};

/// A store of the DSL that takes its type and its format from the configuration, which is known
/// when a task is made and not when the topology is (Java: `AbstractConfigurableStoreFactory`).
pub(super) struct ConfiguredStore {
    recipes: [Recipe; 4],
}

type Recipe = ((StoreType, DslStoreFormat), Arc<dyn StoreBuilder>);

impl ConfiguredStore {
    /// The store that `make` gives for each type and format; `store_type` is what the user asked
    /// for, whatever the configuration says.
    ///
    /// # Errors
    /// What `make` fails with.
    pub(super) fn builder<E>(
        store_type: Option<StoreType>,
        make: impl Fn(StoreType, DslStoreFormat) -> Result<Arc<dyn StoreBuilder>, E>,
    ) -> Result<Arc<dyn StoreBuilder>, E> {
        let recipe = |configured, format| -> Result<Recipe, E> {
            let made = make(store_type.unwrap_or(configured), format)?;
            Ok(((configured, format), made))
        };
        Ok(Arc::new(Self {
            recipes: [
                recipe(StoreType::Persistent, DslStoreFormat::Default)?,
                recipe(StoreType::Persistent, DslStoreFormat::Headers)?,
                recipe(StoreType::InMemory, DslStoreFormat::Default)?,
                recipe(StoreType::InMemory, DslStoreFormat::Headers)?,
            ],
        }))
    }

    /// The recipe where nothing is configured.
    fn unconfigured(&self) -> &dyn StoreBuilder {
        self.recipes[0].1.as_ref()
    }
}

impl StoreBuilder for ConfiguredStore {
    fn name(&self) -> &str {
        self.unconfigured().name()
    }

    fn is_logged(&self) -> bool {
        self.unconfigured().is_logged()
    }

    fn changelog_config(&self) -> &BTreeMap<String, String> {
        self.unconfigured().changelog_config()
    }

    fn retention_ms(&self) -> Option<i64> {
        self.unconfigured().retention_ms()
    }

    fn history_retention_ms(&self) -> Option<i64> {
        self.unconfigured().history_retention_ms()
    }

    fn configured(&self, config: &StreamsConfig) -> Option<Arc<dyn StoreBuilder>> {
        let wanted = (config.dsl_store_type(), config.dsl_store_format());
        let mut recipes = self.recipes.iter();
        let found = recipes.find(|(configured, _)| *configured == wanted);
        found.map(|(_, recipe)| Arc::clone(recipe))
    }

    fn build(&self, budget: &CacheBudget) -> Box<dyn StateStore> {
        self.unconfigured().build(budget)
    }
}
