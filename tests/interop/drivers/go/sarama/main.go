// The driver of IBM/sarama. Its argument is the version of Kafka that it is told of; without one, sarama's default.
package main

import (
	"errors"
	"os"
	"time"

	"github.com/IBM/sarama"

	c "kov.tests/interop/contract"
)

const wait = 40 * time.Second

var producer sarama.AsyncProducer

func main() {
	c.Serve("github.com/IBM/sarama", c.Tasks{
		"open": open, "send": send, "close": closeProducer, "read": read, "transact": transact, "join": join,
		"create": admin(create), "describe": admin(describe), "topics": topics, "grow": admin(grow),
		"delete": admin(remove), "configs": admin(configs), "alter": admin(alter), "offsets": offsets,
		"cluster": admin(cluster),
	}, codeOf)
}

func codeOf(err error) (int16, bool) {
	var code sarama.KError
	if errors.As(err, &code) {
		return int16(code), true
	}
	var topic *sarama.TopicError
	if errors.As(err, &topic) {
		return int16(topic.Err), true
	}
	var partition *sarama.TopicPartitionError
	if errors.As(err, &partition) {
		return int16(partition.Err), true
	}
	return 0, false
}

func config() *sarama.Config {
	config := sarama.NewConfig()
	if len(os.Args) > 1 {
		config.Version = c.Must(sarama.ParseKafkaVersion(os.Args[1]))
	}
	config.Metadata.Retry.Backoff = 100 * time.Millisecond
	config.Metadata.Retry.Max = 50
	return config
}

func open(task *c.Task) (c.Answer, error) {
	codecs := map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	}
	config := config()
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.RequiredAcks(task.Acks)
	config.Producer.Compression = codecs[task.Codec]
	config.Producer.Flush.Frequency = time.Duration(task.LingerMs) * time.Millisecond
	config.Producer.MaxMessageBytes = task.RequestBytes
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Retry.Max = 100
	config.Producer.Idempotent = task.Idempotent
	if task.Idempotent {
		config.Net.MaxOpenRequests = 1
	}
	var err error
	producer, err = sarama.NewAsyncProducer([]string{task.Bootstrap}, config)
	return nil, err
}

func send(task *c.Task) (c.Answer, error) {
	told := make([]c.Told, len(task.Records))
	go func() {
		for i, record := range task.Records {
			producer.Input() <- message(task.Topic, record, i)
		}
	}()
	for range task.Records {
		select {
		case done := <-producer.Successes():
			told[done.Metadata.(int)] = c.Told{Partition: done.Partition, Offset: done.Offset}
		case failed := <-producer.Errors():
			told[failed.Msg.Metadata.(int)] = c.Told{Error: c.Failure(failed.Err, codeOf)}
		}
	}
	return c.Answer{"told": told}, nil
}

func message(topic string, record c.Record, number int) *sarama.ProducerMessage {
	made := &sarama.ProducerMessage{
		Topic: topic, Timestamp: time.UnixMilli(record.Timestamp), Metadata: number,
	}
	if record.Partition != nil {
		made.Partition = *record.Partition
	}
	if record.Key != nil {
		made.Key = sarama.ByteEncoder(record.Key)
	}
	if record.Value != nil {
		made.Value = sarama.ByteEncoder(record.Value)
	}
	for _, header := range record.Headers {
		made.Headers = append(made.Headers, sarama.RecordHeader{Key: []byte(header.Name), Value: header.Value})
	}
	return made
}

func closeProducer(*c.Task) (c.Answer, error) {
	return nil, producer.Close()
}

func read(task *c.Task) (c.Answer, error) {
	consumer, err := sarama.NewConsumer([]string{task.Bootstrap}, config())
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	found := []c.Record{}
	for partition, from := range task.From {
		part, err := consumer.ConsumePartition(task.Topic, partition, from)
		if err != nil {
			return nil, err
		}
		for end := task.To[partition]; from < end; from++ {
			select {
			case message := <-part.Messages():
				found = append(found, stored(message))
			case <-time.After(wait):
				return nil, errors.New("nothing came any more")
			}
		}
		part.AsyncClose()
	}
	return c.Answer{"records": found}, nil
}

func stored(message *sarama.ConsumerMessage) c.Record {
	headers := []c.Header{}
	for _, header := range message.Headers {
		headers = append(headers, c.Header{Name: string(header.Key), Value: header.Value})
	}
	return c.Record{
		Partition: &message.Partition, Offset: message.Offset, Timestamp: message.Timestamp.UnixMilli(),
		Key: message.Key, Value: message.Value, Headers: headers,
	}
}

func transact(task *c.Task) (c.Answer, error) {
	config := config()
	config.Producer.Idempotent = true
	config.Producer.Transaction.ID = "transaction"
	config.Producer.Transaction.Retry.Max = 1
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Net.MaxOpenRequests = 1
	transactional, err := sarama.NewAsyncProducer([]string{task.Bootstrap}, config)
	if err == nil {
		transactional.AsyncClose()
	}
	return nil, err
}

func join(task *c.Task) (c.Answer, error) {
	config := config()
	config.Metadata.Retry.Max = 1
	config.Consumer.Group.Rebalance.Retry.Max = 1
	group, err := sarama.NewConsumerGroup([]string{task.Bootstrap}, "group", config)
	if err != nil {
		return nil, err
	}
	defer group.Close()
	return nil, group.Consume(c.Briefly(wait), []string{task.Topic}, handler{})
}

type handler struct{}

func (handler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (handler) ConsumeClaim(sarama.ConsumerGroupSession, sarama.ConsumerGroupClaim) error {
	return nil
}

func admin(do func(sarama.ClusterAdmin, *c.Task) (c.Answer, error)) func(*c.Task) (c.Answer, error) {
	return func(task *c.Task) (c.Answer, error) {
		admin, err := sarama.NewClusterAdmin([]string{task.Bootstrap}, config())
		if err != nil {
			return nil, err
		}
		defer admin.Close()
		return do(admin, task)
	}
}

func create(admin sarama.ClusterAdmin, task *c.Task) (c.Answer, error) {
	detail := &sarama.TopicDetail{
		NumPartitions: int32(task.Partitions), ReplicationFactor: 1, ConfigEntries: task.Configs,
	}
	return nil, admin.CreateTopic(task.Topic, detail, false)
}

func describe(admin sarama.ClusterAdmin, task *c.Task) (c.Answer, error) {
	topics, err := admin.DescribeTopics([]string{task.Topic})
	if err != nil {
		return nil, err
	}
	if topics[0].Err != sarama.ErrNoError {
		return nil, topics[0].Err
	}
	return c.Answer{"partitions": len(topics[0].Partitions)}, nil
}

// The admin client's own ListTopics asks for every topic's configuration as well.
func topics(task *c.Task) (c.Answer, error) {
	client, err := sarama.NewClient([]string{task.Bootstrap}, config())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	names, err := client.Topics()
	return c.Answer{"names": names}, err
}

func grow(admin sarama.ClusterAdmin, task *c.Task) (c.Answer, error) {
	return nil, admin.CreatePartitions(task.Topic, int32(task.Partitions), nil, false)
}

func remove(admin sarama.ClusterAdmin, task *c.Task) (c.Answer, error) {
	return nil, admin.DeleteTopic(task.Topic)
}

func configs(admin sarama.ClusterAdmin, task *c.Task) (c.Answer, error) {
	entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: task.Topic})
	values := map[string]string{}
	for _, entry := range entries {
		values[entry.Name] = entry.Value
	}
	return c.Answer{"configs": values}, err
}

func alter(admin sarama.ClusterAdmin, task *c.Task) (c.Answer, error) {
	changes := map[string]sarama.IncrementalAlterConfigsEntry{}
	for name, value := range task.Configs {
		changes[name] = sarama.IncrementalAlterConfigsEntry{
			Operation: sarama.IncrementalAlterConfigsOperationSet, Value: value,
		}
	}
	if config().Version.IsAtLeast(sarama.V2_3_0_0) {
		return nil, admin.IncrementalAlterConfig(sarama.TopicResource, task.Topic, changes, false)
	}
	return nil, admin.AlterConfig(sarama.TopicResource, task.Topic, task.Configs, false)
}

func offsets(task *c.Task) (c.Answer, error) {
	client, err := sarama.NewClient([]string{task.Bootstrap}, config())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	found := map[string]int64{}
	for partition := range int32(task.Partitions) {
		offset, err := client.GetOffset(task.Topic, partition, task.At)
		if err != nil {
			return nil, err
		}
		found[c.Text(partition)] = offset
	}
	return c.Answer{"offsets": found}, nil
}

func cluster(admin sarama.ClusterAdmin, _ *c.Task) (c.Answer, error) {
	brokers, _, err := admin.DescribeCluster()
	return c.Answer{"cluster_id": nil, "nodes": len(brokers)}, err
}
