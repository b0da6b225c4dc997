# Where files are: on this machine, below a module's prefix, or in storage.
import hashlib

from liveness.storage.s3 import is_remote

PATH_MODIFIER = workflow.modifier.path_modifier


def prefixed(path):
    """A path with the prefix of the module that includes these rules.

    Snakemake adds it to inputs and outputs, but not to params.
    """
    return str(PATH_MODIFIER.replace_prefix(path))


def below_data_root(path):
    """A path from the configuration's `data`, or an s3:// address."""
    path = path if is_remote(path) else os.path.join(config["data_root"], path)
    return path.rstrip("/") if is_remote(path) else str(Path(path))


def is_here(path):
    """Return True for a path on this machine, False for one in storage.

    A default storage may be a mounted share, whose files have no address that would tell.
    """
    return not is_remote(path) and workflow.storage_settings.default_storage_provider is None


def resolve_storage(path):
    """Where a file or folder is: below the prefix of the default storage, if Snakemake has one, or
    at its own address.
    """
    if is_remote(path):
        return path
    if is_here(path):
        return prefixed(path)
    prefix = workflow.storage_settings.default_storage_prefix.rstrip("/")
    return f"{prefix}/{os.path.normpath(prefixed(path))}"


def stored(path, **options):
    """The path as an input: a file in storage arrives as a local copy, unless `retrieve=False`."""
    if not is_here(path):
        return storage(resolve_storage(path), **options)
    return link_without_braces(path) if "{" in path else path


def link_without_braces(path):
    """A link to a file or folder whose path has braces, which Snakemake takes for wildcards."""
    digest = hashlib.sha256(path.encode()).hexdigest()[:16]
    link = f"results/.links/{digest}{Path(path).suffix}"
    here = Path(prefixed(link))
    if not here.is_symlink():
        here.parent.mkdir(parents=True, exist_ok=True)
        here.symlink_to(os.path.abspath(prefixed(path)))
    return link


try:
    DATA = {
        split: {key: below_data_root(path) for key, path in paths.items()}
        for split, paths in config["data"].items()
    }
except InputError as error:
    raise WorkflowError(error) from None
SPLITS = sorted(DATA)
# Engines are compared with their models on training videos, or on test videos if all weights come
# from outside.
PARITY_SPLIT = "train" if "train" in DATA else "test"
SHARDS = [str(shard) for shard in range(config["shards"])]


def needed(split):
    """The paths of a split that the configuration may leave out."""
    if split not in DATA:
        raise WorkflowError(f"data.{split} is missing; this target needs its videos.")
    return DATA[split]


def videos_of(split):
    """A params function: the folder of a split's videos, as jobs open it."""
    return lambda wildcards: resolve_storage(needed(split or wildcards.split)["videos"])
