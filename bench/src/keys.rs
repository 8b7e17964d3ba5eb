//! Keys in the order in which both sides use them.

/// Which key is next: a xorshift sequence, the same on the Java side. The text of the key is
/// written anew each time, as the key of a record just read is.
pub(crate) struct Keys {
    state: u64,
    count: u32,
    text: String,
}

impl Keys {
    pub(crate) fn new(count: u32) -> Self {
        Self {
            state: 0x9e37_79b9_7f4a_7c15,
            count: count.max(1),
            text: String::new(),
        }
    }

    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    /// The number of the next key.
    pub(crate) fn next_number(&mut self) -> u32 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 33) as u32 % self.count
    }

    /// The next key.
    pub(crate) fn next(&mut self) -> &String {
        let number = self.next_number();
        self.text(number)
    }

    /// The key with a number: 12 bytes.
    pub(crate) fn text(&mut self, mut number: u32) -> &String {
        let mut text = *b"key-00000000";
        for digit in text[4..].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.text.clear();
        self.text
            .push_str(std::str::from_utf8(&text).expect("is ASCII"));
        &self.text
    }
}
