//! The order in which Java iterates a `HashSet`: brokers compare topologies in it, and describe
//! texts show it.

/// Java's `String.hashCode`, over UTF-16 units.
pub(crate) fn string_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
}

/// Java's `Arrays.hashCode` of bytes.
pub(crate) fn bytes_hash(bytes: &[u8]) -> i32 {
    bytes.iter().fold(1_i32, |hash, byte| {
        hash.wrapping_mul(31)
            .wrapping_add(i32::from(byte.cast_signed()))
    })
}

/// Indexes of distinct elements, given by their hash codes in insertion order, in the order a
/// `HashSet` iterates them: by bucket, in insertion order within a bucket (resizing keeps it).
pub(crate) fn hash_set_order(hashes: &[i32]) -> Vec<usize> {
    hash_table_order(hashes, table_capacity(hashes.len()))
}

/// [`hash_set_order`] of a set that has held more elements: its table does not shrink.
pub(crate) fn hash_table_order(hashes: &[i32], capacity: usize) -> Vec<usize> {
    let bucket = |hash: i32| (hash ^ ((hash as u32) >> 16) as i32) as usize & (capacity - 1);
    let mut order: Vec<usize> = (0..hashes.len()).collect();
    order.sort_by_key(|&index| bucket(hashes[index]));
    order
}

/// The table of a `HashSet` starts at 16 and doubles above three quarters full.
pub(crate) const fn table_capacity(elements: usize) -> usize {
    let mut capacity = 16;
    while elements * 4 > capacity * 3 {
        capacity *= 2;
    }
    capacity
}

/// Indexes of texts in the order of a `HashSet` filled in the given order.
pub(crate) fn string_order(texts: &[&str]) -> Vec<usize> {
    let hashes: Vec<i32> = texts.iter().map(|text| string_hash(text)).collect();
    hash_set_order(&hashes)
}

/// Texts in the order of a `HashSet` filled in the given order.
pub(crate) fn strings_in_hash_order<'a>(texts: &[&'a str]) -> Vec<&'a str> {
    let order = string_order(texts).into_iter();
    order.map(|index| texts[index]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_and_buckets_are_javas() {
        assert_eq!(string_hash("hello"), 99_162_322);
        assert_eq!(bytes_hash(&[1, 255, 0]), 30_721);
        // [in2, in1] is what Java prints for a source of both.
        assert_eq!(strings_in_hash_order(&["in1", "in2"]), ["in2", "in1"]);
        // One bucket keeps insertion order.
        assert_eq!(hash_set_order(&[16, 0, 32]), [0, 1, 2]);
        // Thirteen elements make the table 32 wide: 16 moves behind 12.
        let thirteen = [16, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        assert_eq!(hash_set_order(&thirteen).last(), Some(&0));
    }
}
