import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.MockProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.processor.internals.StreamTask;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers;

/**
 * Kafka Streams' task for a topology, without a broker. It is the one that TopologyTestDriver makes, driven directly: the
 * driver would commit every record.
 */
public final class DslBench implements Rounds.Case {
  private static final long NOW = 1;

  private final TopologyTestDriver driver;
  private final StreamTask task;
  private final MockProducer<byte[], byte[]> producer;
  private final Map<String, TopicPartition> partitions;
  private final Method commit;
  private final Map<String, Long> offsets = new HashMap<>();
  private final List<String> sources = new ArrayList<>();
  private final Map<String, List<ConsumerRecord<byte[], byte[]>>> prepared = new HashMap<>();
  private final Keys keys;
  /** Later than the gap: the cache fails at sessions that could begin before 1970. */
  private long time = 24L * 60 * 60 * 1000;

  @SuppressWarnings("unchecked")
  private DslBench(String name, int keyCount) throws Exception {
    Properties config = new Properties();
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, "bench");
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "localhost:1");
    config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    config.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.LongSerde.class);
    // The key default.dsl.store would do nothing here: Java reads it only where the builder is given a TopologyConfig.
    config.put(StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG, InMemoryDslStoreSuppliers.class);
    driver = new TopologyTestDriver(DslTopologies.topology(name), config, Instant.ofEpochMilli(NOW));
    driver.getAllStateStores().forEach((store, state) -> {
      if (state.persistent()) {
        throw new IllegalStateException(store + " is not in memory, as ours is");
      }
    });
    task = (StreamTask) field("task");
    producer = (MockProducer<byte[], byte[]>) field("producer");
    partitions = (Map<String, TopicPartition>) field("partitionsByInputTopic");
    commit = TopologyTestDriver.class.getDeclaredMethod("commit", Map.class);
    commit.setAccessible(true);
    for (String topic : List.of("in", "other")) {
      if (partitions.containsKey(topic)) {
        sources.add(topic);
        prepared.put(topic, new ArrayList<>());
      }
    }
    keys = new Keys(keyCount);
    for (int number = 0; number < keyCount; number++) {
      for (String source : sources) {
        prepare(source, number);
      }
      if (number % 250 == 249 || number == keyCount - 1) {
        operate(0, 0);
      }
    }
    commit();
  }

  public static void main(String[] args) throws Exception {
    Rounds.serve(DslBench::new, false);
  }

  private Object field(String name) throws Exception {
    Field field = TopologyTestDriver.class.getDeclaredField(name);
    field.setAccessible(true);
    return field.get(driver);
  }

  private void prepare(String topic, int number) {
    time++;
    byte[] key = keys.text(number).getBytes(StandardCharsets.ISO_8859_1);
    byte[] value = ByteBuffer.allocate(8).putLong((number + time) % keys.count).array();
    prepared.get(topic).add(record(topic, time, key, value, new RecordHeaders()));
  }

  private ConsumerRecord<byte[], byte[]> record(String topic, long time, byte[] key, byte[] value, Headers headers) {
    long offset = offsets.merge(topic, 1L, Long::sum) - 1;
    return new ConsumerRecord<>(
      topic, 0, offset, time, TimestampType.CREATE_TIME, key == null ? -1 : key.length,
      value == null ? -1 : value.length, key, value, headers, Optional.empty());
  }

  @Override
  public void prepare(int count) {
    for (int at = 0; at < count; at++) {
      prepare(sources.get(at % sources.size()), keys.nextNumber());
    }
  }

  /** Whatever was prepared; a task that has records left cannot be stopped. */
  @Override
  public int operate(int count, long deadline) {
    prepared.forEach((topic, records) -> {
      task.addRecords(partitions.get(topic), records);
      records.clear();
    });
    process();
    return count;
  }

  private void process() {
    do {
      task.resumePollingForPartitionsWithAvailableSpace();
      task.updateLags();
      while (task.process(NOW)) {
      }
      task.maybePunctuateStreamTime();
    } while (deliver());
  }

  /** Hands what was sent to topics that this task reads back to it. */
  private boolean deliver() {
    List<ProducerRecord<byte[], byte[]>> sent = producer.history();
    producer.clear();
    if (partitions.size() == sources.size()) {
      return false;
    }
    boolean delivered = false;
    for (ProducerRecord<byte[], byte[]> record : sent) {
      TopicPartition partition = partitions.get(record.topic());
      if (partition != null) {
        task.addRecords(partition, List.of(
          record(record.topic(), record.timestamp(), record.key(), record.value(), record.headers())));
        delivered = true;
      }
    }
    return delivered;
  }

  @Override
  public void commit() {
    try {
      commit.invoke(driver, task.prepareCommit(true));
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
    task.postCommit(true);
    if (deliver()) {
      process();
    }
  }

  @Override
  public void close() {
    driver.close();
  }
}
