# Mistakes that stop every run before it costs anything.
from liveness.planning import checks
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
            labels, folder_here("train"), Folds(**config["folds"]), LOOKED_AT
        )
    rows = prefixed(DATA.get("test", {}).get("sample_submission", ""))
    if is_here(rows) and os.path.isfile(rows):
        limit = config["inference"]["max_unreadable"]
        yield from checks.wrong_names(rows, folder_here("test"), limit, LOOKED_AT)


# `score` and `compare` need nothing that results were made from.
if workflow.is_main_process and not config.keys() & {"videos", "runs"}:
    if found := [*mistakes()]:
        raise WorkflowError("The configuration cannot be used.", *found)

if forgetful := forgetful_rules():
    raise WorkflowError(
        f"rules that would rerun with the manifest for no reason: {', '.join(forgetful)}. "
        "Add wait_for_manifest(split) to their inputs (rules/inputs.smk)."
    )
