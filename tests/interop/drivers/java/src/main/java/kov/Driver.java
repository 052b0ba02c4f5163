package kov;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The driver of Apache Kafka's own client: reads tasks from standard input and answers them, one line each. */
public final class Driver {
    /** What a task does. */
    interface Work {
        Object run(Task task) throws Exception;
    }

    private static final Gson GSON = new GsonBuilder().serializeNulls().create();
    private static final Map<String, Work> TASKS = new HashMap<>();

    private static KafkaProducer<byte[], byte[]> producer;

    static {
        TASKS.put("about", task -> Map.of(
            "library", "kafka-clients",
            "version", version(),
            "runtime", "Java " + Runtime.version().feature()));
        TASKS.put("open", Driver::open);
        TASKS.put("send", Driver::send);
        TASKS.put("close", Driver::close);
        TASKS.put("transact", Driver::transact);
        TASKS.put("read", Reading::read);
        TASKS.put("join", Reading::join);
        Administration.addTo(TASKS);
    }

    private Driver() {
    }

    public static void main(String[] args) throws IOException {
        PrintStream out = System.out;
        System.setOut(System.err);
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            out.println(GSON.toJson(answer(GSON.fromJson(line, Task.class))));
            out.flush();
        }
        System.exit(0);
    }

    private static String version() throws IOException {
        Properties properties = new Properties();
        try (InputStream file = Errors.class.getResourceAsStream("/kafka/kafka-version.properties")) {
            properties.load(file);
        }
        return properties.getProperty("version");
    }

    private static Map<String, Object> answer(Task task) {
        try {
            Object ok = TASKS.get(task.what).run(task);
            return Collections.singletonMap("ok", ok == null ? Map.of() : ok);
        } catch (Exception e) {
            return Collections.singletonMap("error", failure(e));
        }
    }

    static Map<String, Object> failure(Throwable thrown) {
        Throwable cause = thrown;
        while ((cause instanceof ExecutionException || cause instanceof CompletionException
                || cause.getClass().getName().equals("org.apache.kafka.common.KafkaException"))
                && cause.getCause() != null) {
            cause = cause.getCause();
        }
        Errors error = Errors.forException(cause);
        Map<String, Object> told = new HashMap<>();
        told.put("name", cause.getClass().getSimpleName());
        told.put("code", error == Errors.UNKNOWN_SERVER_ERROR ? null : error.code());
        told.put("message", String.valueOf(cause.getMessage()));
        return told;
    }

    private static Map<String, Object> properties(Task task) {
        Map<String, Object> properties = new HashMap<>();
        properties.put("bootstrap.servers", task.bootstrap);
        properties.put("reconnect.backoff.max.ms", "500");
        properties.put("max.block.ms", "20000");
        return properties;
    }

    private static Object open(Task task) {
        Map<String, Object> properties = properties(task);
        properties.put("enable.idempotence", String.valueOf(task.idempotent));
        properties.put("acks", String.valueOf(task.acks));
        properties.put("compression.type", task.codec);
        properties.put("linger.ms", String.valueOf(task.lingerMs));
        properties.put("batch.size", String.valueOf(task.batchBytes));
        properties.put("max.request.size", String.valueOf(task.requestBytes));
        properties.put("request.timeout.ms", String.valueOf(Math.min(10_000, task.timeoutMs - task.lingerMs)));
        properties.put("delivery.timeout.ms", String.valueOf(task.timeoutMs));
        producer = make(properties);
        return null;
    }

    private static KafkaProducer<byte[], byte[]> make(Map<String, Object> properties) {
        return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static Object send(Task task) throws InterruptedException {
        List<Object> told = new ArrayList<>(Collections.nCopies(task.records.size(), null));
        CountDownLatch waiting = new CountDownLatch(told.size());
        for (int i = 0; i < told.size(); i++) {
            int number = i;
            Callback tell = (metadata, thrown) -> {
                told.set(number, told(metadata, thrown));
                waiting.countDown();
            };
            try {
                producer.send(task.records.get(i).made(task.topic), tell);
            } catch (RuntimeException e) {
                tell.onCompletion(null, e);
            }
        }
        // Not flush(): that of 2.8 doesn't wait for the parts of a batch that was split.
        waiting.await();
        return Map.of("told", told);
    }

    private static Map<String, Object> told(RecordMetadata metadata, Throwable thrown) {
        if (thrown != null) {
            return Map.of("error", failure(thrown));
        }
        return Map.of("partition", metadata.partition(), "offset", metadata.hasOffset() ? metadata.offset() : -1);
    }

    private static Object close(Task task) {
        producer.close();
        return null;
    }

    private static Object transact(Task task) {
        Map<String, Object> properties = properties(task);
        properties.put("transactional.id", "transaction");
        try (KafkaProducer<byte[], byte[]> transactional = make(properties)) {
            transactional.initTransactions();
        }
        return null;
    }
}
