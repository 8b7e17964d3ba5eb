//! The guard against kafka_protocol's own decoders, message by message and version by version.
//!
//! Bodies are generated from the guard's schemas. That every decoder takes all of such a body and
//! nothing less shows that guard and decoder read the same fields in the same places, which is what
//! the guard's promise rests on.

use bytes::Bytes;

use super::{Field, Kind, Message, check, schema};
use crate::rng::{Rng, SeedTree};
use crate::wire::{ApiKey, DecodeError, Request, Response, supported_versions};

/// Writes a valid body and notes where its lengths are.
struct Generator<'a> {
    rng: &'a mut Rng,
    version: i16,
    flexible: bool,
    out: Vec<u8>,
    /// Where each length stands, and its width; the width of a compact one is 1.
    lengths: Vec<(usize, usize)>,
}

impl Generator<'_> {
    fn fields(&mut self, fields: &'static [Field]) {
        let version = self.version;
        let here = |field: &&Field| field.is_in(version);
        for field in fields.iter().filter(here) {
            if field.tag(version).is_none() {
                self.kind(field.kind());
            }
        }
        if !self.flexible {
            return;
        }
        let mut tagged: Vec<&Field> = fields.iter().filter(here).collect();
        tagged.retain(|field| field.tag(version).is_some() && self.rng.chance(1, 2));
        let unknown = self.rng.chance(1, 4);
        self.length(1, tagged.len() as i64 + i64::from(unknown));
        for field in tagged {
            self.out.push(field.tag(version).unwrap_or(0) as u8);
            let mut inner = Generator {
                rng: self.rng,
                version,
                flexible: true,
                out: Vec::new(),
                lengths: Vec::new(),
            };
            inner.kind(field.kind());
            let Generator { out, lengths, .. } = inner;
            uvarint(&mut self.out, out.len());
            let base = self.out.len();
            let moved = lengths.iter().map(|(at, width)| (at + base, *width));
            self.lengths.extend(moved);
            self.out.extend_from_slice(&out);
        }
        if unknown {
            self.out.extend_from_slice(&[99, 2, 7, 7]);
        }
    }

    fn length(&mut self, width: usize, value: i64) {
        self.lengths.push((self.out.len(), width));
        self.out
            .extend_from_slice(&value.to_be_bytes()[8 - width..]);
    }

    fn kind(&mut self, kind: &'static Kind) {
        let count = self.rng.below(3) as i64;
        let compact = i64::from(self.flexible);
        let width = |wide: usize| if self.flexible { 1 } else { wide };
        match kind {
            Kind::Fixed(size) => {
                for _ in 0..*size {
                    self.out.push(self.rng.next_u64() as u8);
                }
            }
            Kind::Text | Kind::Bytes => {
                let wide = if matches!(kind, Kind::Text) { 2 } else { 4 };
                self.length(width(wide), count + compact);
                self.out.extend_from_slice(&b"ab"[..count as usize]);
            }
            Kind::Array(element) => {
                self.length(width(4), count + compact);
                for _ in 0..count {
                    self.kind(element);
                }
            }
            Kind::Struct(nullable_from, fields) => {
                if self.version >= *nullable_from {
                    if self.rng.chance(1, 3) {
                        return self.out.push(0xff);
                    }
                    self.out.push(1);
                }
                self.fields(fields);
            }
        }
    }
}

fn uvarint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A body and where its lengths are.
fn generate(message: &Message, version: i16, rng: &mut Rng) -> (Vec<u8>, Vec<(usize, usize)>) {
    let mut generator = Generator {
        rng,
        version,
        flexible: version >= message.flexible_from,
        out: Vec::new(),
        lengths: Vec::new(),
    };
    generator.fields(message.fields);
    (generator.out, generator.lengths)
}

#[derive(Clone, Copy, Debug)]
enum Direction {
    Request,
    Response,
}

fn decode(direction: Direction, api: ApiKey, version: i16, body: &[u8]) -> Result<(), DecodeError> {
    let body = Bytes::copy_from_slice(body);
    match direction {
        Direction::Request => Request::decode_body(api, version, body).map(drop),
        Direction::Response => Response::decode_body(api, version, body).map(drop),
    }
}

/// Runs `test` with `runs` generated bodies for every message in every version.
fn for_every_message(
    runs: u64,
    mut test: impl FnMut(Direction, ApiKey, i16, &Message, Vec<u8>, Vec<(usize, usize)>, &mut Rng),
) {
    for (at, api) in ApiKey::ALL.iter().copied().enumerate() {
        let (first, last) = supported_versions(api);
        for version in first..=last {
            for direction in [Direction::Request, Direction::Response] {
                let message = match direction {
                    Direction::Request => schema::request(api),
                    Direction::Response => schema::response(api),
                };
                let mut rng = SeedTree::new(at as u64)
                    .child("version", version as u64)
                    .rng();
                for _ in 0..runs {
                    let (body, lengths) = generate(&message, version, &mut rng);
                    test(direction, api, version, &message, body, lengths, &mut rng);
                }
            }
        }
    }
}

#[test]
fn guard_and_decoder_read_the_same_fields() {
    for_every_message(20, |direction, api, version, message, body, _, _| {
        let context = || format!("{direction:?} {api:?} {version} {body:02x?}");
        assert_eq!(check(message, version, &body), Ok(()), "{}", context());
        decode(direction, api, version, &body).unwrap_or_else(|e| panic!("{e}: {}", context()));
        if let Some((_, shorter)) = body.split_last() {
            let guarded = check(message, version, shorter);
            assert_eq!(guarded, Err(DecodeError::Truncated), "{}", context());
            assert!(
                decode(direction, api, version, shorter).is_err(),
                "{}",
                context()
            );
        }
    });
}

#[test]
fn no_length_may_exceed_what_is_there() {
    let mut lengths_tried = 0;
    for_every_message(10, |direction, api, version, message, body, lengths, _| {
        for (at, width) in lengths {
            let huge: &[u8] = match width {
                1 => &[0xff, 0xff, 0xff, 0xff, 0x07],
                2 => &[0x7f, 0xff],
                _ => &[0x7f, 0xff, 0xff, 0xff],
            };
            let mut hostile = body.clone();
            hostile.splice(at..at + width, huge.iter().copied());
            assert!(
                check(message, version, &hostile).is_err(),
                "{direction:?} {api:?} {version} {hostile:02x?} at {at}"
            );
            lengths_tried += 1;
        }
    });
    assert!(lengths_tried > 10_000, "{lengths_tried}");
}

#[test]
fn mutated_messages_that_pass_the_guard_decode_without_a_panic() {
    let mut passed = 0;
    for_every_message(60, |direction, api, version, message, mut body, _, rng| {
        for _ in 0..=rng.below(3) {
            if body.is_empty() {
                return;
            }
            let at = rng.below(body.len() as u64) as usize;
            body[at] = match rng.below(4) {
                0 => 0xff,
                1 => body[at].wrapping_add(1),
                2 => 0,
                _ => rng.next_u64() as u8,
            };
        }
        if check(message, version, &body).is_ok() {
            passed += 1;
            drop(decode(direction, api, version, &body));
        }
    });
    assert!(passed > 1_000, "{passed}");
}

#[test]
fn unknown_tags_are_limited_by_the_size_of_the_message() {
    // A decoder keeps unknown tagged fields in a tree whose nodes are far larger than the three
    // bytes a tag can take.
    let message = schema::request(ApiKey::ListGroups);
    let body = |tags: usize| {
        let mut body = vec![1, 1];
        uvarint(&mut body, tags);
        for tag in 0..tags {
            uvarint(&mut body, 1_000 + tag);
            body.push(0);
        }
        body
    };
    assert_eq!(check(&message, 5, &body(60)), Ok(()));
    assert!(check(&message, 5, &body(10_000)).is_err());
}
