# What `write_scorer_config` and `score` ask for: the card of a run, and the state of the engines and of the folder to score.


def scored_folder(videos):
    """The CSV file of a folder that is scored: the folder's own path, below results/scored."""
    path = os.path.abspath(f"/{videos.replace('://', '/')}" if is_remote(videos) else videos)
    path = path.removeprefix(os.path.join(os.getcwd(), "")).lstrip("/")
    # braces would be wildcards
    return re.sub("[{}]", "_", f"results/scored/{path}.csv")


def scorer_config(wildcards):
    """All that lies between a video and its score; engines and a fitted blend by their paths, relative to the card, so
    that the folder can be moved.
    """
    fitted = BlendRecipe(**config["ensemble"]).fitted

    def beside_config(path):
        return os.path.relpath(path, os.path.dirname(SCORER_CONFIG))

    return {
        "engines": [
            {
                "model": name,
                "fold": fold,
                "metadata": beside_config(metadata_in(ENGINE.format(model=name, fold=fold))),
            }
            for name, fold in all_members()
        ],
        "sampling": frames_params("quality") | {"first": config["inference"]["frames"]},
        "ensemble": config["ensemble"],
        "fitted_blend": beside_config(BLEND) if fitted else None,
        "aggregate": AGGREGATE,
        **{key: config["inference"][key] for key in ("views", "crop_side", "fallback_score")},
    }


def folder_to_score(wildcards):
    if "videos" not in config:
        raise WorkflowError("Which folder? Name it: snakemake score --config videos=FOLDER")
    return config["videos"]


def state_of_engines(wildcards):
    """Digest of what is known of the engines that are there, and of a fitted blend: no inputs either."""
    paths = [
        *map(metadata_in, all_engines()),
        *([BLEND] if BlendRecipe(**config["ensemble"]).fitted else []),
    ]
    state = [Path(path).read_bytes() if Path(path).is_file() else b"" for path in paths]
    return hashlib.sha256(repr(state).encode()).hexdigest()[:16]


def state_of_folder(wildcards):
    """Digest of names, sizes and times of all files of the folder to score: it is no input, since whoever
    makes it (the demo does) must not be asked to make it again.
    """
    folder = folder_to_score(wildcards)
    if is_remote(folder):
        return hashlib.sha256(repr(sorted(listed(folder))).encode()).hexdigest()[:16]
    return folders.state(folder) if os.path.isdir(folder) else None
