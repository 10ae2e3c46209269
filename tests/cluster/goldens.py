"""goldens.py > goldens.hpp: entropic transport plans of POT (pip install pot) for small score matrices.

Scores are ((37 b + 101 k) mod 64 - 32) / 32, which are exact in every element type, so that the header holds results
alone. The cost is -scores, and samples are the first marginal, the one that POT serves last in an iteration: SwAV's
order, so that plans of a few iterations agree too.
"""

import numpy as np
import ot

CASES = [  # samples, prototypes, epsilon, power of the prototypes' marginal, iterations (0: to convergence)
    (12, 5, 0.5, 0, 0),
    (7, 9, 0.2, 0, 0),
    (9, 4, 0.3, 1, 0),
    (10, 6, 0.05, 0, 1),
    (10, 6, 0.05, 0, 3),
    (6, 8, 0.1, 0.5, 10),
]

print("#pragma once\n\n#include <vector>\n")
print("/// \\file\n/// Written by goldens.py with POT", ot.__version__ + ".\n")
print("namespace selfsame_tests {\n")
print("struct golden {\n    int samples, prototypes;\n    double epsilon, power;\n    int iterations;  ///< 0: to convergence")
print("    std::vector<double> codes;\n};\n")
print("// clang-format off\ninline const std::vector<golden> goldens = {")
for samples, prototypes, epsilon, power, iterations in CASES:
    b, k = np.meshgrid(np.arange(samples), np.arange(prototypes), indexing="ij")
    scores = ((37 * b + 101 * k) % 64 - 32) / 32
    marginal = np.arange(1, prototypes + 1.0) ** -power
    plan = ot.sinkhorn(np.full(samples, 1 / samples), marginal / marginal.sum(), -scores, epsilon, method="sinkhorn",
                       numItermax=iterations or 100000, stopThr=0 if iterations else 1e-15, warn=False)
    codes = plan * samples
    print(f"    {{{samples}, {prototypes}, {epsilon}, {power}, {iterations}, {{")
    for code in codes:
        print("        " + ", ".join(f"{v:.10g}" for v in code) + ",")
    print("    }},")
print("};\n// clang-format on\n\n}  // namespace selfsame_tests")
