"""Metrics as Markdown."""

import re
from html import unescape
from typing import Any

import pandas as pd
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from held_out_scores import make_folds, make_scores
from liveness.ensemble.blend import BlendRecipe, held_out
from liveness.evaluation.divisions import divided_rates
from liveness.evaluation.rates import held_out_rates
from liveness.evaluation.run_comparison import compare
from liveness.report.markdown import NAMES, comparison, divided, headline, summary, table

FOLDS = make_folds()


def judged(skill: float = 2.0) -> pd.DataFrame:
    made = held_out(make_scores(FOLDS, {"m": skill}), FOLDS, BlendRecipe("mean")).join(
        FOLDS.drop(columns="fold")
    )
    return made.assign(attack=(1 - made["liveness_score"]).map({0: "", 1: "print|cut"}))


def metrics(**changes: Any) -> dict[str, Any]:
    found = held_out_rates(judged(), seed=0)
    blend = found | {"method": "mean", "calibration": None, "scored": 240, "complete": 240} | changes
    threshold = {"criterion": "eer", "value": 0.5}
    rest = {"by": {}, "threshold": threshold, "supplied_weights": []}
    return {"models": {"m": found}, "blend": blend, **rest}


def cells(markdown: str) -> dict[str, list[str]]:
    """Return the rows of all tables by their first cell."""
    rows = [line[2:-2].split(" | ") for line in markdown.splitlines() if line.startswith("| ")]
    return {row[0]: row[1:] for row in rows}


def test_every_rate_has_a_row_with_its_interval() -> None:
    found = metrics()
    rows = cells(summary(found))
    assert set(NAMES.values()) <= set(rows)
    low, high = found["blend"]["intervals"]["eer"]
    assert rows["EER (ROC convex hull)"] == [f"{found['blend']['eer']:.3f} ({low:.3f} to {high:.3f})"] * 2
    assert rows["TPR at FPR 1e-3"] == [f"not measurable with n = {found['blend']['spoof']}"] * 2
    assert rows["print\\|cut"][0] == str(found["blend"]["spoof"])


def test_a_log_names_the_rates_without_nested_brackets() -> None:
    figures = {"eer": 0.05, "auc": 0.987, "videos": 40, "intervals": {"eer": (0.01, 0.1)}}
    assert headline(figures) == "0.050 [95 % CI 0.010 to 0.100], AUC 0.987, 40 videos"
    assert headline(figures | {"intervals": {}}) == "0.050, AUC 0.987, 40 videos"


def test_notes_say_how_the_figures_were_made() -> None:
    plain = summary(metrics())
    assert "it has no fitted parameters" in plain
    assert "the threshold for new videos is 0.5000" in plain
    assert "Some models" not in plain
    partly = summary(metrics(method="stacking", calibration="isotonic", scored=300, complete=240))
    assert "method stacking, calibrated (isotonic); each video is scored by a blend fitted without" in partly
    assert "240 of 300 videos were scored by all models, the others have no blended score" in partly
    outside = summary(metrics() | {"supplied_weights": ["xl", "l"]})
    assert "The weights of xl, l were supplied" in outside
    assert "\n- xl is the wrong way round.\n" in summary(
        metrics() | {"reversed": ["xl is the wrong way round."]}
    )


def test_every_value_of_a_column_has_a_row() -> None:
    videos = judged()
    camera = videos["fold"].map("camera {}".format).rename("source")
    division = divided_rates(videos, videos, camera, "eer", seed=0) | {"warnings": ["Camera 1 is far off."]}
    text = summary(metrics() | {"by": {"source": division}})
    rows = cells(text)
    one = division["values"]["camera 1"]
    assert rows["camera 1"][:2] == [f"{one['videos']} ({one['live']} + {one['spoof']})", str(one["groups"])]
    low, high = one["intervals"]["bpcer"]
    assert rows["camera 1"][5] == f"{one['bpcer']:.3f} ({low:.3f} to {high:.3f})"
    assert rows["macro mean"][3].startswith(f"{division['macro']['auc']:.3f} (")
    assert "- Warning: Camera 1 is far off." in text
    assert "scored by engines that had seen no video of it" in text
    assert divided("source", division)["source"].tolist() == [*division["values"], "macro mean"]

    mixed = divided_rates(videos, videos, camera.map(lambda _: "one"), "eer", seed=0)
    text = summary(metrics() | {"by": {"source": mixed}})
    assert "Engines had seen other videos of one; folds.by: source holds whole sources out." in text


def test_single_frames_have_a_table_of_their_own() -> None:
    found = metrics()
    found["models"]["m"]["frame_level"] = held_out_rates(judged(1.0), seed=0)
    assert "## Single frames" in summary(found)


def test_a_comparison_is_a_table_too() -> None:
    rates = compare(judged(1.0), judged(4.0), seed=0)
    rows = cells(comparison(rates, ["A", "B"], [2.0, 3.5]))
    assert rows[""] == ["A", "B", "second - first"]
    assert rows["test videos per second"] == ["2.00", "3.50", "+1.50"]
    assert rows["EER (ROC convex hull)"][2].startswith("-0.")
    assert "test videos per second" not in comparison(rates, ["A", "B"], [2.0, None])


printable = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20)


@example("a|b", "``\n|\r\n| --- |", "<script>alert('1')</script> &amp; \"x\"")
@example("\\", "\\|", "![x](y) _a_ *b* ~~c~~ <!--")
@given(printable, printable, printable)
def test_any_text_reads_as_it_was_written_in_one_line(first: str, second: str, third: str) -> None:
    texts = [first, second, third]
    page = MarkdownIt().enable("table").render(table([first, "other"], [[second, third]]))
    head, row = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    shown = [unescape(cell) for cell in re.findall(r"<t[hd]>(.*?)</t[hd]>", head + row, re.DOTALL)]
    assert shown == [" ".join(text.split()) for text in [first, "other", *texts[1:]]]


def test_plain_names_stay_as_they_are() -> None:
    assert table(["a|b"], [["print_high, 2 (x)"]]) == "| a\\|b |\n| --- |\n| print_high, 2 (x) |"
