//! Global stores: read to their end before tasks begin, and ever after.

use super::TaskRunner;
use crate::error::StreamsError;
use crate::task::GlobalTask;
use crate::thread::message::{ClientMessage, StartFrom};
use crate::time::Now;
use crate::trace::{Level, LogEvent};
use crate::types::TopicName;

impl TaskRunner {
    /// Makes the global stores, if the topology has any.
    pub(super) fn open_globals(&mut self) -> Result<(), StreamsError> {
        if self.globals.is_none() {
            self.globals = GlobalTask::new(self.now, &self.topology, &self.config)?;
        }
        Ok(())
    }

    /// Begins to read the partitions of global topics that were not there before.
    pub(super) fn read_globals(&mut self, counts: &[(TopicName, i32)]) -> Result<(), StreamsError> {
        self.open_globals()?;
        for (topic, count) in counts {
            let globals = self.globals.as_mut();
            let new = globals.map(|globals| globals.new_partitions(topic, *count));
            for partition in new.unwrap_or_default() {
                let from = StartFrom::Restore { from: 0 };
                self.tell(ClientMessage::Start { partition, from });
            }
        }
        Ok(())
    }

    /// Applies what was read; `true` when there is more right away.
    pub(super) fn run_globals(
        &mut self,
        now: Now,
        max_records: usize,
    ) -> Result<bool, StreamsError> {
        let Some(globals) = &mut self.globals else {
            return Ok(false);
        };
        let (consumed, more) = globals.run(now, max_records)?;
        if let Some(reason) = globals.take_drop_reason() {
            let log = LogEvent::new(Level::Warn, reason);
            self.events.push_back(super::RunnerEvent::Log(log));
        }
        for (partition, bytes) in consumed {
            self.tell(ClientMessage::Consumed { partition, bytes });
        }
        Ok(more)
    }

    /// True when tasks may begin.
    pub(super) fn globals_are_ready(&self) -> bool {
        self.globals.as_ref().is_none_or(GlobalTask::is_ready)
    }

    /// Reads global topics no further.
    pub(super) fn close_globals(&mut self) {
        let Some(globals) = self.globals.take() else {
            return;
        };
        for partition in globals.partitions().cloned().collect::<Vec<_>>() {
            self.tell(ClientMessage::Stop { partition });
        }
    }
}
