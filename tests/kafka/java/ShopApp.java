import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.GlobalKTable;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;

/**
 * The shop of src/shop.rs on Kafka Streams, call by call. Prints RUNNING when its state is RUNNING and ends when its
 * standard input does. Arguments: bootstrap servers, application id, state directory.
 */
public class ShopApp {
  private static String part(String order, int at) {
    return order.split("\\|")[at];
  }

  public static void main(String[] args) throws Exception {
    Properties config = new Properties();
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
    config.put(StreamsConfig.STATE_DIR_CONFIG, args[2]);
    config.put(StreamsConfig.GROUP_PROTOCOL_CONFIG, "streams");
    config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    config.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    config.put("enable.metrics.push", false);
    KafkaStreams streams = new KafkaStreams(topology().build(), config);
    CountDownLatch running = new CountDownLatch(1);
    streams.setStateListener((now, before) -> {
      if (now == KafkaStreams.State.RUNNING) running.countDown();
    });
    streams.start();
    running.await();
    System.out.println("RUNNING");
    System.out.flush();
    while (System.in.read() >= 0) { }
    streams.close();
  }

  private static StreamsBuilder topology() {
    StreamsBuilder builder = new StreamsBuilder();
    KStream<String, String> orders = builder.stream("orders");
    KStream<String, String> payments = builder.stream("payments");
    KTable<String, String> customers = builder.table("customers");
    GlobalKTable<String, String> countries = builder.globalTable("countries");

    KTable<String, String> table = orders.toTable(Materialized.as("orders"));
    table.join(customers, order -> part(order, 0), (order, name) -> order + " by " + name).toStream().to("enriched");

    JoinWindows windows = JoinWindows.ofTimeDifferenceWithNoGrace(Duration.ofHours(1));
    orders.join(payments, (order, paid) -> order + " paid " + paid, windows).to("paid");

    KStream<String, Long> byCustomer = orders
      .selectKey((key, order) -> part(order, 0))
      .mapValues(order -> Long.parseLong(part(order, 1)));
    KTable<String, Long> totals = byCustomer
      .groupByKey(Grouped.with("by-customer", Serdes.String(), Serdes.Long()))
      .aggregate(() -> 0L, (key, amount, total) -> total + amount,
        Materialized.<String, Long, org.apache.kafka.streams.state.KeyValueStore<org.apache.kafka.common.utils.Bytes, byte[]>>as("totals")
          .withValueSerde(Serdes.Long()));
    totals.join(customers, (total, name) -> name + ": " + total).toStream().to("totals-out");

    byCustomer
      .groupByKey(Grouped.with("by-customer-and-day", Serdes.String(), Serdes.Long()))
      .windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofDays(1)))
      .count(Materialized.as("per-day"))
      .toStream()
      .map((windowed, count) -> KeyValue.pair(windowed.key() + "@" + windowed.window().start(), count))
      .to("per-day-out", Produced.with(Serdes.String(), Serdes.Long()));

    customers
      .toStream()
      .filter((key, name) -> name != null)
      .mapValues(name -> name)
      .join(countries, (key, name) -> part(name, 1), (name, country) -> name + " in " + country)
      .to("where");
    return builder;
  }
}
