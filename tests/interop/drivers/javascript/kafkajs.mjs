// The driver of kafkajs.
import { bytes, failure, grouped, require, serve, within } from './contract.mjs';

const { Kafka, CompressionTypes, logLevel } = require('kafkajs');
const RESOURCE_TOPIC = 2;
const TOPIC_ALREADY_EXISTS = 36;
const WAIT_MS = 40_000;

let producer;
let settings;

function codeOf(error) {
  for (let each = error; each; each = each.cause ?? each.originalError) {
    if (typeof each.code === 'number') return each.code;
  }
  return null;
}

function kafka(task, retries = 8) {
  return new Kafka({
    brokers: [task.bootstrap],
    clientId: 'interop',
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 100, maxRetryTime: 1000, retries },
  });
}

async function withAdmin(task, use) {
  const admin = kafka(task, 3).admin();
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}


const COMPRESSION = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP };

await serve('kafkajs', {
  async open(task) {
    settings = task;
    producer = kafka(task).producer({
      idempotent: task.idempotent,
      maxInFlightRequests: task.idempotent ? 1 : undefined,
      allowAutoTopicCreation: true,
    });
    await producer.connect();
  },

  async send(task) {
    // It sends what one call gives it as one batch a partition, and tells the first offset of each.
    const message = (record) => ({
      partition: record.partition ?? undefined,
      key: bytes(record.key),
      value: bytes(record.value),
      timestamp: `${record.timestamp}`,
      headers: grouped(record.headers),
    });
    const request = {
      acks: settings.acks,
      timeout: settings.timeout_ms,
      compression: COMPRESSION[settings.codec],
      topicMessages: [{ topic: task.topic, messages: task.records.map(message) }],
    };
    try {
      const answers = await producer.sendBatch(request);
      const next = new Map(answers.map((each) => [each.partition, Number(each.baseOffset)]));
      const told = task.records.map(({ partition }) => {
        const offset = next.get(partition) ?? -1;
        next.set(partition, offset + 1);
        return { partition: partition ?? -1, offset };
      });
      return { told };
    } catch (error) {
      return { told: task.records.map(() => ({ error: failure(error, codeOf) })) };
    }
  },

  async close() {
    await producer.disconnect();
  },

  // It has no consumer without a group.

  async transact(task) {
    const transactional = kafka(task, 1).producer({ transactionalId: 'transaction', maxInFlightRequests: 1, idempotent: true });
    await transactional.connect();
    try {
      const transaction = await transactional.transaction();
      await transaction.abort();
    } finally {
      await transactional.disconnect();
    }
  },

  async join(task) {
    const consumer = kafka(task, 1).consumer({ groupId: 'group' });
    await consumer.connect();
    try {
      await consumer.subscribe({ topics: [task.topic] });
      const crashed = new Promise((_, reject) => {
        consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
      });
      await consumer.run({ eachMessage: async () => {} });
      await within(WAIT_MS, crashed, 'an error');
    } finally {
      await consumer.disconnect();
    }
  },

  create: (task) => withAdmin(task, async (admin) => {
    const configEntries = Object.entries(task.configs).map(([name, value]) => ({ name, value }));
    const made = await admin.createTopics({
      topics: [{ topic: task.topic, numPartitions: task.partitions, configEntries }],
      waitForLeaders: true,
    });
    // That is how it tells TOPIC_ALREADY_EXISTS.
    if (!made) throw Object.assign(new Error('it exists already'), { code: TOPIC_ALREADY_EXISTS });
  }),

  describe: (task) => withAdmin(task, async (admin) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [task.topic] });
    return { partitions: topics[0].partitions.length };
  }),

  topics: (task) => withAdmin(task, async (admin) => ({ names: await admin.listTopics() })),

  grow: (task) => withAdmin(task, async (admin) => {
    await admin.createPartitions({ topicPartitions: [{ topic: task.topic, count: task.partitions }] });
  }),

  delete: (task) => withAdmin(task, async (admin) => {
    await admin.deleteTopics({ topics: [task.topic] });
  }),

  configs: (task) => withAdmin(task, async (admin) => {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: RESOURCE_TOPIC, name: task.topic }],
    });
    return {
      configs: Object.fromEntries(resources[0].configEntries.map((each) => [each.configName, each.configValue])),
    };
  }),

  alter: (task) => withAdmin(task, async (admin) => {
    const configEntries = Object.entries(task.configs).map(([name, value]) => ({ name, value }));
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: RESOURCE_TOPIC, name: task.topic, configEntries }],
    });
  }),

  offsets: (task) => withAdmin(task, async (admin) => {
    const side = task.at === -2 ? 'low' : 'high';
    const found = task.at < 0
      ? (await admin.fetchTopicOffsets(task.topic)).map((each) => [each.partition, Number(each[side])])
      : (await admin.fetchTopicOffsetsByTimestamp(task.topic, task.at))
        .map((each) => [each.partition, Number(each.offset)]);
    return { offsets: Object.fromEntries(found) };
  }),

  cluster: (task) => withAdmin(task, async (admin) => {
    const { clusterId, brokers } = await admin.describeCluster();
    return { cluster_id: clusterId, nodes: brokers.length };
  }),
}, codeOf);
