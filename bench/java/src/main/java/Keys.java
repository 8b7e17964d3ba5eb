import java.nio.charset.StandardCharsets;

/** Keys in the order in which both sides use them. */
final class Keys {
  final int count;
  private final byte[] key = "key-00000000".getBytes(StandardCharsets.ISO_8859_1);
  private long random = 0x9e3779b97f4a7c15L;

  Keys(int count) {
    this.count = Math.max(1, count);
  }

  int nextNumber() {
    random ^= random << 13;
    random ^= random >>> 7;
    random ^= random << 17;
    return (int) ((random >>> 33) % count);
  }

  String next() {
    return text(nextNumber());
  }

  String text(int number) {
    for (int at = key.length - 1; at >= 4; at--) {
      key[at] = (byte) ('0' + number % 10);
      number /= 10;
    }
    return new String(key, StandardCharsets.ISO_8859_1);
  }
}
