/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks how the training goes and shows it. What the page knows stays when the program has ended. */

import { begin } from './page.js';
import { createChart } from './charts.js';
import { number, percent, t } from './texts.js';

const $ = (id) => document.getElementById(id);
const patience = 4000, pauseBetween = 400, pauseHidden = 3000, retryMost = 5000, sayAtMostEvery = 10000, triesUntilGone = 8;

/* The token has become a cookie; in the address bar it would end up in screenshots and histories. */
if (location.search) history.replaceState(null, '', location.pathname);

const state = { now: null, points: [], keys: [], history: [], epochKeys: [], generation: -1, failures: 0, refused: false, stopRefused: '' };
const charts = new Map();
let said = { epoch: 0, at: 0 };

/* ---- words ------------------------------------------------------------------------------------------------------- */

function duration(seconds) {
  if (!Number.isFinite(seconds)) return '–';
  const s = Math.round(seconds), h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
  if (h > 0) return t('hours', { h, m });
  return s >= 60 ? t('minutes', { m, s: s % 60 }) : t('seconds', { s });
}

function fraction(key) {
  return key.endsWith('accuracy') || ['auc', 'precision', 'recall'].includes(key);
}

/* The value of a key as people read it; on an axis it may be short. */
function format(key, value, short = false) {
  if (!Number.isFinite(value)) return '–';
  if (key === 'learning_rate') return value !== 0 && value < 1e-3 ? value.toExponential(short ? 0 : 2) : Number(value.toPrecision(3)).toString();
  if (fraction(key)) return percent(value, short ? (value > 0.9 && value < 1 ? 1 : 0) : 2);
  return short ? Number(value.toPrecision(3)).toString() : number(value, value !== 0 && Math.abs(value) < 0.01 ? 5 : 4);
}

function nameOf(key) {
  const words = { loss: 'loss', accuracy: 'accuracy', learning_rate: 'learning_rate', auc: 'auc', precision: 'precision', recall: 'recall', top_k_categorical_accuracy: 'top_k_categorical_accuracy' };
  return words[key] ? t(words[key]) : key;
}

/* ---- what the server said ----------------------------------------------------------------------------------------- */

function take(answer) {
  if (answer.generation !== state.generation || answer.first_point === 0) state.points = [];
  state.points.length = answer.first_point;
  state.points.push(...answer.points);
  state.generation = answer.generation;
  state.keys = answer.keys;
  state.epochKeys = answer.epoch_keys;
  state.history.push(...answer.history);
  state.now = answer;
}

function column(rows, index) {
  return rows.map((row) => [row[0], row[index] ?? NaN]);
}

/* ---- drawing ------------------------------------------------------------------------------------------------------ */

function chartOf(key) {
  if (!charts.has(key)) {
    const chart = createChart({
      title: () => nameOf(key), words: t, format: (value, short) => format(key, value, short), top: fraction(key) ? 1 : undefined,
      log: key === 'loss', low: key === 'learning_rate', summary: () => t('chartIs', { name: nameOf(key), epochs: state.history.length }),
    });
    charts.set(key, chart);
    chart.node.dataset.key = key;
    $('charts').append(chart.node);
    const rate = charts.get('learning_rate');
    if (rate) $('charts').append(rate.node); /* always the last */
  }
  return charts.get(key);
}

function drawCharts() {
  const all = [...state.points, ...state.history], last = all.reduce((most, row) => Math.max(most, row[0]), 0);
  if (!all.length) return;
  const end = Math.max(1, Math.ceil(last - 1e-9)), keys = new Set(['loss', ...state.keys]);
  for (const key of state.epochKeys) if (!key.startsWith('val_') && key !== 'learning_rate') keys.add(key);
  for (const key of keys) {
    const at = state.keys.indexOf(key), train = state.epochKeys.indexOf(key), val = state.epochKeys.indexOf(`val_${key}`);
    chartOf(key).update({
      steps: at < 0 ? [] : column(state.points, 2 + at), train: train < 0 ? [] : column(state.history, 2 + train),
      val: val < 0 ? [] : column(state.history, 2 + val), end,
    });
  }
  const rates = all.filter((row) => row[1] !== null).map((row) => [row[0], row[1]]).sort((a, b) => a[0] - b[0]);
  chartOf('learning_rate').update({ steps: [], train: rates, val: [], end });
}

/* Of validation where there is one, else of training: the row whose number is the best. */
function bestRow(key) {
  const at = 2 + state.epochKeys.indexOf(key), better = key.endsWith('loss') ? (a, b) => a < b : (a, b) => a > b;
  let best = null;
  for (const row of state.history) if (Number.isFinite(row[at]) && row[at] !== null && (best === null || better(row[at], best[at]))) best = row;
  return best;
}

function cell(tag, text, className = '') {
  const node = document.createElement(tag);
  node.textContent = text;
  node.className = className;
  return node;
}

function drawHistory() {
  $('history').hidden = state.history.length === 0;
  const keys = state.epochKeys.filter((key) => key !== 'learning_rate'), table = $('history').querySelector('table');
  const head = document.createElement('tr');
  head.append(cell('th', t('epochWord')), ...keys.map((key) => cell('th', key.startsWith('val_') ? `${nameOf(key.slice(4))} (${t('val')})` : nameOf(key))), cell('th', t('learning_rate')));
  head.querySelectorAll('th').forEach((node) => { node.scope = 'col'; });
  table.tHead.replaceChildren(head);
  const best = new Map(keys.map((key) => [key, bestRow(key)]));
  table.tBodies[0].replaceChildren(...[...state.history].reverse().map((row) => {
    const line = document.createElement('tr');
    line.append(cell('td', String(row[0])), ...keys.map((key) => {
      const at = 2 + state.epochKeys.indexOf(key), plain = key.replace(/^val_/, '');
      return cell('td', format(plain, row[at] ?? NaN), key.startsWith('val_') && best.get(key) === row ? 'best' : '');
    }), cell('td', format('learning_rate', row[1] ?? NaN)));
    return line;
  }));
}

function news(kind, ...parts) {
  $('news').hidden = parts.length === 0;
  $('news').className = kind;
  $('news').replaceChildren(...parts);
}

function code(text) {
  const node = document.createElement('code');
  node.textContent = text;
  return node;
}

function drawEnd(end) {
  if (end.how === 'failed') return news('bad', t('failed', { why: end.why ?? '' }));
  if (end.how === 'stopped') return news('warn', `${t('stopped')} `, code(`hone train --resume ${end.file ?? ''}`));
  const parts = [t('done', { file: end.file ?? '' })];
  if (end.test) {
    const result = document.createElement('strong');
    result.textContent = t('doneTest', { samples: end.test.samples, accuracy: percent(end.test.accuracy, 2), low: percent(end.test.low, 2), high: percent(end.test.high, 2) });
    parts.unshift(result, document.createElement('br'));
  }
  return news('', ...parts);
}

function drawNews() {
  if (state.refused) return news('bad', t('refused'));
  if (state.now?.phase === 'ended') return drawEnd(state.now.end);
  if (state.failures > triesUntilGone) return news('warn', t('gone'));
  if (state.failures > 1) return news('warn', t('away'));
  return state.stopRefused ? news('warn', t('stopRefused', { why: state.stopRefused })) : news('');
}

function drawNow() {
  const s = state.now;
  drawNews();
  if (!s) return;
  const ended = s.phase === 'ended', validating = s.phase === 'training' && s.steps > 0 && s.step === s.steps && s.validation_samples > 0;
  $('name').textContent = s.model || 'hone train';
  $('data').textContent = s.data ? t('on', { data: s.data }) : '';
  $('phase').textContent = t(`phase_${validating ? 'validating' : s.phase}`);
  const at = Math.min(s.epoch + (s.phase === 'training' || s.phase === 'stopping' ? 1 : 0), s.epochs);
  $('epoch').textContent = s.epochs > 0 ? t('epochOf', { at, all: s.epochs }) : 'hone train';
  $('bar').value = s.epochs > 0 ? Math.min(1, (s.epoch + (s.steps > 0 ? s.step / s.steps : 0)) / s.epochs) : 0;
  const running = s.phase === 'training';
  $('fact-left').textContent = running && s.seconds_left !== null ? duration(s.seconds_left) : '–';
  $('fact-speed').textContent = s.images_per_second > 0 ? number(Math.round(s.images_per_second)) : '–';
  $('fact-step').textContent = s.steps > 0 ? (ended ? number(s.iterations) : t('stepOf', { at: s.step, all: s.steps })) : '–';
  $('fact-rate').textContent = s.learning_rate === null ? '–' : format('learning_rate', s.learning_rate);
  $('fact-elapsed').textContent = s.seconds > 0 ? duration(s.seconds) : '–';
  $('stop').disabled = !running || state.failures > 1 || state.refused;
  $('stop').hidden = ended;
  const accuracy = state.history.length ? state.epochKeys.map((key, i) => [key, state.history[state.history.length - 1][2 + i]]).find(([key]) => key === 'val_accuracy' || key === 'accuracy') : null;
  document.title = `${ended ? '✓' : `${at}/${s.epochs}`} ${accuracy ? `${percent(accuracy[1], 1)} ` : ''}· ${s.model || 'hone train'}`;
}

/* One sentence per epoch for those who listen, and not too many of them. */
function say() {
  const row = state.history[state.history.length - 1], time = Date.now();
  if (!row || row[0] === said.epoch || (time - said.at < sayAtMostEvery && row[0] < state.now.epochs)) return;
  said = { epoch: row[0], at: time };
  const numbers = state.epochKeys.map((key, i) => [key, row[2 + i]]).filter(([key, value]) => key !== 'learning_rate' && value !== null)
    .map(([key, value]) => `${key.startsWith('val_') ? `${t('val')} ${nameOf(key.slice(4))}` : nameOf(key)} ${format(key.replace(/^val_/, ''), value)}`);
  $('said').textContent = t('saidEpoch', { at: row[0], all: state.now.epochs, numbers: numbers.join(', ') });
}

function drawAll() {
  drawNow();
  drawHistory();
  drawCharts();
}

/* ---- asking ------------------------------------------------------------------------------------------------------- */

async function ask() {
  const known = state.generation < 0 ? '' : `&points=${state.points.length}&generation=${state.generation}`;
  const epoch = state.history.length ? state.history[state.history.length - 1][0] : 0;
  const answer = await fetch(`api/state?epoch=${epoch}${known}`, { cache: 'no-store', credentials: 'same-origin', signal: AbortSignal.timeout(patience) });
  if (answer.status === 401) {
    state.refused = true;
    throw new Error('refused');
  }
  if (!answer.ok) throw new Error(String(answer.status));
  const epochs = state.history.length, points = state.points.length;
  take(await answer.json());
  state.failures = 0;
  drawNow();
  if (state.history.length !== epochs) drawHistory();
  if (state.history.length !== epochs || state.points.length !== points) drawCharts();
  say();
}

async function follow() {
  for (;;) {
    try {
      await ask();
      if (state.now.phase === 'ended') return;
    } catch {
      state.failures++;
      drawNow();
      if (state.refused) return;
    }
    const pause = state.failures ? Math.min(pauseBetween * 2 ** state.failures, retryMost) : document.hidden ? pauseHidden : pauseBetween;
    await new Promise((wake) => setTimeout(wake, pause));
  }
}

$('stop').addEventListener('click', () => $('stop-dialog').showModal());
$('stop-dialog').addEventListener('close', async () => {
  if ($('stop-dialog').returnValue !== 'stop') return;
  state.stopRefused = '';
  try {
    const answer = await fetch('api/stop', { method: 'POST', credentials: 'same-origin' });
    if (!answer.ok) state.stopRefused = (await answer.text()).trim();
  } catch (error) {
    state.stopRefused = error.message;
  }
  drawNow();
});

begin(drawAll);
drawAll();
performance.mark('hone-ready');
follow();
