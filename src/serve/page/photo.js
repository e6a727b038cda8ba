/* SPDX-License-Identifier: Apache-2.0
 *
 * A picture of one's own: dropped, pasted or chosen. It is sent as it is; only what the server would not read (another
 * format) or not take (too large) is made a PNG or JPEG of first. */

import { t } from './texts.js';

const $ = (id) => document.getElementById(id);
const sentAsItIs = ['image/png', 'image/jpeg'], smallerSide = 1280;
let changed = () => {}, complain = () => {}, most = Infinity;
let photo = null; /* {blob, bitmap} */

export function currentPhoto() {
  return photo;
}

export function setLimit(bytes) {
  most = bytes;
}

function show() {
  $('drop').classList.toggle('full', photo !== null);
  $('picture').hidden = photo === null;
  $('other').hidden = photo === null;
  if (!photo) return;
  URL.revokeObjectURL($('picture').src);
  $('picture').src = URL.createObjectURL(photo.blob);
  $('picture').alt = t('pictureAlt');
  $('picture').classList.toggle('crisp', Math.max(photo.bitmap.width, photo.bitmap.height) <= 64);
}

/* As a PNG of its size, or a JPEG that is smaller. */
async function written(bitmap, small) {
  const factor = small ? Math.min(1, smallerSide / Math.max(bitmap.width, bitmap.height)) : 1, canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(bitmap.width * factor));
  canvas.height = Math.max(1, Math.round(bitmap.height * factor));
  canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, small ? 'image/jpeg' : 'image/png', 0.92));
}

async function take(file) {
  if (!file) return;
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    complain(t('notPicture'));
    return;
  }
  let blob = file;
  if (!sentAsItIs.includes(file.type)) blob = await written(bitmap, false);
  if (blob.size > most) blob = await written(bitmap, true);
  photo = { blob, bitmap };
  show();
  changed();
}

export function start(onChange, onTrouble) {
  changed = onChange;
  complain = onTrouble;
  for (const id of ['choose', 'other']) $(id).addEventListener('click', () => $('file').click());
  $('file').addEventListener('change', () => {
    take($('file').files[0]);
    $('file').value = '';
  });
  const over = (event) => {
    if (![...event.dataTransfer.types].includes('Files')) return false;
    event.preventDefault();
    return true;
  };
  document.addEventListener('dragover', (event) => over(event) && $('drop').classList.add('over'));
  document.addEventListener('dragleave', (event) => event.relatedTarget || $('drop').classList.remove('over'));
  document.addEventListener('drop', (event) => {
    if (!over(event)) return;
    $('drop').classList.remove('over');
    take([...event.dataTransfer.files].find((file) => file.type.startsWith('image/')) ?? event.dataTransfer.files[0]);
  });
  document.addEventListener('paste', (event) => {
    const file = [...event.clipboardData.files].find((one) => one.type.startsWith('image/'));
    if (!file) return;
    event.preventDefault();
    take(file);
  });
}
