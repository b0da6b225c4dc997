"""CSV files: as people save them, from spreadsheets, and as this workflow does, with any names."""

import codecs
import csv
import io
import warnings
from pathlib import Path
from typing import Literal

import pandas as pd

from liveness.runtime.errors import InputError

ENCODINGS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
SEPARATORS = (",", ";", "\t")
WORKBOOK = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


def read_csv_text(path: str | Path, key: str) -> pd.DataFrame:
    """Read a CSV file as text, indexed by row number (1 is the header).

    The separator is a comma; a semicolon or a tab is taken where the header has no comma. Column
    names are compared in lower case and without spaces around them, and columns without a name are
    dropped; so are spaces after separators where the header has them too. UTF-8 and UTF-16 are
    read. `key` is that of the configuration, for error messages.

    Raises InputError if the file is missing or is no such table, or repeats a column.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise InputError(f"{path}: no such file; {key} must name a CSV file.") from None
    if data.startswith(WORKBOOK):
        raise InputError(f"{path}: is a spreadsheet, whatever its name; save it as CSV (UTF-8).")
    encoding = next((name for mark, name in ENCODINGS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        wrong = data[error.start : error.start + 1]
        raise InputError(
            f"{path}: byte {error.start + 1} ({wrong!r}) is not {encoding}; save the file as CSV (UTF-8)."
        ) from None
    if "\0" in text:
        raise InputError(
            f"{path}: has zero bytes, as other encodings and kinds of files have; save it as CSV (UTF-8)."
        )
    lines = text.splitlines()
    # Excel's first line that names the separator
    named = lines[0].strip().lower() if lines else ""
    skipped = int(named.startswith("sep="))
    header = lines[skipped] if len(lines) > skipped else ""
    separator = next((one for one in SEPARATORS if one in header), ",")
    # "fname, liveness_score": elsewhere a space belongs to the name
    spaced = f"{separator} " in header
    try:
        with warnings.catch_warnings():
            # an error for rows longer than the header, which would otherwise be truncated
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                io.StringIO(text, newline=""),
                sep=separator,
                header=None,
                dtype=str,
                index_col=False,
                keep_default_na=False,
                skip_blank_lines=False,
                skipinitialspace=spaced,
                skiprows=skipped,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        raise InputError(
            f"{path}: not a readable CSV file ({str(error).strip()}); the header is {header[:100]!r}."
        ) from None
    names = [str(name).strip().lower() for name in table.iloc[0]]
    for position, name in enumerate(names):
        if name and name in names[:position]:
            raise InputError(f"{path}, row 1: the column {name} is given twice; keep one of them.")
    table = table.iloc[1:].set_axis(names, axis=1)
    # of a spreadsheet's empty columns, and of numbered rows
    table = table.loc[:, [name != "" for name in names]]
    table.index = table.index + 1 + skipped
    return table


def write_csv(table: pd.DataFrame, path: str | Path, index: bool = False) -> None:
    """Write a table; any text in it can be read again.

    Python before 3.13 leaves carriage returns unquoted, which would end a row.
    """
    texts = (table.reset_index() if index else table).select_dtypes(["object", "string"])
    returns = any(text.astype(str).str.contains("\r", regex=False).any() for _, text in texts.items())
    quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL
    table.to_csv(path, index=index, quoting=quoting)
