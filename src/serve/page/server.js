/* SPDX-License-Identifier: Apache-2.0
 *
 * Talking to the server. Pictures come faster than answers: of those that wait only the newest is asked about, and never
 * two at once. What went wrong is told by kind, so that the page can say it kindly. Addresses are relative: the page works
 * behind any path. */

const patience = 20000, pauseAway = 1500, pauseMost = 30;
let token = sessionStorage.getItem('hone-token') || '';
let waiting = null, busy = false;

export class Trouble extends Error {
  /* kind: 'away', 'busy', 'large', 'picture', 'token', 'slow', 'none' (no model), 'other' */
  constructor(kind, why, seconds = 0) {
    super(why);
    this.kind = kind;
    this.seconds = seconds;
  }
}

export function setToken(text) {
  token = text;
  sessionStorage.setItem('hone-token', text);
}

async function trouble(answer) {
  const text = (await answer.text()).trim();
  let why = text;
  try {
    const document = JSON.parse(text);
    why = document.error?.message ?? document.error ?? text;
  } catch { /* plain words */ }
  const seconds = Math.min(pauseMost, Math.max(1, Number(answer.headers.get('Retry-After')) || 1));
  switch (answer.status) {
    case 401: case 403: return new Trouble('token', why);
    case 404: return new Trouble('none', why);
    case 413: return new Trouble('large', why);
    case 400: case 415: case 422: return new Trouble('picture', why);
    case 429: case 503: return new Trouble('busy', why, seconds);
    case 504: return new Trouble('slow', why, seconds);
    default: return new Trouble('other', why || String(answer.status));
  }
}

/* The answer's JSON or, of a picture, its bytes. */
export async function call(path, options = {}) {
  const clock = new AbortController(), timer = setTimeout(() => clock.abort(), patience);
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  try {
    let answer;
    try {
      answer = await fetch(path, { cache: 'no-store', ...options, headers, signal: clock.signal });
    } catch {
      throw new Trouble('away', '');
    }
    if (!answer.ok) throw await trouble(answer);
    return await (answer.headers.get('Content-Type')?.startsWith('image/') ? answer.blob() : answer.json());
  } finally {
    clearTimeout(timer);
  }
}

/* Whether, and after how long, the same is to be asked again. */
function pauseAfter(error) {
  if (error.kind === 'busy' || error.kind === 'slow') return error.seconds * 1000;
  return error.kind === 'away' ? pauseAway : 0;
}

async function pump() {
  if (busy || !waiting) return;
  const job = waiting;
  waiting = null;
  busy = true;
  let pause = 0;
  try {
    const { path, body } = await job.make();
    job.answered(await call(path, { method: 'POST', body, headers: { 'Content-Type': body.type } }), waiting === null);
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    job.failed(error);
    pause = pauseAfter(error);
    if (pause && !waiting) waiting = job;
  } finally {
    busy = false;
    setTimeout(pump, pause);
  }
}

/* make() gives {path, body} when its turn has come; answered(answer, last) gets the JSON, failed(trouble) what went wrong.
 * A job that waits is replaced by the next one. */
export function ask(job) {
  waiting = job;
  pump();
}

/* What waits is not wanted any more. */
export function forget() {
  waiting = null;
}
