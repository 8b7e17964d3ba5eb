//! Incremental fetch sessions (KIP-227), one cache per node.

use std::collections::BTreeMap;

use super::codes;
use super::topics::TopicRef;

/// One partition as a fetch names it.
pub(crate) type PartitionKey = (TopicRef, i32);

/// What a client wants of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) fetch_offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) max_bytes: usize,
}

/// A partition of a session, with what the client was last told.
#[derive(Clone, Debug)]
struct SessionPartition {
    wanted: Wanted,
    order: u64,
    high_watermark: i64,
    log_start_offset: i64,
}

/// A fetch session: the partitions a client need not repeat.
#[derive(Debug)]
pub(crate) struct Session {
    next_epoch: i32,
    uses_ids: bool,
    partitions: BTreeMap<PartitionKey, SessionPartition>,
    /// Partitions that gave data move to the end, so that all get their turn.
    order: BTreeMap<u64, PartitionKey>,
    next_order: u64,
    last_used: u64,
}

impl Session {
    fn new(uses_ids: bool) -> Self {
        Self {
            next_epoch: 1,
            uses_ids,
            partitions: BTreeMap::new(),
            order: BTreeMap::new(),
            next_order: 0,
            last_used: 0,
        }
    }

    fn put(&mut self, key: PartitionKey, wanted: Wanted) {
        if let Some(known) = self.partitions.get_mut(&key) {
            known.wanted = wanted;
            return;
        }
        let order = self.next_order;
        self.next_order += 1;
        self.order.insert(order, key.clone());
        let partition = SessionPartition {
            wanted,
            order,
            high_watermark: -1,
            log_start_offset: -1,
        };
        self.partitions.insert(key, partition);
    }

    fn remove(&mut self, key: &PartitionKey) {
        if let Some(partition) = self.partitions.remove(key) {
            self.order.remove(&partition.order);
        }
    }

    /// The partitions in the order they are served.
    pub(crate) fn wanted(&self) -> Vec<(PartitionKey, Wanted)> {
        let keys = self.order.values();
        keys.filter_map(|key| Some((key.clone(), self.partitions.get(key)?.wanted.clone())))
            .collect()
    }

    /// Whether the client must hear of a partition: it has data or an error, or its bounds moved.
    /// Remembers what the client is told.
    pub(crate) fn must_answer(
        &mut self,
        key: &PartitionKey,
        has_data: bool,
        error: bool,
        bounds: (i64, i64),
    ) -> bool {
        let Some(partition) = self.partitions.get_mut(key) else {
            return true;
        };
        let moved = (partition.high_watermark, partition.log_start_offset) != bounds;
        (partition.high_watermark, partition.log_start_offset) = bounds;
        if error {
            // An error is told again and again.
            partition.high_watermark = -1;
        }
        if has_data {
            let old = partition.order;
            partition.order = self.next_order;
            self.next_order += 1;
            self.order.remove(&old);
            self.order.insert(partition.order, key.clone());
        }
        has_data || error || moved
    }
}

/// What a fetch request says about its session.
#[derive(Debug)]
pub(crate) struct SessionRequest {
    pub(crate) id: i32,
    pub(crate) epoch: i32,
    pub(crate) uses_ids: bool,
    pub(crate) partitions: Vec<(PartitionKey, Wanted)>,
    pub(crate) forgotten: Vec<PartitionKey>,
}

/// The partitions a fetch is about.
#[derive(Debug)]
pub(crate) struct FetchScope {
    /// The session the answer belongs to; 0 without one.
    pub(crate) session_id: i32,
    /// Only changes are told.
    pub(crate) incremental: bool,
    pub(crate) partitions: Vec<(PartitionKey, Wanted)>,
}

/// The sessions of one node.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    sessions: BTreeMap<i32, Session>,
    max: usize,
    last_id: i32,
    clock: u64,
}

impl Sessions {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            ..Self::default()
        }
    }

    pub(crate) fn get_mut(&mut self, id: i32) -> Option<&mut Session> {
        self.sessions.get_mut(&id)
    }

    /// Forgets every session: the node restarted.
    pub(crate) fn clear(&mut self) {
        self.sessions.clear();
    }

    /// Opens, continues or ends a session.
    ///
    /// # Errors
    /// FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH or FETCH_SESSION_TOPIC_ID_ERROR.
    pub(crate) fn begin(&mut self, request: SessionRequest) -> Result<FetchScope, i16> {
        self.clock += 1;
        if request.epoch <= 0 {
            return Ok(self.begin_full(request));
        }
        let Some(session) = self.sessions.get_mut(&request.id) else {
            return Err(codes::FETCH_SESSION_ID_NOT_FOUND);
        };
        if session.next_epoch != request.epoch {
            return Err(codes::INVALID_FETCH_SESSION_EPOCH);
        }
        if session.uses_ids != request.uses_ids {
            return Err(codes::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        // Epochs wrap to 1.
        session.next_epoch = request.epoch.checked_add(1).unwrap_or(1);
        session.last_used = self.clock;
        for (key, wanted) in request.partitions {
            session.put(key, wanted);
        }
        for key in &request.forgotten {
            session.remove(key);
        }
        if session.partitions.is_empty() {
            self.sessions.remove(&request.id);
            return Ok(FetchScope {
                session_id: 0,
                incremental: false,
                partitions: Vec::new(),
            });
        }
        Ok(FetchScope {
            session_id: request.id,
            incremental: true,
            partitions: session.wanted(),
        })
    }

    /// Epoch 0 asks for a new session, -1 for none; both end the session they name.
    fn begin_full(&mut self, request: SessionRequest) -> FetchScope {
        self.sessions.remove(&request.id);
        let mut scope = FetchScope {
            session_id: 0,
            incremental: false,
            partitions: request.partitions,
        };
        if request.epoch < 0 || scope.partitions.is_empty() || !self.make_room() {
            return scope;
        }
        let mut session = Session::new(request.uses_ids);
        session.last_used = self.clock;
        for (key, wanted) in &scope.partitions {
            session.put(key.clone(), wanted.clone());
        }
        scope.session_id = self.new_id();
        self.sessions.insert(scope.session_id, session);
        scope
    }

    fn make_room(&mut self) -> bool {
        if self.max == 0 {
            return false;
        }
        if self.sessions.len() >= self.max {
            let oldest = self.sessions.iter().min_by_key(|(_, s)| s.last_used);
            if let Some(id) = oldest.map(|(id, _)| *id) {
                self.sessions.remove(&id);
            }
        }
        true
    }

    fn new_id(&mut self) -> i32 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !self.sessions.contains_key(&self.last_id) {
                return self.last_id;
            }
        }
    }
}
