// Package contract reads tasks from standard input and answers them, one line of JSON each: see ../../driver.py.
package contract

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"
)

// Record is a record to send, or one that was read.
type Record struct {
	Partition *int32   `json:"partition"`
	Offset    int64    `json:"offset"`
	Timestamp int64    `json:"timestamp"`
	Key       []byte   `json:"key"`
	Value     []byte   `json:"value"`
	Headers   []Header `json:"headers"`
}

// Header is written as a list of two.
type Header struct {
	Name  string
	Value []byte
}

func (h Header) MarshalJSON() ([]byte, error) { return json.Marshal([]any{h.Name, h.Value}) }

func (h *Header) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&h.Name, &h.Value})
}

// Task has every field that any task has.
type Task struct {
	Do           string             `json:"do"`
	Bootstrap    string             `json:"bootstrap"`
	Topic        string             `json:"topic"`
	Acks         int                `json:"acks"`
	Idempotent   bool               `json:"idempotent"`
	Codec        string             `json:"codec"`
	LingerMs     int                `json:"linger_ms"`
	BatchBytes   int                `json:"batch_bytes"`
	RequestBytes int                `json:"request_bytes"`
	TimeoutMs    int                `json:"timeout_ms"`
	Records      []Record           `json:"records"`
	From         Offsets            `json:"from"`
	To           Offsets            `json:"to"`
	Partitions   int                `json:"partitions"`
	Configs      map[string]*string `json:"configs"`
	At           int64              `json:"at"`
}

// Offsets by partition.
type Offsets map[int32]int64

// Left counts the records from o up to end.
func (o Offsets) Left(end Offsets) int64 {
	left := int64(0)
	for partition, to := range end {
		left += max(0, to-o[partition])
	}
	return left
}

// Told is what was said of one record.
type Told struct {
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Error     *Error `json:"error,omitempty"`
}

// Error is a library's error, with Kafka's code where it has one.
type Error struct {
	Name    string `json:"name"`
	Code    *int16 `json:"code"`
	Message string `json:"message"`
}

// Answer is what a task gives.
type Answer map[string]any

// Tasks says what is done for each task.
type Tasks map[string]func(*Task) (Answer, error)

// Serve answers until standard input ends. codeOf finds Kafka's code in an error.
func Serve(module string, tasks Tasks, codeOf func(error) (int16, bool)) {
	tasks["about"] = func(*Task) (Answer, error) {
		return Answer{"library": module, "version": version(module), "runtime": runtime.Version()}, nil
	}
	in, out := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var task Task
		if err := json.Unmarshal(line, &task); err != nil {
			panic(err)
		}
		if err := out.Encode(answer(tasks, &task, codeOf)); err != nil {
			panic(err)
		}
	}
}

func answer(tasks Tasks, task *Task, codeOf func(error) (int16, bool)) any {
	do, known := tasks[task.Do]
	if !known {
		panic("no such task: " + task.Do)
	}
	ok, err := do(task)
	if err != nil {
		return map[string]any{"error": Failure(err, codeOf)}
	}
	if ok == nil {
		ok = Answer{}
	}
	return map[string]any{"ok": ok}
}

// Failure makes an error fit to be told.
func Failure(err error, codeOf func(error) (int16, bool)) *Error {
	inner := err
	for next := errors.Unwrap(inner); next != nil; next = errors.Unwrap(inner) {
		inner = next
	}
	told := &Error{Name: fmt.Sprintf("%T", inner), Message: err.Error()}
	if code, known := codeOf(err); known {
		told.Code = &code
	}
	return told
}

func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, each := range info.Deps {
		if each.Path == module {
			return each.Version
		}
	}
	return "?"
}

// Must panics: for what can't fail unless the driver is wrong.
func Must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// Text writes a partition as JSON's names must be.
func Text(partition int32) string { return strconv.Itoa(int(partition)) }

// Briefly is a context for one task; it ends by its time.
func Briefly(wait time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	context.AfterFunc(ctx, cancel)
	return ctx
}
