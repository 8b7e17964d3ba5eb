import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.metrics.Metrics;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.common.utils.LogContext;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.processor.Cancellable;
import org.apache.kafka.streams.processor.CommitCallback;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.Punctuator;
import org.apache.kafka.streams.processor.StateRestoreCallback;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.TaskId;
import org.apache.kafka.streams.processor.To;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.internals.AbstractProcessorContext;
import org.apache.kafka.streams.processor.internals.ProcessorRecordContext;
import org.apache.kafka.streams.processor.internals.RecordCollector;
import org.apache.kafka.streams.processor.internals.StateManager;
import org.apache.kafka.streams.processor.internals.StreamTask;
import org.apache.kafka.streams.processor.internals.Task;
import org.apache.kafka.streams.processor.internals.metrics.StreamsMetricsImpl;
import org.apache.kafka.streams.query.Position;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.TimestampedKeyValueStore;
import org.apache.kafka.streams.state.ValueAndTimestamp;
import org.apache.kafka.streams.state.internals.ThreadCache;

/**
 * Get and put on Kafka Streams' own store classes (metered, caching, change-logging, in-memory), in a context that
 * hands changelog records to nobody. Reads the name of a case from each line of its input, runs one round of it and
 * prints the nanoseconds.
 *
 * Arguments: number of keys, pairs of get and put in one round.
 */
public final class StoreBench {
  private static final long CACHE_BYTES_MAX = 64L << 20;

  private final TimestampedKeyValueStore<String, Long> store;
  private final Context context;
  private final byte[] key = "key-00000000".getBytes(StandardCharsets.ISO_8859_1);
  private long random = 0x9e3779b97f4a7c15L;

  private StoreBench(boolean cached, boolean logged) {
    StoreBuilder<TimestampedKeyValueStore<String, Long>> builder = Stores.timestampedKeyValueStoreBuilder(
      Stores.inMemoryKeyValueStore("counts"), Serdes.String(), Serdes.Long());
    builder = cached ? builder.withCachingEnabled() : builder.withCachingDisabled();
    builder = logged ? builder.withLoggingEnabled(Map.of()) : builder.withLoggingDisabled();
    store = builder.build();
    StreamsMetricsImpl metrics = new StreamsMetricsImpl(new Metrics(), "bench", Time.SYSTEM);
    ThreadCache cache = new ThreadCache(new LogContext(), CACHE_BYTES_MAX, metrics);
    StreamsConfig config = new StreamsConfig(Map.of(
      StreamsConfig.APPLICATION_ID_CONFIG, "bench", StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "localhost:1"));
    context = new Context(config, metrics, cache);
    context.setSystemTimeMs(System.currentTimeMillis());
    store.init(context, store);
  }

  public static void main(String[] args) throws Exception {
    int keys = Integer.parseInt(args[0]);
    int pairs = Integer.parseInt(args[1]);
    Map<String, StoreBench> cases = new HashMap<>();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String name = in.readLine(); name != null; name = in.readLine()) {
      StoreBench bench = cases.computeIfAbsent(
        name, n -> new StoreBench(n.equals("cached"), !n.equals("plain-unlogged")));
      System.out.println(bench.round(keys, pairs));
    }
  }

  private long round(int keys, int pairs) {
    long start = System.nanoTime();
    for (int offset = 1; offset <= pairs; offset++) {
      // A task makes both of these for every record.
      context.setRecordContext(new ProcessorRecordContext(offset, offset, 0, "words", new RecordHeaders()));
      String key = next(keys);
      ValueAndTimestamp<Long> found = store.get(key);
      long count = found == null ? 0 : found.value();
      store.put(key, ValueAndTimestamp.make(count + 1, offset));
    }
    store.commit(Map.of());
    return System.nanoTime() - start;
  }

  private String next(int keys) {
    random ^= random << 13;
    random ^= random >>> 7;
    random ^= random << 17;
    int number = (int) ((random >>> 33) % keys);
    for (int at = key.length - 1; at >= 4; at--) {
      key[at] = (byte) ('0' + number % 10);
      number /= 10;
    }
    return new String(key, StandardCharsets.ISO_8859_1);
  }

  private static final class Context extends AbstractProcessorContext<Object, Object> {
    private final Registry registry = new Registry();
    private long loggedBytes;

    private Context(StreamsConfig config, StreamsMetricsImpl metrics, ThreadCache cache) {
      super(new TaskId(0, 0), config, metrics, cache);
    }

    @Override
    protected StateManager stateManager() {
      return registry;
    }

    @Override
    public void logChange(
      String store, Bytes key, byte[] value, long timestamp, Headers headers, Position position) {
      loggedBytes += key.get().length;
    }

    @Override
    public void registerCacheFlushListener(String namespace, ThreadCache.DirtyEntryFlushListener listener) {
      cache.addDirtyEntryFlushListener(namespace, listener);
    }

    @Override
    public void transitionToActive(StreamTask task, RecordCollector collector, ThreadCache cache) {
    }

    @Override
    public void transitionToStandby(ThreadCache cache) {
    }

    @Override
    public <S extends StateStore> S getStateStore(String name) {
      throw new UnsupportedOperationException();
    }

    @Override
    public Cancellable schedule(Duration interval, PunctuationType type, Punctuator callback) {
      throw new UnsupportedOperationException();
    }

    @Override
    public Cancellable schedule(Instant start, Duration interval, PunctuationType type, Punctuator callback) {
      throw new UnsupportedOperationException();
    }

    @Override
    public <K, V> void forward(K key, V value) {
    }

    @Override
    public <K, V> void forward(K key, V value, To to) {
    }

    @Override
    public <K, V> void forward(Record<K, V> record) {
    }

    @Override
    public <K, V> void forward(Record<K, V> record, String child) {
    }

    @Override
    public <K, V> void forward(FixedKeyRecord<K, V> record) {
    }

    @Override
    public <K, V> void forward(FixedKeyRecord<K, V> record, String child) {
    }

    @Override
    public void commit() {
    }

    @Override
    public long currentStreamTimeMs() {
      return timestamp();
    }
  }

  /** What a store needs of its task's state manager. */
  private static final class Registry implements StateManager {
    private final Map<String, StateStore> stores = new HashMap<>();

    @Override
    public File baseDir() {
      return new File(System.getProperty("java.io.tmpdir"));
    }

    @Override
    public void registerStore(StateStore store, StateRestoreCallback restore, CommitCallback commit) {
      stores.put(store.name(), store);
    }

    @Override
    public StateStore store(String name) {
      return stores.get(name);
    }

    @Override
    public void commit() {
    }

    @Override
    public void updateChangelogOffsets(Map<TopicPartition, Long> offsets) {
    }

    @Override
    public Map<TopicPartition, Long> changelogOffsets() {
      return Map.of();
    }

    @Override
    public void close() {
    }

    @Override
    public Task.TaskType taskType() {
      return Task.TaskType.ACTIVE;
    }

    @Override
    public String changelogFor(String store) {
      return "bench-" + store + "-changelog";
    }

    @Override
    public StateStore globalStore(String name) {
      return null;
    }
  }
}
