# SPDX-License-Identifier: Apache-2.0
"""What the browser tests share: pictures made here, a hone label that can be killed, Chromium windows with people in them."""
import atexit
import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zlib

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

HONE = os.environ['HONE']
SHOTS = os.environ.get('HONE_SCREENSHOTS')  # a folder: pictures for the documentation are put there
PATIENCE = 120  # seconds; a loaded machine is slow, nothing here measures time

running, drivers = [], []  # programs and browsers: none of them outlives this one


@atexit.register
def end_all():
    for driver in drivers:
        with contextlib.suppress(Exception):  # it is gone already
            driver.quit()
    for process in running:
        if process.poll() is None:
            process.kill()


signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what is registered is done


def begin(command, **options):
    """A program in the background, whose stderr is read."""
    running.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options))
    return running[-1]


def write_png(path, width, height, rows):
    """rows: height bytes objects of width * 3 bytes."""
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    raw = b''.join(b'\0' + row for row in rows)
    with open(path, 'wb') as file:
        file.write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)) +
                   chunk(b'IDAT', zlib.compress(raw, 1)) + chunk(b'IEND', b''))


def shape_rows(kind, seed, side=32):
    """A bright shape of one of three kinds on a dark ground, a little different for each seed."""
    state = seed * 2654435761 % 2**32

    def random(low, high):
        nonlocal state
        state = (state * 1664525 + 1013904223) % 2**32
        return low + state / 2**32 * (high - low)
    x, y, r = random(12, 20), random(12, 20), random(6, 10)
    ink = [int(random(150, 255)) for _ in range(3)]
    ground = [int(random(10, 60)) for _ in range(3)]
    rows = []
    for v in range(side):
        row = bytearray()
        for u in range(side):
            du, dv = u - x, v - y
            inside = {'circle': du * du + dv * dv < r * r, 'square': max(abs(du), abs(dv)) < r * 0.8,
                      'cross': min(abs(du), abs(dv)) < r * 0.35 and max(abs(du), abs(dv)) < r}[kind]
            row += bytes(ink if inside else ground)
        rows.append(bytes(row))
    return rows


KINDS = ('circle', 'cross', 'square')


def kind_of(number):
    return KINDS[number * 7 % 3]


def make_photos(folder, each=60, new=40):
    """Class folders with what goes wrong in real ones: labels that are not so, a picture cut short, a copy, one that is black;
    and pictures that nobody has sorted yet, beside them. Returns the wrong labels, path to what is right."""
    number = 0
    for kind in KINDS:
        os.makedirs(f'{folder}/{kind}', exist_ok=True)
        for _ in range(each):
            number += 1
            write_png(f'{folder}/{kind}/{number:04d}.png', 32, 32, shape_rows(kind, number))
    wrong = {}
    for i, kind in enumerate(KINDS):
        path = f'{KINDS[i - 1]}/misplaced-{i}.png'
        write_png(f'{folder}/{path}', 32, 32, shape_rows(kind, 5000 + i))
        wrong[path] = kind
    with open(f'{folder}/circle/0001.png', 'rb') as whole, open(f'{folder}/circle/cut.png', 'wb') as cut:
        cut.write(whole.read()[:150])
    shutil.copy(f'{folder}/circle/0003.png', f'{folder}/circle/0003-copy.png')
    write_png(f'{folder}/square/black.png', 32, 32, [bytes(96)] * 32)
    for i in range(new):
        write_png(f'{folder}/new-{i:03d}.png', 32, 32, shape_rows(kind_of(i), 9000 + i))
    return wrong


def make_pictures(folder, count):
    os.makedirs(folder, exist_ok=True)
    for i in range(count):
        write_png(f'{folder}/{i:05d}.png', 32, 32, shape_rows(kind_of(i), i))


class Server:
    """hone label FOLDER on a port of its own; the same address after a restart."""

    def __init__(self, folder, *options):
        self.folder, self.options, self.process, self.port = folder, options, None, 0
        self.token = f'{folder}.token'
        self.start()

    def start(self):
        command = [HONE, 'label', self.folder, '--no-browser', '--token-file', self.token, '--port', str(self.port), *self.options]
        self.process = begin(command)
        for line in self.process.stderr:
            found = re.match(r'listening on (http://127\.0\.0\.1:(\d+)/\?token=\S+)', line)
            if found:
                self.url, self.port = found[1], int(found[2])
                break
        else:
            raise AssertionError(f'hone label did not start: {command}')

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stderr.close()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            assert self.process.wait(PATIENCE) == 0, 'Ctrl-C should end it well'
        self.process.stderr.close()

    def get(self, path, **headers):
        """Status and body, without a browser."""
        request = urllib.request.Request(f'http://127.0.0.1:{self.port}{path}', headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def api(self, path):
        mark = '&' if '?' in path else '?'
        status, body = self.get(f'{path}{mark}{self.url.split("?")[1]}')
        assert status == 200, (path, status, body)
        return json.loads(body)

    def labels(self):
        """What the catalog itself says, past all caches: path to label."""
        with contextlib.closing(sqlite3.connect(f'file:{self.folder}/hone.db?mode=ro', uri=True)) as db:
            tables = {row[0] for row in db.execute("select name from sqlite_master where type = 'table'")}
            assert tables
        out = f'{self.folder}.out.jsonl'
        subprocess.run([HONE, 'label', self.folder, '--export', out, '--quiet'], check=True, stdout=subprocess.DEVNULL)
        with open(out) as file:
            rows = [json.loads(line) for line in file]
        return {row['path']: row.get('label') for row in rows}


class Window:
    """A browser of its own: another person, or the same one on a phone. server: what has a url; None: it is opened later."""

    def __init__(self, server, who='', language='en', size=(1280, 800), phone=False, dark=False):
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which('chromium') or shutil.which('google-chrome') or ''
        for argument in ('--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars', f'--lang={language}',
                         f'--window-size={size[0]},{size[1]}'):
            options.add_argument(argument)
        options.add_experimental_option('prefs', {'intl.accept_languages': language})
        options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
        if phone:
            options.add_experimental_option('mobileEmulation', {'deviceMetrics': {'width': size[0], 'height': size[1], 'pixelRatio': 2, 'touch': True}})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which('chromedriver')))
        drivers.append(self.driver)
        if not phone:
            self.driver.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', {'width': size[0], 'height': size[1], 'deviceScaleFactor': 1, 'mobile': False})
        self.driver.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': [{'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}]})
        if server:
            self.open(server.url)
        if who:
            self.until(lambda: self.find('#who-dialog[open]'), 'the name is asked')
            self.find('#who-name').send_keys(who + Keys.ENTER)
            self.until(lambda: not self.find('#who-dialog[open]'), 'the name is taken')

    def open(self, url):
        self.driver.get(url)
        self.ready()

    def ready(self):
        self.until(lambda: self.driver.execute_script("return performance.getEntriesByName('hone-ready').length"), 'the page begins')

    def reload(self):
        self.driver.refresh()
        self.ready()

    def find(self, selector):
        found = self.driver.find_elements(By.CSS_SELECTOR, selector)
        return found[0] if found else None

    def count(self, selector):
        return len(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def text(self, selector):
        return self.driver.execute_script('return document.querySelector(arguments[0])?.textContent ?? ""', selector)

    def click(self, selector):
        self.until(lambda: self.find(selector), f'{selector} is there')
        self.find(selector).click()

    def script(self, code, *arguments):
        return self.driver.execute_script(code, *arguments)

    def keys(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    def chord(self, modifier, *keys):
        ActionChains(self.driver).key_down(modifier).send_keys(*keys).key_up(modifier).perform()

    def until(self, condition, what):
        end = time.monotonic() + PATIENCE
        while True:
            try:
                value = condition()
            except Exception as error:  # the page is being replaced
                value, last = None, error
            else:
                last = None
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f'waited in vain until {what}') from last
            time.sleep(0.05)

    def saved(self):
        self.until(lambda: self.find('#saved').get_attribute('class') == '', 'all is saved')

    def shot(self, name):
        if not SHOTS:
            return
        self.script("document.getElementById('toasts').replaceChildren()")
        time.sleep(0.5)  # for pictures and transitions
        os.makedirs(SHOTS, exist_ok=True)
        self.driver.save_screenshot(f'{SHOTS}/{name}.png')

    def complaints(self):
        """What the console says is wrong: broken policies, scripts, requests that nobody expected to fail."""
        return [entry['message'] for entry in self.driver.get_log('browser') if entry['level'] == 'SEVERE']

    def close(self):
        drivers.remove(self.driver)
        self.driver.quit()


@contextlib.contextmanager
def folder():
    path = tempfile.mkdtemp(prefix='hone-browser-')
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def run(tests):
    """Runs the functions; a failure is told with its name and the others still run."""
    failures = 0
    for test in tests:
        try:
            test()
            print(f'ok      {test.__name__}', flush=True)
        except Exception as error:  # noqa: BLE001
            failures += 1
            import traceback
            traceback.print_exc()
            print(f'FAILED  {test.__name__}: {error}', flush=True)
    raise SystemExit(1 if failures else 0)
