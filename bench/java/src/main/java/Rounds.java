import java.io.BufferedReader;
import java.io.InputStreamReader;

/**
 * Reads commands, a line each, and answers each with a line: `open CASE KEYS` makes a case and gives the bytes of heap
 * used for it, `round MILLIS` measures it, until it has nothing left to do at most, and gives operations and nanoseconds.
 */
final class Rounds {
  /** 100 ms at a million operations a second. */
  private static final int COMMIT_EVERY = 100_000;
  private static final int STEP = 500;

  /** Something to be measured. */
  interface Case extends AutoCloseable {
    /** Makes what so many operations need from outside: takes no time that is measured. */
    default void prepare(int count) {
    }

    /** Does so many operations, or fewer when the deadline is over; none when nothing is left to do. */
    int operate(int count, long deadline);

    void commit();

    @Override
    void close();
  }

  interface Factory {
    Case open(String name, int keys) throws Exception;
  }

  static void serve(Factory factory, boolean measuresHeap) throws Exception {
    Case current = null;
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] words = line.split(" ");
      if (words[0].equals("open")) {
        if (current != null) {
          current.close();
          current = null;
        }
        long before = measuresHeap ? usedHeap() : 0;
        current = factory.open(words[1], Integer.parseInt(words[2]));
        System.out.println(measuresHeap ? Math.max(0, usedHeap() - before) : 0);
      } else {
        System.out.println(round(current, Long.parseLong(words[1]) * 1_000_000));
      }
    }
  }

  private static String round(Case current, long limit) {
    long elapsed = 0;
    long operations = 0;
    boolean over = false;
    while (!over) {
      int uncommitted = 0;
      while (!over && uncommitted < COMMIT_EVERY) {
        current.prepare(STEP);
        long start = System.nanoTime();
        int done = current.operate(STEP, start + limit - elapsed);
        elapsed += System.nanoTime() - start;
        uncommitted += done;
        over = done == 0 || elapsed >= limit;
      }
      long start = System.nanoTime();
      current.commit();
      elapsed += System.nanoTime() - start;
      operations += uncommitted;
    }
    return operations + " " + elapsed;
  }

  private static long usedHeap() {
    for (int i = 0; i < 3; i++) {
      System.gc();
    }
    return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
  }
}
