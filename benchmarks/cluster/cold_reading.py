"""Training from a data set that fits neither memory nor the page cache: how long it waits for its clips, and how much memory it takes.

    python benchmarks/cluster/cold_reading.py --gb 20 --folder /data/scratch

A folder of files of 12,500 rows of log-mel (16 KB a row), of noise: what is in them costs no more to read. Before each run the files are
put out of the page cache. Then, in a process of its own, the blocks of an epoch come onto the device as they do in a training, with rows
drawn from all over the data set, as for a small one, and in windows. In the place of a network stands one that takes so many clips a
second and no processor; `waits` is the share of the time in which it has nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np
from noise_folder import CONFIG, make_folder
from scratch import check_room, folder

from kwsfeat.dataset.columns import Columns

ROWS = 12_500
ROW_BYTES = 4 * CONFIG.shape[0] * CONFIG.shape[1]


def make(root: Path, n_bytes: float) -> None:
    """The folder: one file, copied under as many names as are wanted, so that each has bytes of its own on the disk."""
    number = np.arange(ROWS)
    split = np.where(number % 50, "train", "validation")
    columns = Columns.of(number % 10, split, source=[f"{i:08}.wav" for i in number])
    make_folder(root, columns, max(1, round(n_bytes / ROWS / ROW_BYTES)), shutil.copyfile)


def forget(root: Path) -> None:
    """Put the files out of the page cache."""
    os.sync()
    for path in root.iterdir():
        fd = os.open(path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


READ = """
    import re, sys, time
    from kwsfeat import Reader
    from kwstrain.config import TrainConfig
    from kwstrain.data import order
    from kwstrain.data.batches import Batches, in_batches, plan
    from kwstrain.data.clips import select
    from kwstrain.data.source import source
    import numpy as np
    windowed, steps, clips_per_s, row_bytes = {windowed}, {steps}, {clips_per_s}, {row_bytes}
    order._WINDOWED_BYTES = 0 if windowed else 1 << 60
    reader, config, rng = Reader({root!r}), TrainConfig(batch=256, resident_mb=0), np.random.default_rng(0)
    clips = select(reader, "logmel", reader.rows("train"))
    windows = order.Windows.of(len(clips), row_bytes, 256)
    if windowed:
        batches = in_batches(order.windowed_order(np.arange(len(clips)), 256, windows, rng), 256)
    else:
        batches = plan(len(clips), 256, rng=rng)
    batches = Batches(*(part[:steps] for part in batches))
    chunks = source(clips, config, batch=256).chunks(batches, 0)
    began, waited, n = time.perf_counter(), 0.0, 0
    while True:
        before = time.perf_counter()
        chunk = next(chunks, None)
        waited += time.perf_counter() - before
        if chunk is None:
            break
        chunk[0].features.block_until_ready()
        here = int((chunk[1].weight > 0).sum())
        n += here
        if clips_per_s:
            time.sleep(here / clips_per_s)
    seconds = time.perf_counter() - began
    most = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
    kind = "windows" if windowed else "from all over"
    print(f"| {{kind}} | {{clips_per_s or 'as it comes'}} | {{n:,}} | {{n / seconds:,.0f}} | {{n * row_bytes / 1e6 / seconds:.0f}} "
          f"| {{waited / seconds:.1%}} | {{most:.0f}} |", flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gb", type=float, default=20)
    parser.add_argument("--folder", type=folder, help="Where the data set goes for a while.")
    parser.add_argument("--steps", type=int, default=1 << 30, help="Batches of 256 clips; all of an epoch without it.")
    parser.add_argument("--clips-per-s", type=int, nargs="+", default=[0, 10_000], help="Speeds of the training; 0 takes what comes.")
    given = parser.parse_args()
    check_room(parser, given.folder or Path(tempfile.gettempdir()), 1.1 * given.gb)
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        root = Path(place) / "set"
        make(root, given.gb * 1e9)
        print("| rows | training, clips/s | clips | clips/s | MB/s | waits | resident MB |\n" + 7 * "|---" + "|", flush=True)
        for clips_per_s in given.clips_per_s:
            for windowed in (True, False):
                forget(root)
                code = READ.format(root=str(root), windowed=windowed, steps=given.steps, clips_per_s=clips_per_s, row_bytes=ROW_BYTES)
                subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


if __name__ == "__main__":
    main()
