# SPDX-License-Identifier: Apache-2.0
"""hone train --ui in a real browser: curves that grow, a page that outlives the program, the stop button, both languages, a phone."""
import contextlib
import re
import signal
import subprocess

import browser
from browser import HONE, PATIENCE, Window, folder


class Training:
    """hone train DATA --ui, in a folder of its own."""

    def __init__(self, root, *options):
        command = [HONE, 'train', *options, '--ui', '--no-run', '--threads', '1', '--output', 'model.h5']
        self.process = browser.begin(command, stdout=subprocess.DEVNULL, cwd=root)
        for line in self.process.stderr:
            found = re.match(r'watch it on (http://127\.0\.0\.1:\d+/\?token=[0-9a-f]{32})$', line)
            if found:
                self.url = found[1]
                return
        raise AssertionError(f'no address was printed: {command}')

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)
        if not self.process.stderr.closed:
            self.process.stderr.close()
        return self.process.returncode


@contextlib.contextmanager
def watching(*options, **window):
    """A training and a page that shows it. The browser is there first: it may take longer to start than a training takes."""
    page = Window(None, **window)
    try:
        with folder() as root:
            run = Training(root, *options)
            try:
                page.open(run.url)
                yield run, page, root
            finally:
                run.end()
    finally:
        page.close()


def path_of(page, key, kind):
    return page.script("return document.querySelector(`[data-key=\"${arguments[0]}\"] path.${arguments[1]}`)?.getAttribute('d') ?? ''", key, kind)


def shot(page, name):
    if browser.SHOTS:
        page.driver.save_screenshot(f'{browser.SHOTS}/{name}.png')


def test_curves_grow_and_stay():
    """To the end, and the page keeps what it shows when the program has gone."""
    with watching('digits:6000:1', '--epochs', '3', '--model', 'mnist-cnn') as (run, page, _):
        page.until(lambda: 'of 3' in page.text('#epoch'), 'the epoch is shown')
        page.until(lambda: len(path_of(page, 'loss', 'steps')) > 60, 'the curve within an epoch grows')
        assert 'token' not in page.script('return location.href'), 'the secret stays in the address bar'
        page.until(lambda: page.count('#history tbody tr') >= 1, 'an epoch is in the table')
        assert page.text('#fact-speed') != '–'
        shot(page, 'live-training')
        page.until(lambda: 'model.h5' in page.text('#news'), 'the end is told')
        assert run.process.wait(PATIENCE) == 0
        assert page.count('#history tbody tr') == 3
        assert path_of(page, 'accuracy', 'val').count('L') == 2, path_of(page, 'accuracy', 'val')
        assert re.search(r'On [\d,]+ test images: accuracy \d', page.text('#news')), page.text('#news')
        assert 'Epoch 3 of 3' in page.text('#said'), page.text('#said')
        assert not page.find('#stop').is_displayed()
        page.script('window.scrollTo(0, 0)')
        shot(page, 'live-ended')
        page.click('#language')
        page.until(lambda: '第 3 轮' in page.text('#epoch'), 'Chinese')
        page.click('#theme')
        assert page.script('return document.documentElement.dataset.theme') == 'dark'
        shot(page, 'live-dark-zh')
        wrong = page.complaints()
        assert wrong == [], wrong


def test_the_stop_button():
    with watching('digits:8000:1', '--epochs', '50', size=(390, 844), phone=True) as (run, page, root):
        page.until(lambda: 'of 50' in page.text('#epoch') and page.text('#fact-step') != '–', 'it trains')
        page.until(lambda: page.text('#fact-left') != '–', 'what is left is said')
        assert page.script('return document.documentElement.scrollWidth') <= 390, 'wider than a phone'
        shot(page, 'live-phone')
        page.click('#stop')
        page.until(lambda: page.find('#stop-dialog[open]'), 'it asks first')
        page.click('#stop-dialog button[value=""]')
        page.until(lambda: not page.find('#stop-dialog[open]'), 'going on')
        assert run.process.poll() is None
        page.click('#stop')
        page.click('#stop-dialog button[value="stop"]')
        page.until(lambda: '--resume' in page.text('#news'), 'the end is told')
        assert 'model.checkpoint.h5' in page.text('#news'), page.text('#news')
        assert run.process.wait(PATIENCE) == 130
        subprocess.run([HONE, 'info', f'{root}/model.checkpoint.h5'], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wrong = page.complaints()
        assert wrong == [], wrong


def test_a_program_that_sleeps_and_one_that_is_killed():
    with watching('digits:8000:1', '--epochs', '50', dark=True) as (run, page, _):
        page.until(lambda: len(path_of(page, 'loss', 'steps')) > 60, 'it trains')
        run.process.send_signal(signal.SIGSTOP)  # the connection stays, and nobody answers
        page.until(lambda: page.find('#news').is_displayed() and 'said last' in page.text('#news'), 'the page says that it sleeps')
        run.process.send_signal(signal.SIGCONT)
        page.until(lambda: not page.find('#news').is_displayed(), 'the page follows again')
        run.process.send_signal(signal.SIGKILL)
        page.until(lambda: page.find('#news').is_displayed(), 'the page says so')
        assert 'said last' in page.text('#news'), page.text('#news')
        assert len(path_of(page, 'loss', 'steps')) > 60, 'the curve is still there'
        assert page.find('#stop').get_property('disabled')


if __name__ == '__main__':
    browser.run([test_curves_grow_and_stay, test_the_stop_button, test_a_program_that_sleeps_and_one_that_is_killed])
