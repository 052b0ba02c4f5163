// The driver of segmentio/kafka-go.
package main

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"

	c "kov.tests/interop/contract"
)

const (
	wait  = 40 * time.Second
	pause = 250 * time.Millisecond
)

var (
	writer *kafka.Writer
	places = make(chan kafka.Message, 100_000)
)

func main() {
	c.Serve("github.com/segmentio/kafka-go", c.Tasks{
		"open": open, "send": send, "close": closeWriter, "read": read, "transact": transact, "join": join,
		"create": admin(create), "describe": admin(describe), "topics": admin(topics), "grow": admin(grow),
		"delete": admin(remove), "configs": admin(configs), "alter": admin(alter), "offsets": admin(offsets),
		"cluster": admin(cluster),
	}, codeOf)
}

func codeOf(err error) (int16, bool) {
	var code kafka.Error
	if errors.As(err, &code) {
		return int16(code), true
	}
	var large kafka.MessageTooLargeError
	if errors.As(err, &large) {
		return int16(kafka.MessageSizeTooLarge), true
	}
	return 0, false
}

// What a record carries through the library: its number, and the partition that the balancer must choose.
type carried struct{ number, partition int }

func open(task *c.Task) (c.Answer, error) {
	codecs := map[string]kafka.Compression{
		"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
	}
	writer = &kafka.Writer{
		Addr:                   kafka.TCP(task.Bootstrap),
		AllowAutoTopicCreation: true,
		RequiredAcks:           kafka.RequiredAcks(task.Acks),
		Compression:            codecs[task.Codec],
		BatchTimeout:           time.Duration(task.LingerMs) * time.Millisecond,
		BatchBytes:             int64(task.RequestBytes),
		BatchSize:              1000,
		MaxAttempts:            30,
		WriteBackoffMax:        500 * time.Millisecond,
		Balancer: kafka.BalancerFunc(func(message kafka.Message, _ ...int) int {
			return message.WriterData.(carried).partition
		}),
		Completion: func(messages []kafka.Message, err error) {
			for _, message := range messages {
				if err == nil {
					places <- message
				}
			}
		},
		Transport: &kafka.Transport{MetadataTTL: time.Second},
	}
	return nil, nil
}

func send(task *c.Task) (c.Answer, error) {
	told := make([]c.Told, len(task.Records))
	messages := []kafka.Message{}
	for i, record := range task.Records {
		told[i] = c.Told{Partition: -1, Offset: -1}
		messages = append(messages, message(task.Topic, record, i))
	}
	failed := write(messages)
	for deadline := time.Now().Add(wait); anyRetriable(failed) && time.Now().Before(deadline); {
		time.Sleep(pause)
		again := []kafka.Message{}
		for number := range messages {
			if failed[number] != nil {
				again = append(again, messages[number])
			}
		}
		failed = write(again)
	}
	for number, err := range failed {
		told[number].Error = c.Failure(err, codeOf)
	}
	for len(places) > 0 {
		place := <-places
		told[place.WriterData.(carried).number] = c.Told{Partition: int32(place.Partition), Offset: place.Offset}
	}
	return c.Answer{"told": told}, nil
}

// write gives the error of each message that failed, by its number.
func write(messages []kafka.Message) map[int]error {
	err := writer.WriteMessages(context.Background(), messages...)
	var each kafka.WriteErrors
	several := errors.As(err, &each)
	failed := map[int]error{}
	for i, message := range messages {
		number := message.WriterData.(carried).number
		switch {
		case several && each[i] != nil:
			failed[number] = each[i]
		case err != nil && !several:
			failed[number] = err
		}
	}
	return failed
}

// What the library leaves to the application to try again: a topic that is being made, a broker that is away.
func anyRetriable(failed map[int]error) bool {
	for _, err := range failed {
		if errors.Is(err, kafka.LeaderNotAvailable) || errors.Is(err, syscall.ECONNREFUSED) {
			return true
		}
	}
	return false
}

func message(topic string, record c.Record, number int) kafka.Message {
	made := kafka.Message{
		Topic: topic, Key: record.Key, Value: record.Value, Time: time.UnixMilli(record.Timestamp),
		WriterData: carried{number: number},
	}
	if record.Partition != nil {
		made.WriterData = carried{number: number, partition: int(*record.Partition)}
	}
	for _, header := range record.Headers {
		made.Headers = append(made.Headers, kafka.Header{Key: header.Name, Value: header.Value})
	}
	return made
}

func closeWriter(*c.Task) (c.Answer, error) {
	return nil, writer.Close()
}

func read(task *c.Task) (c.Answer, error) {
	found := []c.Record{}
	for partition, from := range task.From {
		records, err := readPartition(task, partition, from, task.To[partition])
		if err != nil {
			return nil, err
		}
		found = append(found, records...)
	}
	return c.Answer{"records": found}, nil
}

func readPartition(task *c.Task, partition int32, from, end int64) ([]c.Record, error) {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{task.Bootstrap}, Topic: task.Topic, Partition: int(partition),
		MinBytes: 1, MaxBytes: 10 << 20, MaxWait: 100 * time.Millisecond,
	})
	defer reader.Close()
	if err := reader.SetOffset(from); err != nil {
		return nil, err
	}
	found := []c.Record{}
	for offset := from; offset < end; offset++ {
		message, err := reader.ReadMessage(c.Briefly(wait))
		if err != nil {
			return nil, err
		}
		found = append(found, stored(message))
	}
	return found, nil
}

func stored(message kafka.Message) c.Record {
	headers := []c.Header{}
	for _, header := range message.Headers {
		headers = append(headers, c.Header{Name: header.Key, Value: header.Value})
	}
	partition := int32(message.Partition)
	return c.Record{
		Partition: &partition, Offset: message.Offset, Timestamp: message.Time.UnixMilli(),
		Key: message.Key, Value: message.Value, Headers: headers,
	}
}

func transact(task *c.Task) (c.Answer, error) {
	client := &kafka.Client{Addr: kafka.TCP(task.Bootstrap)}
	answer, err := client.InitProducerID(c.Briefly(wait), &kafka.InitProducerIDRequest{
		TransactionalID: "transaction", TransactionTimeoutMs: 10_000,
	})
	if err != nil {
		return nil, err
	}
	return nil, answer.Error
}

func join(task *c.Task) (c.Answer, error) {
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: "group", Brokers: []string{task.Bootstrap}, Topics: []string{task.Topic},
	})
	if err != nil {
		return nil, err
	}
	defer group.Close()
	_, err = group.Next(c.Briefly(wait))
	return nil, err
}

func admin(
	do func(context.Context, *kafka.Client, *c.Task) (c.Answer, error),
) func(*c.Task) (c.Answer, error) {
	return func(task *c.Task) (c.Answer, error) {
		// Each with connections and metadata of its own.
		transport := &kafka.Transport{}
		defer transport.CloseIdleConnections()
		client := &kafka.Client{Addr: kafka.TCP(task.Bootstrap), Timeout: wait, Transport: transport}
		return do(c.Briefly(wait), client, task)
	}
}

func create(ctx context.Context, client *kafka.Client, task *c.Task) (c.Answer, error) {
	entries := []kafka.ConfigEntry{}
	for name, value := range task.Configs {
		entries = append(entries, kafka.ConfigEntry{ConfigName: name, ConfigValue: *value})
	}
	answer, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: task.Topic, NumPartitions: task.Partitions, ReplicationFactor: 1, ConfigEntries: entries,
	}}})
	if err != nil {
		return nil, err
	}
	return nil, answer.Errors[task.Topic]
}

func metadata(ctx context.Context, client *kafka.Client, topics []string) (*kafka.MetadataResponse, error) {
	return client.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
}

func describe(ctx context.Context, client *kafka.Client, task *c.Task) (c.Answer, error) {
	found, err := metadata(ctx, client, []string{task.Topic})
	if err != nil {
		return nil, err
	}
	return c.Answer{"partitions": len(found.Topics[0].Partitions)}, found.Topics[0].Error
}

func topics(ctx context.Context, client *kafka.Client, _ *c.Task) (c.Answer, error) {
	found, err := metadata(ctx, client, nil)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, topic := range found.Topics {
		names = append(names, topic.Name)
	}
	return c.Answer{"names": names}, nil
}

func grow(ctx context.Context, client *kafka.Client, task *c.Task) (c.Answer, error) {
	answer, err := client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: task.Topic, Count: int32(task.Partitions)}},
	})
	if err != nil {
		return nil, err
	}
	return nil, answer.Errors[task.Topic]
}

func remove(ctx context.Context, client *kafka.Client, task *c.Task) (c.Answer, error) {
	answer, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{task.Topic}})
	if err != nil {
		return nil, err
	}
	return nil, answer.Errors[task.Topic]
}

func configs(ctx context.Context, client *kafka.Client, task *c.Task) (c.Answer, error) {
	answer, err := client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{
			{ResourceType: kafka.ResourceTypeTopic, ResourceName: task.Topic},
		},
	})
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for _, entry := range answer.Resources[0].ConfigEntries {
		values[entry.ConfigName] = entry.ConfigValue
	}
	return c.Answer{"configs": values}, answer.Resources[0].Error
}

func alter(ctx context.Context, client *kafka.Client, task *c.Task) (c.Answer, error) {
	changes := []kafka.IncrementalAlterConfigsRequestConfig{}
	for name, value := range task.Configs {
		changes = append(changes, kafka.IncrementalAlterConfigsRequestConfig{
			Name: name, Value: *value, ConfigOperation: kafka.ConfigOperationSet,
		})
	}
	answer, err := client.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{
			{ResourceType: kafka.ResourceTypeTopic, ResourceName: task.Topic, Configs: changes},
		},
	})
	if err != nil {
		return nil, err
	}
	return nil, answer.Resources[0].Error
}

func offsets(ctx context.Context, client *kafka.Client, task *c.Task) (c.Answer, error) {
	asked := []kafka.OffsetRequest{}
	for partition := range task.Partitions {
		asked = append(asked, kafka.OffsetRequest{Partition: partition, Timestamp: task.At})
	}
	answer, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{task.Topic: asked},
	})
	if err != nil {
		return nil, err
	}
	found := map[string]int64{}
	for _, partition := range answer.Topics[task.Topic] {
		if partition.Error != nil {
			return nil, partition.Error
		}
		found[c.Text(int32(partition.Partition))] = offsetIn(partition, task.At)
	}
	return c.Answer{"offsets": found}, nil
}

func offsetIn(partition kafka.PartitionOffsets, at int64) int64 {
	switch at {
	case kafka.FirstOffset:
		return partition.FirstOffset
	case kafka.LastOffset:
		return partition.LastOffset
	}
	for offset := range partition.Offsets {
		return offset
	}
	return -1
}

func cluster(ctx context.Context, client *kafka.Client, _ *c.Task) (c.Answer, error) {
	found, err := metadata(ctx, client, nil)
	if err != nil {
		return nil, err
	}
	return c.Answer{"cluster_id": found.ClusterID, "nodes": len(found.Brokers)}, nil
}
