import java.io.File;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.processor.CommitCallback;
import org.apache.kafka.streams.processor.StateRestoreCallback;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.internals.StateManager;
import org.apache.kafka.streams.processor.internals.Task;

/** What a store needs of its task's state manager. */
final class Registry implements StateManager {
  private final File directory;
  private final Map<String, StateStore> stores = new HashMap<>();
  StateRestoreCallback restore;

  Registry(File directory) {
    this.directory = directory;
  }

  @Override
  public File baseDir() {
    return directory;
  }

  @Override
  public void registerStore(StateStore store, StateRestoreCallback restore, CommitCallback commit) {
    stores.put(store.name(), store);
    this.restore = restore;
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
