import java.io.File;
import java.time.Duration;
import java.time.Instant;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.processor.Cancellable;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.Punctuator;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.TaskId;
import org.apache.kafka.streams.processor.To;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.internals.AbstractProcessorContext;
import org.apache.kafka.streams.processor.internals.RecordCollector;
import org.apache.kafka.streams.processor.internals.StateManager;
import org.apache.kafka.streams.processor.internals.StreamTask;
import org.apache.kafka.streams.processor.internals.metrics.StreamsMetricsImpl;
import org.apache.kafka.streams.query.Position;
import org.apache.kafka.streams.state.internals.ThreadCache;

/** The context of a task with one store, which hands changelog records to nobody. */
final class BenchContext extends AbstractProcessorContext<Object, Object> {
  final Registry registry;
  private long loggedBytes;

  BenchContext(StreamsConfig config, StreamsMetricsImpl metrics, ThreadCache cache, File directory) {
    super(new TaskId(0, 0), config, metrics, cache);
    registry = new Registry(directory);
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
