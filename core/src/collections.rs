//! Collections whose use cannot depend on history.
