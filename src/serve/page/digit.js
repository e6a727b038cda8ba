/* SPDX-License-Identifier: Apache-2.0
 *
 * What is drawn becomes what MNIST has: the ink scaled into a box of 20 x 20 pixels of the 28 x 28, the aspect kept, grey
 * at its edges, and moved so that its centre of mass is in the middle. Strokes are scaled as lines and then drawn with one
 * pen, so that a small digit is no thicker than a large one; a picture's ink is found first. Other sizes in proportion. */

const boxShare = 20 / 28, penShare = 2.4 / 28;
const finer = 8; /* pixels are means of so many by so many */
const leastInk = 0.12; /* of the pad's side: what is smaller (a dot) is not enlarged any further */
const photoSide = 320; /* a picture is looked at in this size */

function makeCanvas(width, height) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/* The middle of the ink, in pixels. */
function centreOfMass(grey, width, height) {
  let sum = 0, x = 0, y = 0;
  for (let i = 0; i < height; i++)
    for (let j = 0; j < width; j++) {
      const v = grey[i * width + j];
      sum += v;
      x += v * (j + 0.5);
      y += v * (i + 0.5);
    }
  return sum > 0 ? { x: x / sum, y: y / sum } : { x: width / 2, y: height / 2 };
}

/* How far something from low to high may be moved by wish without leaving 0 … size. */
function within(wish, low, high, size) {
  return Math.max(-low, Math.min(size - high, wish));
}

/* ---- strokes ------------------------------------------------------------------------------------------------------ */

/* A smooth line through the points, which place() puts where they belong. */
export function trace(context, stroke, place) {
  const points = stroke.map(place);
  context.beginPath();
  context.moveTo(points[0].x, points[0].y);
  for (let i = 1; i < points.length - 1; i++) {
    const next = points[i + 1];
    context.quadraticCurveTo(points[i].x, points[i].y, (points[i].x + next.x) / 2, (points[i].y + next.y) / 2);
  }
  const last = points[points.length - 1];
  context.lineTo(last.x, last.y);
  context.stroke();
}

function drawStrokes(strokes, width, height, place) {
  const canvas = makeCanvas(width * finer, height * finer), context = canvas.getContext('2d', { willReadFrequently: true });
  context.fillStyle = '#000';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.scale(finer, finer);
  context.strokeStyle = '#fff';
  context.lineCap = context.lineJoin = 'round';
  context.lineWidth = Math.min(width, height) * penShare;
  for (const stroke of strokes) trace(context, stroke, place);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data, grey = new Float64Array(width * height);
  for (let i = 0; i < canvas.height; i++)
    for (let j = 0; j < canvas.width; j++)
      grey[Math.floor(i / finer) * width + Math.floor(j / finer)] += pixels[4 * (i * canvas.width + j)] / (finer * finer);
  return grey;
}

/* strokes: lists of points from 0 to 1. The grey values, row by row; null where nothing is drawn. */
export function digitOfStrokes(strokes, width, height) {
  const points = strokes.flat();
  if (!points.length) return null;
  const xs = points.map((p) => p.x), ys = points.map((p) => p.y);
  const left = Math.min(...xs), right = Math.max(...xs), top = Math.min(...ys), bottom = Math.max(...ys);
  const side = Math.min(width, height), pen = side * penShare, box = side * boxShare;
  const scale = (box - pen) / Math.max(right - left, bottom - top, leastInk);
  const place = (dx, dy) => (p) => ({ x: (p.x - (left + right) / 2) * scale + width / 2 + dx, y: (p.y - (top + bottom) / 2) * scale + height / 2 + dy });
  const first = drawStrokes(strokes, width, height, place(0, 0)), mass = centreOfMass(first, width, height);
  const halfWidth = ((right - left) * scale + pen) / 2, halfHeight = ((bottom - top) * scale + pen) / 2;
  const dx = within(width / 2 - mass.x, width / 2 - halfWidth, width / 2 + halfWidth, width);
  const dy = within(height / 2 - mass.y, height / 2 - halfHeight, height / 2 + halfHeight, height);
  return drawStrokes(strokes, width, height, place(dx, dy));
}

/* ---- pictures ------------------------------------------------------------------------------------------------------ */

/* How much each pixel differs from the paper, whose grey is the middle one along the edge. */
function inkOf(image) {
  const { width, height, data } = image, grey = new Float64Array(width * height), edge = [];
  for (let i = 0; i < grey.length; i++) {
    grey[i] = 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2];
    const y = Math.floor(i / width), x = i % width;
    if (y === 0 || x === 0 || y === height - 1 || x === width - 1) edge.push(grey[i]);
  }
  edge.sort((a, b) => a - b);
  const paper = edge[Math.floor(edge.length / 2)];
  return grey.map((v) => Math.abs(v - paper));
}

/* Otsu's threshold: between two groups that differ as much as can be. */
function threshold(ink) {
  const counts = new Float64Array(256);
  for (const v of ink) counts[Math.round(v)]++;
  let all = 0, sum = 0;
  counts.forEach((n, v) => { all += n; sum += n * v; });
  let below = 0, sumBelow = 0, best = -1, found = 128;
  for (let v = 0; v < 255; v++) {
    below += counts[v];
    sumBelow += v * counts[v];
    const above = all - below;
    if (!below || !above) continue;
    const spread = below * above * (sumBelow / below - (sum - sumBelow) / above) ** 2;
    if (spread > best) [best, found] = [spread, v + 0.5];
  }
  return found;
}

/* The rectangle that has nearly all of the ink: single specks are left out. */
function boundsOf(ink, limit, width, height) {
  const columns = new Float64Array(width), rows = new Float64Array(height);
  let all = 0;
  ink.forEach((v, i) => {
    if (v <= limit) return;
    columns[i % width]++;
    rows[Math.floor(i / width)]++;
    all++;
  });
  const ends = (counts) => {
    const few = all * 0.002;
    let low = 0, high = counts.length - 1, sum = 0;
    for (; low < high && (sum += counts[low]) <= few; low++);
    for (sum = 0; high > low && (sum += counts[high]) <= few; high--);
    return [low, high + 1];
  };
  return all > 0 ? { x: ends(columns), y: ends(rows) } : null;
}

/* The mean of source over a rectangle; outside it is empty. */
function meanOver(source, width, height, x0, y0, x1, y1) {
  let sum = 0;
  for (let y = Math.max(0, Math.floor(y0)); y < Math.min(height, Math.ceil(y1)); y++)
    for (let x = Math.max(0, Math.floor(x0)); x < Math.min(width, Math.ceil(x1)); x++)
      sum += source[y * width + x] * (Math.min(x1, x + 1) - Math.max(x0, x)) * (Math.min(y1, y + 1) - Math.max(y0, y));
  return sum / ((x1 - x0) * (y1 - y0));
}

/* picture: whatever a canvas draws, with its size. As above. */
export function digitOfPicture(picture, pictureWidth, pictureHeight, width, height) {
  const shrink = Math.min(1, photoSide / Math.max(pictureWidth, pictureHeight));
  const w = Math.max(1, Math.round(pictureWidth * shrink)), h = Math.max(1, Math.round(pictureHeight * shrink));
  const context = makeCanvas(w, h).getContext('2d', { willReadFrequently: true });
  context.drawImage(picture, 0, 0, w, h);
  const ink = inkOf(context.getImageData(0, 0, w, h)), limit = threshold(ink), bounds = boundsOf(ink, limit, w, h);
  if (!bounds) return null;
  const most = ink.reduce((a, b) => Math.max(a, b), 0), floor = limit / 2;
  const clean = ink.map((v) => Math.max(0, Math.min(255, (255 * (v - floor)) / (0.9 * most - floor))));
  const boxWidth = bounds.x[1] - bounds.x[0], boxHeight = bounds.y[1] - bounds.y[0];
  const scale = (Math.min(width, height) * boxShare) / Math.max(boxWidth, boxHeight);
  const draw = (dx, dy) => {
    const grey = new Float64Array(width * height), left = width / 2 - (boxWidth * scale) / 2 + dx, top = height / 2 - (boxHeight * scale) / 2 + dy;
    const masked = (x, y) => (x < left - 1 || y < top - 1 || x > left + boxWidth * scale || y > top + boxHeight * scale);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        if (!masked(x, y)) {
          const at = (v, from, origin) => (v - origin) / scale + from;
          grey[y * width + x] = meanOver(clean, w, h, at(x, bounds.x[0], left), at(y, bounds.y[0], top), at(x + 1, bounds.x[0], left), at(y + 1, bounds.y[0], top));
        }
    return grey;
  };
  const mass = centreOfMass(draw(0, 0), width, height), halfWidth = (boxWidth * scale) / 2, halfHeight = (boxHeight * scale) / 2;
  return draw(within(width / 2 - mass.x, width / 2 - halfWidth, width / 2 + halfWidth, width), within(height / 2 - mass.y, height / 2 - halfHeight, height / 2 + halfHeight, height));
}

/* ---- showing ------------------------------------------------------------------------------------------------------- */

/* Grey values into a canvas of their size. */
export function showGrey(canvas, grey, width, height) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d'), image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    image.data[4 * i] = image.data[4 * i + 1] = image.data[4 * i + 2] = Math.round(grey[i]);
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}
