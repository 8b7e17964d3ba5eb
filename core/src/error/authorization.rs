//! Refusals for want of an ACL.

use std::fmt;

use super::StreamsError;
use crate::types::TopicName;

/// What an ACL is missing on (Java: `ResourceType`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AclResource {
    /// A topic.
    Topic(TopicName),
    /// Topics of the application that the broker does not name: those it reads, or its internal
    /// ones, which begin with its id and a dash.
    ApplicationTopics(String),
    /// A group.
    Group(String),
    /// A transactional id.
    TransactionalId(String),
    /// The cluster as a whole.
    Cluster,
}

impl fmt::Display for AclResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(topic) => write!(f, "topic {topic}"),
            Self::ApplicationTopics(id) => write!(
                f,
                "every topic that application {id} reads and those that begin with {id}-"
            ),
            Self::Group(group) => write!(f, "group {group}"),
            Self::TransactionalId(id) => write!(f, "transactional id {id}"),
            Self::Cluster => f.write_str("the cluster"),
        }
    }
}

/// What a request was about, to name what its refusal concerns.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Concerned<'a> {
    /// Where it is about all topics of an application, `group` alone is given.
    pub(crate) topic: Option<&'a TopicName>,
    pub(crate) group: Option<&'a str>,
    pub(crate) transactional_id: Option<&'a str>,
    /// The operation of ACLs on the topic or the cluster that the request needs.
    pub(crate) permission: &'static str,
}

impl StreamsError {
    /// What a broker refused for good; `message` is empty where it said nothing.
    pub(crate) fn refused(
        operation: impl Into<String>,
        code: i16,
        message: &str,
        concerned: Concerned<'_>,
    ) -> Self {
        let operation = operation.into();
        let found = match code {
            TOPIC_AUTHORIZATION_FAILED => match (concerned.topic, concerned.group) {
                (Some(topic), _) => Some(AclResource::Topic(topic.clone())),
                (None, Some(group)) => Some(AclResource::ApplicationTopics(group.to_owned())),
                (None, None) => None,
            }
            .map(|resource| (resource, concerned.permission)),
            GROUP_AUTHORIZATION_FAILED => concerned
                .group
                .map(|group| (AclResource::Group(group.to_owned()), "Read")),
            CLUSTER_AUTHORIZATION_FAILED => Some((AclResource::Cluster, concerned.permission)),
            TRANSACTIONAL_ID_AUTHORIZATION_FAILED => concerned
                .transactional_id
                .map(|id| (AclResource::TransactionalId(id.to_owned()), "Write")),
            _ => None,
        };
        match found {
            Some((resource, permission)) => Self::Authorization {
                operation,
                resource,
                permission,
            },
            None => Self::Broker {
                operation,
                code,
                message: match message {
                    "" => crate::wire::error_name(code).to_owned(),
                    message => message.to_owned(),
                },
            },
        }
    }
}

const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
const GROUP_AUTHORIZATION_FAILED: i16 = 30;
const CLUSTER_AUTHORIZATION_FAILED: i16 = 31;
const TRANSACTIONAL_ID_AUTHORIZATION_FAILED: i16 = 53;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_acl_is_named() {
        let topic = TopicName::new("t");
        let concerned = Concerned {
            topic: Some(&topic),
            group: Some("g"),
            transactional_id: Some("x"),
            permission: "Create",
        };
        let say = |code| StreamsError::refused("asking", code, "", concerned).to_string();
        assert_eq!(
            say(29),
            "asking is not allowed: grant Create on topic t to whom this client logs in as \
             (kafka-acls.sh)"
        );
        assert!(say(30).contains("grant Read on group g"));
        assert!(say(31).contains("grant Create on the cluster"));
        assert!(say(53).contains("grant Write on transactional id x"));
        // Neither is another refusal, nor one of something that was not asked about.
        assert!(say(17).contains("INVALID_TOPIC"));
        let nobody = StreamsError::refused("asking", 29, "words", Concerned::default());
        assert!(nobody.to_string().contains("words"));
    }
}
