# SPDX-License-Identifier: Apache-2.0
"""The page of hone serve in a real browser: draw by mouse, finger and keys, drop a photo, feedback that hone label and hone finetune take,
two models, a token, a server that goes away and comes back; both languages and themes, a phone, a page behind a path."""
import contextlib
import glob
import http.server
import math
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

import browser
from browser import HONE, PATIENCE, ActionChains, Keys, Window, folder, make_photos, write_png

# As points of strokes, from 0 to 1.
THREE = [(.33, .25), (.45, .18), (.6, .22), (.63, .35), (.52, .46), (.42, .48), (.55, .5), (.66, .6), (.62, .76), (.48, .82), (.34, .76)]
ONE = [(.5, .15), (.5, .5), (.5, .85)]
SEVEN = [(.3, .25), (.5, .25), (.7, .25), (.62, .45), (.52, .65), (.45, .82)]


def hone(*words):
    done = subprocess.run([HONE, *words, '--quiet'], capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


class Serving:
    """hone serve MODEL…; the same port after a restart."""

    def __init__(self, *words):
        self.words, self.port, self.process = words, 0, None
        self.start()

    def start(self):
        self.process = browser.begin([HONE, 'serve', *self.words, '--port', str(self.port)])
        for line in self.process.stderr:
            found = re.match(r'listening on (http://127\.0\.0\.1:(\d+))$', line)
            if found:
                self.url, self.port = found[1] + '/', int(found[2])
                return
        raise AssertionError(f'hone serve did not start: {self.words}')

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(PATIENCE) == 0
        self.process.stderr.close()

    def request(self, path, body=None, **headers):
        request = urllib.request.Request(self.url + path, data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@contextlib.contextmanager
def serving(*words):
    server = Serving(*words)
    try:
        yield server
    finally:
        server.stop()


PLAIN = {'window': None, 'taken': False}  # a browser that the tests share, since starting one takes longer than most tests


@contextlib.contextmanager
def window(server, **options):
    """The shared browser; another one for other options, and for a second one at the same time. Each server is a site of its
    own, so nothing that is remembered goes from one test to the next."""
    if options or PLAIN['taken']:
        page = Window(server, **options)
        try:
            yield page
        finally:
            page.close()
        return
    PLAIN['taken'] = True
    try:
        if PLAIN['window']:
            PLAIN['window'].complaints()  # those of the test before
            PLAIN['window'].open(server.url)
        else:
            PLAIN['window'] = Window(server)
        yield PLAIN['window']
    finally:
        PLAIN['taken'] = False


MODELS = {}


def models(root):
    MODELS['digits'] = f'{root}/digits.h5'
    MODELS['shapes'] = f'{root}/shapes.h5'
    hone('train', 'digits:6000:1', '--epochs', '3', '--model', 'mnist-fast', '--validation-split', '0.1', '--output', MODELS['digits'], '--no-run', '--keep-examples', '200')
    make_photos(f'{root}/photos', each=20, new=0)
    os.remove(f'{root}/photos/circle/cut.png')
    hone('train', f'{root}/photos', '--epochs', '2', '--size', '24x24x3', '--output', MODELS['shapes'], '--no-run')


def stroke(page, points):
    pad = page.find('#pad')
    width, height = pad.rect['width'], pad.rect['height']
    mouse = ActionChains(page.driver, duration=10)
    mouse.move_to_element_with_offset(pad, int((points[0][0] - .5) * width), int((points[0][1] - .5) * height)).click_and_hold()
    for x, y in points[1:]:
        mouse.move_to_element_with_offset(pad, int((x - .5) * width), int((y - .5) * height))
    mouse.release().perform()


def answer(page):
    return page.text('#class-text')


def answered(page, wanted=None):
    page.until(lambda: answer(page) not in ('', '?') and (wanted is None or answer(page) == wanted or page.find('#verdict.unknown')), f'an answer comes ({wanted})')
    return answer(page)


def seen(page):
    """The grey values that the network sees, row by row."""
    return page.script("""const c = document.getElementById('seen-picture'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        return Array.from({length: c.width * c.height}, (_, i) => d[4 * i]);""")


def shot(page, name):
    if browser.SHOTS:
        time.sleep(0.4)  # for transitions
        page.driver.save_screenshot(f'{browser.SHOTS}/{name}.png')


def no_complaints(page):
    wrong = page.complaints()
    assert wrong == [], wrong


def check_centred(page):
    grey, side = seen(page), 28
    rows = [i for i in range(side) if any(v > 20 for v in grey[i * side:(i + 1) * side])]
    columns = [j for j in range(side) if any(grey[i * side + j] > 20 for i in range(side))]
    mass = sum(grey)
    x = sum(v * (i % side + .5) for i, v in enumerate(grey)) / mass
    y = sum(v * (i // side + .5) for i, v in enumerate(grey)) / mass
    assert abs(x - 14) < .6 and abs(y - 14) < .6, (x, y)
    assert 18 <= max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1 <= 21, (rows, columns)
    assert any(0 < v < 255 for v in grey), 'no grey at the edges'


def test_drawing_with_a_mouse():
    with serving(MODELS['digits']) as server, window(server) as page:
        assert page.text('#verdict-words') and answer(page) == '?'
        shot(page, 'serve-idle')
        stroke(page, THREE)
        assert answered(page, '3') in ('3', 'Unknown')
        check_centred(page)
        assert page.count('#bars li') == 10 and page.count('#bars .best') == 1
        shares = [float(text.strip('%>')) for text in page.script("return [...document.querySelectorAll('#bars .share')].map(n => n.textContent)")]
        assert 98 < sum(shares) < 101, shares
        page.until(lambda: page.text('#said'), 'the answer is said')
        small = page.text('#class-text')
        page.click('#clear')
        page.until(lambda: answer(page) == '?', 'nothing is drawn')
        assert page.find('#undo').get_property('disabled')
        stroke(page, [(.4 + x * .2, .5 + y * .2) for x, y in THREE])  # a fifth of the size, elsewhere
        assert answered(page) == small
        check_centred(page)
        stroke(page, ONE)
        page.click('#undo')
        page.until(lambda: answer(page) == small, 'undone')
        # Off unless it was asked for, and the page says so.
        assert '--feedback' in page.text('#teach-words') and page.find('#teach-classes button').get_property('disabled')
        assert server.request('feedback?label=3', b'x')[0] == 404
        for words in ('digits:6000:1, 6,000 images', 'hone train --', '28 × 28, grey', 'on 6,000 images (95 % interval'):
            assert words in page.text('#card'), (words, page.text('#card'))
        no_complaints(page)


def test_what_is_no_digit_is_unknown():
    circle = [(.5 + .38 * math.cos(i / 4), .5 + .38 * math.sin(i / 4)) for i in range(27)]
    with serving(MODELS['digits']) as server, window(server) as page:
        for points in (circle, [(.35, .35), (.38, .42)], [(.62, .35), (.6, .42)], [(.32, .62), (.5, .72), (.68, .62)], [(.5, .45), (.5, .55)]):
            stroke(page, points)
        page.until(lambda: answer(page) == 'Unknown', 'it is unknown')
        assert 'If it had to say' in page.text('#verdict-words')
        page.until(lambda: 'Unknown' in page.text('#said'), 'it is said')
        shot(page, 'serve-unknown')
        page.click('#language')
        page.until(lambda: answer(page) == '无法识别', 'in Chinese, too')
        no_complaints(page)


def test_one_request_at_a_time():
    with serving(MODELS['digits']) as server, window(server) as page:
        page.script("""window.flying = 0; window.most = 0; window.asked = 0; const real = window.fetch;
            window.fetch = async (...a) => { if (!String(a[0]).startsWith('predict')) return real(...a);
              window.asked++; window.most = Math.max(window.most, ++window.flying);
              await new Promise((go) => setTimeout(go, 120));
              try { return await real(...a); } finally { window.flying--; } };""")
        for _ in range(4):
            stroke(page, THREE)
        page.until(lambda: page.script('return window.flying') == 0 and page.script('return window.asked') > 1, 'all is answered')
        assert page.script('return window.most') == 1, 'two requests at once'
        assert page.script('return window.asked') < 4 * len(THREE), 'every move was sent'


def test_keys_alone():
    with serving(MODELS['digits']) as server, window(server) as page:
        page.script("document.getElementById('pad').focus()")
        page.keys(Keys.ARROW_UP, ' ', *[Keys.ARROW_DOWN] * 10)
        page.keys(' ')
        assert answered(page, '1') in ('1', 'Unknown')
        check_centred(page)
        shot(page, 'serve-keys')
        page.keys(Keys.BACKSPACE)
        page.until(lambda: answer(page) == '?', 'undone')
        page.keys(' ', Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.DELETE)
        page.until(lambda: answer(page) == '?', 'cleared')
        # From the pad to the answer and on by Tab, and back to another tab by arrows.
        page.script("document.getElementById('tab-draw').focus()")
        page.keys(Keys.ARROW_RIGHT)
        page.until(lambda: page.find('#photo').is_displayed(), 'the other tab')
        assert page.script('return document.activeElement.id') == 'tab-photo'
        unnamed = page.script("""return [...document.querySelectorAll('button, input, select, canvas, img')].filter((n) => n.checkVisibility() &&
            !(n.textContent.trim() || n.getAttribute('aria-label') || n.alt || n.title || n.closest('label') || n.id === 'seen-picture' || n.alt === '')).map((n) => n.id)""")
        assert unnamed == [], unnamed


def test_a_photo_of_ink_on_paper():
    with folder() as root, serving(MODELS['digits']) as server, window(server) as page:
        side = 160  # dark grey on light grey, off the middle
        rows = [bytes(v for x in range(side) for v in ([60] * 3 if 92 <= x + y / 12 < 101 and 20 <= y < 100 else [200, 198, 190])) for y in range(side)]
        write_png(f'{root}/one.png', side, side, rows)
        page.click('#tab-photo')
        page.find('#file').send_keys(f'{root}/one.png')
        assert answered(page, '1') in ('1', 'Unknown')
        check_centred(page)
        shot(page, 'serve-photo')
        page.click('#prepare')  # as it is: light all over
        page.until(lambda: min(seen(page)) > 20, 'the picture as it is')
        with open(f'{root}/words.txt', 'w') as file:
            file.write('no picture')
        page.find('#file').send_keys(f'{root}/words.txt')
        page.until(lambda: page.find('#trouble').is_displayed(), 'it is said')
        no_complaints(page)


def test_feedback_becomes_a_data_set():
    with folder() as root, serving(MODELS['digits'], '--feedback', f'{root}/told', '--feedback-max-images', '2') as server, window(server) as page:
        kept = lambda: sorted(os.path.relpath(path, f'{root}/told').split('/')[0] for path in glob.glob(f'{root}/told/*/*.png'))
        stroke(page, SEVEN)
        answered(page)
        page.click('#teach-classes [data-name="7"]')
        page.until(lambda: '1 in the queue' in page.text('#teach-words'), 'it is kept')
        assert kept() == ['7']
        page.click('#teach-classes [data-name="1"]')
        page.until(lambda: 'Moved' in page.text('#teach-words'), 'it is moved')
        assert kept() == ['1']
        shot(page, 'serve-feedback')
        page.click('#clear')
        stroke(page, THREE)
        answered(page)
        page.click('#teach-classes [data-name="3"]')
        page.until(lambda: '2 in the queue' in page.text('#teach-words'), 'the second is kept')
        assert kept() == ['1', '3']
        stroke(page, ONE)
        answered(page)
        page.click('#teach-classes [data-name="8"]')
        page.until(lambda: 'full' in page.text('#teach-words'), 'the queue is full')
        assert kept() == ['1', '3']
        with open(glob.glob(f'{root}/told/3/*.png')[0], 'rb') as file:
            picture = file.read()
        for query, body, status in (('label=12', picture, 400), ('label=../3', picture, 400), ('', picture, 400), ('label=3', b'', 400), ('label=3', b'GIF89a', 422),
                                    ('label=3', b'no picture', 400),
                                    ('label=3&model=other', picture, 404)):
            code, said = server.request(f'feedback?{query}', body)
            assert code == status, (query, code, said)
        assert server.request('feedback?label=3', picture, Origin='http://elsewhere.example')[0] == 403
        assert server.request('feedback?label=3', picture)[0] == 200
        # What the others make of it: hone label's catalog, and a fine-tuned model.
        hone('collect', f'{root}/told')
        hone('finetune', MODELS['digits'], f'{root}/told', '--epochs', '1', '--output', f'{root}/tuned.h5', '--validation-split', '0')


def test_why_it_answers_so():
    with serving(MODELS['digits']) as server, window(server) as page:
        assert not page.find('#heat').is_displayed()
        stroke(page, THREE)
        answered(page)
        page.until(lambda: page.script("return [...document.querySelectorAll('#near-list img')].filter((i) => i.naturalWidth > 0).length") == 6, 'six training pictures')
        assert all(re.search(r', distance \d', alt) for alt in page.script("return [...document.querySelectorAll('#near-list img')].map((i) => i.alt)"))
        page.click('#heat-toggle')
        page.until(lambda: page.find('#heat').is_displayed(), 'the heat map is shown')
        opaque = page.script("const c = document.getElementById('heat'); return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((v, i) => i % 4 === 3 && v > 60).length")
        assert 10 < opaque < 784, opaque
        shot(page, 'serve-heat')
        page.click('#heat-toggle')
        page.until(lambda: not page.find('#heat').is_displayed(), 'it is hidden again')
        for query, status in (('index=0', 200), ('index=200', 404), ('index=-1', 404), ('index=x', 400), ('', 400), ('index=0&model=other', 404)):
            assert server.request(f'api/ui/example?{query}')[0] == status, query
        no_complaints(page)


def test_what_is_taught_is_known_at_once():
    with serving(MODELS['digits'], '--teach') as server, window(server) as page, window(server) as other:
        stroke(page, SEVEN)
        assert answered(page, '7') in ('7', 'Unknown')
        page.click('#teach-classes [data-name="2"]')
        page.until(lambda: answer(page) == '2', 'it is a 2 from now on')
        assert 'taught' in page.text('#verdict-words')
        stroke(other, SEVEN)
        other.until(lambda: answer(other) == '2', 'for everybody')
        other.click('#clear')
        stroke(other, THREE)
        assert answered(other, '3') in ('3', 'Unknown'), 'and nothing else is'
        no_complaints(page)


def test_two_models_one_of_them_in_colours():
    with folder() as root, serving(f'numbers={MODELS["digits"]}', f'shapes={MODELS["shapes"]}') as server, window(server) as page:
        assert page.script("return [...document.getElementById('models').options].map((o) => o.value)") == ['numbers', 'shapes']
        page.script("const s = document.getElementById('models'); s.value = 'shapes'; s.dispatchEvent(new Event('change'));")
        page.until(lambda: page.find('#photo').is_displayed(), 'a picture is wanted')
        assert not page.find('#tabs').is_displayed() and not page.find('#prepare-row').is_displayed()
        write_png(f'{root}/red.png', 40, 40, [bytes([250, 40, 40] * 20 + [10, 10, 10] * 20)] * 40)
        page.find('#file').send_keys(f'{root}/red.png')
        answered(page)
        assert page.count('#bars li') == 3
        assert page.script("const d = document.getElementById('seen-picture').getContext('2d').getImageData(2, 2, 1, 1).data; return d[0] > d[1] + 100")
        shot(page, 'serve-colours')
        page.reload()
        page.until(lambda: page.script("return document.getElementById('models').value") == 'shapes', 'the choice is in the address')
        no_complaints(page)


def test_a_phone_in_chinese_and_dark():
    with serving(MODELS['digits']) as server, window(server, language='zh-CN', size=(390, 844), phone=True, dark=True) as page:
        assert page.script('return document.documentElement.lang') == 'zh-CN'
        assert page.script('return document.documentElement.dataset.theme') == 'dark'
        finger = lambda kind, points: page.driver.execute_cdp_cmd('Input.dispatchTouchEvent', {'type': kind, 'touchPoints': points})
        box = page.script("const r = document.getElementById('pad').getBoundingClientRect(); return [r.left, r.top, r.width]")
        place = lambda p: [{'x': box[0] + p[0] * box[2], 'y': box[1] + p[1] * box[2]}]
        finger('touchStart', place(SEVEN[0]))
        for point in SEVEN[1:]:
            finger('touchMove', place(point))
        finger('touchEnd', [])
        answered(page)
        assert '把握' in page.text('#verdict-words') or '也可能' in page.text('#verdict-words') or '模型学过' in page.text('#verdict-words')
        assert page.script('return document.documentElement.scrollWidth') <= 390, 'wider than a phone'
        bottom = page.script("return document.getElementById('verdict-class').getBoundingClientRect().bottom")
        assert bottom < 844, 'the answer is not seen while drawing'
        shot(page, 'serve-phone-zh-dark')
        assert page.script('return Math.min(...Array.from(document.querySelectorAll("button"), b => b.offsetHeight || 99))') >= 24, 'too small to be hit'
        for size in ((360, 740), (740, 360)):
            page.driver.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', {'width': size[0], 'height': size[1], 'deviceScaleFactor': 2, 'mobile': True})
            page.until(lambda: page.script('return innerWidth') == size[0], 'the phone is turned')
            assert page.script('return document.documentElement.scrollWidth') <= size[0], f'wider than {size[0]}'
            for part in ('pad', 'verdict-class'):
                assert page.script('return document.getElementById(arguments[0]).getBoundingClientRect().bottom', part) < size[1], (part, size)
        page.script("document.getElementById('language').click()")  # a tap so soon after a stroke may count as its end
        page.until(lambda: 'Draw' in page.text('#tab-draw'), 'English')
        page.reload()
        page.until(lambda: 'Draw' in page.text('#tab-draw'), 'the choice is remembered')


def test_a_new_version_is_told_of():
    with folder() as root:
        shutil.copy(MODELS['digits'], f'{root}/live.h5')
        with serving(f'{root}/live.h5', '--watch', '0.1') as server, window(server) as page:
            stroke(page, THREE)
            answered(page)
            assert 'mnist-fast' in page.text('#card')
            hone('train', 'digits:300:1', '--epochs', '1', '--model', 'mlp', '--output', f'{root}/new.h5', '--no-run')
            os.replace(f'{root}/new.h5', f'{root}/live.h5')

            def drawn_again():
                stroke(page, ONE)
                return 'mlp' in page.text('#card')
            page.until(drawn_again, 'the card tells of the new one')
            page.until(lambda: not page.find('#heat-toggle').is_displayed(), 'which has no maps')
            # Training pictures of the old version may have been asked of the new one.
            wrong = [words for words in page.complaints() if 'api/ui/example' not in words]
            assert wrong == [], wrong


def test_trouble_is_said_kindly():
    with serving(MODELS['digits'], '--max-body', '20000') as server, folder() as root, window(server) as page:
        server.process.send_signal(signal.SIGSTOP)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        stroke(page, THREE)
        page.until(lambda: 'does not answer' in page.text('#trouble'), 'the server is gone')
        shot(page, 'serve-away')
        server.process.stderr.close()
        server.start()
        answered(page)
        assert not page.find('#trouble').is_displayed(), 'it is back'
        # What a loaded server answers: it is asked again when it said so. What is the picture's fault is not.
        for status, words, comes_again in ((429, 'busy', True), (503, 'busy', True), (504, 'too long', True), (413, 'too large', False), (400, 'cannot read', False), (500, 'broken', False)):
            page.click('#clear')
            page.script("""window.real ??= window.fetch; window.recovered = false;
                window.fetch = async (...a) => window.recovered || !String(a[0]).startsWith('predict') ? window.real(...a)
                  : new Response('{"error": "broken"}', {status: arguments[0], headers: {'Retry-After': '1'}});""".replace('arguments[0]', str(status)))
            page.script("""const c = document.getElementById('pad'), r = c.getBoundingClientRect(), at = (type, x, y) => c.dispatchEvent(new PointerEvent(type,
                {pointerId: 1, button: 0, clientX: r.left + x * r.width, clientY: r.top + y * r.height, bubbles: true}));
                c.setPointerCapture = () => {}; at('pointerdown', .5, .2);""")
            page.until(lambda: words in page.text('#trouble') and page.find('#trouble').is_displayed(), f'{status} is said')
            page.script('window.recovered = true')
            if comes_again:
                answered(page)
                assert not page.find('#trouble').is_displayed(), status
            else:
                assert answer(page) == '?', status
            page.script("document.getElementById('pad').dispatchEvent(new PointerEvent('pointerup', {pointerId: 1}))")
        page.script('window.fetch = window.real')
        # Too large for this server: the page makes it smaller by itself.
        rows = [bytes((x * y + i) % 251 for x in range(300) for i in range(3)) for y in range(300)]
        write_png(f'{root}/large.png', 300, 300, rows)
        assert os.path.getsize(f'{root}/large.png') > 20000
        assert server.request('predict', open(f'{root}/large.png', 'rb').read())[0] == 413
        page.click('#tab-photo')
        page.find('#file').send_keys(f'{root}/large.png')
        page.click('#prepare')
        answered(page)


def test_a_token():
    with folder() as root:
        with open(f'{root}/token', 'w') as file:
            file.write('open sesame\n')
        os.chmod(f'{root}/token', 0o600)
        with serving(MODELS['digits'], '--token-file', f'{root}/token') as server:
            page = Window.__new__(Window)
            page.ready = lambda: page.until(lambda: page.find('#token-dialog[open]'), 'the token is asked')
            Window.__init__(page, server)
            del page.ready
            try:
                page.find('#token').send_keys('wrong' + Keys.ENTER)
                page.until(lambda: page.find('#token-dialog[open]') and page.find('#token').get_property('value') == '', 'asked again')
                page.find('#token').send_keys('open sesame' + Keys.ENTER)
                page.ready()
                stroke(page, THREE)
                answered(page)
            finally:
                page.close()


def test_behind_a_path():
    """A proxy that serves the page under /models/digits/ and takes that away before it asks."""
    with serving(MODELS['digits']) as server:
        class Proxy(http.server.BaseHTTPRequestHandler):
            def pass_on(self, body=None):
                prefix = '/models/digits/'
                if not self.path.startswith(prefix):
                    self.send_error(404)
                    return
                code, content, kind = 0, b'', 'text/plain'
                request = urllib.request.Request(server.url + self.path[len(prefix):], data=body)
                try:
                    with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
                        code, content, kind = reply.status, reply.read(), reply.headers['Content-Type']
                except urllib.error.HTTPError as error:
                    code, content = error.code, error.read()
                except OSError:  # the test is over, the page is not yet
                    code = 502
                self.send_response(code)
                self.send_header('Content-Type', kind)
                self.send_header('Content-Length', str(len(content)))
                self.end_headers()
                with contextlib.suppress(BrokenPipeError):  # the browser has gone on
                    self.wfile.write(content)

            def do_GET(self):
                self.pass_on()

            def do_POST(self):
                self.pass_on(self.rfile.read(int(self.headers['Content-Length'])))

            def log_message(self, *_):
                pass

        proxy = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Proxy)
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        server_url = type('Address', (), {'url': f'http://127.0.0.1:{proxy.server_port}/models/digits/'})
        try:
            with window(server_url) as page:
                stroke(page, THREE)
                answered(page)
                no_complaints(page)
        finally:
            proxy.shutdown()


def test_without_the_page():
    with serving(MODELS['digits'], '--no-ui') as server:
        for path in ('', 'app.js', 'api/ui/model'):
            assert server.request(path)[0] == 404, path
        assert server.request('healthz')[0] == 200


if __name__ == '__main__':
    with folder() as made:
        models(made)
        tests = [function for name, function in list(globals().items()) if name.startswith('test_')]
        wanted = os.environ.get('HONE_TESTS', '').split()  # some of them only, by name
        try:
            browser.run([test for test in tests if not wanted or test.__name__ in wanted])
        finally:
            if PLAIN['window']:
                PLAIN['window'].close()
