"""Collect what the parity gate found on every engine into one table."""

from liveness.engines.report import parity_table
from liveness.log import start_log
from liveness.outputs import whole

start_log(snakemake.log[0])
table = parity_table(dict(zip(map(tuple, snakemake.params.members), snakemake.input.metadata, strict=True)))
with whole(snakemake.output[0]) as path:
    table.to_csv(path, index=False)
with whole(snakemake.output[1]) as path:
    rows = [table.columns, ["---"] * len(table.columns), *table.astype(str).itertuples(index=False)]
    path.write_text("".join(f"| {' | '.join(row)} |\n" for row in rows), encoding="utf-8")
