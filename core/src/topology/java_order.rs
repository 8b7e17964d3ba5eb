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
    let buckets = hashes.iter().map(|&hash| bucket(hash));
    let mut order: Vec<(usize, usize)> = buckets.zip(0..).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, index)| index).collect()
}

/// The table of a `HashSet` starts at 16 and doubles above three quarters full.
pub(crate) const fn table_capacity(elements: usize) -> usize {
    let mut capacity = 16;
    while elements * 4 > capacity * 3 {
        capacity *= 2;
    }
    capacity
}

/// A Java `HashSet` of texts, to be iterated in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JavaHashSet<T> {
    inserted: Vec<T>,
    capacity: usize,
}

impl<T> Default for JavaHashSet<T> {
    /// `new HashSet<>()`.
    fn default() -> Self {
        Self {
            inserted: Vec::new(),
            capacity: table_capacity(0),
        }
    }
}

impl<T: AsRef<str>> JavaHashSet<T> {
    /// `new HashSet<>(collection)` of `size` elements, before they are added: Java divides by the
    /// load factor of three quarters and adds one.
    pub(crate) fn for_size(size: usize) -> Self {
        Self {
            inserted: Vec::new(),
            capacity: sized_capacity(size),
        }
    }

    /// Adds a text, unless it is there.
    pub(crate) fn insert(&mut self, text: T) {
        if !self.contains(text.as_ref()) {
            self.inserted.push(text);
            self.capacity = self.capacity.max(table_capacity(self.inserted.len()));
        }
    }

    /// Removes a text; says whether it was there.
    pub(crate) fn remove(&mut self, text: &str) -> bool {
        let before = self.inserted.len();
        self.inserted.retain(|known| known.as_ref() != text);
        self.inserted.len() < before
    }

    /// True when the text is there.
    pub(crate) fn contains(&self, text: &str) -> bool {
        self.inserted.iter().any(|known| known.as_ref() == text)
    }

    /// The texts in Java's order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let hashes: Vec<i32> = self.hashes().collect();
        let order = hash_table_order(&hashes, self.capacity).into_iter();
        order.map(|at| &self.inserted[at])
    }

    /// True when both have the same texts.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let mut own = self.inserted.iter();
        self.inserted.len() == other.inserted.len() && own.all(|text| other.contains(text.as_ref()))
    }

    /// Java's hash code of the set.
    pub(crate) fn hash(&self) -> i32 {
        self.hashes().fold(0, i32::wrapping_add)
    }

    fn hashes(&self) -> impl Iterator<Item = i32> {
        self.inserted.iter().map(|text| string_hash(text.as_ref()))
    }
}

/// The table of `new HashSet<>(collection)` for `size` elements.
pub(crate) fn sized_capacity(size: usize) -> usize {
    (size * 4 / 3 + 1)
        .next_power_of_two()
        .max(table_capacity(0))
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
