"""check_micro.py PROGRAM FOLDER: the cases of micro have their names, one runs and has its counters, and table.py
prints it."""

import json
import pathlib
import subprocess
import sys

program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
case = "ntxent_value_and_grad/N:512/D:128/threads:1"


def output(*command):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


names = output(program, "--benchmark_list_tests").split()
assert len(names) == len(set(names)), "two cases of one name"
for name in (case, "ntxent_value/N:32768/D:128/threads:1", "ntxent_value_and_grad/N:65536/D:128/threads:2",
             "ntxent_value_and_grad/N:4096/D:128/threads:2/scratch:256",
             "ntxent_value_and_grad/N:4096/D:128/threads:1/bf16", "clip_value/N:4096/D:128/threads:1",
             "sinkhorn/B:4096/K:3000/threads:2", "free_energy/B:65536/K:1000/threads:2",
             "logit_scores/B:65536/K:1000/threads:1", "dino_value_and_grad/B:256/K:65536/views:2+10/threads:2"):
    assert name in names, f"no case is called {name}"
assert subprocess.run([program, "--benchmark_filter=no_such_case"], stderr=subprocess.DEVNULL).returncode == 1

output(program, f"--benchmark_filter=^{case}$", "--benchmark_min_time=0.01",
       f"--benchmark_out={folder / 'micro.json'}", "--benchmark_out_format=json")
(measured,) = json.loads((folder / "micro.json").read_text())["benchmarks"]
assert measured["name"] == case, measured["name"]
assert measured["flops"] > 0 and 0 < measured["limit_ratio"] < 2, measured
assert 512 * 128 * 4 < measured["extra_bytes"] < 4 << 20, measured

# Images have a roofline of two limits, and threads a gain.
output(program, "--benchmark_filter=^simclr224/", "--benchmark_min_time=0.01",
       f"--benchmark_out={folder / 'images.json'}", "--benchmark_out_format=json")
images = json.loads((folder / "images.json").read_text())["benchmarks"]
for line in images:
    shares = line["flops"] / line["limit"], line["bytes"] / line["bytes_limit"]
    assert abs(line["limit_ratio"] - max(shares)) < 1e-6 and min(shares) > 0, line
    # A crop has 8 to 100% of a picture's area, on average of many neither.
    area = (line["bytes"] / line["items_per_second"] - 3 * 4 * 224 * 224) / (3 * 375 * 500)
    assert 0.3 < area < 0.6, line
operations, moved = (images[0][what] / images[0]["items_per_second"] / 1e6 for what in ("flops", "bytes"))
(folder / "micro.json").write_text(json.dumps({"benchmarks": [measured, *images]}))

(folder / "peers.json").write_text(json.dumps([{"work": case, "peer": "torch 2.15 eager", "threads": 1, "ours_ms": 1.5,
                                               "peer_ms": 15.0, "ratio": 10.0, "max_abs_diff": 1e-7}]))
(folder / "compile.json").write_text(json.dumps([{"name": "selfsame/a.hpp", "seconds": 1.25, "lines": 1000}]))
printed = output(sys.executable, str(pathlib.Path(__file__).parent.parent / "table.py"), str(folder))
for expected in ("| 512 | ", f"| `simclr224/images:256/from:375x500` | {operations:.2f} | {moved:.2f} |",
                 "| torch 2.15 eager | 1.50 | 15.0 | 10.0 x |", "| `selfsame/a.hpp` | 1.25 | 1000 |"):
    assert expected in printed, printed
