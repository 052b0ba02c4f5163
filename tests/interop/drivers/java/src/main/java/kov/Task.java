package kov;

import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

import com.google.gson.annotations.SerializedName;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;

/** Every field that any task has. */
final class Task {
    @SerializedName("do") String what;
    String bootstrap;
    String topic;
    int acks;
    boolean idempotent;
    String codec;
    @SerializedName("linger_ms") int lingerMs;
    @SerializedName("batch_bytes") int batchBytes;
    @SerializedName("request_bytes") int requestBytes;
    @SerializedName("timeout_ms") int timeoutMs;
    List<Record> records;
    Map<Integer, Long> from;
    Map<Integer, Long> to;
    int partitions;
    Map<String, String> configs;
    long at;

    /** A record to send. */
    static final class Record {
        Integer partition;
        long timestamp;
        String key;
        String value;
        List<List<String>> headers;

        ProducerRecord<byte[], byte[]> made(String topic) {
            ProducerRecord<byte[], byte[]> made =
                new ProducerRecord<>(topic, partition, timestamp, bytes(key), bytes(value));
            for (List<String> header : headers) {
                made.headers().add(header.get(0), bytes(header.get(1)));
            }
            return made;
        }
    }

    static Map<String, Object> stored(ConsumerRecord<byte[], byte[]> record) {
        List<List<String>> headers = new ArrayList<>();
        for (Header header : record.headers()) {
            List<String> pair = new ArrayList<>();
            pair.add(header.key());
            pair.add(text(header.value()));
            headers.add(pair);
        }
        Map<String, Object> stored = new HashMap<>();
        stored.put("partition", record.partition());
        stored.put("offset", record.offset());
        stored.put("timestamp", record.timestamp());
        stored.put("key", text(record.key()));
        stored.put("value", text(record.value()));
        stored.put("headers", headers);
        return stored;
    }

    private static byte[] bytes(String text) {
        return text == null ? null : Base64.getDecoder().decode(text);
    }

    private static String text(byte[] bytes) {
        return bytes == null ? null : Base64.getEncoder().encodeToString(bytes);
    }
}
