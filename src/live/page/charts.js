/* SPDX-License-Identifier: Apache-2.0
 *
 * A chart: curves over epochs as SVG. What changes is drawn anew as a whole, a few paths of at most a thousand points. */

const svgSpace = 'http://www.w3.org/2000/svg';
const margin = { left: 48, right: 12, top: 10, bottom: 22 };
const widthOfEpochMark = 14; /* pixels: closer than that, and epochs are a line without dots */

function shape(name, attributes, text) {
  const node = document.createElementNS(svgSpace, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/* About count round numbers from low to high. */
function niceTicks(low, high, count) {
  const span = high - low || Math.abs(high) || 1, raw = span / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push(i * step);
  return ticks;
}

function logTicks(low, high) {
  const ticks = [];
  for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); p++)
    for (const m of high / low > 300 ? [1] : [1, 2, 5]) {
      const value = m * 10 ** p;
      if (value >= low * 0.999 && value <= high * 1.001) ticks.push(value);
    }
  return ticks;
}

/* Values of which a few wild ones (the first steps) shall not flatten the rest. */
function range(values, top) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (!sorted.length) return null;
  const at = (q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
  let low = at(0.01), high = at(0.99);
  if (high - low < 1e-9) [low, high] = [low - Math.abs(low) * 0.1 - 1e-6, high + Math.abs(high) * 0.1 + 1e-6];
  const pad = (high - low) * 0.06;
  return { low: low - pad, high: Math.min(high + pad, top ?? Infinity), least: sorted.find((v) => v > 0) ?? 1e-6 };
}

/* options: title() and words(kind) in the page's language, format(value), top (no value is above it), log: a logarithmic
 * scale is offered, low: the chart is less important. */
export function createChart(options) {
  const node = element('section', options.low ? 'card chart low' : 'card chart'), header = element('header');
  const title = element('h2'), last = element('div', 'last'), log = element('button', 'log');
  const svg = shape('svg', { role: 'img' }), tip = element('div', 'tip');
  let data = { steps: [], train: [], val: [], end: 1 }, size = { width: 0, height: 0 }, axes = null, useLog = false;
  tip.hidden = true;
  log.type = 'button';
  header.append(title, last);
  if (options.log) header.append(log);
  node.append(header, svg, tip);

  function scale() {
    const values = [...data.steps, ...data.train, ...data.val].map(([, y]) => y), y = range(values, options.top);
    if (!y) return null;
    const w = size.width - margin.left - margin.right, h = size.height - margin.top - margin.bottom;
    const logged = useLog && options.log, low = logged ? Math.max(y.least * 0.9, 1e-9) : y.low, high = Math.max(y.high, low * 1.01 + 1e-12);
    const part = logged ? (v) => Math.log(Math.max(v, low) / low) / Math.log(high / low) : (v) => (v - low) / (high - low);
    return {
      low, high, logged,
      x: (e) => margin.left + (e / data.end) * w,
      y: (v) => margin.top + h - Math.max(-0.02, Math.min(1.02, part(v))) * h,
      epochAt: (px) => ((px - margin.left) / w) * data.end,
    };
  }

  function path(points) {
    if (points.length === 1 && Number.isFinite(points[0][1])) return `M${axes.x(points[0][0]).toFixed(1)} ${axes.y(points[0][1]).toFixed(1)}h.01`;
    let text = '', pen = false;
    for (const [x, y] of points) {
      if (!Number.isFinite(y)) { pen = false; continue; }
      text += `${pen ? 'L' : 'M'}${axes.x(x).toFixed(1)} ${axes.y(y).toFixed(1)}`;
      pen = true;
    }
    return text;
  }

  function curve(points, kind) {
    const nodes = [shape('path', { d: path(points), class: kind })], finite = points.filter(([, y]) => Number.isFinite(y));
    const apart = finite.length < 2 || axes.x(finite[1][0]) - axes.x(finite[0][0]) > widthOfEpochMark;
    if (kind !== 'steps' && apart && !options.low)
      for (const [x, y] of finite) nodes.push(shape('circle', { cx: axes.x(x).toFixed(1), cy: axes.y(y).toFixed(1), r: 3.6, class: kind }));
    return nodes;
  }

  function draw() {
    title.textContent = options.title();
    log.textContent = options.words('log');
    log.title = options.words('logHint');
    log.setAttribute('aria-pressed', useLog);
    const keys = ['train', 'val'].filter((kind) => data[kind].some(([, y]) => Number.isFinite(y)) || (kind === 'train' && data.steps.length));
    last.replaceChildren(...keys.map((kind) => {
      const points = data[kind].length ? data[kind] : data.steps, span = element('span', `key ${kind}`);
      if (keys.length > 1 || !options.low) span.append(`${options.words(kind)} `);
      span.append(element('b', '', options.format(points[points.length - 1]?.[1])));
      return span;
    }));
    svg.setAttribute('aria-label', options.summary());
    axes = size.width > 0 ? scale() : null;
    svg.replaceChildren();
    if (!axes) return;
    const { width, height } = size;
    for (const v of axes.logged ? logTicks(axes.low, axes.high) : niceTicks(axes.low, axes.high, options.low ? 3 : 5)) {
      const y = axes.y(v).toFixed(1);
      svg.append(shape('line', { x1: margin.left, x2: width - margin.right, y1: y, y2: y, class: 'line' }));
      svg.append(shape('text', { x: margin.left - 7, y, dy: '.35em', 'text-anchor': 'end' }, options.format(v, true)));
    }
    for (const e of niceTicks(0, data.end, Math.max(2, Math.min(10, width / 70))).filter((v) => Number.isInteger(v)))
      svg.append(shape('text', { x: axes.x(e).toFixed(1), y: height - 4, 'text-anchor': 'middle' }, String(e)));
    svg.append(...curve(data.steps, 'steps'), ...curve(data.train, 'train'), ...curve(data.val, 'val'));
  }

  function nearest(points, epoch) {
    return points.reduce((best, point) => (Number.isFinite(point[1]) && (!best || Math.abs(point[0] - epoch) < Math.abs(best[0] - epoch)) ? point : best), null);
  }

  function point(event) {
    svg.querySelector('.cursor')?.remove();
    tip.hidden = true;
    if (!axes || !event) return;
    const box = svg.getBoundingClientRect(), epoch = axes.epochAt(event.clientX - box.left);
    const anchor = nearest(data.train.length > 1 ? data.train : data.steps, epoch);
    if (!anchor || epoch < -0.02 * data.end || epoch > 1.02 * data.end) return;
    const at = anchor[0], x = axes.x(at), lines = [`${options.words('epochWord')} ${Number.isInteger(at) ? at : at.toFixed(2)}`];
    for (const kind of ['train', 'val']) {
      const found = data[kind].find(([e]) => e === at);
      if (found && Number.isFinite(found[1])) lines.push(`${options.words(kind)} ${options.format(found[1])}`);
    }
    if (lines.length === 1) lines.push(options.format(anchor[1]));
    svg.append(shape('line', { x1: x, x2: x, y1: margin.top, y2: size.height - margin.bottom, class: 'cursor' }));
    tip.textContent = lines.join('\n');
    tip.hidden = false;
    const left = svg.offsetLeft ?? 0, offset = box.left - node.getBoundingClientRect().left + x + left;
    tip.style.left = `${Math.min(offset + 12, node.clientWidth - tip.offsetWidth - 6)}px`;
    tip.style.top = `${box.top - node.getBoundingClientRect().top + margin.top}px`;
  }

  svg.addEventListener('pointermove', point);
  svg.addEventListener('pointerleave', () => point(null));
  log.addEventListener('click', () => {
    useLog = !useLog;
    draw();
  });
  new ResizeObserver(([entry]) => {
    size = { width: entry.contentRect.width, height: entry.contentRect.height };
    draw();
  }).observe(svg);

  return { node, draw, update(next) { data = next; draw(); } };
}
