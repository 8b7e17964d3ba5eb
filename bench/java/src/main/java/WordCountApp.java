import java.util.Arrays;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.regex.Pattern;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.Stores;

/**
 * The benchmark's word count on Kafka Streams: one thread, streams protocol, in-memory store.
 * Arguments: bootstrap servers, application id, input, output, settings as KEY=VALUE, folder for
 * its state. Prints RUNNING when its state is RUNNING and ends when its standard input does.
 */
public class WordCountApp {
  private static final Pattern NO_LETTERS = Pattern.compile("[^a-z]+");

  public static void main(String[] args) throws Exception {
    String bootstrap = args[0], application = args[1], input = args[2], output = args[3];
    Properties config = new Properties();
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
    config.put(StreamsConfig.GROUP_PROTOCOL_CONFIG, "streams");
    config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    config.put("enable.metrics.push", false);
    config.put(StreamsConfig.STATE_DIR_CONFIG, args[args.length - 1]);
    for (String setting : Arrays.asList(args).subList(4, args.length - 1)) {
      String[] pair = setting.split("=", 2);
      config.put(pair[0], pair[1]);
    }
    StreamsBuilder builder = new StreamsBuilder();
    builder.stream(input, Consumed.with(Serdes.String(), Serdes.String()))
        .flatMapValues(line -> Arrays.asList(NO_LETTERS.split(line.toLowerCase())))
        .filter((key, word) -> !word.isEmpty())
        .groupBy((key, word) -> word, Grouped.with(Serdes.String(), Serdes.String()))
        .count(Materialized.<String, Long>as(Stores.inMemoryKeyValueStore("counts"))
            .withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()))
        .toStream()
        .to(output, Produced.with(Serdes.String(), Serdes.Long()));
    KafkaStreams streams = new KafkaStreams(builder.build(), config);
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
}
