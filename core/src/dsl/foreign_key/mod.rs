//! Joins of a table with the rows of another one that a key in its values points to (Java:
//! `kstream.internals.foreignkeyjoin`).
//!
//! A left row *subscribes* to its foreign key at the right table's task, which keeps the
//! subscription and answers to the left table's task: at once, and whenever the right row changes.
//! An answer bears the hash of the left value it was made for; one that comes too late is dropped.

mod hash;
mod left;
mod right;
mod subscription;
