//! What every message looks like, so that it can be walked before it is decoded.
//! Written by generate.py from the schemas in kafka-clients 4.3.1; not edited by hand.

use super::{Field, Kind, Message};
use crate::wire::ApiKey;

pub(super) const fn request(api: ApiKey) -> Message {
    match api {
        ApiKey::Produce => Message {
            flexible_from: 9,
            fields: &[
                Field {
                    versions: (3, 32767),
                    tag: None,
                    kind: Kind::Text,
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(2),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 12),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (13, 32767),
                                tag: None,
                                kind: Kind::Fixed(16),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Bytes,
                                        },
                                    ],
                                )),
                            },
                        ],
                    )),
                },
            ],
        },
        ApiKey::Fetch => Message {
            flexible_from: 12,
            fields: &[
                Field {
                    versions: (12, 32767),
                    tag: Some((12, 0)),
                    kind: Kind::Text,
                },
                Field {
                    versions: (0, 14),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (15, 32767),
                    tag: Some((15, 1)),
                    kind: Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (15, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (15, 32767),
                                tag: None,
                                kind: Kind::Fixed(8),
                            },
                        ],
                    ),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (3, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (4, 32767),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
                Field {
                    versions: (7, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (7, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 12),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (13, 32767),
                                tag: None,
                                kind: Kind::Fixed(16),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (9, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(8),
                                        },
                                        Field {
                                            versions: (12, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (5, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(8),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (17, 32767),
                                            tag: Some((17, 0)),
                                            kind: Kind::Fixed(16),
                                        },
                                        Field {
                                            versions: (18, 32767),
                                            tag: Some((18, 1)),
                                            kind: Kind::Fixed(8),
                                        },
                                    ],
                                )),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (7, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (7, 12),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (13, 32767),
                                tag: None,
                                kind: Kind::Fixed(16),
                            },
                            Field {
                                versions: (7, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Fixed(4)),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (11, 32767),
                    tag: None,
                    kind: Kind::Text,
                },
            ],
        },
        ApiKey::ListOffsets => Message {
            flexible_from: 6,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (2, 32767),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (4, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(8),
                                        },
                                    ],
                                )),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (10, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
            ],
        },
        ApiKey::Metadata => Message {
            flexible_from: 9,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (10, 32767),
                                tag: None,
                                kind: Kind::Fixed(16),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                        ],
                    )),
                },
                Field {
                    versions: (4, 32767),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
                Field {
                    versions: (8, 10),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
                Field {
                    versions: (8, 32767),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
            ],
        },
        ApiKey::OffsetCommit => Message {
            flexible_from: 8,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Text,
                },
                Field {
                    versions: (1, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (1, 32767),
                    tag: None,
                    kind: Kind::Text,
                },
                Field {
                    versions: (7, 32767),
                    tag: None,
                    kind: Kind::Text,
                },
                Field {
                    versions: (2, 4),
                    tag: None,
                    kind: Kind::Fixed(8),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 9),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (10, 32767),
                                tag: None,
                                kind: Kind::Fixed(16),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(8),
                                        },
                                        Field {
                                            versions: (6, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                    ],
                                )),
                            },
                        ],
                    )),
                },
            ],
        },
        ApiKey::OffsetFetch => Message {
            flexible_from: 6,
            fields: &[
                Field {
                    versions: (0, 7),
                    tag: None,
                    kind: Kind::Text,
                },
                Field {
                    versions: (0, 7),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 7),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 7),
                                tag: None,
                                kind: Kind::Array(&Kind::Fixed(4)),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (8, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (8, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (9, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (9, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (8, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (8, 9),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (10, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(16),
                                        },
                                        Field {
                                            versions: (8, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Fixed(4)),
                                        },
                                    ],
                                )),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (7, 32767),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
            ],
        },
        ApiKey::FindCoordinator => Message {
            flexible_from: 3,
            fields: &[
                Field {
                    versions: (0, 3),
                    tag: None,
                    kind: Kind::Text,
                },
                Field {
                    versions: (1, 32767),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
                Field {
                    versions: (4, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Text),
                },
            ],
        },
        ApiKey::DescribeGroups => Message {
            flexible_from: 5,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Text),
                },
                Field {
                    versions: (3, 32767),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
            ],
        },
        ApiKey::ListGroups => Message {
            flexible_from: 3,
            fields: &[
                Field {
                    versions: (4, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Text),
                },
                Field {
                    versions: (5, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Text),
                },
            ],
        },
        ApiKey::ApiVersions => Message {
            flexible_from: 3,
            fields: &[
                Field {
                    versions: (3, 32767),
                    tag: None,
                    kind: Kind::Text,
                },
                Field {
                    versions: (3, 32767),
                    tag: None,
                    kind: Kind::Text,
                },
            ],
        },
        ApiKey::CreateTopics => Message {
            flexible_from: 5,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Fixed(4)),
                                        },
                                    ],
                                )),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                    ],
                                )),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (1, 32767),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
            ],
        },
        ApiKey::DeleteTopics => Message {
            flexible_from: 4,
            fields: &[
                Field {
                    versions: (6, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (6, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (6, 32767),
                                tag: None,
                                kind: Kind::Fixed(16),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (0, 5),
                    tag: None,
                    kind: Kind::Array(&Kind::Text),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
            ],
        },
        ApiKey::DeleteRecords => Message {
            flexible_from: 2,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(8),
                                        },
                                    ],
                                )),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
            ],
        },
        ApiKey::InitProducerId => Message {
            flexible_from: 2,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Text,
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (3, 32767),
                    tag: None,
                    kind: Kind::Fixed(8),
                },
                Field {
                    versions: (3, 32767),
                    tag: None,
                    kind: Kind::Fixed(2),
                },
                Field {
                    versions: (6, 32767),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
                Field {
                    versions: (6, 32767),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
            ],
        },
        ApiKey::OffsetForLeaderEpoch => Message {
            flexible_from: 4,
            fields: &[
                Field {
                    versions: (3, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (2, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                    ],
                                )),
                            },
                        ],
                    )),
                },
            ],
        },
        ApiKey::DescribeConfigs => Message {
            flexible_from: 4,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(1),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Text),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (1, 32767),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
                Field {
                    versions: (3, 32767),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
            ],
        },
        ApiKey::IncrementalAlterConfigs => Message {
            flexible_from: 1,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(1),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(1),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                    ],
                                )),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
            ],
        },
        ApiKey::DescribeCluster => Message {
            flexible_from: 0,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
                Field {
                    versions: (1, 32767),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
                Field {
                    versions: (2, 32767),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
            ],
        },
        ApiKey::ConsumerGroupDescribe => Message {
            flexible_from: 0,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Text),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
            ],
        },
        ApiKey::DescribeTopicPartitions => Message {
            flexible_from: 0,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[Field {
                            versions: (0, 32767),
                            tag: None,
                            kind: Kind::Text,
                        }],
                    )),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Struct(
                        0,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                        ],
                    ),
                },
            ],
        },
        ApiKey::StreamsGroupHeartbeat => Message {
            flexible_from: 0,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Text,
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Text,
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Text,
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Text,
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Struct(
                        0,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Text),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Text),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Struct(
                                                32767,
                                                &[
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Text,
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(4),
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(2),
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Array(&Kind::Struct(
                                                            32767,
                                                            &[
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Text,
                                                                },
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Text,
                                                                },
                                                            ],
                                                        )),
                                                    },
                                                ],
                                            )),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Text),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Struct(
                                                32767,
                                                &[
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Text,
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(4),
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(2),
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Array(&Kind::Struct(
                                                            32767,
                                                            &[
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Text,
                                                                },
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Text,
                                                                },
                                                            ],
                                                        )),
                                                    },
                                                ],
                                            )),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Struct(
                                                32767,
                                                &[
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Array(&Kind::Fixed(2)),
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Array(&Kind::Fixed(2)),
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Array(&Kind::Fixed(2)),
                                                    },
                                                ],
                                            )),
                                        },
                                    ],
                                )),
                            },
                        ],
                    ),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Fixed(4)),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Fixed(4)),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Fixed(4)),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Text,
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Struct(
                        0,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                        ],
                    ),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                        ],
                    )),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(8),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(8),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
            ],
        },
        ApiKey::StreamsGroupDescribe => Message {
            flexible_from: 0,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Text),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
            ],
        },
    }
}

pub(super) const fn response(api: ApiKey) -> Message {
    match api {
        ApiKey::Produce => Message {
            flexible_from: 9,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 12),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (13, 32767),
                                tag: None,
                                kind: Kind::Fixed(16),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(2),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(8),
                                        },
                                        Field {
                                            versions: (2, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(8),
                                        },
                                        Field {
                                            versions: (5, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(8),
                                        },
                                        Field {
                                            versions: (8, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Struct(
                                                32767,
                                                &[
                                                    Field {
                                                        versions: (8, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(4),
                                                    },
                                                    Field {
                                                        versions: (8, 32767),
                                                        tag: None,
                                                        kind: Kind::Text,
                                                    },
                                                ],
                                            )),
                                        },
                                        Field {
                                            versions: (8, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (10, 32767),
                                            tag: Some((10, 0)),
                                            kind: Kind::Struct(
                                                32767,
                                                &[
                                                    Field {
                                                        versions: (10, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(4),
                                                    },
                                                    Field {
                                                        versions: (10, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(4),
                                                    },
                                                ],
                                            ),
                                        },
                                    ],
                                )),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (1, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (10, 32767),
                    tag: Some((10, 0)),
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (10, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (10, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (10, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (10, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                        ],
                    )),
                },
            ],
        },
        ApiKey::Fetch => Message {
            flexible_from: 12,
            fields: &[
                Field {
                    versions: (1, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (7, 32767),
                    tag: None,
                    kind: Kind::Fixed(2),
                },
                Field {
                    versions: (7, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 12),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (13, 32767),
                                tag: None,
                                kind: Kind::Fixed(16),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(2),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(8),
                                        },
                                        Field {
                                            versions: (4, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(8),
                                        },
                                        Field {
                                            versions: (5, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(8),
                                        },
                                        Field {
                                            versions: (12, 32767),
                                            tag: Some((12, 0)),
                                            kind: Kind::Struct(
                                                32767,
                                                &[
                                                    Field {
                                                        versions: (12, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(4),
                                                    },
                                                    Field {
                                                        versions: (12, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(8),
                                                    },
                                                ],
                                            ),
                                        },
                                        Field {
                                            versions: (12, 32767),
                                            tag: Some((12, 1)),
                                            kind: Kind::Struct(
                                                32767,
                                                &[
                                                    Field {
                                                        versions: (12, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(4),
                                                    },
                                                    Field {
                                                        versions: (12, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(4),
                                                    },
                                                ],
                                            ),
                                        },
                                        Field {
                                            versions: (12, 32767),
                                            tag: Some((12, 2)),
                                            kind: Kind::Struct(
                                                32767,
                                                &[
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(8),
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(4),
                                                    },
                                                ],
                                            ),
                                        },
                                        Field {
                                            versions: (4, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Struct(
                                                32767,
                                                &[
                                                    Field {
                                                        versions: (4, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(8),
                                                    },
                                                    Field {
                                                        versions: (4, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(8),
                                                    },
                                                ],
                                            )),
                                        },
                                        Field {
                                            versions: (11, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Bytes,
                                        },
                                    ],
                                )),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (16, 32767),
                    tag: Some((16, 0)),
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (16, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (16, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (16, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (16, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                        ],
                    )),
                },
            ],
        },
        ApiKey::ListOffsets => Message {
            flexible_from: 6,
            fields: &[
                Field {
                    versions: (2, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(2),
                                        },
                                        Field {
                                            versions: (1, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(8),
                                        },
                                        Field {
                                            versions: (1, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(8),
                                        },
                                        Field {
                                            versions: (4, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                    ],
                                )),
                            },
                        ],
                    )),
                },
            ],
        },
        ApiKey::Metadata => Message {
            flexible_from: 9,
            fields: &[
                Field {
                    versions: (3, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (1, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                        ],
                    )),
                },
                Field {
                    versions: (2, 32767),
                    tag: None,
                    kind: Kind::Text,
                },
                Field {
                    versions: (1, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (10, 32767),
                                tag: None,
                                kind: Kind::Fixed(16),
                            },
                            Field {
                                versions: (1, 32767),
                                tag: None,
                                kind: Kind::Fixed(1),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(2),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (7, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Fixed(4)),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Fixed(4)),
                                        },
                                        Field {
                                            versions: (5, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Fixed(4)),
                                        },
                                    ],
                                )),
                            },
                            Field {
                                versions: (8, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (8, 10),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (13, 32767),
                    tag: None,
                    kind: Kind::Fixed(2),
                },
            ],
        },
        ApiKey::OffsetCommit => Message {
            flexible_from: 8,
            fields: &[
                Field {
                    versions: (3, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 9),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (10, 32767),
                                tag: None,
                                kind: Kind::Fixed(16),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(2),
                                        },
                                    ],
                                )),
                            },
                        ],
                    )),
                },
            ],
        },
        ApiKey::OffsetFetch => Message {
            flexible_from: 6,
            fields: &[
                Field {
                    versions: (3, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 7),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 7),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 7),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 7),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 7),
                                            tag: None,
                                            kind: Kind::Fixed(8),
                                        },
                                        Field {
                                            versions: (5, 7),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 7),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 7),
                                            tag: None,
                                            kind: Kind::Fixed(2),
                                        },
                                    ],
                                )),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (2, 7),
                    tag: None,
                    kind: Kind::Fixed(2),
                },
                Field {
                    versions: (8, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (8, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (8, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (8, 9),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (10, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(16),
                                        },
                                        Field {
                                            versions: (8, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Struct(
                                                32767,
                                                &[
                                                    Field {
                                                        versions: (8, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(4),
                                                    },
                                                    Field {
                                                        versions: (8, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(8),
                                                    },
                                                    Field {
                                                        versions: (8, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(4),
                                                    },
                                                    Field {
                                                        versions: (8, 32767),
                                                        tag: None,
                                                        kind: Kind::Text,
                                                    },
                                                    Field {
                                                        versions: (8, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(2),
                                                    },
                                                ],
                                            )),
                                        },
                                    ],
                                )),
                            },
                            Field {
                                versions: (8, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                        ],
                    )),
                },
            ],
        },
        ApiKey::FindCoordinator => Message {
            flexible_from: 3,
            fields: &[
                Field {
                    versions: (1, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 3),
                    tag: None,
                    kind: Kind::Fixed(2),
                },
                Field {
                    versions: (1, 3),
                    tag: None,
                    kind: Kind::Text,
                },
                Field {
                    versions: (0, 3),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 3),
                    tag: None,
                    kind: Kind::Text,
                },
                Field {
                    versions: (0, 3),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (4, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (4, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (4, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (4, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (4, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (4, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                            Field {
                                versions: (4, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                        ],
                    )),
                },
            ],
        },
        ApiKey::DescribeGroups => Message {
            flexible_from: 5,
            fields: &[
                Field {
                    versions: (1, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                            Field {
                                versions: (6, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (4, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Bytes,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Bytes,
                                        },
                                    ],
                                )),
                            },
                            Field {
                                versions: (3, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                        ],
                    )),
                },
            ],
        },
        ApiKey::ListGroups => Message {
            flexible_from: 3,
            fields: &[
                Field {
                    versions: (1, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(2),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (4, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (5, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                        ],
                    )),
                },
            ],
        },
        ApiKey::ApiVersions => Message {
            flexible_from: 3,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(2),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (1, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (3, 32767),
                    tag: Some((3, 0)),
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (3, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (3, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                            Field {
                                versions: (3, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (3, 32767),
                    tag: Some((3, 1)),
                    kind: Kind::Fixed(8),
                },
                Field {
                    versions: (3, 32767),
                    tag: Some((3, 2)),
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (3, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (3, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                            Field {
                                versions: (3, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (3, 32767),
                    tag: Some((3, 3)),
                    kind: Kind::Fixed(1),
                },
            ],
        },
        ApiKey::CreateTopics => Message {
            flexible_from: 5,
            fields: &[
                Field {
                    versions: (2, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (7, 32767),
                                tag: None,
                                kind: Kind::Fixed(16),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                            Field {
                                versions: (1, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (5, 32767),
                                tag: Some((5, 0)),
                                kind: Kind::Fixed(2),
                            },
                            Field {
                                versions: (5, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (5, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                            Field {
                                versions: (5, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (5, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (5, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (5, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(1),
                                        },
                                        Field {
                                            versions: (5, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(1),
                                        },
                                        Field {
                                            versions: (5, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(1),
                                        },
                                    ],
                                )),
                            },
                        ],
                    )),
                },
            ],
        },
        ApiKey::DeleteTopics => Message {
            flexible_from: 4,
            fields: &[
                Field {
                    versions: (1, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (6, 32767),
                                tag: None,
                                kind: Kind::Fixed(16),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                            Field {
                                versions: (5, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                        ],
                    )),
                },
            ],
        },
        ApiKey::DeleteRecords => Message {
            flexible_from: 2,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(8),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(2),
                                        },
                                    ],
                                )),
                            },
                        ],
                    )),
                },
            ],
        },
        ApiKey::InitProducerId => Message {
            flexible_from: 2,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(2),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(8),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(2),
                },
                Field {
                    versions: (6, 32767),
                    tag: None,
                    kind: Kind::Fixed(8),
                },
                Field {
                    versions: (6, 32767),
                    tag: None,
                    kind: Kind::Fixed(2),
                },
            ],
        },
        ApiKey::OffsetForLeaderEpoch => Message {
            flexible_from: 4,
            fields: &[
                Field {
                    versions: (2, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(2),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (1, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(8),
                                        },
                                    ],
                                )),
                            },
                        ],
                    )),
                },
            ],
        },
        ApiKey::DescribeConfigs => Message {
            flexible_from: 4,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(1),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(1),
                                        },
                                        Field {
                                            versions: (1, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(1),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(1),
                                        },
                                        Field {
                                            versions: (1, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Struct(
                                                32767,
                                                &[
                                                    Field {
                                                        versions: (1, 32767),
                                                        tag: None,
                                                        kind: Kind::Text,
                                                    },
                                                    Field {
                                                        versions: (1, 32767),
                                                        tag: None,
                                                        kind: Kind::Text,
                                                    },
                                                    Field {
                                                        versions: (1, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(1),
                                                    },
                                                ],
                                            )),
                                        },
                                        Field {
                                            versions: (3, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(1),
                                        },
                                        Field {
                                            versions: (3, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                    ],
                                )),
                            },
                        ],
                    )),
                },
            ],
        },
        ApiKey::IncrementalAlterConfigs => Message {
            flexible_from: 1,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(1),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                        ],
                    )),
                },
            ],
        },
        ApiKey::DescribeCluster => Message {
            flexible_from: 0,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(2),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Text,
                },
                Field {
                    versions: (1, 32767),
                    tag: None,
                    kind: Kind::Fixed(1),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Text,
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (2, 32767),
                                tag: None,
                                kind: Kind::Fixed(1),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
            ],
        },
        ApiKey::ConsumerGroupDescribe => Message {
            flexible_from: 0,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Text),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Struct(
                                                32767,
                                                &[Field {
                                                    versions: (0, 32767),
                                                    tag: None,
                                                    kind: Kind::Array(&Kind::Struct(
                                                        32767,
                                                        &[
                                                            Field {
                                                                versions: (0, 32767),
                                                                tag: None,
                                                                kind: Kind::Fixed(16),
                                                            },
                                                            Field {
                                                                versions: (0, 32767),
                                                                tag: None,
                                                                kind: Kind::Text,
                                                            },
                                                            Field {
                                                                versions: (0, 32767),
                                                                tag: None,
                                                                kind: Kind::Array(&Kind::Fixed(4)),
                                                            },
                                                        ],
                                                    )),
                                                }],
                                            ),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Struct(
                                                32767,
                                                &[Field {
                                                    versions: (0, 32767),
                                                    tag: None,
                                                    kind: Kind::Array(&Kind::Struct(
                                                        32767,
                                                        &[
                                                            Field {
                                                                versions: (0, 32767),
                                                                tag: None,
                                                                kind: Kind::Fixed(16),
                                                            },
                                                            Field {
                                                                versions: (0, 32767),
                                                                tag: None,
                                                                kind: Kind::Text,
                                                            },
                                                            Field {
                                                                versions: (0, 32767),
                                                                tag: None,
                                                                kind: Kind::Array(&Kind::Fixed(4)),
                                                            },
                                                        ],
                                                    )),
                                                }],
                                            ),
                                        },
                                        Field {
                                            versions: (1, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(1),
                                        },
                                    ],
                                )),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                        ],
                    )),
                },
            ],
        },
        ApiKey::DescribeTopicPartitions => Message {
            flexible_from: 0,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(16),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(1),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(2),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Fixed(4)),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Fixed(4)),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Fixed(4)),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Fixed(4)),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Fixed(4)),
                                        },
                                    ],
                                )),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Struct(
                        0,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                        ],
                    ),
                },
            ],
        },
        ApiKey::StreamsGroupHeartbeat => Message {
            flexible_from: 0,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(2),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Text,
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Text,
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(1),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                        ],
                    )),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Fixed(4)),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Fixed(4)),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Fixed(4)),
                            },
                        ],
                    )),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(2),
                                        },
                                    ],
                                ),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Fixed(4)),
                                        },
                                    ],
                                )),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Fixed(4)),
                                        },
                                    ],
                                )),
                            },
                        ],
                    )),
                },
            ],
        },
        ApiKey::StreamsGroupDescribe => Message {
            flexible_from: 0,
            fields: &[
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Fixed(4),
                },
                Field {
                    versions: (0, 32767),
                    tag: None,
                    kind: Kind::Array(&Kind::Struct(
                        32767,
                        &[
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(2),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Text,
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Struct(
                                    0,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Struct(
                                                32767,
                                                &[
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Text,
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Array(&Kind::Text),
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Array(&Kind::Text),
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Array(&Kind::Struct(
                                                            32767,
                                                            &[
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Text,
                                                                },
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Fixed(4),
                                                                },
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Fixed(2),
                                                                },
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Array(
                                                                        &Kind::Struct(
                                                                            32767,
                                                                            &[
                                                                                Field {
                                                                                    versions: (
                                                                                        0, 32767,
                                                                                    ),
                                                                                    tag: None,
                                                                                    kind:
                                                                                        Kind::Text,
                                                                                },
                                                                                Field {
                                                                                    versions: (
                                                                                        0, 32767,
                                                                                    ),
                                                                                    tag: None,
                                                                                    kind:
                                                                                        Kind::Text,
                                                                                },
                                                                            ],
                                                                        ),
                                                                    ),
                                                                },
                                                            ],
                                                        )),
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Array(&Kind::Struct(
                                                            32767,
                                                            &[
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Text,
                                                                },
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Fixed(4),
                                                                },
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Fixed(2),
                                                                },
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Array(
                                                                        &Kind::Struct(
                                                                            32767,
                                                                            &[
                                                                                Field {
                                                                                    versions: (
                                                                                        0, 32767,
                                                                                    ),
                                                                                    tag: None,
                                                                                    kind:
                                                                                        Kind::Text,
                                                                                },
                                                                                Field {
                                                                                    versions: (
                                                                                        0, 32767,
                                                                                    ),
                                                                                    tag: None,
                                                                                    kind:
                                                                                        Kind::Text,
                                                                                },
                                                                            ],
                                                                        ),
                                                                    ),
                                                                },
                                                            ],
                                                        )),
                                                    },
                                                ],
                                            )),
                                        },
                                    ],
                                ),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Array(&Kind::Struct(
                                    32767,
                                    &[
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(4),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Text,
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Struct(
                                                0,
                                                &[
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Text,
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(2),
                                                    },
                                                ],
                                            ),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Struct(
                                                32767,
                                                &[
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Text,
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Text,
                                                    },
                                                ],
                                            )),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Struct(
                                                32767,
                                                &[
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Text,
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(4),
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(8),
                                                    },
                                                ],
                                            )),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Array(&Kind::Struct(
                                                32767,
                                                &[
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Text,
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(4),
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Fixed(8),
                                                    },
                                                ],
                                            )),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Struct(
                                                32767,
                                                &[
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Array(&Kind::Struct(
                                                            32767,
                                                            &[
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Text,
                                                                },
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Array(
                                                                        &Kind::Fixed(4),
                                                                    ),
                                                                },
                                                            ],
                                                        )),
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Array(&Kind::Struct(
                                                            32767,
                                                            &[
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Text,
                                                                },
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Array(
                                                                        &Kind::Fixed(4),
                                                                    ),
                                                                },
                                                            ],
                                                        )),
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Array(&Kind::Struct(
                                                            32767,
                                                            &[
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Text,
                                                                },
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Array(
                                                                        &Kind::Fixed(4),
                                                                    ),
                                                                },
                                                            ],
                                                        )),
                                                    },
                                                ],
                                            ),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Struct(
                                                32767,
                                                &[
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Array(&Kind::Struct(
                                                            32767,
                                                            &[
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Text,
                                                                },
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Array(
                                                                        &Kind::Fixed(4),
                                                                    ),
                                                                },
                                                            ],
                                                        )),
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Array(&Kind::Struct(
                                                            32767,
                                                            &[
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Text,
                                                                },
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Array(
                                                                        &Kind::Fixed(4),
                                                                    ),
                                                                },
                                                            ],
                                                        )),
                                                    },
                                                    Field {
                                                        versions: (0, 32767),
                                                        tag: None,
                                                        kind: Kind::Array(&Kind::Struct(
                                                            32767,
                                                            &[
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Text,
                                                                },
                                                                Field {
                                                                    versions: (0, 32767),
                                                                    tag: None,
                                                                    kind: Kind::Array(
                                                                        &Kind::Fixed(4),
                                                                    ),
                                                                },
                                                            ],
                                                        )),
                                                    },
                                                ],
                                            ),
                                        },
                                        Field {
                                            versions: (0, 32767),
                                            tag: None,
                                            kind: Kind::Fixed(1),
                                        },
                                    ],
                                )),
                            },
                            Field {
                                versions: (0, 32767),
                                tag: None,
                                kind: Kind::Fixed(4),
                            },
                        ],
                    )),
                },
            ],
        },
    }
}
