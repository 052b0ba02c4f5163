"""The status page in a real Chromium: live, with a keyboard, on a phone, in the dark, and without kov."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from kov.observe.status import words
from tests.kov.observe.browser import MISSING, browser, complaints, installed, prefer, size
from tests.kov.observe.load import HOSTILE, USUAL, disturb, load
from tests.kov.observe.looking import get_sync
from tests.kov_process import KovProcess
from tests.waiting import wait_for_sync

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not installed(), reason=MISSING),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # selenium's own sockets
]

TOPICS = 12  # partitions, of three topics
NORMAL_TEXT = 4.5  # WCAG AA: the least contrast
SMALLEST_TARGET = 24  # WCAG 2.2 AA: pixels


@dataclass(frozen=True)
class Stage:
    kov: KovProcess
    driver: Chrome

    @property
    def url(self) -> str:
        return self.kov.ready_line.partition("http: ")[2]

    def open(self, query: str = "") -> None:
        self.driver.get(f"{self.url}/{query}")

    def run(self, script: str, *values: object) -> object:
        return self.driver.execute_script(script, *values)

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector))

    def rows(self, table: str) -> list[str]:
        script = "return [...document.querySelectorAll(arguments[0])].map(row => row.textContent)"
        found = self.run(script, f"#rows-{table} tr")
        assert isinstance(found, list)
        return found

    def focus(self) -> str:
        script = (
            "const at = document.activeElement; return at.id || at.name || at.className || at.textContent"
        )
        return str(self.run(script))

    def press(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()

    def asked(self) -> int:
        """How often the page has asked for its JSON."""
        script = "return performance.getEntriesByType('resource').filter(e => e.name.includes('json')).length"
        return int(str(self.run(script)))

    def live(self) -> None:
        """Returns when the rates are there."""
        wait_for_sync(lambda: "/s" in self.text("#tile-records"), timeout_s=20, what="rates")


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    place = tmp_path_factory.mktemp("status")
    arguments = ("--data", str(place / "kov-data"), "--http", "127.0.0.1:0")
    with (
        KovProcess(place, *arguments) as kov,
        load(kov.address),
        browser(place / "profile") as driver,
    ):
        disturb(kov.address)
        found = Stage(kov, driver)
        found.open()
        wait_for_sync(lambda: found.text("#tile-partitions") == str(TOPICS), timeout_s=30, what="topics")
        yield found


@pytest.fixture
def page(busy: Stage) -> Stage:
    """A desktop's, freshly loaded."""
    size(busy.driver, 1280, 900)
    prefer(busy.driver, prefers_color_scheme="light")
    busy.open()
    busy.live()
    return busy


def test_rates_and_offsets_grow_while_somebody_looks(page: Stage) -> None:
    offsets = page.text("#rows-partitions td[data-label=Offsets] b")
    rows = page.rows("partitions")
    assert len(rows) == TOPICS
    assert all("written here" in row and "records/s" in row and "epoch 1" in row for row in rows)
    wait_for_sync(lambda: page.text("#rows-partitions td[data-label=Offsets] b") != offsets, timeout_s=10)
    assert page.text("#tile-latency").startswith("≤ ")
    wait_for_sync(lambda: str(page.run("return document.querySelector('polyline').points.length")) > "1")
    assert any("Produce" in row and "/s" in row for row in page.rows("apis"))
    assert not complaints(page.driver)


def test_clients_are_told_with_their_library_and_nothing_they_say_is_run(page: Stage) -> None:
    rows = page.rows("clients")
    assert len(rows) == len(USUAL)
    (hostile,) = (row for row in rows if HOSTILE in row)
    assert "confluent-kafka" in hostile
    assert page.run("return document.title") == "kov node 1"
    assert page.run("return document.scripts.length") == 1
    disturb(page.kov.address)
    wait_for_sync(lambda: "isn't a Kafka client" in page.text("#list-troubles"))


def test_what_the_node_tells_of_itself_is_kept_current(page: Stage) -> None:
    page.run(
        "for (const place of document.querySelectorAll('#list-about dd'))"
        " { place.textContent = 'not known yet'; delete place.dataset.shown; }"
    )
    wait_for_sync(lambda: "not known yet" not in page.text("#list-about"))
    assert "1: 127.0.0.1:" in page.text("#list-about"), "the storage node"


def test_what_is_to_be_typed_is_shown_as_such(page: Stage) -> None:
    made = page.run(
        "return 'Run `kov topics`: now'.split('`').map(textOrCode).map((each) => each.outerHTML || each)"
    )
    assert made == ["Run ", "<code>kov topics</code>", ": now"]


def test_the_policy_lets_no_other_script_run(page: Stage) -> None:
    complaints(page.driver)
    page.run(
        "const made = document.createElement('script'); made.textContent = 'document.title = 1';"
        "document.body.append(made)"
    )
    assert page.run("return document.title") == "kov node 1"
    assert any("Content Security Policy" in each for each in complaints(page.driver))


def test_everything_can_be_reached_and_used_with_a_keyboard(page: Stage) -> None:
    page.press(Keys.TAB)
    assert page.focus() == "skip"
    order = []
    for _ in range(9):
        page.press(Keys.TAB)
        order.append(page.focus())
    assert order == [
        "pause",
        *("Partitions", "Clients", "Requests", "Troubles", "This node"),
        *("topic", "show", "client"),
    ]
    page.open()
    page.live()
    page.press(Keys.TAB, Keys.ENTER)
    wait_for_sync(lambda: page.run("return location.hash") == "#partitions")
    page.press(Keys.TAB, "click")
    wait_for_sync(lambda: len(page.rows("partitions")) == 4, what="the topics found")
    assert page.focus() == "topic", "what has the focus keeps it"
    assert "4 of 12 partitions" in page.text("#count-partitions")
    assert "topic=click" in str(page.run("return location.search"))


def test_what_is_live_can_be_paused(page: Stage) -> None:
    page.press(Keys.TAB, Keys.TAB, " ")
    assert page.run("return document.getElementById('pause').getAttribute('aria-pressed')") == "true"
    asked = page.asked()
    time.sleep(3)  # that nothing happens can't be waited for
    assert page.asked() == asked
    page.press(" ")
    wait_for_sync(lambda: page.asked() > asked)


def test_nobody_is_asked_while_nobody_looks(page: Stage) -> None:
    hide = (
        "Object.defineProperty(document, 'hidden', {configurable: true, value: arguments[0]});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.run(hide, True)
    asked = page.asked()
    time.sleep(3)  # as above
    assert page.asked() == asked
    page.run(hide, False)
    wait_for_sync(lambda: page.asked() > asked)
    assert page.text("#told") == ""


def test_a_screen_reader_finds_landmarks_tables_and_names(page: Stage) -> None:
    for width in (1280, 360):
        size(page.driver, width, 900, phone=width < 1000)
        roles, unnamed = tree(page.driver)
        assert {"main", "banner", "contentinfo", "navigation", "search", "status"} <= {*roles}
        assert roles["table"] == 3, f"at {width} pixels"
        assert roles["columnheader"] == 8 + 6 + 7
        assert roles["rowheader"] >= TOPICS + len(USUAL)
        assert roles["cell"] >= 7 * TOPICS
        assert not unnamed
    headings = page.run("return [...document.querySelectorAll('h1,h2')].map(each => each.tagName)")
    assert headings == ["H1"] + ["H2"] * 6
    assert page.run("return document.documentElement.lang") == "en"


def tree(driver: Chrome) -> tuple[dict[str, int], list[str]]:
    """How many elements of each role a screen reader finds, and those that lack the name they need."""
    nodes = driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles: dict[str, int] = {}
    unnamed = []
    for node in nodes:
        if node.get("ignored"):
            continue
        role = str(node["role"]["value"])
        roles[role] = roles.get(role, 0) + 1
        needs = role in {"button", "link", "searchbox", "combobox", "navigation", "table", "region", "search"}
        if needs and not node.get("name", {}).get("value"):
            unnamed.append(role)
    return roles, unnamed


def test_on_a_phone_nothing_is_cut_off_and_everything_can_be_hit(page: Stage) -> None:
    size(page.driver, 360, 740, phone=True)
    page.open()
    page.live()
    assert page.run("return document.documentElement.scrollWidth") == 360
    beyond = page.run(
        "return [...document.querySelectorAll('main *, header *')].filter(each => {"
        "  const box = each.getBoundingClientRect();"
        "  if (each.closest('.unseen, thead, svg')) return false;"
        "  return box.width > 1 && (box.right > 360.5 || box.left < 0);"
        "}).map(each => each.outerHTML.slice(0, 80))"
    )
    assert beyond == []
    small = page.run(
        "return [...document.querySelectorAll('header a, header button, main a[href], select, input')]"
        ".filter(each => each.type !== 'hidden').map(each => each.getBoundingClientRect())"
        ".filter(box => box.height && box.height < arguments[0]).length",
        SMALLEST_TARGET,
    )
    assert small == 0


CONTRAST = """
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
const pixel = colour => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const light = ([r, g, b]) => {
  const part = v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
};
const ground = element => {
  for (let at = element; at; at = at.parentElement) {
    const found = pixel(getComputedStyle(at).backgroundColor);
    if (found[3] === 255) return found;
  }
  return [255, 255, 255];
};
const found = {};
for (const each of document.querySelectorAll('body *')) {
  const own = [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim());
  if (!own || !each.getClientRects().length) continue;
  const [a, b] = [light(pixel(getComputedStyle(each).color)), light(ground(each))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const name = each.tagName + '.' + each.className;
  found[name] = Math.min(found[name] ?? 99, ratio);
}
return found;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read_by_day_and_by_night(page: Stage, scheme: str) -> None:
    prefer(page.driver, prefers_color_scheme=scheme)
    for kind in ("well", "waiting", "bad", "quiet"):  # those that aren't there now
        page.run(
            "const made = document.createElement('p'); made.className = 'badge ' + arguments[0];"
            "made.textContent = arguments[0]; document.querySelector('footer').append(made)",
            kind,
        )
    found = page.run(CONTRAST)
    assert isinstance(found, dict)
    assert len(found) > 20
    assert {name: ratio for name, ratio in found.items() if ratio < NORMAL_TEXT} == {}
    dark = page.run("return getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")


def test_nothing_moves_for_those_who_don_t_want_it(page: Stage) -> None:
    moving = (
        "return getComputedStyle(document.documentElement).scrollBehavior === 'smooth' || "
        "[...document.querySelectorAll('*')].some(each => { const style = getComputedStyle(each);"
        "  return style.transitionDuration !== '0s' || style.animationName !== 'none'; })"
    )
    prefer(page.driver, prefers_reduced_motion="reduce")
    assert page.run(moving) is False
    prefer(page.driver, prefers_reduced_motion="no-preference")
    assert page.run(moving) is True


def test_without_scripts_the_partitions_are_there_and_can_be_searched(busy: Stage, tmp_path: Path) -> None:
    with browser(tmp_path, scripts=False) as driver:
        driver.get(f"{busy.url}/")
        assert len(driver.find_elements(By.CSS_SELECTOR, "#rows-partitions tr")) == TOPICS
        assert "Without JavaScript" in driver.find_element(By.TAG_NAME, "body").text
        driver.find_element(By.NAME, "topic").send_keys("payments")
        Select(driver.find_element(By.NAME, "show")).select_by_value("opened")
        driver.find_element(By.CSS_SELECTOR, "#ask-partitions button").click()
        wait_for_sync(lambda: "topic=payments" in driver.current_url, what="the page that was asked for")
        rows = driver.find_elements(By.CSS_SELECTOR, "#rows-partitions tr")
        assert len(rows) == 4
        assert "payments/0" in rows[0].text
        assert "written here" in rows[0].text


def test_script_and_server_write_numbers_alike(page: Stage) -> None:
    values = [0, 0.4, 0.0031, 0.0099, 0.25, 0.999, 1, 59.9, 61, 1023, 1536, 3661, 102_400, 90_061, 5 * 2**30]
    said = page.run("return arguments[0].map(each => [size(each), latency(each), duration(each)])", values)
    assert said == [[words.size(each), words.latency(each), words.duration(each)] for each in values]
    cases = [
        [[0.001, 0.01], counts, share] for counts in ([9, 1, 0], [0, 1, 9], [0, 0, 0]) for share in (0.5, 1)
    ]
    assert page.run("return arguments[0].map(each => quantile(...each))", cases) == [
        words.quantile(bounds, counts, share)  # type: ignore[arg-type]
        for bounds, counts, share in cases
    ]


def test_a_kov_that_is_gone_is_missed_and_greeted_when_it_is_back(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ("--data", str(tmp_path / "kov-data"), "--http", f"127.0.0.1:{port}")
    with KovProcess(tmp_path, *arguments) as kov, browser(tmp_path / "profile") as driver:
        found = Stage(kov, driver)
        found.open()
        wait_for_sync(lambda: found.asked() > 1)
        kov.close()
        wait_for_sync(lambda: "kov has not answered since" in found.text("#told"), timeout_s=15)
        assert found.text("#headline") == "no answer"
        assert "This page keeps asking" in found.text("#told")
        kov.start()
        wait_for_sync(lambda: found.text("#headline") == "kov serves", timeout_s=15)
        assert "kov answers again" in found.text("#told") or not found.text("#told")


def test_ten_thousand_partitions_are_turned_page_by_page(tmp_path: Path) -> None:
    with KovProcess(tmp_path, "--data", str(tmp_path / "kov-data"), "--http", "127.0.0.1:0") as store:
        varlog = json.loads(_get(store, "status.json"))["storage"]["nodes"]["1"]
        mapping = tmp_path / "m.yaml"
        streams = ", ".join(map(str, range(100, 10_100)))
        mapping.write_text(
            f'varlog: {{cluster_id: 1, metadata_repositories: ["{varlog}"]}}\n'
            f"topics: {{large: {{topic_id: 9, partitions: [{streams}]}}}}\n"
        )
        arguments = (str(mapping), "--http", "127.0.0.1:0")
        with (
            KovProcess(tmp_path / "large", *arguments) as kov,
            browser(tmp_path / "profile") as driver,
        ):
            found = Stage(kov, driver)
            found.open()
            wait_for_sync(lambda: found.asked() > 1)
            assert "10,000 partitions in 1 topic" in found.text("#count-partitions")
            assert len(found.rows("partitions")) == 50
            driver.find_element(By.CSS_SELECTOR, "#pager-partitions a[rel=next]").send_keys(Keys.ENTER)
            wait_for_sync(lambda: found.rows("partitions")[0].startswith("large/50"))
            assert found.text("#pager-partitions span") == "Page 2 of 200"
            driver.back()
            wait_for_sync(lambda: found.rows("partitions")[0].startswith("large/0"))
            assert not complaints(driver)


def _get(kov: KovProcess, path: str) -> str:

    return get_sync(f"{kov.ready_line.partition('http: ')[2]}/{path}").text
