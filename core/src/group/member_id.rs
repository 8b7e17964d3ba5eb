//! Member ids in the form of Kafka's `Uuid`.

use crate::rng::Rng;

/// Sixteen random bytes as URL-safe base64 without padding, never beginning with a dash, which
/// command lines would take for a flag (Java: `Uuid.randomUuid().toString()`).
pub fn random_member_id(rng: &mut Rng) -> String {
    loop {
        let id = base64_url(&rng.bytes16());
        if !id.starts_with('-') {
            return id;
        }
    }
}

fn base64_url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(group);
        for digit in 0..=chunk.len() {
            let index = (bits >> (18 - 6 * digit)) & 63;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeedTree;

    #[test]
    fn base64_is_url_safe_and_unpadded() {
        assert_eq!(base64_url(b""), "");
        assert_eq!(base64_url(b"f"), "Zg");
        assert_eq!(base64_url(b"fo"), "Zm8");
        assert_eq!(base64_url(b"foobar"), "Zm9vYmFy");
        assert_eq!(base64_url(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn ids_differ_and_never_begin_with_a_dash() {
        let mut rng = SeedTree::new(5).rng();
        let ids: Vec<String> = (0..1000).map(|_| random_member_id(&mut rng)).collect();
        assert!(ids.iter().all(|id| id.len() == 22 && !id.starts_with('-')));
        assert_ne!(ids[0], ids[1]);
    }
}
