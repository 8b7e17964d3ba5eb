//! What every message looks like, so that it can be walked before it is decoded.
//! Written by generate.py from the schemas in kafka-clients 4.3.1; not edited by hand.

use super::Field::{Between, Since, Tagged};
use super::Kind::{Array, Bytes, Fixed, Struct, Text};
use super::Message;
use crate::wire::ApiKey;

pub(super) const fn request(api: ApiKey) -> Message {
    match api {
        ApiKey::Produce => Message { flexible_from: 9, fields: &[
            Since(3, Text), Since(0, Fixed(2)), Since(0, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Between(0, 12, Text), Since(13, Fixed(16)),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Fixed(4)), Since(0, Bytes),
                ]))),
            ]))),
        ] },
        ApiKey::Fetch => Message { flexible_from: 12, fields: &[
            Tagged(12, 12, 0, Text), Between(0, 14, Fixed(4)),
            Tagged(15, 15, 1, Struct(32767, &[
                Since(15, Fixed(4)), Since(15, Fixed(8)),
            ])),
            Since(0, Fixed(4)), Since(0, Fixed(4)), Since(3, Fixed(4)), Since(4, Fixed(1)),
            Since(7, Fixed(4)), Since(7, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Between(0, 12, Text), Since(13, Fixed(16)),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Fixed(4)), Since(9, Fixed(4)), Since(0, Fixed(8)), Since(12, Fixed(4)),
                    Since(5, Fixed(8)), Since(0, Fixed(4)), Tagged(17, 17, 0, Fixed(16)),
                    Tagged(18, 18, 1, Fixed(8)),
                ]))),
            ]))),
            Since(7, Array(&Struct(32767, &[
                Between(7, 12, Text), Since(13, Fixed(16)), Since(7, Array(&Fixed(4))),
            ]))),
            Since(11, Text),
        ] },
        ApiKey::ListOffsets => Message { flexible_from: 6, fields: &[
            Since(0, Fixed(4)), Since(2, Fixed(1)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Text),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Fixed(4)), Since(4, Fixed(4)), Since(0, Fixed(8)),
                ]))),
            ]))),
            Since(10, Fixed(4)),
        ] },
        ApiKey::Metadata => Message { flexible_from: 9, fields: &[
            Since(0, Array(&Struct(32767, &[
                Since(10, Fixed(16)), Since(0, Text),
            ]))),
            Since(4, Fixed(1)), Between(8, 10, Fixed(1)), Since(8, Fixed(1)),
        ] },
        ApiKey::OffsetCommit => Message { flexible_from: 8, fields: &[
            Since(0, Text), Since(1, Fixed(4)), Since(1, Text), Since(7, Text),
            Between(2, 4, Fixed(8)),
            Since(0, Array(&Struct(32767, &[
                Between(0, 9, Text), Since(10, Fixed(16)),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Fixed(4)), Since(0, Fixed(8)), Since(6, Fixed(4)), Since(0, Text),
                ]))),
            ]))),
        ] },
        ApiKey::OffsetFetch => Message { flexible_from: 6, fields: &[
            Between(0, 7, Text),
            Between(0, 7, Array(&Struct(32767, &[
                Between(0, 7, Text), Between(0, 7, Array(&Fixed(4))),
            ]))),
            Since(8, Array(&Struct(32767, &[
                Since(8, Text), Since(9, Text), Since(9, Fixed(4)),
                Since(8, Array(&Struct(32767, &[
                    Between(8, 9, Text), Since(10, Fixed(16)), Since(8, Array(&Fixed(4))),
                ]))),
            ]))),
            Since(7, Fixed(1)),
        ] },
        ApiKey::FindCoordinator => Message { flexible_from: 3, fields: &[
            Between(0, 3, Text), Since(1, Fixed(1)), Since(4, Array(&Text)),
        ] },
        ApiKey::DescribeGroups => Message { flexible_from: 5, fields: &[
            Since(0, Array(&Text)), Since(3, Fixed(1)),
        ] },
        ApiKey::ListGroups => Message { flexible_from: 3, fields: &[
            Since(4, Array(&Text)), Since(5, Array(&Text)),
        ] },
        ApiKey::SaslHandshake => Message { flexible_from: 32767, fields: &[
            Since(0, Text),
        ] },
        ApiKey::ApiVersions => Message { flexible_from: 3, fields: &[
            Since(3, Text), Since(3, Text),
        ] },
        ApiKey::CreateTopics => Message { flexible_from: 5, fields: &[
            Since(0, Array(&Struct(32767, &[
                Since(0, Text), Since(0, Fixed(4)), Since(0, Fixed(2)),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Fixed(4)), Since(0, Array(&Fixed(4))),
                ]))),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Text), Since(0, Text),
                ]))),
            ]))),
            Since(0, Fixed(4)), Since(1, Fixed(1)),
        ] },
        ApiKey::DeleteTopics => Message { flexible_from: 4, fields: &[
            Since(6, Array(&Struct(32767, &[
                Since(6, Text), Since(6, Fixed(16)),
            ]))),
            Between(0, 5, Array(&Text)), Since(0, Fixed(4)),
        ] },
        ApiKey::DeleteRecords => Message { flexible_from: 2, fields: &[
            Since(0, Array(&Struct(32767, &[
                Since(0, Text),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Fixed(4)), Since(0, Fixed(8)),
                ]))),
            ]))),
            Since(0, Fixed(4)),
        ] },
        ApiKey::InitProducerId => Message { flexible_from: 2, fields: &[
            Since(0, Text), Since(0, Fixed(4)), Since(3, Fixed(8)), Since(3, Fixed(2)),
            Since(6, Fixed(1)), Since(6, Fixed(1)),
        ] },
        ApiKey::OffsetForLeaderEpoch => Message { flexible_from: 4, fields: &[
            Since(3, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Text),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Fixed(4)), Since(2, Fixed(4)), Since(0, Fixed(4)),
                ]))),
            ]))),
        ] },
        ApiKey::AddPartitionsToTxn => Message { flexible_from: 3, fields: &[
            Since(4, Array(&Struct(32767, &[
                Since(4, Text), Since(4, Fixed(8)), Since(4, Fixed(2)), Since(4, Fixed(1)),
                Since(4, Array(&Struct(32767, &[
                    Since(0, Text), Since(0, Array(&Fixed(4))),
                ]))),
            ]))),
            Between(0, 3, Text), Between(0, 3, Fixed(8)), Between(0, 3, Fixed(2)),
            Between(0, 3, Array(&Struct(32767, &[
                Since(0, Text), Since(0, Array(&Fixed(4))),
            ]))),
        ] },
        ApiKey::AddOffsetsToTxn => Message { flexible_from: 3, fields: &[
            Since(0, Text), Since(0, Fixed(8)), Since(0, Fixed(2)), Since(0, Text),
        ] },
        ApiKey::EndTxn => Message { flexible_from: 3, fields: &[
            Since(0, Text), Since(0, Fixed(8)), Since(0, Fixed(2)), Since(0, Fixed(1)),
        ] },
        ApiKey::TxnOffsetCommit => Message { flexible_from: 3, fields: &[
            Since(0, Text), Since(0, Text), Since(0, Fixed(8)), Since(0, Fixed(2)),
            Since(3, Fixed(4)), Since(3, Text), Since(3, Text),
            Since(0, Array(&Struct(32767, &[
                Since(0, Text),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Fixed(4)), Since(0, Fixed(8)), Since(2, Fixed(4)), Since(0, Text),
                ]))),
            ]))),
        ] },
        ApiKey::DescribeConfigs => Message { flexible_from: 4, fields: &[
            Since(0, Array(&Struct(32767, &[
                Since(0, Fixed(1)), Since(0, Text), Since(0, Array(&Text)),
            ]))),
            Since(1, Fixed(1)), Since(3, Fixed(1)),
        ] },
        ApiKey::SaslAuthenticate => Message { flexible_from: 2, fields: &[
            Since(0, Bytes),
        ] },
        ApiKey::IncrementalAlterConfigs => Message { flexible_from: 1, fields: &[
            Since(0, Array(&Struct(32767, &[
                Since(0, Fixed(1)), Since(0, Text),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Text), Since(0, Fixed(1)), Since(0, Text),
                ]))),
            ]))),
            Since(0, Fixed(1)),
        ] },
        ApiKey::DescribeCluster => Message { flexible_from: 0, fields: &[
            Since(0, Fixed(1)), Since(1, Fixed(1)), Since(2, Fixed(1)),
        ] },
        ApiKey::ConsumerGroupDescribe => Message { flexible_from: 0, fields: &[
            Since(0, Array(&Text)), Since(0, Fixed(1)),
        ] },
        ApiKey::DescribeTopicPartitions => Message { flexible_from: 0, fields: &[
            Since(0, Array(&Struct(32767, &[
                Since(0, Text),
            ]))),
            Since(0, Fixed(4)),
            Since(0, Struct(0, &[
                Since(0, Text), Since(0, Fixed(4)),
            ])),
        ] },
        ApiKey::StreamsGroupHeartbeat => Message { flexible_from: 0, fields: &[
            Since(0, Text), Since(0, Text), Since(0, Fixed(4)), Since(0, Fixed(4)),
            Since(0, Text), Since(0, Text), Since(0, Fixed(4)),
            Since(0, Struct(0, &[
                Since(0, Fixed(4)),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Text), Since(0, Array(&Text)), Since(0, Array(&Text)),
                    Since(0, Array(&Struct(32767, &[
                        Since(0, Text), Since(0, Fixed(4)), Since(0, Fixed(2)),
                        Since(0, Array(&Struct(32767, &[
                            Since(0, Text), Since(0, Text),
                        ]))),
                    ]))),
                    Since(0, Array(&Text)),
                    Since(0, Array(&Struct(32767, &[
                        Since(0, Text), Since(0, Fixed(4)), Since(0, Fixed(2)),
                        Since(0, Array(&Struct(32767, &[
                            Since(0, Text), Since(0, Text),
                        ]))),
                    ]))),
                    Since(0, Array(&Struct(32767, &[
                        Since(0, Array(&Fixed(2))), Since(0, Array(&Fixed(2))),
                        Since(0, Array(&Fixed(2))),
                    ]))),
                ]))),
            ])),
            Since(0, Array(&Struct(32767, &[
                Since(0, Text), Since(0, Array(&Fixed(4))),
            ]))),
            Since(0, Array(&Struct(32767, &[
                Since(0, Text), Since(0, Array(&Fixed(4))),
            ]))),
            Since(0, Array(&Struct(32767, &[
                Since(0, Text), Since(0, Array(&Fixed(4))),
            ]))),
            Since(0, Text),
            Since(0, Struct(0, &[
                Since(0, Text), Since(0, Fixed(2)),
            ])),
            Since(0, Array(&Struct(32767, &[
                Since(0, Text), Since(0, Text),
            ]))),
            Since(0, Array(&Struct(32767, &[
                Since(0, Text), Since(0, Fixed(4)), Since(0, Fixed(8)),
            ]))),
            Since(0, Array(&Struct(32767, &[
                Since(0, Text), Since(0, Fixed(4)), Since(0, Fixed(8)),
            ]))),
            Since(0, Fixed(1)),
        ] },
        ApiKey::StreamsGroupDescribe => Message { flexible_from: 0, fields: &[
            Since(0, Array(&Text)), Since(0, Fixed(1)),
        ] },
    }
}

pub(super) const fn response(api: ApiKey) -> Message {
    match api {
        ApiKey::Produce => Message { flexible_from: 9, fields: &[
            Since(0, Array(&Struct(32767, &[
                Between(0, 12, Text), Since(13, Fixed(16)),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Fixed(4)), Since(0, Fixed(2)), Since(0, Fixed(8)), Since(2, Fixed(8)),
                    Since(5, Fixed(8)),
                    Since(8, Array(&Struct(32767, &[
                        Since(8, Fixed(4)), Since(8, Text),
                    ]))),
                    Since(8, Text),
                    Tagged(10, 10, 0, Struct(32767, &[
                        Since(10, Fixed(4)), Since(10, Fixed(4)),
                    ])),
                ]))),
            ]))),
            Since(1, Fixed(4)),
            Tagged(10, 10, 0, Array(&Struct(32767, &[
                Since(10, Fixed(4)), Since(10, Text), Since(10, Fixed(4)), Since(10, Text),
            ]))),
        ] },
        ApiKey::Fetch => Message { flexible_from: 12, fields: &[
            Since(1, Fixed(4)), Since(7, Fixed(2)), Since(7, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Between(0, 12, Text), Since(13, Fixed(16)),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Fixed(4)), Since(0, Fixed(2)), Since(0, Fixed(8)), Since(4, Fixed(8)),
                    Since(5, Fixed(8)),
                    Tagged(12, 12, 0, Struct(32767, &[
                        Since(12, Fixed(4)), Since(12, Fixed(8)),
                    ])),
                    Tagged(12, 12, 1, Struct(32767, &[
                        Since(12, Fixed(4)), Since(12, Fixed(4)),
                    ])),
                    Tagged(12, 12, 2, Struct(32767, &[
                        Since(0, Fixed(8)), Since(0, Fixed(4)),
                    ])),
                    Since(4, Array(&Struct(32767, &[
                        Since(4, Fixed(8)), Since(4, Fixed(8)),
                    ]))),
                    Since(11, Fixed(4)), Since(0, Bytes),
                ]))),
            ]))),
            Tagged(16, 16, 0, Array(&Struct(32767, &[
                Since(16, Fixed(4)), Since(16, Text), Since(16, Fixed(4)), Since(16, Text),
            ]))),
        ] },
        ApiKey::ListOffsets => Message { flexible_from: 6, fields: &[
            Since(2, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Text),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Fixed(4)), Since(0, Fixed(2)), Since(1, Fixed(8)), Since(1, Fixed(8)),
                    Since(4, Fixed(4)),
                ]))),
            ]))),
        ] },
        ApiKey::Metadata => Message { flexible_from: 9, fields: &[
            Since(3, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Fixed(4)), Since(0, Text), Since(0, Fixed(4)), Since(1, Text),
            ]))),
            Since(2, Text), Since(1, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Fixed(2)), Since(0, Text), Since(10, Fixed(16)), Since(1, Fixed(1)),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Fixed(2)), Since(0, Fixed(4)), Since(0, Fixed(4)), Since(7, Fixed(4)),
                    Since(0, Array(&Fixed(4))), Since(0, Array(&Fixed(4))),
                    Since(5, Array(&Fixed(4))),
                ]))),
                Since(8, Fixed(4)),
            ]))),
            Between(8, 10, Fixed(4)), Since(13, Fixed(2)),
        ] },
        ApiKey::OffsetCommit => Message { flexible_from: 8, fields: &[
            Since(3, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Between(0, 9, Text), Since(10, Fixed(16)),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Fixed(4)), Since(0, Fixed(2)),
                ]))),
            ]))),
        ] },
        ApiKey::OffsetFetch => Message { flexible_from: 6, fields: &[
            Since(3, Fixed(4)),
            Between(0, 7, Array(&Struct(32767, &[
                Between(0, 7, Text),
                Between(0, 7, Array(&Struct(32767, &[
                    Between(0, 7, Fixed(4)), Between(0, 7, Fixed(8)), Between(5, 7, Fixed(4)),
                    Between(0, 7, Text), Between(0, 7, Fixed(2)),
                ]))),
            ]))),
            Between(2, 7, Fixed(2)),
            Since(8, Array(&Struct(32767, &[
                Since(8, Text),
                Since(8, Array(&Struct(32767, &[
                    Between(8, 9, Text), Since(10, Fixed(16)),
                    Since(8, Array(&Struct(32767, &[
                        Since(8, Fixed(4)), Since(8, Fixed(8)), Since(8, Fixed(4)), Since(8, Text),
                        Since(8, Fixed(2)),
                    ]))),
                ]))),
                Since(8, Fixed(2)),
            ]))),
        ] },
        ApiKey::FindCoordinator => Message { flexible_from: 3, fields: &[
            Since(1, Fixed(4)), Between(0, 3, Fixed(2)), Between(1, 3, Text),
            Between(0, 3, Fixed(4)), Between(0, 3, Text), Between(0, 3, Fixed(4)),
            Since(4, Array(&Struct(32767, &[
                Since(4, Text), Since(4, Fixed(4)), Since(4, Text), Since(4, Fixed(4)),
                Since(4, Fixed(2)), Since(4, Text),
            ]))),
        ] },
        ApiKey::DescribeGroups => Message { flexible_from: 5, fields: &[
            Since(1, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Fixed(2)), Since(6, Text), Since(0, Text), Since(0, Text),
                Since(0, Text), Since(0, Text),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Text), Since(4, Text), Since(0, Text), Since(0, Text), Since(0, Bytes),
                    Since(0, Bytes),
                ]))),
                Since(3, Fixed(4)),
            ]))),
        ] },
        ApiKey::ListGroups => Message { flexible_from: 3, fields: &[
            Since(1, Fixed(4)), Since(0, Fixed(2)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Text), Since(0, Text), Since(4, Text), Since(5, Text),
            ]))),
        ] },
        ApiKey::SaslHandshake => Message { flexible_from: 32767, fields: &[
            Since(0, Fixed(2)), Since(0, Array(&Text)),
        ] },
        ApiKey::ApiVersions => Message { flexible_from: 3, fields: &[
            Since(0, Fixed(2)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Fixed(2)), Since(0, Fixed(2)), Since(0, Fixed(2)),
            ]))),
            Since(1, Fixed(4)),
            Tagged(3, 3, 0, Array(&Struct(32767, &[
                Since(3, Text), Since(3, Fixed(2)), Since(3, Fixed(2)),
            ]))),
            Tagged(3, 3, 1, Fixed(8)),
            Tagged(3, 3, 2, Array(&Struct(32767, &[
                Since(3, Text), Since(3, Fixed(2)), Since(3, Fixed(2)),
            ]))),
            Tagged(3, 3, 3, Fixed(1)),
        ] },
        ApiKey::CreateTopics => Message { flexible_from: 5, fields: &[
            Since(2, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Text), Since(7, Fixed(16)), Since(0, Fixed(2)), Since(1, Text),
                Tagged(5, 5, 0, Fixed(2)), Since(5, Fixed(4)), Since(5, Fixed(2)),
                Since(5, Array(&Struct(32767, &[
                    Since(5, Text), Since(5, Text), Since(5, Fixed(1)), Since(5, Fixed(1)),
                    Since(5, Fixed(1)),
                ]))),
            ]))),
        ] },
        ApiKey::DeleteTopics => Message { flexible_from: 4, fields: &[
            Since(1, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Text), Since(6, Fixed(16)), Since(0, Fixed(2)), Since(5, Text),
            ]))),
        ] },
        ApiKey::DeleteRecords => Message { flexible_from: 2, fields: &[
            Since(0, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Text),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Fixed(4)), Since(0, Fixed(8)), Since(0, Fixed(2)),
                ]))),
            ]))),
        ] },
        ApiKey::InitProducerId => Message { flexible_from: 2, fields: &[
            Since(0, Fixed(4)), Since(0, Fixed(2)), Since(0, Fixed(8)), Since(0, Fixed(2)),
            Since(6, Fixed(8)), Since(6, Fixed(2)),
        ] },
        ApiKey::OffsetForLeaderEpoch => Message { flexible_from: 4, fields: &[
            Since(2, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Text),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Fixed(2)), Since(0, Fixed(4)), Since(1, Fixed(4)), Since(0, Fixed(8)),
                ]))),
            ]))),
        ] },
        ApiKey::AddPartitionsToTxn => Message { flexible_from: 3, fields: &[
            Since(0, Fixed(4)), Since(4, Fixed(2)),
            Since(4, Array(&Struct(32767, &[
                Since(4, Text),
                Since(4, Array(&Struct(32767, &[
                    Since(0, Text),
                    Since(0, Array(&Struct(32767, &[
                        Since(0, Fixed(4)), Since(0, Fixed(2)),
                    ]))),
                ]))),
            ]))),
            Between(0, 3, Array(&Struct(32767, &[
                Since(0, Text),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Fixed(4)), Since(0, Fixed(2)),
                ]))),
            ]))),
        ] },
        ApiKey::AddOffsetsToTxn => Message { flexible_from: 3, fields: &[
            Since(0, Fixed(4)), Since(0, Fixed(2)),
        ] },
        ApiKey::EndTxn => Message { flexible_from: 3, fields: &[
            Since(0, Fixed(4)), Since(0, Fixed(2)), Since(5, Fixed(8)), Since(5, Fixed(2)),
        ] },
        ApiKey::TxnOffsetCommit => Message { flexible_from: 3, fields: &[
            Since(0, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Text),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Fixed(4)), Since(0, Fixed(2)),
                ]))),
            ]))),
        ] },
        ApiKey::DescribeConfigs => Message { flexible_from: 4, fields: &[
            Since(0, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Fixed(2)), Since(0, Text), Since(0, Fixed(1)), Since(0, Text),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Text), Since(0, Text), Since(0, Fixed(1)), Since(1, Fixed(1)),
                    Since(0, Fixed(1)),
                    Since(1, Array(&Struct(32767, &[
                        Since(1, Text), Since(1, Text), Since(1, Fixed(1)),
                    ]))),
                    Since(3, Fixed(1)), Since(3, Text),
                ]))),
            ]))),
        ] },
        ApiKey::SaslAuthenticate => Message { flexible_from: 2, fields: &[
            Since(0, Fixed(2)), Since(0, Text), Since(0, Bytes), Since(1, Fixed(8)),
        ] },
        ApiKey::IncrementalAlterConfigs => Message { flexible_from: 1, fields: &[
            Since(0, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Fixed(2)), Since(0, Text), Since(0, Fixed(1)), Since(0, Text),
            ]))),
        ] },
        ApiKey::DescribeCluster => Message { flexible_from: 0, fields: &[
            Since(0, Fixed(4)), Since(0, Fixed(2)), Since(0, Text), Since(1, Fixed(1)),
            Since(0, Text), Since(0, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Fixed(4)), Since(0, Text), Since(0, Fixed(4)), Since(0, Text),
                Since(2, Fixed(1)),
            ]))),
            Since(0, Fixed(4)),
        ] },
        ApiKey::ConsumerGroupDescribe => Message { flexible_from: 0, fields: &[
            Since(0, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Fixed(2)), Since(0, Text), Since(0, Text), Since(0, Text),
                Since(0, Fixed(4)), Since(0, Fixed(4)), Since(0, Text),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Text), Since(0, Text), Since(0, Text), Since(0, Fixed(4)),
                    Since(0, Text), Since(0, Text), Since(0, Array(&Text)), Since(0, Text),
                    Since(0, Struct(32767, &[
                        Since(0, Array(&Struct(32767, &[
                            Since(0, Fixed(16)), Since(0, Text), Since(0, Array(&Fixed(4))),
                        ]))),
                    ])),
                    Since(0, Struct(32767, &[
                        Since(0, Array(&Struct(32767, &[
                            Since(0, Fixed(16)), Since(0, Text), Since(0, Array(&Fixed(4))),
                        ]))),
                    ])),
                    Since(1, Fixed(1)),
                ]))),
                Since(0, Fixed(4)),
            ]))),
        ] },
        ApiKey::DescribeTopicPartitions => Message { flexible_from: 0, fields: &[
            Since(0, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Fixed(2)), Since(0, Text), Since(0, Fixed(16)), Since(0, Fixed(1)),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Fixed(2)), Since(0, Fixed(4)), Since(0, Fixed(4)), Since(0, Fixed(4)),
                    Since(0, Array(&Fixed(4))), Since(0, Array(&Fixed(4))),
                    Since(0, Array(&Fixed(4))), Since(0, Array(&Fixed(4))),
                    Since(0, Array(&Fixed(4))),
                ]))),
                Since(0, Fixed(4)),
            ]))),
            Since(0, Struct(0, &[
                Since(0, Text), Since(0, Fixed(4)),
            ])),
        ] },
        ApiKey::StreamsGroupHeartbeat => Message { flexible_from: 0, fields: &[
            Since(0, Fixed(4)), Since(0, Fixed(2)), Since(0, Text), Since(0, Text),
            Since(0, Fixed(4)), Since(0, Fixed(4)), Since(0, Fixed(4)), Since(0, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Fixed(1)), Since(0, Text),
            ]))),
            Since(0, Array(&Struct(32767, &[
                Since(0, Text), Since(0, Array(&Fixed(4))),
            ]))),
            Since(0, Array(&Struct(32767, &[
                Since(0, Text), Since(0, Array(&Fixed(4))),
            ]))),
            Since(0, Array(&Struct(32767, &[
                Since(0, Text), Since(0, Array(&Fixed(4))),
            ]))),
            Since(0, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Struct(32767, &[
                    Since(0, Text), Since(0, Fixed(2)),
                ])),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Text), Since(0, Array(&Fixed(4))),
                ]))),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Text), Since(0, Array(&Fixed(4))),
                ]))),
            ]))),
        ] },
        ApiKey::StreamsGroupDescribe => Message { flexible_from: 0, fields: &[
            Since(0, Fixed(4)),
            Since(0, Array(&Struct(32767, &[
                Since(0, Fixed(2)), Since(0, Text), Since(0, Text), Since(0, Text),
                Since(0, Fixed(4)), Since(0, Fixed(4)),
                Since(0, Struct(0, &[
                    Since(0, Fixed(4)),
                    Since(0, Array(&Struct(32767, &[
                        Since(0, Text), Since(0, Array(&Text)), Since(0, Array(&Text)),
                        Since(0, Array(&Struct(32767, &[
                            Since(0, Text), Since(0, Fixed(4)), Since(0, Fixed(2)),
                            Since(0, Array(&Struct(32767, &[
                                Since(0, Text), Since(0, Text),
                            ]))),
                        ]))),
                        Since(0, Array(&Struct(32767, &[
                            Since(0, Text), Since(0, Fixed(4)), Since(0, Fixed(2)),
                            Since(0, Array(&Struct(32767, &[
                                Since(0, Text), Since(0, Text),
                            ]))),
                        ]))),
                    ]))),
                ])),
                Since(0, Array(&Struct(32767, &[
                    Since(0, Text), Since(0, Fixed(4)), Since(0, Text), Since(0, Text),
                    Since(0, Text), Since(0, Text), Since(0, Fixed(4)), Since(0, Text),
                    Since(0, Struct(0, &[
                        Since(0, Text), Since(0, Fixed(2)),
                    ])),
                    Since(0, Array(&Struct(32767, &[
                        Since(0, Text), Since(0, Text),
                    ]))),
                    Since(0, Array(&Struct(32767, &[
                        Since(0, Text), Since(0, Fixed(4)), Since(0, Fixed(8)),
                    ]))),
                    Since(0, Array(&Struct(32767, &[
                        Since(0, Text), Since(0, Fixed(4)), Since(0, Fixed(8)),
                    ]))),
                    Since(0, Struct(32767, &[
                        Since(0, Array(&Struct(32767, &[
                            Since(0, Text), Since(0, Array(&Fixed(4))),
                        ]))),
                        Since(0, Array(&Struct(32767, &[
                            Since(0, Text), Since(0, Array(&Fixed(4))),
                        ]))),
                        Since(0, Array(&Struct(32767, &[
                            Since(0, Text), Since(0, Array(&Fixed(4))),
                        ]))),
                    ])),
                    Since(0, Struct(32767, &[
                        Since(0, Array(&Struct(32767, &[
                            Since(0, Text), Since(0, Array(&Fixed(4))),
                        ]))),
                        Since(0, Array(&Struct(32767, &[
                            Since(0, Text), Since(0, Array(&Fixed(4))),
                        ]))),
                        Since(0, Array(&Struct(32767, &[
                            Since(0, Text), Since(0, Array(&Fixed(4))),
                        ]))),
                    ])),
                    Since(0, Fixed(1)),
                ]))),
                Since(0, Fixed(4)),
            ]))),
        ] },
    }
}
