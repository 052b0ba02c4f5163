// Keeps the page current: asks for status.json every two seconds while somebody looks, and writes what it says as
// text, never as markup. Rates are differences between the newest answer and one of some seconds ago.
"use strict";

const EVERY_MS = 2000;
const PATIENCE_MS = 6000;
const READY_EVERY = 5;
const WINDOW_S = 10;
const CURVE_POINTS = 60;

const find = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const state = {
  asked: 0, paused: false, timer: 0, abort: null, samples: [], newest: null, heard: null, lost: null, ready: "",
  troubles: null, curves: { records: [], bytes: [] },
};

// Words, as in words.py.

const plural = (count, one) => `${number.format(count)} ${one}${count === 1 ? "" : "s"}`;

function size(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return `${value.toFixed(unit === 0 || value >= 100 ? 0 : 1)} ${units[unit]}`;
}

function latency(seconds) {
  if (seconds >= 1) return `${seconds.toFixed(1)} s`;
  return seconds < 0.01 ? `${(seconds * 1000).toFixed(1)} ms` : `${(seconds * 1000).toFixed(0)} ms`;
}

function duration(seconds) {
  const whole = Math.floor(Math.max(0, seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

function rate(value) {
  if (value === null) return "";
  return value > 0 && value < 10 ? value.toFixed(1) : number.format(value);
}

function quantile(bounds, counts, share) {
  const wanted = counts.reduce((sum, each) => sum + each, 0) * share;
  if (!wanted) return "";
  let seen = 0;
  for (let i = 0; i < bounds.length; i += 1) {
    seen += counts[i];
    if (seen >= wanted) return `≤ ${latency(bounds[i])}`;
  }
  return `> ${latency(bounds[bounds.length - 1])}`;
}

function clock(seconds) {
  const at = new Date(seconds * 1000);
  const time = at.toLocaleTimeString("en-GB");
  return at.toDateString() === new Date().toDateString() ? time : `${at.toLocaleDateString("en-CA")} ${time}`;
}

// Differences.

function keep(status) {
  const last = state.samples[state.samples.length - 1];
  if (last && (last.node.started !== status.node.started || last.clock_s > status.clock_s)) {
    state.samples = [];  // kov was started again: it counts from 0
    state.curves = { records: [], bytes: [] };
  }
  state.samples.push({
    ...status,
    byPartition: new Map(status.partitions.rows.map((row) => [row.name, row])),
    byClient: new Map(status.clients.rows.map((row) => [row.number, row])),
    byApi: new Map(status.apis.map((row) => [row.name, row])),
  });
  while (state.samples.length > 2 && status.clock_s - state.samples[0].clock_s > WINDOW_S) state.samples.shift();
}

// What was, and how many seconds ago, at the beginning of the window; null where it wasn't seen before.
function before(status, pick) {
  for (const sample of state.samples) {
    const found = sample.clock_s < status.clock_s ? pick(sample) : undefined;
    if (found) return { found, seconds: status.clock_s - sample.clock_s };
  }
  return null;
}

const perSecond = (now, was, name) => (was ? Math.max(0, now[name] - was.found[name]) / was.seconds : null);
const since = (now, was) => now.counts.map((count, i) => count - (was ? was.found.counts[i] || 0 : 0));

// Tables: rows are kept by their keys, so that what has the focus or is selected stays.

function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

function makeRow(labels) {
  const row = document.createElement("tr");
  row.setAttribute("role", "row");
  const head = row.appendChild(document.createElement("th"));
  head.setAttribute("role", "rowheader");
  head.scope = "row";
  for (const label of labels) {
    const cell = row.appendChild(document.createElement("td"));
    cell.setAttribute("role", "cell");
    cell.dataset.label = label;
    const inner = cell.appendChild(document.createElement("div"));
    inner.appendChild(document.createElement("b"));
    inner.appendChild(document.createElement("small"));
  }
  return row;
}

function fillRow(row, name, cells) {
  text(row.firstChild, name);
  cells.forEach(([main, more, badge], i) => {
    const cell = row.children[i + 1];
    const [first, second] = cell.firstChild.children;
    text(first, main);
    text(second, more || "");
    first.className = badge ? `badge ${badge}` : "";
    cell.classList.toggle("none", !main && !more);
  });
}

function fillTable(id, labels, rows) {
  const body = find(id);
  const kept = new Map();
  for (const row of [...body.children]) {
    if (row.dataset.key && !kept.has(row.dataset.key)) kept.set(row.dataset.key, row); else row.remove();
  }
  rows.forEach(({ key, name, cells }, i) => {
    const row = kept.get(key) || makeRow(labels);
    kept.delete(key);
    row.dataset.key = key;
    fillRow(row, name, cells);
    if (body.children[i] !== row) body.insertBefore(row, body.children[i] || null);
  });
  for (const row of kept.values()) row.remove();
}

function partitionCells(row, status) {
  const was = before(status, (sample) => sample.byPartition.get(row.name));
  const known = row.end_offset >= 0;
  const records = perSecond(row, was, "records");
  const appends = was ? row.appends - was.found.appends : 0;
  const mean = appends > 0 ? (row.append_seconds - was.found.append_seconds) / appends : row.append_seconds / row.appends;
  const busy = row.batches > 0;
  const node = row.storage_node === null ? "" : `, storage node ${row.storage_node}`;
  const address = row.leader_address ? ` (${row.leader_address})` : "";
  const waits = [[row.queued, "queued"], [row.in_flight, "in flight"], [row.in_doubt, "in doubt"]];
  return [
    [row.label, row.detail, row.kind],
    [row.stream_status ? `${row.log_stream} (${row.stream_status})` : String(row.log_stream), `Varlog topic ${row.varlog_topic}${node}`],
    [(row.here ? "this node" : `node ${row.leader}`) + address, row.epoch ? `epoch ${row.epoch}` : ""],
    [known ? `${number.format(row.start_offset)} to ${number.format(row.end_offset)}` : "", known ? plural(row.end_offset - row.start_offset, "record") : ""],
    busy && records !== null
      ? [`${rate(records)} records/s`, `${size(perSecond(row, was, "bytes"))}/s, ${size(row.bytes)} in all`]
      : [busy ? plural(row.records, "record") : "", busy ? `${size(row.bytes)} in all` : ""],
    [row.appends ? latency(mean) : "", row.appends ? "mean" : ""],
    [waits.filter(([count]) => count).map(([count, what]) => `${number.format(count)} ${what}`).join(", "), ""],
  ];
}

function clientCells(row, status) {
  const was = before(status, (sample) => sample.byClient.get(row.number));
  const requests = perSecond(row, was, "requests");
  const several = status.node.listeners.length > 1;
  return [
    [row.library || "it doesn't say", ""],
    [row.remote, several ? `listener ${row.listener}` : ""],
    [`${duration(Date.now() / 1000 - row.since)} ago`, ""],
    [requests === null ? number.format(row.requests) : `${rate(requests)}/s`, requests === null ? "" : `${number.format(row.requests)} in all`],
    [row.in_progress ? number.format(row.in_progress) : "", ""],
  ];
}

function apiCells(row, status) {
  const was = before(status, (sample) => sample.byApi.get(row.name));
  const fresh = was && was.found.latency.counts.some((count, i) => count !== row.latency.counts[i]);
  const counts = since(row.latency, fresh ? { found: was.found.latency } : null);
  const per = (name) => (was ? `${size(perSecond(row, was, name))}/s` : size(row[name]));
  const errors = Object.values(row.errors).reduce((sum, each) => sum + each, 0);
  const all = (name) => (was ? `${size(row[name])} in all` : "");
  return [
    [was ? `${rate(perSecond(row, was, "requests"))}/s` : number.format(row.requests), was ? `${number.format(row.requests)} in all` : ""],
    [quantile(row.latency.bounds, counts, 0.5), ""],
    [quantile(row.latency.bounds, counts, 0.99), ""],
    [per("bytes_in"), all("bytes_in")],
    [per("bytes_out"), all("bytes_out")],
    [errors ? number.format(errors) : "", Object.keys(row.errors).join(", ")],
  ];
}

// What stands around the tables, as in html.py.

function partitionCount(view) {
  if (!view.total) return "There are no topics yet.";
  const where = `${plural(view.total, "partition")} in ${plural(view.topics, "topic")}`;
  const states = Object.entries(view.states).map(([label, count]) => `${number.format(count)} ${label}`).join(", ");
  if (view.matching === view.total) return `${where}: ${states}.`;
  return `${number.format(view.matching)} of ${where} shown. All: ${states}.`;
}

function clientCount(view) {
  if (!view.total) return "No client is connected.";
  const all = plural(view.total, "connection");
  return view.matching === view.total ? `${all}.` : `${number.format(view.matching)} of ${all}.`;
}

function fillPager(id, view, name) {
  const pager = find(id);
  pager.hidden = view.pages < 2;
  if (!pager.children.length) return;
  const [previous, where, next] = pager.children;
  const to = (link, page) => {
    if (page < 1 || page > view.pages) { link.removeAttribute("href"); return; }
    const query = new URLSearchParams(location.search);
    query.set(name, String(page));
    link.href = `?${query}`;
  };
  to(previous, view.page - 1);
  to(next, view.page + 1);
  text(where, `Page ${number.format(view.page)} of ${number.format(view.pages)}`);
}

function draw(id, values) {
  const most = Math.max(1, ...values);
  const points = values.map((value, i) => {
    const x = 120 - (values.length - 1 - i) * (120 / (CURVE_POINTS - 1));
    return `${x.toFixed(1)},${(26 - (value / most) * 24).toFixed(1)}`;
  });
  find(id).firstElementChild.setAttribute("points", points.join(" "));
}

function curve(name, value) {
  const values = state.curves[name];
  values.push(value);
  if (values.length > CURVE_POINTS) values.shift();
  draw(`spark-${name}`, values);
}

function fillTiles(status) {
  const writing = status.writing;
  const was = before(status, (sample) => sample.writing);
  if (was) {
    const last = state.samples[state.samples.length - 2];
    const step = { found: last.writing, seconds: status.clock_s - last.clock_s };
    text(find("tile-records"), `${rate(perSecond(writing, was, "records"))}/s`);
    text(find("tile-bytes"), `${size(perSecond(writing, was, "bytes"))}/s`);
    curve("records", perSecond(writing, step, "records"));
    curve("bytes", perSecond(writing, step, "bytes"));
  }
  const recent = since(writing.latency, was ? { found: was.found.latency } : null);
  const active = recent.some((count) => count);
  const counts = active ? recent : writing.latency.counts;
  const most = quantile(writing.latency.bounds, counts, 0.99);
  text(find("tile-latency"), most || "-");
  const half = quantile(writing.latency.bounds, counts, 0.5);
  text(find("tile-latency-more"), most ? `for 99 %, half ${half}${active ? "" : ", since kov's start"}` : "nothing was written yet");
  const view = status.partitions;
  text(find("tile-partitions"), number.format(view.total));
  text(find("tile-partitions-more"), `${number.format(view.states["written here"] || 0)} written here`);
  text(find("tile-clients"), number.format(status.clients.total));
}

function textOrCode(part, index) {  // what stands between backticks is to be typed
  if (index % 2 === 0) return part;
  const code = document.createElement("code");
  code.textContent = part;
  return code;
}

function paragraph(item, value, name) {
  const made = item.appendChild(document.createElement("p"));
  if (name) made.className = name;
  made.textContent = value;
  return made;
}

function fillTroubles(troubles) {
  const shown = JSON.stringify(troubles);
  if (shown === state.troubles) return;
  const list = find("list-troubles");
  state.troubles = shown;
  list.replaceChildren(...troubles.map((each) => {
    const item = document.createElement("li");
    item.className = each.error ? "error" : "warning";
    const kind = each.error ? "Error" : "Warning";
    const when = each.count > 1
      ? `${number.format(each.count)} times since ${clock(each.first)}, the last time at ${clock(each.last)}`
      : clock(each.last);
    paragraph(item, `${kind}, ${when}`, "when");
    paragraph(item, each.what);
    const todo = paragraph(item, "");
    todo.appendChild(document.createElement("b")).textContent = "What to do:";
    todo.append(" ", ...each.todo.split("`").map(textOrCode));
    return item;
  }));
  text(find("count-troubles"), troubles.length
    ? "The newest warnings and errors since kov's start; kov's log has all of them."
    : "No warnings and no errors since kov's start.");
}

function fillAbout(about) {
  const places = find("list-about").querySelectorAll("dd");
  about.forEach(([, lines], index) => {
    const shown = lines.join("\n");
    if (places[index].dataset.shown === shown) return;
    places[index].dataset.shown = shown;
    places[index].replaceChildren(...lines.flatMap((line, at) => at ? [document.createElement("br"), line] : [line]));
  });
}

function show(status) {
  text(find("headline"), status.headline);
  find("headline").className = `badge ${status.well ? "well" : "waiting"}`;
  fillTiles(status);
  text(find("count-partitions"), partitionCount(status.partitions));
  fillTable("rows-partitions", ["State", "Log stream", "Leader", "Offsets", "Written", "Append latency", "Waiting"],
    status.partitions.rows.map((row) => ({ key: row.name, name: row.name, cells: partitionCells(row, status) })));
  fillPager("pager-partitions", status.partitions, "page");
  text(find("count-clients"), clientCount(status.clients));
  fillTable("rows-clients", ["Library", "Address", "Connected", "Requests", "In progress"],
    status.clients.rows.map((row) => ({ key: String(row.number), name: row.client_id || "(no client id)", cells: clientCells(row, status) })));
  fillPager("pager-clients", status.clients, "clients");
  text(find("count-apis"), status.apis.length
    ? `In the last ${WINDOW_S} s where there were any, else since kov's start; from a request's arrival to its answer.`
    : "No request came yet.");
  fillTable("rows-apis", ["Number", "Half took", "99 % took", "In", "Out", "Errors"],
    status.apis.map((row) => ({ key: row.name, name: row.name, cells: apiCells(row, status) })));
  fillTroubles(status.troubles);
  fillAbout(status.about);
}

// Asking.

function tell(words, kind) {
  text(find("told"), words);
  find("told").className = kind ? `told ${kind}` : "told";
}

function answered(status) {
  const again = state.lost !== null;
  state.lost = null;
  state.heard = Date.now() / 1000;
  document.body.classList.remove("stale");
  keep(status);
  state.newest = status;
  show(status);
  text(find("updated"), `as of ${clock(state.heard)}`);
  if (again) tell("kov answers again.", "well"); else tell(state.ready, "");
}

function unanswered() {
  if (state.lost === null) state.lost = Date.now() / 1000;
  document.body.classList.add("stale");
  const shown = state.heard === null ? "when the page was loaded" : `at ${clock(state.heard)}`;
  tell(`kov has not answered since ${clock(state.lost)}. What is shown is what it said ${shown}. This page keeps asking.`, "bad");
  const headline = find("headline");
  text(headline, "no answer");
  headline.className = "badge bad";
}

async function askReady(signal) {
  const answer = await fetch("readyz", { signal, cache: "no-store" });
  const { missing } = await answer.json();
  state.ready = missing.map((each) => `Not ready: ${each}`).join(". ");
}

async function ask() {
  clearTimeout(state.timer);
  if (state.abort) state.abort.abort();
  if (document.hidden || state.paused) return;
  const abort = state.abort = new AbortController();
  const patience = setTimeout(() => abort.abort(), PATIENCE_MS);
  const current = () => state.abort === abort;
  try {
    const answer = await fetch(`status.json${location.search}`, { signal: abort.signal, cache: "no-store" });
    if (!answer.ok) throw new Error(answer.statusText);
    const status = await answer.json();
    if (current()) answered(status);
    if (state.asked % READY_EVERY === 0) askReady(AbortSignal.timeout(PATIENCE_MS)).catch(() => {});
    state.asked += 1;
  } catch (error) {
    if (current() && !document.hidden) unanswered();
  } finally {
    clearTimeout(patience);
    if (current()) {
      state.abort = null;
      state.timer = setTimeout(ask, EVERY_MS);
    }
  }
}

function look(query, push) {
  const text = query.toString();
  history[push ? "pushState" : "replaceState"](null, "", text ? `?${text}` : location.pathname);
  ask();
}

function listenToForm(id, names, page) {
  let timer = 0;
  const form = find(id);
  const changed = () => {
    const query = new URLSearchParams(location.search);
    for (const name of names) {
      const value = form.elements[name].value.trim();
      if (value && value !== "all") query.set(name, value); else query.delete(name);
    }
    query.delete(page);
    look(query, false);
  };
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(changed, 250); });
  form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); changed(); });
}

function readForms() {
  const query = new URLSearchParams(location.search);
  find("ask-partitions").elements.topic.value = query.get("topic") || "";
  find("ask-partitions").elements.show.value = query.get("show") || "all";
  find("ask-clients").elements.client.value = query.get("client") || "";
}

function start() {
  document.body.classList.add("scripted");
  state.ready = find("told").textContent;
  listenToForm("ask-partitions", ["topic", "show"], "page");
  listenToForm("ask-clients", ["client"], "clients");
  for (const id of ["pager-partitions", "pager-clients"]) {
    find(id).addEventListener("click", (event) => {
      const link = event.target.closest("a[href]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      look(new URLSearchParams(new URL(link.href).search), true);
    });
  }
  window.addEventListener("popstate", () => { readForms(); ask(); });
  document.addEventListener("visibilitychange", ask);
  const pause = find("pause");
  pause.hidden = false;
  pause.addEventListener("click", () => {
    state.paused = !state.paused;
    pause.setAttribute("aria-pressed", String(state.paused));
    ask();
  });
  ask();
}

start();
