package kov;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeTopicsResult;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/** What the admin client does. */
final class Administration {
    /** What is done with an admin client. */
    interface Use {
        Object with(Admin admin, Task task) throws Exception;
    }

    private Administration() {
    }

    static void addTo(Map<String, Driver.Work> tasks) {
        tasks.put("create", admin(Administration::create));
        tasks.put("describe", admin(Administration::describe));
        tasks.put("topics", admin((admin, task) -> Map.of("names", admin.listTopics().names().get())));
        tasks.put("grow", admin((admin, task) ->
            admin.createPartitions(Map.of(task.topic, NewPartitions.increaseTo(task.partitions))).all().get()));
        tasks.put("delete", admin((admin, task) -> admin.deleteTopics(List.of(task.topic)).all().get()));
        tasks.put("configs", admin(Administration::configs));
        tasks.put("alter", admin(Administration::alter));
        tasks.put("offsets", admin(Administration::offsets));
        tasks.put("cluster", admin((admin, task) -> Map.of(
            "cluster_id", admin.describeCluster().clusterId().get(),
            "nodes", admin.describeCluster().nodes().get().size())));
    }

    private static Driver.Work admin(Use use) {
        return task -> {
            Map<String, Object> properties = new HashMap<>();
            properties.put("bootstrap.servers", task.bootstrap);
            properties.put("default.api.timeout.ms", "30000");
            try (Admin admin = Admin.create(properties)) {
                return use.with(admin, task);
            }
        };
    }

    private static Object create(Admin admin, Task task) throws Exception {
        NewTopic topic = new NewTopic(task.topic, Optional.of(task.partitions), Optional.empty());
        return admin.createTopics(List.of(topic.configs(task.configs))).all().get();
    }

    private static Object describe(Admin admin, Task task) throws Exception {
        DescribeTopicsResult result = admin.describeTopics(List.of(task.topic));
        // all() was replaced by allTopicNames() in 3.1.
        String name = hasMethod(result, "allTopicNames") ? "allTopicNames" : "all";
        KafkaFuture<?> all = (KafkaFuture<?>) result.getClass().getMethod(name).invoke(result);
        TopicDescription described = (TopicDescription) ((Map<?, ?>) all.get()).get(task.topic);
        return Map.of("partitions", described.partitions().size());
    }

    private static boolean hasMethod(Object object, String name) {
        for (java.lang.reflect.Method method : object.getClass().getMethods()) {
            if (method.getName().equals(name)) {
                return true;
            }
        }
        return false;
    }

    private static Object configs(Admin admin, Task task) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, task.topic);
        Map<String, String> configs = new HashMap<>();
        for (ConfigEntry entry : admin.describeConfigs(List.of(resource)).all().get().get(resource).entries()) {
            configs.put(entry.name(), entry.value());
        }
        return Map.of("configs", configs);
    }

    private static Object alter(Admin admin, Task task) throws Exception {
        Collection<AlterConfigOp> changes = new ArrayList<>();
        task.configs.forEach((name, value) ->
            changes.add(new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET)));
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, task.topic);
        return admin.incrementalAlterConfigs(Map.of(resource, changes)).all().get();
    }

    private static Object offsets(Admin admin, Task task) throws Exception {
        OffsetSpec at = task.at == -1 ? OffsetSpec.latest()
            : task.at == -2 ? OffsetSpec.earliest() : OffsetSpec.forTimestamp(task.at);
        Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
        for (int partition = 0; partition < task.partitions; partition++) {
            asked.put(new TopicPartition(task.topic, partition), at);
        }
        Map<String, Long> found = new HashMap<>();
        admin.listOffsets(asked).all().get().forEach((place, info) ->
            found.put(String.valueOf(place.partition()), info.offset()));
        return Map.of("offsets", found);
    }
}
