/* SPDX-License-Identifier: Apache-2.0
 *
 * Talking to the server. What a person does goes into an outbox that outlives the page (localStorage) and is sent in
 * order, one at a time, until the server has said that it is in the catalog. A server that is away is asked again. */

/* Each tab has its own box; what a closed one left is taken over by the next that opens. A label that two tabs then send
 * is one to the server: it has a name. */
const boxes = `hone-outbox:${location.port}:`;
const tab = sessionStorage.getItem('hone-tab') || Math.random().toString(36).slice(2);
sessionStorage.setItem('hone-tab', tab);
const retryLeast = 400, retryMost = 5000; /* milliseconds */

function open(key) {
  try {
    return JSON.parse(localStorage.getItem(key)) || [];
  } catch {
    return [];
  }
}

let outbox = open(boxes + tab);
for (const key of Object.keys(localStorage).filter((name) => name.startsWith(boxes) && name !== boxes + tab)) {
  outbox.push(...open(key));
  localStorage.removeItem(key);
}
keep();

let sending = false, pause = retryLeast;
export const connection = { state: 'ok' }; /* 'ok', 'away', 'refused' */
const listeners = { status: [], sent: [], failed: [] };

export function on(event, listener) {
  listeners[event].push(listener);
}

function tell(event, ...values) {
  for (const listener of listeners[event]) listener(...values);
}

function keep() {
  if (outbox.length > 0) localStorage.setItem(boxes + tab, JSON.stringify(outbox));
  else localStorage.removeItem(boxes + tab);
}

export function waiting() {
  return outbox.length;
}

/* The pictures that wait in the outbox: what the server says of them is older than what is on the screen. */
export function waitingIds() {
  const ids = new Set();
  for (const entry of outbox) for (const id of entry.body.ids || []) ids.add(id);
  return ids;
}

function setState(state) {
  connection.state = state;
  tell('status');
}

class Refusal extends Error {
  constructor(status, text) {
    super(text.trim());
    this.status = status;
  }
}

/* Resolves to the answer; throws a Refusal when the server said no, a TypeError when it is not there. */
async function ask(path, body) {
  const options = body === undefined ? {} : { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) };
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Refusal(answer.status, await answer.text());
  return answer.json();
}

export async function get(path, values = {}) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== ''));
  try {
    const answer = await ask(`${path}?${query}`);
    if (connection.state !== 'ok') {
      setState('ok');
      send();
    }
    return answer;
  } catch (error) {
    if (!(error instanceof Refusal)) setState('away');
    else if (error.status === 401 || error.status === 421) setState('refused');
    throw error;
  }
}

/* prepare (by name, see preparations) fills in what is only known when the entry's turn comes; entry.note comes back. */
export function post(path, body, note) {
  const operation = crypto.getRandomValues(new Uint32Array(3)).reduce((text, word) => text + word.toString(36), '');
  outbox.push({ path, body: { ...body, operation }, note });
  keep();
  tell('status');
  send();
}

const preparations = {};
export function prepare(name, preparation) {
  preparations[name] = preparation;
}

async function send() {
  if (sending) return;
  sending = true;
  while (outbox.length > 0 && connection.state !== 'refused') {
    const entry = outbox[0];
    const preparation = entry.note && preparations[entry.note.kind];
    try {
      if (preparation && !preparation(entry)) {
        outbox.shift();
        keep();
        continue;
      }
      keep();
      const answer = await ask(entry.path, entry.body);
      outbox.shift();
      keep();
      pause = retryLeast;
      if (connection.state !== 'ok') setState('ok');
      tell('sent', entry, answer);
    } catch (error) {
      if (error instanceof Refusal && error.status < 500 && error.status !== 401 && error.status !== 421) {
        outbox.shift(); /* it will not become right by being said again */
        keep();
        tell('failed', entry, error.message);
      } else if (error instanceof Refusal && error.status < 500) {
        setState('refused');
      } else {
        setState('away');
        await new Promise((wake) => setTimeout(wake, pause));
        pause = Math.min(pause * 2, retryMost);
      }
    }
    tell('status');
  }
  sending = false;
  tell('status');
}

/* What a former page left. */
export function resume() {
  send();
}
