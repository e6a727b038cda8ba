/* SPDX-License-Identifier: Apache-2.0
 *
 * The pad: a pen for mouse, finger, stylus and keyboard. It keeps strokes, lists of points from 0 to 1, which are drawn anew
 * at whatever size the pad has. */

import { trace } from './digit.js';
import { t } from './texts.js';

const pad = document.getElementById('pad'), frame = document.getElementById('pad-frame');
const penWidth = 0.068, nearEnough = 0.004, step = 1 / 16, fineStep = 1 / 48;
let strokes = [], current = null, pointer = null, changed = () => {}, say = () => {};
let cursor = { x: 0.5, y: 0.3, shown: false, down: false };

function draw() {
  const size = pad.width, context = pad.getContext('2d'), style = getComputedStyle(document.documentElement);
  context.clearRect(0, 0, size, size);
  context.strokeStyle = style.getPropertyValue('--ink');
  context.lineCap = context.lineJoin = 'round';
  context.lineWidth = size * penWidth;
  for (const stroke of strokes) trace(context, stroke, (p) => ({ x: p.x * size, y: p.y * size }));
  if (!cursor.shown) return;
  const x = cursor.x * size, y = cursor.y * size, r = size * (cursor.down ? penWidth / 2 : 0.03);
  context.strokeStyle = style.getPropertyValue('--accent');
  context.fillStyle = context.strokeStyle;
  context.lineWidth = Math.max(2, size / 200);
  context.beginPath();
  context.arc(x, y, r, 0, 2 * Math.PI);
  if (cursor.down) context.fill();
  else context.stroke();
  context.beginPath();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    context.moveTo(x + dx * r * 1.4, y + dy * r * 1.4);
    context.lineTo(x + dx * r * 2.4, y + dy * r * 2.4);
  }
  context.stroke();
}

function update() {
  frame.classList.toggle('used', strokes.length > 0);
  document.getElementById('undo').disabled = document.getElementById('clear').disabled = strokes.length === 0;
  draw();
  changed();
}

function add(point) {
  const last = current[current.length - 1];
  if (last && Math.hypot(point.x - last.x, point.y - last.y) < nearEnough) return false;
  current.push(point);
  return true;
}

function begin(point) {
  current = [point];
  strokes.push(current);
}

export function undo() {
  lift();
  strokes.pop();
  update();
}

export function clear() {
  lift();
  if (strokes.length) say(t('cleared'));
  strokes = [];
  update();
}

function lift() {
  current = null;
  cursor.down = false;
}

export function currentStrokes() {
  return strokes;
}

/* ---- pointers ------------------------------------------------------------------------------------------------------ */

function place(event) {
  const box = pad.getBoundingClientRect(), inside = (v) => Math.max(0, Math.min(1, v));
  return { x: inside((event.clientX - box.left) / box.width), y: inside((event.clientY - box.top) / box.height) };
}

pad.addEventListener('pointerdown', (event) => {
  if (event.button !== 0 || pointer !== null) return;
  pointer = event.pointerId;
  pad.setPointerCapture(pointer);
  cursor.shown = cursor.down = false;
  begin(place(event));
  update();
});
pad.addEventListener('pointermove', (event) => {
  if (event.pointerId !== pointer || !current) return;
  const events = event.getCoalescedEvents?.() ?? [];
  let news = false;
  for (const one of events.length ? events : [event]) news = add(place(one)) || news;
  if (news) update();
});
for (const name of ['pointerup', 'pointercancel'])
  pad.addEventListener(name, (event) => {
    if (event.pointerId !== pointer) return;
    pointer = null;
    current = null;
    changed();
  });

/* ---- keys ---------------------------------------------------------------------------------------------------------- */

const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function move([dx, dy], length) {
  cursor.x = Math.max(0, Math.min(1, cursor.x + dx * length));
  cursor.y = Math.max(0, Math.min(1, cursor.y + dy * length));
  if (!cursor.down) return draw();
  if (add({ x: cursor.x, y: cursor.y })) update();
  return undefined;
}

pad.addEventListener('keydown', (event) => {
  const undone = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'z';
  if (!undone && (event.ctrlKey || event.metaKey || event.altKey)) return;
  if (directions[event.key]) {
    cursor.shown = true;
    move(directions[event.key], event.shiftKey ? fineStep : step);
  } else if (event.key === ' ') {
    cursor.shown = true;
    if (cursor.down) lift();
    else {
      begin({ x: cursor.x, y: cursor.y });
      cursor.down = true;
    }
    say(t(cursor.down ? 'penDown' : 'penUp'));
    update();
  } else if (event.key === 'Backspace' || undone) {
    undo();
  } else if (event.key === 'Delete' || event.key === 'Escape') {
    clear();
  } else {
    return;
  }
  event.preventDefault();
});
pad.addEventListener('blur', () => {
  lift();
  cursor.shown = false;
  draw();
});

/* ---- the beginning -------------------------------------------------------------------------------------------------- */

/* onChange: the strokes are others; onSay: something for those who listen. */
export function start(onChange, onSay) {
  changed = onChange;
  say = onSay;
  new ResizeObserver(() => {
    pad.width = pad.height = Math.max(1, Math.round(pad.clientWidth * devicePixelRatio));
    draw();
  }).observe(pad);
  document.getElementById('undo').addEventListener('click', undo);
  document.getElementById('clear').addEventListener('click', clear);
  update();
}

export { draw as redraw };
