import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.internals.SessionWindow;
import org.apache.kafka.streams.processor.StateRestoreCallback;
import org.apache.kafka.streams.processor.internals.RecordBatchingStateRestoreCallback;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.TimestampedKeyValueStore;
import org.apache.kafka.streams.state.TimestampedWindowStore;
import org.apache.kafka.streams.state.ValueAndTimestamp;
import org.apache.kafka.streams.state.VersionedKeyValueStore;
import org.apache.kafka.streams.state.WindowStoreIterator;
import org.apache.kafka.streams.state.internals.RecordConverters;

/** What is measured of each kind of store. */
final class StoreCases {
  private StoreCases() {
  }

  private static StoreBuilder<TimestampedKeyValueStore<String, Long>> keyValues(boolean persistent) {
    return Stores.timestampedKeyValueStoreBuilder(
      persistent ? Stores.persistentTimestampedKeyValueStore("counts") : Stores.inMemoryKeyValueStore("counts"),
      Serdes.String(), Serdes.Long());
  }

  static final class KeyValues extends StoreBench.Case<TimestampedKeyValueStore<String, Long>> {
    private final String operation;

    KeyValues(String operation, boolean persistent, boolean cached, int rows) {
      super(keyValues(persistent), cached, new Keys(rows));
      this.operation = operation;
      for (int number = 0; number < rows; number++) {
        nextRecord();
        store.put(keys.text(number), ValueAndTimestamp.make(0L, time));
      }
      commit();
    }

    @Override
    void operation(int at) {
      nextRecord();
      String key = keys.next();
      switch (operation) {
        case "get":
          store.get(key);
          break;
        case "put":
          store.put(key, ValueAndTimestamp.make(time, time));
          break;
        case "get+put":
          ValueAndTimestamp<Long> found = store.get(key);
          store.put(key, ValueAndTimestamp.make(found == null ? 1 : found.value() + 1, time));
          break;
        default:
          try (KeyValueIterator<String, ValueAndTimestamp<Long>> rows = store.range(key, null)) {
            for (int row = 0; row < 100 && rows.hasNext(); row++) {
              rows.next();
            }
          }
      }
    }
  }

  static final class Windows extends StoreBench.Case<TimestampedWindowStore<String, Long>> {
    private static final int WINDOWS = 4;
    private static final long SIZE_MS = 60_000;
    private final boolean fetch;

    Windows(String operation, boolean persistent, boolean cached, int rows) {
      super(builder(persistent), cached, new Keys(rows / WINDOWS));
      fetch = operation.equals("window-fetch");
      for (int number = 0; number < keys.count; number++) {
        for (int window = 0; window < WINDOWS; window++) {
          put(number, window);
        }
      }
      commit();
    }

    private static StoreBuilder<TimestampedWindowStore<String, Long>> builder(boolean persistent) {
      Duration size = Duration.ofMillis(SIZE_MS);
      return Stores.timestampedWindowStoreBuilder(
        persistent
          ? Stores.persistentTimestampedWindowStore("windows", StoreBench.DAY, size, false)
          : Stores.inMemoryWindowStore("windows", StoreBench.DAY, size, false),
        Serdes.String(), Serdes.Long());
    }

    private void put(int number, int window) {
      nextRecord();
      store.put(keys.text(number), ValueAndTimestamp.make(time, time), window * SIZE_MS);
    }

    @Override
    void operation(int at) {
      int number = keys.nextNumber();
      if (!fetch) {
        put(number, at % WINDOWS);
        return;
      }
      try (WindowStoreIterator<ValueAndTimestamp<Long>> rows = store.fetch(keys.text(number), 0, WINDOWS * SIZE_MS)) {
        while (rows.hasNext()) {
          rows.next();
        }
      }
    }
  }

  static final class Sessions extends StoreBench.Case<SessionStore<String, Long>> {
    private final List<KeyValue<Windowed<String>, Long>> merged = new ArrayList<>();

    Sessions(boolean persistent, boolean cached, int rows) {
      super(builder(persistent), cached, new Keys(rows));
      // Later than the gap: the cache fails at sessions that could begin before 1970.
      time = 10 * StoreBench.DAY.toMillis();
      for (int number = 0; number < rows; number++) {
        nextRecord();
        store.put(new Windowed<>(keys.text(number), new SessionWindow(time, time)), 1L);
      }
      commit();
    }

    private static StoreBuilder<SessionStore<String, Long>> builder(boolean persistent) {
      return Stores.sessionStoreBuilder(
        persistent
          ? Stores.persistentSessionStore("sessions", StoreBench.DAY)
          : Stores.inMemorySessionStore("sessions", StoreBench.DAY),
        Serdes.String(), Serdes.Long());
    }

    @Override
    void operation(int at) {
      nextRecord();
      String key = keys.next();
      long day = StoreBench.DAY.toMillis();
      merged.clear();
      try (KeyValueIterator<Windowed<String>, Long> found = store.findSessions(key, time - day, time + day)) {
        found.forEachRemaining(merged::add);
      }
      long start = time;
      long count = 1;
      for (KeyValue<Windowed<String>, Long> session : merged) {
        start = Math.min(start, session.key.window().start());
        count += session.value;
        store.remove(session.key);
      }
      store.put(new Windowed<>(key, new SessionWindow(start, time)), count);
    }
  }

  /** Kafka Streams has versions on RocksDB alone. */
  static final class Versions extends StoreBench.Case<VersionedKeyValueStore<String, Long>> {
    private static final int VERSIONS = 4;
    private static final long BETWEEN_MS = 1000;
    private final boolean get;
    private long next;

    Versions(String operation, int rows) {
      super(
        Stores.versionedKeyValueStoreBuilder(
          Stores.persistentVersionedKeyValueStore("versions", Duration.ofHours(1)), Serdes.String(), Serdes.Long()),
        false, new Keys(rows / VERSIONS));
      get = operation.equals("versioned-get-as-of");
      for (int version = 0; version < VERSIONS; version++) {
        for (int number = 0; number < keys.count; number++) {
          nextRecord();
          store.put(keys.text(number), time, version * BETWEEN_MS);
        }
      }
      commit();
    }

    @Override
    void operation(int at) {
      next = (next + 1) % VERSIONS;
      String key = keys.next();
      if (get) {
        store.get(key, next * BETWEEN_MS + BETWEEN_MS / 2);
      } else {
        nextRecord();
        store.put(key, time, next * BETWEEN_MS);
      }
    }
  }

  /** One round restores everything; the records, a poll at once, are made before the time measured. */
  static final class Restore extends StoreBench.Case<TimestampedKeyValueStore<String, Long>> {
    private static final int POLLED = 1000;
    private final List<ConsumerRecord<byte[], byte[]>> polled = new ArrayList<>();
    private int restored;

    Restore(boolean persistent, int records) {
      super(keyValues(persistent), false, new Keys(records));
    }

    @Override
    public void prepare(int count) {
      polled.clear();
      while (polled.size() < POLLED && restored < keys.count) {
        byte[] key = keys.next().getBytes(StandardCharsets.ISO_8859_1);
        byte[] value = ByteBuffer.allocate(8).putLong(restored).array();
        polled.add(new ConsumerRecord<>(
          "changelog", 0, restored, restored, TimestampType.CREATE_TIME, key.length, value.length, key, value,
          new RecordHeaders(), Optional.empty()));
        restored++;
      }
    }

    @Override
    public int operate(int count, long deadline) {
      if (!polled.isEmpty()) {
        restore();
      }
      return polled.size();
    }

    /** As ProcessorStateManager does it. */
    private void restore() {
      List<ConsumerRecord<byte[], byte[]>> converted = new ArrayList<>(polled.size());
      for (ConsumerRecord<byte[], byte[]> record : polled) {
        converted.add(RecordConverters.rawValueToTimestampedValue().convert(record));
      }
      StateRestoreCallback callback = context.registry.restore;
      if (callback instanceof RecordBatchingStateRestoreCallback) {
        ((RecordBatchingStateRestoreCallback) callback).restoreBatch(converted);
      } else {
        for (ConsumerRecord<byte[], byte[]> record : converted) {
          callback.restore(record.key(), record.value());
        }
      }
    }

    @Override
    void operation(int at) {
      throw new UnsupportedOperationException();
    }
  }
}
