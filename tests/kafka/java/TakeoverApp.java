import java.time.Duration;
import java.util.Arrays;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.WindowStore;

/**
 * The topologies of src/takeover/scenarios.rs on Kafka Streams, call by call. Prints RUNNING when its state is RUNNING,
 * ends when its standard input does, and at once when it fails. Arguments: bootstrap servers, application id, scenario,
 * guarantee, state directory.
 */
public class TakeoverApp {
  private static final Duration GRACE = Duration.ofDays(1);

  private final StreamsBuilder builder = new StreamsBuilder();
  private final String left;
  private final String right;
  private final String output;

  private TakeoverApp(String applicationId) {
    left = applicationId + "-left";
    right = applicationId + "-right";
    output = applicationId + "-out";
  }

  public static void main(String[] args) throws Exception {
    Properties config = new Properties();
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
    config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, args[3]);
    config.put(StreamsConfig.STATE_DIR_CONFIG, args[4]);
    config.put(StreamsConfig.GROUP_PROTOCOL_CONFIG, "streams");
    config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    config.put(StreamsConfig.producerPrefix("transaction.timeout.ms"), 5000);
    config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    config.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    config.put("enable.metrics.push", false);
    TakeoverApp app = new TakeoverApp(args[1]);
    app.build(args[2]);
    KafkaStreams streams = new KafkaStreams(app.builder.build(), config);
    CountDownLatch running = new CountDownLatch(1);
    streams.setStateListener((now, before) -> {
      if (now == KafkaStreams.State.RUNNING) running.countDown();
    });
    streams.setUncaughtExceptionHandler(failure -> {
      failure.printStackTrace();
      Runtime.getRuntime().halt(1);
      return null;
    });
    streams.start();
    running.await();
    System.out.println("RUNNING");
    System.out.flush();
    while (System.in.read() >= 0) { }
    streams.close();
  }

  private void build(String scenario) {
    switch (scenario) {
      case "word-count" -> wordCount();
      case "windowed-sum" -> windowedSum();
      case "session-count" -> sessionCount();
      case "stream-join" -> streamJoin();
      case "table-join" -> tableJoin();
      case "foreign-key-join" -> foreignKeyJoin();
      default -> throw new IllegalArgumentException("there is no such scenario: " + scenario);
    }
  }

  private void wordCount() {
    builder.<String, String>stream(left)
      .flatMapValues(line -> Arrays.asList(line.split(" ")))
      .groupBy((key, word) -> word)
      .count(Materialized.as("counts"))
      .toStream()
      .mapValues(count -> Long.toString(count))
      .to(output);
  }

  private void windowedSum() {
    TimeWindows windows = TimeWindows.ofSizeAndGrace(Duration.ofMillis(10_000), GRACE);
    builder.<String, String>stream(left)
      .groupByKey()
      .windowedBy(windows.advanceBy(Duration.ofMillis(5_000)))
      .aggregate(() -> 0L, (key, amount, sum) -> sum + Long.parseLong(amount),
        Materialized.<String, Long, WindowStore<Bytes, byte[]>>as("sums").withValueSerde(Serdes.Long()))
      .toStream()
      .map((key, sum) -> KeyValue.pair(key.key() + "@" + key.window().start(), Long.toString(sum)))
      .to(output);
  }

  private void sessionCount() {
    builder.<String, String>stream(left)
      .groupBy((key, user) -> user)
      .windowedBy(SessionWindows.ofInactivityGapAndGrace(Duration.ofMillis(300), GRACE))
      .count(Materialized.as("sessions"))
      .toStream()
      .map((key, count) -> KeyValue.pair(
        key.key() + "@" + key.window().start() + "-" + key.window().end(), count == null ? null : Long.toString(count)))
      .to(output);
  }

  private void streamJoin() {
    KStream<String, String> lefts = builder.stream(left);
    KStream<String, String> rights = builder.stream(right);
    JoinWindows windows = JoinWindows.ofTimeDifferenceAndGrace(Duration.ofMillis(1_000), GRACE);
    lefts.join(rights, (one, other) -> one + "+" + other, windows).to(output);
  }

  private void tableJoin() {
    KTable<String, String> lefts = builder.table(left);
    KTable<String, String> rights = builder.table(right);
    lefts.join(rights, (one, other) -> one + "+" + other).toStream().to(output);
  }

  private void foreignKeyJoin() {
    KTable<String, String> lefts = builder.table(left);
    KTable<String, String> rights = builder.table(right);
    lefts.join(rights, one -> one.split("\\|")[0], (one, other) -> one + "+" + other).toStream().to(output);
  }
}
