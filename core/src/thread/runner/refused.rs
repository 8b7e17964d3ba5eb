//! Records that a broker refuses: the production handler decides about each (Java:
//! `RecordCollectorImpl.recordSendError`).

use super::TaskRunner;
use crate::client::{Refusal, Verdict};
use crate::error::{
    Decision, ErrorHandlerContext, HandledError, ProductionError, ProductionFailure, StreamsError,
};
use crate::processor::RecordSink as _;
use crate::task::OwnedOrigin;
use crate::thread::message::ClientMessage;

impl TaskRunner {
    /// A batch was refused: its records are dropped, or all of them tried again, or the thread
    /// fails.
    pub(super) fn refused(&mut self, ticket: u64, refusal: &Refusal) {
        // A batch of tasks that are lost is nobody's any more.
        let Some(origins) = self.collector.borrow().origins(ticket).map(<[_]>::to_vec) else {
            return;
        };
        let origins = origins.get(refusal.first_record..).unwrap_or_default();
        match self.decide(refusal, origins) {
            Ok(verdict) => self.tell(ClientMessage::Resolve {
                ticket,
                partition: refusal.partition.clone(),
                verdict,
            }),
            Err(error) => self.fail(error),
        }
    }

    /// Asks about records whose topics were looked for in vain, or take them not (Java: the
    /// `TimeoutException` of `KafkaProducer.waitOnMetadata`).
    pub(super) fn decide_unsent(&mut self) -> Result<(), StreamsError> {
        let unsent = self.collector.borrow_mut().take_unsent();
        if unsent.is_empty() {
            return Ok(());
        }
        for record in unsent {
            // A dead letter has no other place to go.
            let decision = match record.origin() {
                Some(origin) => self.ask(origin, &record.error())?,
                None => Decision::Fail,
            };
            match decision {
                Decision::Resume => {}
                Decision::Retry if record.failure == ProductionFailure::UnknownTopic => {
                    self.collector.borrow_mut().wait_again(record);
                }
                Decision::Retry | Decision::Fail => {
                    return Err(StreamsError::Delivery {
                        partition: record.partition(),
                        message: record.message,
                    });
                }
            }
        }
        self.advance_commit();
        Ok(())
    }

    fn decide(
        &mut self,
        refusal: &Refusal,
        origins: &[Option<OwnedOrigin>],
    ) -> Result<Verdict, StreamsError> {
        let failed = || StreamsError::Delivery {
            partition: refusal.partition.clone(),
            message: refusal.message.clone(),
        };
        let records = refusal.batch.records();
        let records = records.map_err(|error| StreamsError::Protocol(error.to_string()))?;
        let mut verdict = Verdict::Drop;
        for (at, record) in records.iter().enumerate() {
            // A dead letter has no origin, and no other place to go; without handlers nobody has.
            let Some(Some(origin)) = origins.get(at) else {
                return Err(failed());
            };
            let error = ProductionError {
                topic: &refusal.partition.topic,
                partition: Some(refusal.partition.partition),
                key: record.key.as_deref(),
                value: record.value.as_deref(),
                failure: match refusal.code {
                    Some(code) => ProductionFailure::Refused { code },
                    None => ProductionFailure::TimedOut,
                },
                error: HandledError {
                    kind: std::any::type_name::<StreamsError>(),
                    message: &refusal.message,
                },
            };
            match self.ask(origin, &error)? {
                Decision::Retry if refusal.code.is_none() => verdict = Verdict::Retry,
                Decision::Resume => {}
                Decision::Fail | Decision::Retry => return Err(failed()),
            }
        }
        Ok(verdict)
    }

    /// Asks the handler about a record, and sends its dead letters.
    fn ask(
        &mut self,
        origin: &OwnedOrigin,
        error: &ProductionError<'_>,
    ) -> Result<Decision, StreamsError> {
        let handlers = self.config.error_handlers();
        let context = ErrorHandlerContext {
            topic: origin.context.topic.as_ref(),
            partition: origin.context.partition,
            offset: origin.context.offset,
            timestamp: origin.context.timestamp,
            headers: &origin.context.headers,
            node: &origin.node,
            task: origin.task,
            source_raw_key: None,
            source_raw_value: None,
            dead_letter_queue_topic: handlers.dead_letter_queue_topic.as_ref(),
        };
        let response = handlers.production.handle_error(&context, error);
        for letter in &response.dead_letters {
            let letter = letter.record(origin.task, &origin.node)?;
            self.collector.borrow_mut().send(letter)?;
        }
        if response.decision == Decision::Resume
            && let Some(task) = self.tasks.get_mut(&origin.task)
        {
            task.drop_produced(error.topic, error.error);
        }
        Ok(response.decision)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::StreamsConfig;
    use crate::dsl::StreamsBuilder;
    use crate::error::HandlerResponse;
    use crate::processor::{OutgoingRecord, RecordOrigin};
    use crate::thread::{ToClient, message::ClientMessage};
    use crate::time::Now;
    use crate::types::{Headers, RecordContext, TaskId, TopicName};

    /// What the runner says when a record is refused with this code, or not taken in time.
    fn said(code: Option<i16>, is_dead_letter: bool) -> ClientMessage {
        let builder = StreamsBuilder::new();
        builder.stream::<String, String>("in").to("out");
        let config = StreamsConfig::new("app", "a:1").expect("valid");
        let config = config.with_production_exception_handler(
            |context: &ErrorHandlerContext<'_>, error: &ProductionError<'_>| {
                assert_eq!((context.node, error.value), ("sink", Some(b"v".as_slice())));
                HandlerResponse::retry()
            },
        );
        let topology = Arc::new(builder.build().expect("valid"));
        let mut runner = TaskRunner::new(Now::default(), topology, &config);
        let (topic, node) = (TopicName::new("out"), Arc::<str>::from("sink"));
        let (context, headers) = (RecordContext::punctuation(0), Headers::new());
        let origin = RecordOrigin {
            task: TaskId::new(0, 0),
            node: &node,
            context: &context,
        };
        let mut collector = runner.collector.borrow_mut();
        collector.set_partition_count(topic.clone(), 1);
        let sent = collector.send(OutgoingRecord {
            topic: &topic,
            partition: None,
            key: None,
            value: Some(b"v"),
            timestamp: 0,
            headers: &headers,
            origin: Some(origin).filter(|_| !is_dead_letter),
        });
        sent.expect("the topic is known");
        collector.seal_all();
        let sealed = collector.poll_sealed().expect("a batch");
        drop(collector);
        let refusal = Refusal {
            partition: sealed.partition,
            batch: sealed.batch,
            first_record: 0,
            code,
            message: "no".to_owned(),
        };
        runner.refused(sealed.ticket, &refusal);
        let ToClient(message) = runner.poll_message().expect("a message");
        message
    }

    #[test]
    fn only_what_came_too_late_is_tried_again() {
        let again = said(None, false);
        let ClientMessage::Resolve { verdict, .. } = again else {
            panic!("{again:?}");
        };
        assert_eq!(verdict, Verdict::Retry);
        for (code, is_dead_letter) in [(Some(10), false), (None, true)] {
            let message = said(code, is_dead_letter);
            let is_delivery = matches!(
                message,
                ClientMessage::Failed(StreamsError::Delivery { .. })
            );
            assert!(is_delivery, "{message:?}");
        }
    }
}
