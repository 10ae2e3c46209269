#pragma once

#include <functional>
#include <string>

#include "limits.hpp"

/// \file
/// Cases of a Google Benchmark program (suite.cpp has its main). A case has the counters
///
///     flops           its rate (or what else its limit counts)
///     limit           the limit's rate with as many threads, right before the case or after it, whichever is higher:
///                     the clock of some processors wanders by a tenth within a minute
///     limit_ratio     the case's rate as a share of it; of a roofline, where bytes are counted too: the larger share
///
///     bytes           where a case counts them: the rate at which memory is read and written
///
///     bytes_limit     that of copying memory, measured as `limit` is
///
///     items_per_second  where a case counts items
///
///     extra_bytes     memory that one call allocates at most, beyond its arguments
///
///     resident_bytes  growth of the peak resident set in one call

namespace benchmarks {

struct work {
    double amount;  ///< of one call, as the limit counts
    const limit& bound;
    int threads;
    bool once = false;  ///< too long to be repeated
    double items = 0;   ///< of one call, images for one; 0: not counted
    double bytes = 0;   ///< least that one call reads and writes past the caches; 0: not counted
};

/// Makes the arguments, which live as long as what it returns: one call of what is measured.
using prepare = std::function<std::function<void()>()>;

/// Adds a case. `--benchmark_filter` sees its name as it is here, and it is reported with nothing appended but the name
/// of the build (`/avx2`).
void add_case(const std::string& name, const work& w, prepare make);

/// At namespace scope: adds the cases of a file.
struct cases {
    explicit cases(void (*add)()) { add(); }
};

}  // namespace benchmarks
