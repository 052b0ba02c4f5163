// The driver of @platformatic/kafka.
import { pathToFileURL } from 'node:url';
import { bytes, failure, require, serve, text } from './contract.mjs';

const { Admin, Consumer, Producer, ConfigResourceTypes, IncrementalAlterConfigOperationTypes } =
  await import(pathToFileURL(require.resolve('@platformatic/kafka')));

const FETCH_BYTES = 10 << 20;

let producer;
let settings;

function codeOf(error) {
  if (typeof error.apiCode === 'number' && error.apiCode > 0) return error.apiCode;
  for (const each of [...(error.errors ?? []), ...(error.cause ? [error.cause] : [])]) {
    const code = codeOf(each);
    if (code !== null) return code;
  }
  return null;
}

function base(task, retries = 30) {
  return {
    clientId: 'interop',
    bootstrapBrokers: [task.bootstrap],
    retries,
    retryDelay: 250,
    timeout: 10_000,
    autocreateTopics: true,
  };
}

async function using(client, use) {
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

const withAdmin = (task, use) => using(new Admin({ ...base(task, 3), autocreateTopics: false }), use);
const withConsumer = (task, use) =>
  using(new Consumer({ ...base(task, 3), groupId: 'group', autocommit: false }), use);

function message(topic, record) {
  return {
    topic,
    partition: record.partition ?? undefined,
    key: bytes(record.key),
    value: bytes(record.value),
    timestamp: BigInt(record.timestamp),
    headers: new Map(record.headers.map(([name, value]) => [Buffer.from(name), bytes(value)])),
  };
}

function stored(partition, batch, record) {
  return {
    partition,
    offset: Number(batch.firstOffset) + record.offsetDelta,
    timestamp: Number(batch.firstTimestamp + record.timestampDelta),
    key: text(record.key),
    value: text(record.value),
    headers: record.headers.map(([name, value]) => [name.toString(), text(value)]),
  };
}

await serve('@platformatic/kafka', {
  async open(task) {
    settings = task;
    producer = new Producer({ ...base(task), idempotent: task.idempotent });
  },

  async send(task) {
    // It sends what one call gives it as one batch a partition, and tells the first offset of each.
    const request = {
      messages: task.records.map((record) => message(task.topic, record)),
      acks: settings.acks,
      compression: settings.codec,
      idempotent: settings.idempotent,
    };
    try {
      const { offsets = [] } = await producer.send(request);
      const next = new Map(offsets.map((each) => [each.partition, Number(each.offset)]));
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

  close: () => producer.close(),

  read: (task) => withConsumer(task, async (consumer) => {
    // Its streams need a group; without one there is fetch().
    const metadata = await consumer.metadata({ topics: [task.topic] });
    const { id, partitions } = metadata.topics.get(task.topic);
    const found = [];
    for (const [name, from] of Object.entries(task.from)) {
      const partition = Number(name);
      for (let next = from; next < task.to[name];) {
        const { responses } = await consumer.fetch({
          node: partitions[partition].leader,
          topics: [{
            topicId: id,
            partitions: [{
              partition, currentLeaderEpoch: -1, fetchOffset: BigInt(next), lastFetchedEpoch: -1,
              partitionMaxBytes: FETCH_BYTES,
            }],
          }],
          maxWaitTime: 500,
          minBytes: 1,
          maxBytes: FETCH_BYTES,
        });
        for (const batch of responses[0]?.partitions[0]?.records ?? []) {
          for (const record of batch.records) {
            const each = stored(partition, batch, record);
            if (each.offset >= next) found.push(each);
            next = Math.max(next, each.offset + 1);
          }
        }
      }
    }
    return { records: found };
  }),

  transact: (task) => using(
    new Producer({ ...base(task, 1), idempotent: true, transactionalId: 'transaction' }),
    (transactional) => transactional.beginTransaction().then(() => undefined),
  ),

  join: (task) => withConsumer(task, (consumer) => consumer.joinGroup({}).then(() => undefined)),

  create: (task) => withAdmin(task, async (admin) => {
    const configs = Object.entries(task.configs).map(([name, value]) => ({ name, value }));
    await admin.createTopics({ topics: [task.topic], partitions: task.partitions, replicas: 1, configs });
  }),

  describe: (task) => withAdmin(task, async (admin) => {
    const metadata = await admin.metadata({ topics: [task.topic] });
    return { partitions: metadata.topics.get(task.topic).partitionsCount };
  }),

  topics: (task) => withAdmin(task, async (admin) => ({ names: await admin.listTopics() })),

  grow: (task) => withAdmin(task, (admin) => admin.createPartitions({
    topics: [{ name: task.topic, count: task.partitions }],
  })),

  delete: (task) => withAdmin(task, (admin) => admin.deleteTopics({ topics: [task.topic] })),

  configs: (task) => withAdmin(task, async (admin) => {
    const [described] = await admin.describeConfigs({
      resources: [{ resourceType: ConfigResourceTypes.TOPIC, resourceName: task.topic }],
    });
    return { configs: Object.fromEntries(described.configs.map((each) => [each.name, each.value])) };
  }),

  alter: (task) => withAdmin(task, (admin) => admin.incrementalAlterConfigs({
    resources: [{
      resourceType: ConfigResourceTypes.TOPIC,
      resourceName: task.topic,
      configs: Object.entries(task.configs).map(([name, value]) => ({
        name, value, configOperation: IncrementalAlterConfigOperationTypes.SET,
      })),
    }],
  })),

  offsets: (task) => withAdmin(task, async (admin) => {
    const partitions = Array.from({ length: task.partitions }, (_, partitionIndex) => ({
      partitionIndex, timestamp: BigInt(task.at),
    }));
    const [topic] = await admin.listOffsets({ topics: [{ name: task.topic, partitions }] });
    return { offsets: Object.fromEntries(topic.partitions.map((each) => [each.partitionIndex, Number(each.offset)])) };
  }),

  cluster: (task) => withAdmin(task, async (admin) => {
    const metadata = await admin.metadata({ topics: [] });
    return { cluster_id: metadata.id, nodes: metadata.brokers.size };
  }),
}, codeOf);
