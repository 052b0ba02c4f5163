// Reads tasks from standard input and answers them, one line of JSON each: see ../../driver.py.
//
// The first argument is the directory whose node_modules hold the libraries.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

export const require = createRequire(`${process.argv[2]}/`);

// What a driver's library writes to standard output would be taken for an answer.
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr);

export class Refused extends Error {}

export function bytes(text) {
  return text === null || text === undefined ? null : Buffer.from(text, 'base64');
}

export function text(value) {
  return value === null || value === undefined ? null : Buffer.from(value).toString('base64');
}

/** Headers whose names may repeat, as an object of lists. */
export function grouped(headers) {
  const found = {};
  for (const [name, value] of headers) (found[name] ??= []).push(bytes(value));
  return found;
}

/** The list of headers of an object whose values may be lists. */
export function listed(headers) {
  return Object.entries(headers ?? {}).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((each) => [name, text(each)]));
}

/** The records that are wanted, counted down as they come. */
export class Wanted {
  constructor(task) {
    this.from = task.from;
    this.to = task.to;
    this.records = [];
    this.left = Object.entries(task.to).reduce((sum, [p, end]) => sum + Math.max(0, end - task.from[p]), 0);
  }

  take(record) {
    if (record.offset < this.from[record.partition] || record.offset >= this.to[record.partition]) return;
    this.records.push(record);
    this.left -= 1;
  }
}

export function failure(error, codeOf) {
  return { name: error.type ?? error.name ?? 'Error', code: codeOf(error) ?? null, message: `${error.message ?? error}` };
}

export async function within(ms, promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export async function serve(library, tasks, codeOf) {
  // Not by require(): a package may not export it.
  const { version } = JSON.parse(readFileSync(`${process.argv[2]}/node_modules/${library}/package.json`, 'utf8'));
  tasks.about = async () => ({ library, version, runtime: `Node.js ${process.version}` });
  for await (const line of createInterface({ input: process.stdin })) {
    const task = JSON.parse(line);
    let answer;
    try {
      answer = { ok: (await tasks[task.do](task)) ?? {} };
    } catch (error) {
      answer = { error: failure(error, codeOf) };
    }
    write(`${JSON.stringify(answer)}\n`);
  }
  process.exit(0);
}
