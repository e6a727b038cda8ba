/* SPDX-License-Identifier: Apache-2.0
 *
 * The answer: a verdict in words, a bar for each class, where the network looked, what it learnt from that is like it. */

import { call } from './server.js';
import { number, percent, t } from './texts.js';

const $ = (id) => document.getElementById(id);
const mostRows = 12, rowsOfMany = 8, sure = 0.75, sayPause = 900;
let last = null; /* {answer, classes, wantHeat} */
let saying = 0, said = '';

/* What is not quite certain is not said to be. */
function shareText(share) {
  return share < 1 && share > 0.9995 ? `>${percent(0.999, 1)}` : percent(share, 1);
}

function nameOf(classes, index) {
  return classes[index] ?? String(index);
}

/* One sigmoid output is the probability of class 1. */
function shares(prediction) {
  const p = prediction.probabilities;
  return p.length === 1 ? [1 - p[0], p[0]] : p;
}

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/* ---- bars ---------------------------------------------------------------------------------------------------------- */

/* Few classes keep their places, so that bars grow and shrink; of many the most likely are shown, in order. */
function rowsOf(p) {
  const all = p.map((share, index) => ({ index, share }));
  if (p.length <= mostRows) return all;
  return all.sort((a, b) => b.share - a.share || a.index - b.index).slice(0, rowsOfMany);
}

function drawBars(p, classes, best, unknown) {
  const list = $('bars'), rows = p ? rowsOf(p) : Array.from({ length: Math.min(classes.length, classes.length <= mostRows ? mostRows : rowsOfMany) }, (_, index) => ({ index, share: 0 }));
  while (list.children.length > rows.length) list.lastChild.remove();
  while (list.children.length < rows.length) {
    const row = element('li'), track = element('span', 'track');
    track.append(element('span', 'fill'));
    row.append(element('span', 'class'), track, element('span', 'share'));
    list.append(row);
  }
  const longest = rows.reduce((most, row) => Math.max(most, nameOf(classes, row.index).length), 0);
  list.style.setProperty('--names', longest > 2 ? `${Math.min(13, longest * 0.62 + 1)}em` : '30px');
  list.classList.toggle('doubtful', unknown);
  rows.forEach(({ index, share }, i) => {
    const [name, track, text] = list.children[i].children;
    list.children[i].classList.toggle('best', p !== null && index === best);
    name.textContent = nameOf(classes, index);
    name.title = name.textContent;
    track.firstChild.style.transform = `scaleX(${share.toFixed(4)})`;
    text.textContent = p ? shareText(share) : '';
  });
}

/* ---- words ---------------------------------------------------------------------------------------------------------- */

function verdict(prediction, p, classes) {
  const name = prediction.class, order = p.map((share, index) => ({ share, index })).sort((a, b) => b.share - a.share), second = order.find(({ index }) => index !== prediction.index);
  if (prediction.unknown) return { name: t('unknown'), words: t('unknownWords', { name }) };
  const confidence = shareText(prediction.confidence);
  if (prediction.taught) return { name, words: t('wasTaught', { percent: confidence }) };
  if (prediction.confidence >= sure || !second || second.share < 0.05) return { name, words: t('sure', { percent: confidence }) };
  return { name, words: t('unsure', { percent: confidence, other: nameOf(classes, second.index), otherPercent: shareText(second.share) }) };
}

/* For those who listen: when the picture has come to rest, and not the same thing twice. */
function say(text) {
  clearTimeout(saying);
  saying = setTimeout(() => {
    if (text === said) return;
    said = text;
    $('said').textContent = text;
  }, sayPause);
}

export function announce(text) {
  clearTimeout(saying);
  said = text;
  $('said').textContent = text;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------- */

export function showNothing(classes, words) {
  last = null;
  clearTimeout(saying);
  said = '';
  $('verdict').className = 'idle';
  $('class-text').textContent = '?';
  $('verdict-words').textContent = words;
  $('near').hidden = true;
  showHeat(null);
  drawBars(null, classes, -1, false);
}

/* The small pictures are asked for once each: they are the model's own and do not change. */
const pictures = new Map(); /* address to a promise of an object URL */

function pictureOf(address) {
  if (!pictures.has(address)) pictures.set(address, call(address).then((blob) => URL.createObjectURL(blob)));
  return pictures.get(address);
}

function showNear(neighbours, model) {
  $('near').hidden = !neighbours?.length;
  $('near-list').replaceChildren(...(neighbours ?? []).map((one) => {
    const item = element('li'), image = element('img'), name = one.class ?? String(one.index);
    image.alt = t('nearAlt', { name, distance: number(one.distance, 3) });
    pictureOf(`api/ui/example?model=${encodeURIComponent(model)}&index=${one.example}`).then((url) => { image.src = url; }, () => {});
    item.append(image, element('span', '', name));
    return item;
  }));
}

/* Another version of a model has other examples. */
export function forgetPictures() {
  for (const one of pictures.values()) one.then((url) => URL.revokeObjectURL(url), () => {});
  pictures.clear();
}

/* Blue, green, yellow, red, and clear where nothing speaks for the answer. */
function heatColour(v) {
  const stops = [[40, 60, 200], [40, 180, 160], [240, 210, 60], [230, 50, 40]], at = Math.min(2.999, v * 3), i = Math.floor(at), f = at - i;
  return [...stops[i].map((c, k) => Math.round(c + (stops[i + 1][k] - c) * f)), Math.round(255 * Math.min(1, v * 1.6))];
}

function showHeat(map) {
  const canvas = $('heat');
  canvas.hidden = !map;
  if (!map) return;
  canvas.width = map[0].length;
  canvas.height = map.length;
  const context = canvas.getContext('2d'), image = context.createImageData(canvas.width, canvas.height);
  map.flat().forEach((v, i) => image.data.set(heatColour(v), 4 * i));
  context.putImageData(image, 0, 0);
}

export function show(answer, classes, wantHeat) {
  const prediction = answer.predictions[0];
  const p = shares(prediction), { name, words } = verdict(prediction, p, classes);
  last = { answer, classes, wantHeat };
  $('verdict').className = `${prediction.unknown ? 'unknown' : ''} ${name.length > 3 ? 'long' : ''}`.trim();
  $('class-text').textContent = name;
  $('verdict-words').textContent = words;
  drawBars(p, classes, prediction.index, prediction.unknown);
  showHeat(wantHeat ? prediction.heat_map ?? null : null);
  showNear(prediction.nearest, answer.model);
  say(prediction.unknown ? t('saidUnknown', { name: prediction.class }) : t('saidAnswer', { name, percent: percent(prediction.confidence) }));
}

/* In another language. */
export function redraw() {
  if (last) show(last.answer, last.classes, last.wantHeat);
}
