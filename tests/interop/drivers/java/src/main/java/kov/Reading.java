package kov;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** What a consumer does: with partitions assigned to it, or in a group. */
final class Reading {
    private static final Duration WAIT = Duration.ofSeconds(40);

    private Reading() {
    }

    static Object read(Task task) {
        long left = 0;
        try (KafkaConsumer<byte[], byte[]> consumer = make(task, Map.of("auto.offset.reset", "none"))) {
            List<TopicPartition> places = new ArrayList<>();
            for (int partition : task.from.keySet()) {
                places.add(new TopicPartition(task.topic, partition));
                left += task.to.get(partition) - task.from.get(partition);
            }
            consumer.assign(places);
            for (TopicPartition place : places) {
                consumer.seek(place, task.from.get(place.partition()));
            }
            List<Map<String, Object>> found = new ArrayList<>();
            long deadline = System.nanoTime() + WAIT.toNanos();
            while (found.size() < left && System.nanoTime() < deadline) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    found.add(Task.stored(record));
                }
            }
            return Map.of("records", found);
        }
    }

    static Object join(Task task) {
        try (KafkaConsumer<byte[], byte[]> consumer = make(task, Map.of("group.id", "group"))) {
            consumer.subscribe(List.of(task.topic));
            consumer.poll(WAIT);
        }
        return null;
    }

    private static KafkaConsumer<byte[], byte[]> make(Task task, Map<String, Object> more) {
        Map<String, Object> properties = new HashMap<>(more);
        properties.put("bootstrap.servers", task.bootstrap);
        properties.put("enable.auto.commit", "false");
        return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }
}
