import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;

/** The topologies that our side has too. */
final class DslTopologies {
  private static final Duration HOUR = Duration.ofHours(1);
  private final StreamsBuilder builder = new StreamsBuilder();

  private DslTopologies() {
  }

  static Topology topology(String name) {
    return new DslTopologies().build(name);
  }

  private Topology build(String name) {
    switch (name) {
      case "stateless-chain":
        chain(10);
        break;
      case "hops-0":
        chain(0);
        break;
      case "hops-20":
        chain(20);
        break;
      case "count":
        grouped().count(Materialized.as("counts")).toStream().to("out");
        break;
      case "windowed-count":
        out(grouped().windowedBy(TimeWindows.ofSizeWithNoGrace(HOUR)).count(Materialized.as("counts")));
        break;
      case "session-count":
        out(grouped().windowedBy(SessionWindows.ofInactivityGapWithNoGrace(HOUR)).count(Materialized.as("counts")));
        break;
      case "suppress":
        out(grouped().windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofSeconds(10)))
          .count(Materialized.as("counts"))
          .suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded())));
        break;
      case "stream-stream-join":
        stream("in").join(
          stream("other"), Long::sum, JoinWindows.ofTimeDifferenceWithNoGrace(Duration.ofSeconds(10))).to("out");
        break;
      case "table-table-join":
        table("in").join(table("other"), Long::sum).toStream().to("out");
        break;
      case "foreign-key-join":
        KTable<String, Long> left = table("in");
        left.join(table("other"), DslTopologies::foreignKey, Long::sum).toStream().to("out");
        break;
      default:
        throw new IllegalArgumentException(name);
    }
    return builder.build();
  }

  /** Formats by hand: String.format would be most of what is measured. */
  private static String foreignKey(Long value) {
    byte[] text = "key-00000000".getBytes(StandardCharsets.ISO_8859_1);
    long number = value;
    for (int at = text.length - 1; at >= 4; at--) {
      text[at] = (byte) ('0' + number % 10);
      number /= 10;
    }
    return new String(text, StandardCharsets.ISO_8859_1);
  }

  private KStream<String, Long> stream(String topic) {
    return builder.stream(topic, Consumed.with(Serdes.String(), Serdes.Long()));
  }

  private KTable<String, Long> table(String topic) {
    return builder.table(topic, Consumed.with(Serdes.String(), Serdes.Long()));
  }

  private KGroupedStream<String, Long> grouped() {
    return stream("in").groupByKey();
  }

  private void chain(int hops) {
    KStream<String, Long> stream = stream("in");
    for (int hop = 0; hop < hops; hop++) {
      stream = hop % 2 == 0 ? stream.mapValues(value -> value + 1) : stream.filter((key, value) -> value >= 0);
    }
    stream.to("out");
  }

  private static void out(KTable<Windowed<String>, Long> counts) {
    counts.toStream((key, value) -> key.key()).to("out");
  }
}
