package kov;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;

import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Sends the records on standard input, and prints what it was told of each, as a line of JSON, in their order.
 *
 * <pre>Produce TOPIC property=value ...</pre>
 *
 * The properties are the producer's own; with transactional.id a transaction is begun first. A record is a line of
 * fields with tabs between them: partition, timestamp, key, value, then name and value of each header. Keys and
 * values are base64 behind a "=", and null is "-". The first failure is printed as a line of JSON too, and ends the
 * program with status 1.
 */
public final class Produce {
    private static final String NULL = "-";

    private Produce() {
    }

    public static void main(String[] args) throws IOException, InterruptedException {
        List<ProducerRecord<byte[], byte[]>> records = read(args[0]);
        Map<String, Object> properties = new TreeMap<>();
        for (int i = 1; i < args.length; i++) {
            String[] property = args[i].split("=", 2);
            properties.put(property[0], property[1]);
        }
        ByteArraySerializer serializer = new ByteArraySerializer();
        Throwable failure = null;
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties, serializer, serializer)) {
            if (properties.containsKey(ProducerConfig.TRANSACTIONAL_ID_CONFIG)) {
                producer.initTransactions();
                producer.beginTransaction();
            }
            send(producer, records);
        } catch (ExecutionException e) {
            failure = e.getCause();
        } catch (RuntimeException e) {
            failure = e;
        }
        if (failure != null) {
            print("{\"error\": %s, \"message\": %s}",
                quoted(failure.getClass().getSimpleName()), quoted(String.valueOf(failure.getMessage())));
            System.exit(1);
        }
    }

    private static void send(KafkaProducer<byte[], byte[]> producer, List<ProducerRecord<byte[], byte[]>> records)
            throws InterruptedException, ExecutionException {
        List<Future<RecordMetadata>> answers = new ArrayList<>();
        for (ProducerRecord<byte[], byte[]> record : records) {
            answers.add(producer.send(record));
        }
        producer.flush();
        for (Future<RecordMetadata> answer : answers) {
            RecordMetadata told = answer.get();
            print("{\"partition\": %d, \"offset\": %d}", told.partition(), told.offset());
        }
    }

    private static List<ProducerRecord<byte[], byte[]>> read(String topic) throws IOException {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            records.add(parse(topic, line.split("\t")));
        }
        return records;
    }

    private static ProducerRecord<byte[], byte[]> parse(String topic, String[] fields) {
        Integer partition = fields[0].equals(NULL) ? null : Integer.valueOf(fields[0]);
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(
            topic, partition, Long.valueOf(fields[1]), bytes(fields[2]), bytes(fields[3]));
        for (int i = 4; i < fields.length; i += 2) {
            record.headers().add(fields[i], bytes(fields[i + 1]));
        }
        return record;
    }

    private static byte[] bytes(String field) {
        return field.equals(NULL) ? null : Base64.getDecoder().decode(field.substring(1));
    }

    private static void print(String format, Object... values) {
        System.out.println(String.format(format, values));
    }

    private static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("\\p{Cntrl}", " ") + '"';
    }
}
