// The driver of twmb/franz-go.
package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	c "kov.tests/interop/contract"
)

const wait = 40 * time.Second

var producer *kgo.Client

func main() {
	c.Serve("github.com/twmb/franz-go", c.Tasks{
		"open": open, "send": send, "close": closeProducer, "read": read, "transact": transact, "join": join,
		"create": admin(create), "describe": admin(describe), "topics": admin(topics), "grow": admin(grow),
		"delete": admin(remove), "configs": admin(configs), "alter": admin(alter), "offsets": admin(offsets),
		"cluster": admin(cluster),
	}, codeOf)
}

func codeOf(err error) (int16, bool) {
	var known *kerr.Error
	if errors.As(err, &known) {
		return known.Code, true
	}
	return 0, false
}

func open(task *c.Task) (c.Answer, error) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	acks := map[int]kgo.Acks{-1: kgo.AllISRAcks(), 0: kgo.NoAck(), 1: kgo.LeaderAck()}
	options := []kgo.Opt{
		kgo.SeedBrokers(task.Bootstrap),
		kgo.AllowAutoTopicCreation(),
		kgo.RequiredAcks(acks[task.Acks]),
		kgo.ProducerBatchCompression(codecs[task.Codec]),
		kgo.ProducerLinger(time.Duration(task.LingerMs) * time.Millisecond),
		kgo.ProducerBatchMaxBytes(int32(task.RequestBytes)),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		// No delivery timeout: it counts from a record's own timestamp.
		kgo.UnknownTopicRetries(20),
	}
	if !task.Idempotent {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	var err error
	producer, err = kgo.NewClient(options...)
	return nil, err
}

func send(task *c.Task) (c.Answer, error) {
	told := make([]c.Told, len(task.Records))
	var waiting sync.WaitGroup
	waiting.Add(len(told))
	for i, record := range task.Records {
		made := &kgo.Record{
			Topic: task.Topic, Key: record.Key, Value: record.Value, Timestamp: time.UnixMilli(record.Timestamp),
		}
		if record.Partition != nil {
			made.Partition = *record.Partition
		}
		for _, header := range record.Headers {
			made.Headers = append(made.Headers, kgo.RecordHeader{Key: header.Name, Value: header.Value})
		}
		producer.Produce(context.Background(), made, func(done *kgo.Record, err error) {
			defer waiting.Done()
			told[i] = c.Told{Partition: done.Partition, Offset: done.Offset}
			if err != nil {
				told[i].Error = c.Failure(err, codeOf)
			}
		})
	}
	waiting.Wait()
	return c.Answer{"told": told}, nil
}

func closeProducer(*c.Task) (c.Answer, error) {
	producer.Close()
	return nil, nil
}

func read(task *c.Task) (c.Answer, error) {
	starts := map[int32]kgo.Offset{}
	for partition, offset := range task.From {
		starts[partition] = kgo.NewOffset().At(offset)
	}
	consumer, err := kgo.NewClient(
		kgo.SeedBrokers(task.Bootstrap),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{task.Topic: starts}),
	)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	found := []c.Record{}
	for left := task.From.Left(task.To); int64(len(found)) < left; {
		fetches := consumer.PollFetches(ctx)
		if errs := fetches.Errors(); len(errs) > 0 {
			return nil, errs[0].Err
		}
		fetches.EachRecord(func(each *kgo.Record) { found = append(found, stored(each)) })
	}
	return c.Answer{"records": found}, nil
}

func stored(each *kgo.Record) c.Record {
	headers := []c.Header{}
	for _, header := range each.Headers {
		headers = append(headers, c.Header{Name: header.Key, Value: header.Value})
	}
	return c.Record{
		Partition: &each.Partition, Offset: each.Offset, Timestamp: each.Timestamp.UnixMilli(),
		Key: each.Key, Value: each.Value, Headers: headers,
	}
}

func transact(task *c.Task) (c.Answer, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(task.Bootstrap), kgo.TransactionalID("transaction"))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if err := client.BeginTransaction(); err != nil {
		return nil, err
	}
	return nil, client.ProduceSync(ctx, &kgo.Record{Topic: task.Topic}).FirstErr()
}

func join(task *c.Task) (c.Answer, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(task.Bootstrap), kgo.ConsumerGroup("group"), kgo.ConsumeTopics(task.Topic),
	)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	return nil, client.PollFetches(ctx).Err()
}

func admin(
	do func(context.Context, *kadm.Client, *c.Task) (c.Answer, error),
) func(*c.Task) (c.Answer, error) {
	return func(task *c.Task) (c.Answer, error) {
		client, err := kadm.NewOptClient(kgo.SeedBrokers(task.Bootstrap))
		if err != nil {
			return nil, err
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		defer cancel()
		return do(ctx, client, task)
	}
}

func create(ctx context.Context, client *kadm.Client, task *c.Task) (c.Answer, error) {
	_, err := client.CreateTopic(ctx, int32(task.Partitions), 1, task.Configs, task.Topic)
	return nil, err
}

func describe(ctx context.Context, client *kadm.Client, task *c.Task) (c.Answer, error) {
	listed, err := client.ListTopics(ctx, task.Topic)
	if err != nil {
		return nil, err
	}
	topic := listed[task.Topic]
	return c.Answer{"partitions": len(topic.Partitions)}, topic.Err
}

func topics(ctx context.Context, client *kadm.Client, _ *c.Task) (c.Answer, error) {
	listed, err := client.ListTopics(ctx)
	return c.Answer{"names": slices.Collect(maps.Keys(listed))}, err
}

func grow(ctx context.Context, client *kadm.Client, task *c.Task) (c.Answer, error) {
	grown, err := client.UpdatePartitions(ctx, task.Partitions, task.Topic)
	if err != nil {
		return nil, err
	}
	return nil, grown[task.Topic].Err
}

func remove(ctx context.Context, client *kadm.Client, task *c.Task) (c.Answer, error) {
	_, err := client.DeleteTopic(ctx, task.Topic)
	return nil, err
}

func configs(ctx context.Context, client *kadm.Client, task *c.Task) (c.Answer, error) {
	described, err := client.DescribeTopicConfigs(ctx, task.Topic)
	if err != nil {
		return nil, err
	}
	resource := c.Must(described.On(task.Topic, nil))
	values := map[string]string{}
	for _, each := range resource.Configs {
		values[each.Key] = each.MaybeValue()
	}
	return c.Answer{"configs": values}, resource.Err
}

func alter(ctx context.Context, client *kadm.Client, task *c.Task) (c.Answer, error) {
	changes := []kadm.AlterConfig{}
	for name, value := range task.Configs {
		changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: value})
	}
	altered, err := client.AlterTopicConfigs(ctx, changes, task.Topic)
	if err != nil {
		return nil, err
	}
	return nil, c.Must(altered.On(task.Topic, nil)).Err
}

func offsets(ctx context.Context, client *kadm.Client, task *c.Task) (c.Answer, error) {
	var listed kadm.ListedOffsets
	var err error
	switch task.At {
	case -2:
		listed, err = client.ListStartOffsets(ctx, task.Topic)
	case -1:
		listed, err = client.ListEndOffsets(ctx, task.Topic)
	default:
		listed, err = client.ListOffsetsAfterMilli(ctx, task.At, task.Topic)
	}
	if err != nil {
		return nil, err
	}
	found := map[string]int64{}
	for partition, offset := range listed[task.Topic] {
		if offset.Err != nil {
			return nil, offset.Err
		}
		found[c.Text(partition)] = offset.Offset
	}
	return c.Answer{"offsets": found}, nil
}

func cluster(ctx context.Context, client *kadm.Client, _ *c.Task) (c.Answer, error) {
	described, err := client.BrokerMetadata(ctx)
	return c.Answer{"cluster_id": described.Cluster, "nodes": len(described.Brokers)}, err
}
