import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Writes words to the input of a word count at a fixed rate, each word once, and reads their counts,
 * read committed. The clock of a word starts when it was due, so a stall counts for all it delays.
 *
 * <p>Each line of standard input names the phase that begins; at its end every word is waited for,
 * and for each phase comes a line {@code name words p50_ms p99_ms max_ms}.
 */
public class LatencyProbe {
  private record Sent(long dueNanos, Phase phase) { }

  private static final class Phase {
    private final String name;
    private final List<Long> nanos = new ArrayList<>();

    private Phase(String name) {
      this.name = name;
    }

    private String summary() {
      long[] sorted = nanos.stream().mapToLong(Long::longValue).sorted().toArray();
      if (sorted.length == 0) return name + " 0 0 0 0";
      return String.format("%s %d %.1f %.1f %.1f", name, sorted.length, millis(sorted, 0.5),
          millis(sorted, 0.99), millis(sorted, 1.0));
    }

    private static double millis(long[] sorted, double part) {
      return sorted[(int) Math.min(sorted.length - 1, part * sorted.length)] / 1e6;
    }
  }

  private static final long PATIENCE_NANOS = 60_000_000_000L;
  private static volatile Phase phase;
  private static volatile boolean ended;

  public static void main(String[] args) throws Exception {
    String bootstrap = args[0], input = args[1], output = args[2];
    long periodNanos = 1_000_000_000L / Long.parseLong(args[3]);
    Map<String, Sent> underWay = new ConcurrentHashMap<>();
    List<Phase> phases = new ArrayList<>();
    try (KafkaConsumer<String, byte[]> consumer = consumer(bootstrap, output);
        KafkaProducer<String, String> producer = producer(bootstrap)) {
      producer.partitionsFor(input);
      System.out.println("READY");
      BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
      begin(lines.readLine(), phases);
      Thread reader = new Thread(() -> {
        try {
          for (String line; (line = lines.readLine()) != null; ) begin(line, phases);
        } catch (java.io.IOException error) {
          error.printStackTrace();
        }
        ended = true;
      });
      reader.start();
      Thread writer = new Thread(() -> write(producer, input, periodNanos, underWay));
      writer.start();
      long giveUp = Long.MAX_VALUE;
      while (!ended || writer.isAlive() || !underWay.isEmpty()) {
        if (ended && giveUp == Long.MAX_VALUE) giveUp = System.nanoTime() + PATIENCE_NANOS;
        if (System.nanoTime() > giveUp) throw new IllegalStateException(underWay.size() + " words lost");
        for (ConsumerRecord<String, byte[]> record : consumer.poll(Duration.ofMillis(10))) {
          Sent sent = underWay.remove(record.key());
          if (sent != null) sent.phase.nanos.add(System.nanoTime() - sent.dueNanos);
        }
      }
    }
    phases.forEach(phase -> System.out.println(phase.summary()));
  }

  private static void begin(String name, List<Phase> phases) {
    Phase next = new Phase(name);
    phases.add(next);
    phase = next;
  }

  private static void write(KafkaProducer<String, String> producer, String input, long periodNanos,
      Map<String, Sent> underWay) {
    long due = System.nanoTime();
    for (long number = 0; !ended; number++) {
      LockSupport.parkNanos(due - System.nanoTime());
      String word = word(number);
      underWay.put(word, new Sent(due, phase));
      producer.send(new ProducerRecord<>(input, word));
      due += periodNanos;
    }
    producer.flush();
  }

  /** Letters alone, or a word count would cut it. */
  private static String word(long number) {
    StringBuilder word = new StringBuilder("probe");
    for (long rest = number; rest > 0; rest /= 26) word.append((char) ('a' + rest % 26));
    return word.toString();
  }

  private static KafkaProducer<String, String> producer(String bootstrap) {
    Properties config = new Properties();
    config.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
    config.put(ProducerConfig.LINGER_MS_CONFIG, 0);
    return new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
  }

  private static KafkaConsumer<String, byte[]> consumer(String bootstrap, String topic) {
    Properties config = new Properties();
    config.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
    config.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
    KafkaConsumer<String, byte[]> consumer =
        new KafkaConsumer<>(config, new StringDeserializer(), new ByteArrayDeserializer());
    List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
        .map(info -> new TopicPartition(topic, info.partition())).toList();
    consumer.assign(partitions);
    consumer.seekToEnd(partitions);
    partitions.forEach(consumer::position);
    return consumer;
  }
}
