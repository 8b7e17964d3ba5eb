import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.metrics.Metrics;
import org.apache.kafka.common.utils.LogContext;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.internals.ProcessorRecordContext;
import org.apache.kafka.streams.processor.internals.metrics.StreamsMetricsImpl;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.internals.ThreadCache;

/**
 * Kafka Streams' own store classes (metered, caching, change-logging, in memory or RocksDB), in a context that hands
 * changelog records to nobody.
 */
public final class StoreBench {
  static final Duration DAY = Duration.ofDays(1);
  private static final long CACHE_BYTES_MAX = 64L << 20;

  private StoreBench() {
  }

  public static void main(String[] args) throws Exception {
    Rounds.serve(StoreBench::open, true);
  }

  private static Rounds.Case open(String name, int keys) {
    String operation = name.substring(0, name.indexOf('/'));
    boolean persistent = name.contains("/persistent");
    boolean cached = name.endsWith("/cached");
    if (operation.equals("restore")) {
      return new StoreCases.Restore(persistent, keys);
    }
    if (operation.startsWith("window-")) {
      return new StoreCases.Windows(operation, persistent, cached, keys);
    }
    if (operation.startsWith("session-")) {
      return new StoreCases.Sessions(persistent, cached, keys);
    }
    if (operation.startsWith("versioned-")) {
      return new StoreCases.Versions(operation, keys);
    }
    return new StoreCases.KeyValues(operation, persistent, cached, keys);
  }

  /** One store in its task. */
  abstract static class Case<S extends StateStore> implements Rounds.Case {
    final S store;
    final BenchContext context;
    final Keys keys;
    long time;
    private final Path directory;

    Case(StoreBuilder<S> builder, boolean cached, Keys keys) {
      this.keys = keys;
      builder = cached ? builder.withCachingEnabled() : builder.withCachingDisabled();
      store = builder.withLoggingEnabled(Map.of()).build();
      StreamsMetricsImpl metrics = new StreamsMetricsImpl(new Metrics(), "bench", Time.SYSTEM);
      ThreadCache cache = new ThreadCache(new LogContext(), CACHE_BYTES_MAX, metrics);
      StreamsConfig config = new StreamsConfig(Map.of(
        StreamsConfig.APPLICATION_ID_CONFIG, "bench", StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "localhost:1"));
      try {
        directory = Files.createTempDirectory("eddyline-bench-java");
      } catch (IOException e) {
        throw new RuntimeException(e);
      }
      context = new BenchContext(config, metrics, cache, directory.toFile());
      context.setSystemTimeMs(System.currentTimeMillis());
      nextRecord();
      store.init(context, store);
    }

    abstract void operation(int at);

    void nextRecord() {
      time++;
      // A task makes both of these for every record.
      context.setRecordContext(new ProcessorRecordContext(time, time, 0, "words", new RecordHeaders()));
    }

    @Override
    public int operate(int count, long deadline) {
      for (int at = 0; at < count; at++) {
        operation(at);
        if (at % 16 == 15 && System.nanoTime() - deadline > 0) {
          return at + 1;
        }
      }
      return count;
    }

    @Override
    public void commit() {
      store.commit(Map.of());
    }

    @Override
    public void close() {
      store.close();
      try (Stream<Path> files = Files.walk(directory)) {
        files.sorted(Comparator.reverseOrder()).map(Path::toFile).forEach(File::delete);
      } catch (IOException e) {
        throw new RuntimeException(e);
      }
    }
  }
}
