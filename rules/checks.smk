# Mistakes that stop every run before it costs anything.
import logging

from snakemake.logging import logger

from liveness.planning import checks, space
from liveness.runtime import disk
from liveness.settings.folds import Folds


def folder_here(split):
    """The folder of a split's videos, if plans can look into it."""
    videos = prefixed(DATA[split]["videos"])
    return videos if is_here(videos) and os.path.isdir(videos) else None


def mistakes():
    """One sentence per path that does not exist and that no rule makes, and per unusable table."""
    # weights from outside are not for train to make, whatever their path
    train = producer(WEIGHTS.format(model=next(iter(config["models"])), fold=0))
    makers = [one for one in workflow.rules if one is not train]
    named = (
        (key, prefixed(path))
        for key, path in checks.named_paths(DATA, config["models"])
        if is_here(path)
    )
    yield from checks.missing_paths(
        (key, path) for key, path in named if not any(maker.is_producer(path) for maker in makers)
    )
    labels = prefixed(DATA.get("train", {}).get("labels", ""))
    if is_here(labels) and os.path.isfile(labels):
        yield from checks.wrong_labels(
            labels,
            folder_here("train"),
            Folds(**config["folds"]),
            config["evaluation"]["by"],
            LOOKED_AT,
        )
    rows = prefixed(DATA.get("test", {}).get("sample_submission", ""))
    if is_here(rows) and os.path.isfile(rows):
        limit = config["inference"]["max_unreadable"]
        yield from checks.wrong_names(rows, folder_here("test"), limit, LOOKED_AT)


def missing_networks():
    """Each model and fold without an engine, or without weights."""
    for name, fold in all_members():
        weights, exported, engine = (
            not os.path.exists(prefixed(path.format(model=name, fold=fold)))
            for path in (WEIGHTS, PARITY_SAMPLE, ENGINE)
        )
        model = config["models"][name]
        weights = weights and fold not in model["weights"]
        if weights or engine:
            yield space.Network(model["architecture"], weights, exported, engine)


def warn_of_space():
    """Warn if the results may not fit on their disk; what is there already is not counted."""
    networks, frames, training = [*missing_networks()], 0, config["training"]
    labels = prefixed(DATA.get("train", {}).get("labels", ""))
    if networks and is_here(labels) and os.path.isfile(labels):
        stored = Path(prefixed(FRAMES_FOLDER), "train")
        there = len(os.listdir(stored)) if stored.is_dir() else 0
        videos = space.labelled_videos(labels) * max(0, 1 - there / len(SHARDS))
        frames = space.frames_size(videos, config["frames"])
    states = 1 + (training["soup_epochs"] if training["soup"] != "none" else 1)
    size = space.networks_size(networks, PRECISIONS, states)
    if sentence := space.space_warning(frames, size, prefixed("results")):
        logger.warning(sentence)


# Snakemake itself writes below the working directory, and fails there with a traceback, as its log
# does at each line.
logging.raiseExceptions = False
if workflow.is_main_process and (refused := disk.refusal(os.path.abspath(".snakemake"))):
    raise WorkflowError(refused)

# `score` and `compare` need nothing that results were made from.
if workflow.is_main_process and not config.keys() & {"videos", "runs"}:
    if found := [*mistakes()]:
        raise WorkflowError("The configuration cannot be used.", *found)
    if is_here("results"):
        warn_of_space()

if forgetful := forgetful_rules():
    raise WorkflowError(
        f"rules that would rerun with the manifest for no reason: {', '.join(forgetful)}. "
        "Add wait_for_manifest(split) to their inputs (rules/inputs.smk)."
    )
