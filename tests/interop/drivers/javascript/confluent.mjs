// The driver of @confluentinc/kafka-javascript: librdkafka, by the names that node-rdkafka gave it.
import { Wanted, bytes, failure, listed, require, serve, text, within } from './contract.mjs';

const { AdminClient, KafkaConsumer, Producer } = require('@confluentinc/kafka-javascript');

const WAIT_MS = 40_000;
const RECONNECT_MS = 500;

let producer;
let waiting;

function codeOf(error) {
  return typeof error.code === 'number' && error.code > 0 ? error.code : null;
}

const common = (task) => ({
  'bootstrap.servers': task.bootstrap,
  'reconnect.backoff.max.ms': RECONNECT_MS,
  log_level: 2,
});

/** What a function with a callback at its end gives. */
function call(object, method, ...values) {
  return new Promise((resolve, reject) => {
    object[method](...values, (error, value) => (error ? reject(error) : resolve(value)));
  });
}

async function connected(client) {
  client.on('event.error', () => {});
  await within(WAIT_MS, call(client, 'connect', {}), 'connecting');
  return client;
}

async function withAdmin(task, use) {
  const admin = AdminClient.create(common(task));
  try {
    return await use(admin);
  } finally {
    admin.disconnect();
  }
}

async function withConsumer(task, use) {
  const settings = { ...common(task), 'group.id': 'group' };
  const consumer = await connected(new KafkaConsumer(settings, { 'auto.offset.reset': 'error' }));
  try {
    return await use(consumer);
  } finally {
    await call(consumer, 'disconnect');
  }
}

function stored(message) {
  return {
    partition: message.partition,
    offset: message.offset,
    timestamp: message.timestamp,
    key: text(message.key),
    value: text(message.value),
    headers: (message.headers ?? []).flatMap(listed),
  };
}

function onReport(error, report) {
  const each = waiting.get(report.opaque);
  waiting.delete(report.opaque);
  each(error
    ? { error: failure(error, codeOf) }
    : { partition: report.partition, offset: Number(report.offset ?? -1) });
}

function produce(topic, record, number) {
  return new Promise((resolve) => {
    waiting.set(number, resolve);
    const headers = record.headers.map(([name, value]) => ({ [name]: bytes(value) }));
    try {
      producer.produce(
        topic, record.partition ?? -1, bytes(record.value), bytes(record.key), record.timestamp, number, headers,
      );
    } catch (error) {
      waiting.delete(number);
      resolve({ error: failure(error, codeOf) });
    }
  });
}

await serve('@confluentinc/kafka-javascript', {
  async open(task) {
    waiting = new Map();
    producer = new Producer({
      ...common(task),
      'enable.idempotence': task.idempotent,
      acks: task.acks,
      'compression.type': task.codec,
      'linger.ms': task.linger_ms,
      'batch.size': task.batch_bytes,
      'message.max.bytes': task.request_bytes,
      'delivery.timeout.ms': task.timeout_ms,
      dr_cb: true,
    });
    producer.on('delivery-report', onReport);
    await connected(producer);
    producer.setPollInterval(10);
  },

  async send(task) {
    return { told: await Promise.all(task.records.map((record, number) => produce(task.topic, record, number))) };
  },

  async close() {
    await call(producer, 'disconnect');
  },

  read: (task) => withConsumer(task, async (consumer) => {
    const wanted = new Wanted(task);
    consumer.setDefaultConsumeTimeout(500);
    consumer.assign(Object.entries(task.from).map(([partition, offset]) => ({
      topic: task.topic, partition: Number(partition), offset,
    })));
    const deadline = Date.now() + WAIT_MS;
    while (wanted.left > 0 && Date.now() < deadline) {
      for (const message of await call(consumer, 'consume', 100)) wanted.take(stored(message));
    }
    return { records: wanted.records };
  }),

  async transact(task) {
    const transactional = await connected(new Producer({ ...common(task), 'transactional.id': 'transaction' }));
    try {
      await call(transactional, 'initTransactions', WAIT_MS);
    } finally {
      await call(transactional, 'disconnect');
    }
  },

  join: (task) => withConsumer(task, async (consumer) => {
    consumer.subscribe([task.topic]);
    const deadline = Date.now() + WAIT_MS;
    while (Date.now() < deadline) await call(consumer, 'consume', 1);
  }),

  create: (task) => withAdmin(task, (admin) => call(admin, 'createTopic', {
    topic: task.topic, num_partitions: task.partitions, replication_factor: 1, config: task.configs,
  })),

  describe: (task) => withAdmin(task, async (admin) => {
    const [topic] = await call(admin, 'describeTopics', [task.topic], {});
    if (topic.error) throw topic.error;
    return { partitions: topic.partitions.length };
  }),

  topics: (task) => withAdmin(task, async (admin) => ({ names: await call(admin, 'listTopics', {}) })),

  grow: (task) => withAdmin(task, (admin) => call(admin, 'createPartitions', task.topic, task.partitions)),

  delete: (task) => withAdmin(task, (admin) => call(admin, 'deleteTopic', task.topic)),

  offsets: (task) => withAdmin(task, async (admin) => {
    const asked = Array.from({ length: task.partitions }, (_, partition) => ({
      topic: task.topic, partition, offset: { timestamp: task.at },
    }));
    const found = await call(admin, 'listOffsets', asked, {});
    return { offsets: Object.fromEntries(found.map((each) => [each.partition, Number(each.offset)])) };
  }),
}, codeOf);
