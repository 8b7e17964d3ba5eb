import java.nio.ByteBuffer;
import java.nio.file.*;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.record.TimestampType;

/**
 * Writes one record batch per codec with Kafka's own classes, as hex: the files beside this one.
 * Run with the kafka-clients jar of 4.3.1 and those of its codecs (zstd-jni, lz4-java, snappy-java):
 * java -cp JARS WriteVectors.java DIRECTORY
 */
public final class WriteVectors {
    public static void main(String[] args) throws Exception {
        for (CompressionType type : CompressionType.values()) {
            ByteBuffer buffer = ByteBuffer.allocate(1 << 20);
            MemoryRecordsBuilder builder = MemoryRecords.builder(buffer, RecordBatch.MAGIC_VALUE_V2,
                Compression.of(type.name).build(), TimestampType.CREATE_TIME, 40L, RecordBatch.NO_TIMESTAMP,
                7L, (short) 1, 3, false, 5);
            for (int i = 0; i < 40; i++) {
                byte[] value = i == 5 ? null : ("value " + i % 3 + " of a stream of words that repeat themselves, words that repeat").getBytes();
                Header[] headers = i == 1 ? new Header[] {new RecordHeader("h", new byte[] {1, 2})} : new Header[0];
                builder.append(1000L + i, i == 2 ? null : ("key-" + i).getBytes(), value, headers);
            }
            MemoryRecords records = builder.build();
            ByteBuffer out = records.buffer();
            StringBuilder hex = new StringBuilder();
            int n = 0;
            while (out.hasRemaining()) {
                hex.append(String.format("%02x", out.get() & 0xff));
                if (++n % 40 == 0) hex.append('\n');
            }
            if (n % 40 != 0) hex.append('\n');
            Files.writeString(Path.of(args[0], type.name + ".hex"), hex);
            System.out.println(type.name + " " + n);
        }
    }
}
