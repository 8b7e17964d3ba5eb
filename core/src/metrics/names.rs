//! The metrics there are, in Java's words (`ClientMetrics`, `ThreadMetrics`, `TaskMetrics`,
//! `ProcessorNodeMetrics`, `TopicMetrics`, `NamedCacheMetrics`, `StateStoreMetrics`,
//! `DefaultStateUpdater`, `FetchMetricsRegistry`).

use super::Definition;
use super::RecordingLevel::{Debug, Info};

macro_rules! metrics {
    ($( $group:literal { $( $item:ident, $name:literal, $level:ident, $description:expr; )* } )*) => {
        $($( pub(crate) const $item: Definition = Definition {
            group: $group,
            name: $name,
            description: $description,
            level: $level,
        }; )*)*

        #[cfg(test)]
        pub(crate) const ALL: &[&Definition] = &[ $($( &$item, )*)* ];
    };
}

macro_rules! end_to_end {
    ($what:literal) => {
        concat!(
            "The ",
            $what,
            " end-to-end latency of a record, measuring by comparing the record timestamp with the \
             system time when it has been fully processed by the node"
        )
    };
}

macro_rules! lateness {
    ($what:literal) => {
        concat!(
            "The observed ",
            $what,
            " lateness of records in milliseconds, measured by comparing the record timestamp with \
             the current stream time"
        )
    };
}

metrics! {
    "stream-metrics" {
        VERSION, "version", Info, "The version of the Kafka Streams client";
        APPLICATION_ID, "application-id", Info, "The application ID of the Kafka Streams client";
        TOPOLOGY_DESCRIPTION, "topology-description", Info,
            "The description of the topology executed in the Kafka Streams client";
        STATE, "state", Info, "The state of the Kafka Streams client";
        CLIENT_STATE, "client-state", Info, "The state of the Kafka Streams client";
        ALIVE_STREAM_THREADS, "alive-stream-threads", Info,
            "The current number of alive stream threads that are running or participating in rebalance";
        FAILED_STREAM_THREADS, "failed-stream-threads", Info,
            "The number of failed stream threads since the start of the Kafka Streams client";
        RECORDING_LEVEL, "recording-level", Info,
            "The metrics recording level of the Kafka Streams client";
    }
    "stream-thread-metrics" {
        THREAD_STATE_NAME, "state", Info, "The current state of the thread";
        THREAD_STATE, "thread-state", Info, "The current state of the thread";
        THREAD_START_TIME, "thread-start-time", Info, "The time that the thread was started";
        THREAD_COMMIT_TOTAL, "commit-total", Info, "The total number of calls to commit";
        THREAD_COMMIT_LATENCY_AVG, "commit-latency-avg", Info, "The average commit latency";
        THREAD_COMMIT_LATENCY_MAX, "commit-latency-max", Info, "The maximum commit latency";
        THREAD_POLL_TOTAL, "poll-total", Info, "The total number of calls to poll";
        THREAD_PROCESS_TOTAL, "process-total", Info, "The total number of calls to process";
        THREAD_PROCESS_RECORDS_AVG, "process-records-avg", Info,
            "The average number of records processed within an iteration";
        THREAD_PROCESS_RECORDS_MAX, "process-records-max", Info,
            "The maximum number of records processed within an iteration";
        THREAD_PUNCTUATE_TOTAL, "punctuate-total", Info, "The total number of calls to punctuate";
        THREAD_TASK_CREATED_TOTAL, "task-created-total", Info,
            "The total number of newly created tasks";
        THREAD_TASK_CLOSED_TOTAL, "task-closed-total", Info, "The total number of closed tasks";
    }
    "stream-task-metrics" {
        TASK_PROCESS_TOTAL, "process-total", Debug, "The total number of calls to process";
        TASK_PUNCTUATE_TOTAL, "punctuate-total", Debug, "The total number of calls to punctuate";
        TASK_DROPPED_RECORDS_TOTAL, "dropped-records-total", Info,
            "The total number of dropped records";
        TASK_ENFORCED_PROCESSING_TOTAL, "enforced-processing-total", Debug,
            "The total number of occurrences of enforced-processing operations";
        TASK_RECORD_LATENESS_AVG, "record-lateness-avg", Debug, lateness!("average");
        TASK_RECORD_LATENESS_MAX, "record-lateness-max", Debug, lateness!("maximum");
        TASK_ACTIVE_BUFFER_COUNT, "active-buffer-count", Debug,
            "The count of buffered records that are polled from consumer and not yet processed for this \
             active task";
        TASK_CACHE_SIZE_BYTES_TOTAL, "cache-size-bytes-total", Debug,
            "The total size in bytes of this task's cache.";
        TASK_RESTORE_REMAINING_RECORDS_TOTAL, "restore-remaining-records-total", Info,
            "The total number of records remaining to be restored";
        TASK_RESTORE_TOTAL, "restore-total", Debug, "The total number of records restored";
        TASK_UPDATE_TOTAL, "update-total", Debug, "The total number of records updated";
    }
    "stream-processor-node-metrics" {
        NODE_PROCESS_TOTAL, "process-total", Debug, "The total number of calls to process";
        NODE_RECORD_E2E_LATENCY_AVG, "record-e2e-latency-avg", Info, end_to_end!("average");
        NODE_RECORD_E2E_LATENCY_MIN, "record-e2e-latency-min", Info, end_to_end!("minimum");
        NODE_RECORD_E2E_LATENCY_MAX, "record-e2e-latency-max", Info, end_to_end!("maximum");
        NODE_SUPPRESSION_EMIT_TOTAL, "suppression-emit-total", Debug,
            "The total number of emitted records from the suppression buffer";
        NODE_WINDOW_AGGREGATE_FINAL_EMIT_TOTAL, "window-aggregate-final-emit-total", Debug,
            "The total number of emit final records";
    }
    "stream-record-cache-metrics" {
        CACHE_HIT_RATIO_AVG, "hit-ratio-avg", Debug, "The average cache hit ratio";
        CACHE_HIT_RATIO_MIN, "hit-ratio-min", Debug, "The minimum cache hit ratio";
        CACHE_HIT_RATIO_MAX, "hit-ratio-max", Debug, "The maximum cache hit ratio";
    }
    "stream-state-metrics" {
        STORE_NUM_KEYS, "num-keys", Info, "The current number of keys in the in-memory state store";
        STORE_SUPPRESSION_BUFFER_COUNT_AVG, "suppression-buffer-count-avg", Debug,
            "The average count of buffered records";
        STORE_SUPPRESSION_BUFFER_COUNT_MAX, "suppression-buffer-count-max", Debug,
            "The maximum count of buffered records";
        STORE_SUPPRESSION_BUFFER_SIZE_AVG, "suppression-buffer-size-avg", Debug,
            "The average size of buffered records";
        STORE_SUPPRESSION_BUFFER_SIZE_MAX, "suppression-buffer-size-max", Debug,
            "The maximum size of buffered records";
    }
    "stream-state-updater-metrics" {
        UPDATER_ACTIVE_RESTORING_TASKS, "active-restoring-tasks", Info,
            "The number of active tasks currently undergoing restoration";
        UPDATER_STANDBY_UPDATING_TASKS, "standby-updating-tasks", Info,
            "The number of standby tasks currently undergoing state update";
        UPDATER_ACTIVE_PAUSED_TASKS, "active-paused-tasks", Info,
            "The number of active tasks paused restoring";
        UPDATER_STANDBY_PAUSED_TASKS, "standby-paused-tasks", Info,
            "The number of standby tasks paused state update";
    }
    "consumer-fetch-manager-metrics" {
        RECORDS_LAG, "records-lag", Info, "The latest lag of the partition.";
    }
    "stream-topic-metrics" {
        TOPIC_RECORDS_CONSUMED_TOTAL, "records-consumed-total", Info,
            "The total number of records consumed from this topic";
        TOPIC_BYTES_CONSUMED_TOTAL, "bytes-consumed-total", Info,
            "The total number of bytes consumed from this topic";
        TOPIC_RECORDS_PRODUCED_TOTAL, "records-produced-total", Info,
            "The total number of records produced to this topic";
        TOPIC_BYTES_PRODUCED_TOTAL, "bytes-produced-total", Info,
            "The total number of bytes produced to this topic";
    }
}
