# Input functions.


def waits_for_manifest(function):
    """Mark an input function that asks the checkpoint `manifest`: see `forgetful_rules`."""
    function.waits_for_manifest = True
    return function


def producer(path):
    """The rule that makes a path of the results."""
    path = str(PATH_MODIFIER.modify(path))
    return next(one for one in workflow.rules if one.is_producer(path))


def manifest_checkpoint():
    """The checkpoint. If a workflow that uses this module overrides one of its rules, Snakemake reads
    these files again for that one alone, and checkpoints.manifest does not exist.
    """
    if not hasattr(checkpoints, "manifest"):
        checkpoints.register(producer(MANIFESTS.format(split="train")), fallback_name="manifest")
    return checkpoints.manifest


def wait_for_manifest(split):
    """An input function that adds no file. Snakemake judges a rule again after a checkpoint only if
    one of its input functions asks the checkpoint. The rule then stays done where the manifests are
    as before; otherwise everything below would rerun with the checkpoint.
    """

    @waits_for_manifest
    def wait(wildcards):
        manifest_checkpoint().get(split=split)
        return []

    return wait


def manifests_of(split, shards=SHARDS):
    """An input function: the manifests of shards, once the checkpoint has made them. Local copies
    stay, since Snakemake would remove them before it takes the checksums that spare a rerun.
    """

    @waits_for_manifest
    def manifests(wildcards):
        manifest_checkpoint().get(split=split)
        return [
            stored(path, keep_local=True) for path in expand(MANIFEST, split=split, shard=shards)
        ]

    return manifests


@waits_for_manifest
def shard_manifest(wildcards):
    """The shard's manifest, once there is also that of what engines are made from."""
    # predict_degraded has no wildcard split: it degrades training videos
    (manifest,) = manifests_of(wildcards.get("split", "train"), [wildcards.shard])(wildcards)
    wait_for_manifest(PARITY_SPLIT)(wildcards)
    return manifest


def forgetful_rules():
    """Rules below the checkpoint without an input function that asks it: they would rerun with it
    whatever changed. Targets run nothing. Two inputs exist before any manifest and need no such
    function: the folder of videos, and the scorer's configuration.
    """
    # not those of a workflow that includes these as a module, nor of another such module
    ours = (one for one in workflow.rules if one.module_globals is globals())
    scorer = producer(SCORER_CONFIG)

    def is_above(path):
        return path is folder_of_videos if callable(path) else scorer.is_producer(str(path))

    return [
        one.name
        for one in ours
        if not one.norun
        and not all(map(is_above, one.input))
        and not any(getattr(path, "waits_for_manifest", False) for path in one.input)
    ]


def folder_of_videos(wildcards):
    """A split's videos as an input, for their time. Jobs open what they need of it: storage would
    copy the whole folder.
    """
    return stored(needed(wildcards.split)["videos"], retrieve=False)


def each_shard(pattern, shards=SHARDS, **wildcards):
    """An input function: the pattern's file of every shard. A function, since each of thousands of
    jobs parses all rules and needs the files of one.
    """
    return lambda _: expand(pattern, shard=shards, **wildcards)


def training_frames(wildcards):
    return expand(FRAMES, split="train", shard=SHARDS) if "train" in DATA else []


def training_labels(wildcards):
    return stored(needed("train")["labels"])


def sample_submission(wildcards):
    """The table that names the rows of the submission, if there is one."""
    paths = needed("test")
    return [stored(paths[key]) for key in ("sample_submission",) if key in paths]


@waits_for_manifest
def parity_manifests(wildcards):
    """Some of the test videos if there are no training frames. Videos that come later compile no
    engine again.
    """
    if "train" in DATA:
        return []
    return [ancient(path) for path in manifests_of("test", SHARDS[:8])(wildcards)]


def folds_of_training_videos(wildcards):
    """The folds, which say which engines may score a training video."""
    return [FOLDS] if wildcards.split == "train" else []


def checkpoint_of(model, fold):
    """Weights of a model and fold: those from outside, or those that `train` makes."""
    outside = config["models"][model]["weights"]
    return stored(outside[fold]) if fold in outside else WEIGHTS.format(model=model, fold=fold)


def weights_of(wildcards):
    return checkpoint_of(wildcards.model, int(wildcards.fold))


def all_weights():
    return [checkpoint_of(*member) for member in all_members()]


def folds_that_trained(wildcards):
    """Labels for the parity gate if the weights depend on them anyway, so that new labels export no
    other weights again.
    """
    outside = config["models"][wildcards.model]["weights"]
    return [] if int(wildcards.fold) in outside or "train" not in DATA else [FOLDS]


def exported(wildcards):
    """What the engine is built from. A function: if a rule's last one waits for the checkpoint,
    Snakemake (9.27) makes the job twice, and fails on the first one if the job is in a group.
    """
    return expand(ENGINE_SOURCES, **wildcards)


def all_engines():
    """The folders of all engines that score."""
    return [ENGINE.format(model=name, fold=fold) for name, fold in all_members()]


def fitted_blend():
    return [BLEND] if is_blend_fitted() else []


def tried_model(wildcards):
    """The table of a model's try; its path has a digest of what is tried."""
    tried = [
        config["models"][wildcards.model][key]
        for key in ("architecture", "image_size", "drop_path")
    ]
    digest = hashlib.sha256(repr(tried).encode()).hexdigest()[:12]
    return TRIED.format(model=wildcards.model, tried=digest)


def found_lr(wildcards):
    """The learning rate, if it is to be found."""
    return expand(FOUND_LR, model=wildcards.model) if config["training"]["lr"] == "auto" else []


def starting_files(model):
    """The file that a model starts from, unless its weights come from timm's hub or a package."""
    source = model["pretrained"]
    return [source] if isinstance(source, str) and not source.startswith("package:") else []


def pretrained_file(wildcards):
    return [stored(path) for path in starting_files(config["models"][wildcards.model])]


def histories_of(wildcards):
    return expand(HISTORY, model=wildcards.model, fold=trained_folds(wildcards))


def all_files(wildcards):
    """The submission if there are test videos, the held-out rates if there are training videos, and
    the configuration that `score` and the Python interface read.
    """
    return [
        *([SUBMISSION] if "test" in DATA else []),
        *([METRICS] if "train" in DATA else []),
        SCORER_CONFIG,
    ]


def submission_file(wildcards):
    """The submission, for a target that needs test videos."""
    needed("test")
    return SUBMISSION


def metrics_file(wildcards):
    """The held-out rates, for a target that needs training videos."""
    needed("train")
    return METRICS


def report_files(wildcards):
    """All that the report shows: some of it only with training or test videos, or of models trained
    here.
    """
    files = [*rules.plot_throughput.output, *rules.tabulate_parity.output]
    if "test" in DATA:
        files += [SUBMISSION, *rules.tabulate_submission.output]
    if "train" in DATA:
        files += [METRICS, DATA_SUMMARY]
        drawn = (
            rules.plot,
            rules.plot_robustness,
            rules.tabulate_results,
            rules.analyse_errors,
            rules.find_label_errors,
        )
        files += [path for rule in drawn for path in rule.output]
        trained = trained_models()
        files += expand(rules.plot_training.output, model=trained)
        if config["training"]["lr"] == "auto":
            files += expand(rules.plot_lr.output, model=trained)
        files += rules.preview_augmentation.output if trained else []
    return files
