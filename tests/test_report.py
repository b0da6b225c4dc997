"""The report of a finished run, opened in a browser: every item of every category is shown."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from running import ROOT, Run

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.thorough,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="there is no Chromium: make browser"),
]
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1400,1000",
]  # fmt: skip
CATEGORIES = {"Accuracy", "Data", "Engines", "Errors", "Robustness", "Speed", "Submission", "Training"}
# the page shrinks missing images to nothing
BROKEN = "return [...document.images].filter(image => !image.complete || !image.naturalWidth).length"


@pytest.fixture(scope="module", params=["finished", "finished_real"])
def reported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run after `make report`."""
    finished: Run = request.getfixturevalue(request.param)
    run = finished.copy(tmp_path_factory.mktemp("reported") / "run")
    config = yaml.safe_load((run.folder / "config.yaml").read_text(encoding="utf-8"))
    run.configure(config | {"evaluation": {"degradations": ["blur", "fewer_frames"]}})
    done = run.executed("report")
    assert set(done) == {
        "plot", "plot_robustness", "plot_training", "plot_throughput", "tabulate_results",
        "tabulate_parity", "tabulate_submission", "analyse_errors", "preview_augmentation", "describe",
        "find_label_errors", "predict_degraded", "evaluate_robustness", "parity_report",
    }  # fmt: skip
    run.snakemake("report", "--report", str(run.folder / "results/report.html"))
    return run


@pytest.fixture(scope="module")
def report(reported: Run) -> Path:
    return reported.folder / "results/report.html"


@pytest.fixture(scope="module")
def models(reported: Run) -> list[str]:
    config = yaml.safe_load((reported.folder / "config.yaml").read_text(encoding="utf-8"))
    return list(config["models"])


@pytest.fixture(scope="module")
def browser(report: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = Chrome(options, ChromeService(DRIVER))
    chrome.get(report.as_uri())
    yield chrome
    chrome.quit()


def clicked(page: Chrome, path: str) -> bool:
    """Click on the element at a path once it exists and has stopped moving during rendering."""
    try:
        page.find_element(By.XPATH, path).click()
    except (NoSuchElementException, ElementClickInterceptedException, StaleElementReferenceException):
        return False
    return True


def shown(browser: Chrome) -> list[str]:
    """Click through the report, check every item, and return them as `category: name`."""
    seen = []
    wait = WebDriverWait(browser, 20)
    names = browser.execute_script("return Object.keys(categories)")
    assert set(names) == CATEGORIES
    for category in names:
        browser.refresh()
        wait.until(lambda page, category=category: clicked(page, f"//nav//a[span='{category}']"))
        rows = wait.until(lambda page: page.find_elements(By.CSS_SELECTOR, "nav tbody tr"))
        for number in range(len(rows)):
            row = browser.find_elements(By.CSS_SELECTOR, "nav tbody tr")[number]
            name = row.find_element(By.TAG_NAME, "td").text
            button = row.find_elements(By.TAG_NAME, "a")[0]
            seen.append(f"{category}: {name}")
            if name.endswith("(file)"):
                assert len(button.get_attribute("href")) > 100, name
                continue
            button.click()
            pages = ("(table", "(sheet", "false ", "labels")
            kind = "iframe" if any(word in name for word in pages) else "img"
            view = wait.until(
                lambda page, kind=kind: page.find_elements(By.CSS_SELECTOR, f"#app > div > div {kind}")
            )
            wait.until(lambda page: page.execute_script(BROKEN) == 0)
            if kind == "img":
                assert view[0].size["width"] > 300, name
                continue
            browser.switch_to.frame(view[0])
            wait.until(lambda page: page.find_elements(By.CSS_SELECTOR, "td, figure img, p"))
            assert browser.execute_script(BROKEN) == 0, name
            # there may be no doubtful training videos; a sentence says so then
            doubts = "doubtful" in name or "likely wrong" in name
            wanted = "td, figure img, p" if doubts else "td" if "table" in name else "figure img"
            assert browser.find_elements(By.CSS_SELECTOR, wanted), name
            browser.switch_to.default_content()
    return seen


def test_every_artefact_of_every_category_is_shown(browser: Chrome, models: list[str]) -> None:
    seen = shown(browser)
    assert len(seen) == len(set(seen))
    results = browser.execute_script("return Object.keys(results).length")
    assert len(seen) == results
    assert {f"Training: learning curves of {model}" for model in models} <= set(seen)
    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not errors


def test_every_artefact_has_a_caption(browser: Chrome) -> None:
    captions = browser.execute_script("return Object.values(results).map(result => result.caption)")
    assert all("<strong>" in caption and "system-message" not in caption for caption in captions)
    assert "system-message" not in browser.execute_script("return workflow_desc")


def test_the_report_asks_nothing_of_the_network(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    assert not re.search(r'<(script|img|link|iframe)[^>]+(src|href)="?https?:', text)


def test_a_table_sorts_at_a_click(browser: Chrome, report: Path) -> None:
    browser.get((report.parent / "report/videos.html").as_uri())
    heads = browser.find_elements(By.TAG_NAME, "th")
    names = [head.text for head in heads]

    def column(name: str) -> list[str]:
        place = names.index(name) + 1
        return [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, f"td:nth-child({place})")]

    for name in ("fname", "score"):
        heads[names.index(name)].click()
        upwards = column(name)
        heads[names.index(name)].click()
        assert len(upwards) > 2
        assert len(set(upwards)) < 2 or column(name) != upwards
    scores = [float(text) for text in column("score")]
    assert scores == sorted(scores, reverse=True)


def test_captions_and_descriptions_are_all_used() -> None:
    rules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "rules").glob("*.smk"))
    rules += (ROOT / "Snakefile").read_text(encoding="utf-8")
    assert {path.name for path in (ROOT / "report").iterdir()} == set(re.findall(r"report/(\w+\.rst)", rules))


def test_figures_are_vectors_that_bring_their_letters(report: Path, models: list[str]) -> None:
    figures = sorted((report.parent / "report").rglob("*.svg"))
    assert len(figures) == 7 + len(models)
    for figure in figures:
        text = figure.read_text(encoding="utf-8")
        assert "<text" not in text
        assert "<image" not in text


def test_every_model_shows_what_it_saw_in_the_worst_videos(
    browser: Chrome, report: Path, models: list[str]
) -> None:
    for name in ("accepts", "rejects"):
        browser.get((report.parent / f"report/{name}.html").as_uri())
        cards = browser.find_elements(By.TAG_NAME, "figure")
        assert len(cards) >= 6
        for card in cards:
            captions = [caption.text for caption in card.find_elements(By.TAG_NAME, "small")]
            kinds = [caption.split(",")[0] for caption in captions]
            assert kinds == ["frame 0", "frame 1", "frame 2", *models]


def test_metrics_are_in_the_report_as_they_are(browser: Chrome, report: Path) -> None:
    browser.get((report.parent / "report/rates.html").as_uri())
    metrics = json.loads((report.parent / "metrics.json").read_text())
    cells = [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, "tbody tr:first-child td")]
    assert cells[0] == "blend"
    assert float(cells[2]) == pytest.approx(metrics["blend"]["eer"], abs=1e-4)
