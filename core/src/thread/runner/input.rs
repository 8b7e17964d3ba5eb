//! What comes of the brokers: positions, records, changelogs.

use super::standby::Role;
use super::{RunnerEvent, TaskRunner};
use crate::error::StreamsError;
use crate::mutation::Mutation;
use crate::task::{StreamTask, TaskState};
use crate::thread::message::{ClientMessage, StartFrom};
use crate::trace::Level;
use crate::types::{TaskId, TopicPartition};
use crate::wire::RecordBatch;

impl TaskRunner {
    fn task_of(&mut self, partition: &TopicPartition) -> Option<&mut StreamTask> {
        self.tasks
            .values_mut()
            .find(|task| task.has_partition(partition))
    }

    pub(super) fn started(
        &mut self,
        partition: &TopicPartition,
        offset: i64,
        end: Option<i64>,
        metadata: &str,
    ) {
        if let Some(globals) = &mut self.globals
            && globals.started(partition, offset, end)
        {
            return;
        }
        let offset = if end.is_some() && self.config.mutant.is(Mutation::StoredStale) {
            self.restored_to(partition).unwrap_or(offset)
        } else {
            offset
        };
        let Some(task) = self.task_of(partition) else {
            return self.standby_started(partition, offset, end.unwrap_or(offset));
        };
        let started = task.started(partition, offset, end, metadata);
        if let Some((end, store)) = end.zip(task.store_of(partition)) {
            let partition = partition.clone();
            self.events.push_back(RunnerEvent::RestoreStarted {
                store,
                partition,
                offset,
                end,
            });
        }
        if let Err(warning) = started {
            self.log(Level::Warn, warning);
        }
    }

    /// The changelog offset up to which the state is known here.
    fn restored_to(&mut self, partition: &TopicPartition) -> Option<i64> {
        if let Some(task) = self.task_of(partition) {
            return task.restored_to(partition);
        }
        let standby = self.standby_of(partition)?;
        let mut copies = standby.progress();
        let copy = copies.find(|copy| copy.partition == *partition);
        copy.map(|copy| copy.position)
    }

    pub(super) fn records(
        &mut self,
        partition: &TopicPartition,
        batches: Vec<RecordBatch>,
        next_offset: i64,
        log_end: i64,
    ) {
        let now = self.now;
        let batches = match &mut self.globals {
            Some(globals) => globals.push(partition, batches, next_offset),
            None => Some(batches),
        };
        let Some(batches) = batches else {
            return;
        };
        if let Some(standby) = self.standby_of(partition) {
            return standby.push(partition, batches, next_offset, log_end);
        }
        let Some(task) = self.task_of(partition) else {
            return;
        };
        if let Err(error) = task.push(now, partition, batches, next_offset, log_end) {
            self.fail(error);
        }
    }

    /// Applies changelog records, task by task; `true` when there are more right away. While it is
    /// paused only tasks without any go on.
    pub(super) fn restore(&mut self, max_records: usize) -> Result<bool, StreamsError> {
        let mut left = if self.is_paused { 0 } else { max_records };
        let (mut restored, ready) = (Vec::new(), self.globals_are_ready());
        for task in self
            .tasks
            .values_mut()
            .filter(|task| task.state == TaskState::Restoring)
        {
            let progress = task.restore(left)?;
            left -= progress.records.min(left);
            for (partition, bytes) in progress.consumed {
                self.messages
                    .push_back(super::ToClient(ClientMessage::Consumed {
                        partition,
                        bytes,
                    }));
            }
            for (position, records) in progress.applied {
                let batch = RunnerEvent::RestoreBatch { position, records };
                self.events.push_back(batch);
            }
            for (ended, records) in progress.completed {
                let partition = ended.partition;
                let stop = ClientMessage::Stop {
                    partition: partition.clone(),
                };
                self.messages.push_back(super::ToClient(stop));
                self.events.push_back(RunnerEvent::RestoreEnded {
                    store: ended.store,
                    partition,
                    records,
                });
            }
            if task.is_restored() && ready {
                restored.push(task.id);
            }
        }
        for task in restored {
            self.begin_processing(task)?;
        }
        self.tell_restored();
        Ok(!self.is_paused && self.tasks.values().any(StreamTask::can_restore))
    }

    /// Initialises the processors and begins to read the input.
    fn begin_processing(&mut self, id: TaskId) -> Result<(), StreamsError> {
        let now = self.now;
        let Some(task) = self.tasks.get_mut(&id) else {
            return Ok(());
        };
        task.init(now)?;
        let inputs = task.inputs();
        self.change_state(id, TaskState::Running);
        for partition in inputs {
            self.tell(ClientMessage::Start {
                partition,
                from: StartFrom::Committed,
            });
        }
        Ok(())
    }

    pub(super) fn is_restored(&self) -> bool {
        let mut tasks = self.tasks.values();
        let mut waiting = self.waiting.iter();
        waiting.all(|waiting| waiting.role != Role::Active)
            && tasks.all(|task| task.state != TaskState::Restoring)
    }

    /// Tells the client when all tasks are restored, or no longer.
    pub(super) fn tell_restored(&mut self) {
        let Some(told) = self.restored else { return };
        let restored = self.is_restored();
        if restored != told {
            self.restored = Some(restored);
            self.tell(ClientMessage::Restored(restored));
        }
    }
}
